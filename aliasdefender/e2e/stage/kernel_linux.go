package stage

import (
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The kernel changes networks under one lock for all namespaces of a machine, and has one
// queue for what comes after an address of IPv6 was added. On a machine with many labs that
// begin and end, whoever wants something of it may wait for a second: a Monitor that takes an
// alias, or reads its NICs, and whatever depends on that.
var stalls struct {
	sync.Mutex
	all []stall
	due time.Time // since when we want, or from when on we shall want, something of the kernel; zero: no more
}

// stall is something of our own that had to wait for the kernel.
type stall struct{ from, to time.Time }

// stallLeast is the shortest wait that is remembered.
const stallLeast = 20 * time.Millisecond

// watchKernel adds an address of IPv6 again and again, in a namespace of its own, and sees
// how long after it wanted to the kernel serves it. It ends with the process.
func watchKernel() {
	defer wants(time.Time{})
	runtime.LockOSThread() // which is in another namespace from now on
	if unix.Unshare(unix.CLONE_NEWNET) != nil {
		return
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return
	}
	lo, err := handle.LinkByIndex(1)
	if err != nil || handle.LinkSetUp(lo) != nil {
		return
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP("2001:db8::1"), Mask: net.CIDRMask(128, 128)}, Flags: unix.IFA_F_NODAD}
	for {
		from := time.Now().Add(100 * time.Millisecond)
		wants(from)
		time.Sleep(time.Until(from)) // if we are woken late, a Monitor may be
		if handle.AddrAdd(lo, addr) != nil {
			return
		}
		for !served(handle, addr.IP) && time.Since(from) < 10*time.Second {
			time.Sleep(5 * time.Millisecond)
		}
		to := time.Now()
		if handle.AddrDel(lo, addr) != nil {
			return
		}
		if to.Sub(from) >= stallLeast {
			stalls.Lock()
			stalls.all = append(stalls.all, stall{from, to})
			stalls.Unlock()
		}
	}
}

// wants notes from when on the kernel is to do something for us.
func wants(from time.Time) {
	stalls.Lock()
	defer stalls.Unlock()
	stalls.due = from
}

// served tells whether the kernel takes packets for the address.
func served(handle *netlink.Handle, addr net.IP) bool {
	routes, err := handle.RouteGet(addr)
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}

// KernelStood is for how long, at most at a time, the kernel kept whoever wanted to change a
// network waiting within a stretch.
func KernelStood(from, to time.Time) (longest time.Duration) {
	stalls.Lock()
	defer stalls.Unlock()
	for _, s := range stalls.all {
		if s.to.After(from) && s.from.Before(to) {
			longest = max(longest, s.to.Sub(s.from))
		}
	}
	if !stalls.due.IsZero() && stalls.due.Before(to) {
		longest = max(longest, time.Since(stalls.due)) // it stands still
	}
	return longest
}
