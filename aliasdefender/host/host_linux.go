package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// readAttempts is how often a reading is repeated if the kernel says that the network
// changed meanwhile. About a host whose network changes without a pause it is better to
// know nothing than to guess.
const readAttempts = 5

// mostRouters is how many default routers of IPv6 are listed of each NIC: anybody on its
// segment can advertise more of them than anybody can use.
const mostRouters = 32

// HearsARP: we hear the ARP and the neighbour discovery of the segment, and have to
// announce ourselves.
const HearsARP = true

// Leases: the kernel drops an address when its time is up.
const Leases = true

// BringUp is what an administrator says to a NIC that is down; %s is its name.
const BringUp = "ip link set %s up"

// Host is this host's network, in the calling thread's namespace. Each call opens a
// socket of its own. So no answer to an earlier question can pass for the answer to this
// one, and calls from several goroutines do not wait for each other. A call waits at most
// 5 s for the kernel, and then fails with ErrNoAnswer.
type Host struct {
	send   func(fd int, b []byte) (int, error)
	within time.Duration
	turns  sync.RWMutex // a list is not read while we change what it lists
	stuck  atomic.Int32 // calls that were left behind and are not back yet
}

// New returns this host's network. Reading it needs no privilege. Capable tells whether
// the process may also change it and hear its neighbours.
func New() (*Host, error) { return &Host{send: unix.Write, within: answerWithin}, nil }

// Capable returns nil if this process may do everything that this package does, or one
// error that names each missing capability and what to do about it.
func Capable() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // version 3 has 64 bits, in two halves
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("host: read own capabilities: %w", err)
	}
	var missing []string
	for _, c := range []struct {
		bit  uint
		name string
	}{
		{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, // addresses
		{unix.CAP_NET_RAW, "CAP_NET_RAW"},     // ARP, neighbour discovery, ICMP
	} {
		if data[c.bit/32].Effective&(1<<(c.bit%32)) == 0 {
			missing = append(missing, c.name)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("host: missing %s: run as root, or give it in the unit (AmbientCapabilities=)",
		strings.Join(missing, " and "))
}

// Boottime returns the time since the host's start, including time in suspension. The
// monotonic clock of package time leaves that out, so the difference of the two shows a
// pause.
func (h *Host) Boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // Linux 2.6.39 and later cannot fail here
	}
	return time.Duration(ts.Nano())
}

// Read returns the host's interfaces, their addresses and the default routes: all of
// IPv4, then each NIC's best 32 of IPv6. Read asks for these lists one after the other,
// so an interface that appears meanwhile may be missing in one of them; its event causes
// the next reading. An error means that nothing is known.
func (h *Host) Read() (State, error) {
	return withKernel(h, func(t *talk) (State, error) {
		s, _, err := t.inventory()
		if err != nil {
			return State{}, err
		}
		s.Ordered = true
		for _, family := range s.families() {
			routes, err := retried("routes", func() ([]route, error) { return t.routes(family) })
			if err != nil {
				return State{}, err
			}
			ofNIC := map[int]int{}
			for _, r := range routes {
				if ofNIC[r.index]++; family == unix.AF_INET6 && ofNIC[r.index] > mostRouters {
					continue
				}
				for _, n := range s.NICs {
					if n.Index == r.index {
						s.Routes = append(s.Routes, Route{NIC: n.Name, Gateway: Zoned(r.gateway, n.Name)})
					}
				}
			}
		}
		return s, nil
	})
}

// families are those that the kernel is asked about: without an interface that has IPv6
// there is nothing of it, and the kernel may not even know it.
func (s State) families() []byte {
	if slices.ContainsFunc(s.NICs, func(n NIC) bool { return !n.NoIPv6 }) {
		return []byte{unix.AF_INET, unix.AF_INET6}
	}
	return []byte{unix.AF_INET}
}

// inventory reads the interfaces and their addresses; addrs is only lent.
func (t *talk) inventory() (s State, addrs []entry, err error) {
	if s.NICs, err = retried("interfaces", t.links); err != nil {
		return State{}, nil, err
	}
	t.addrs = t.addrs[:0]
	for _, family := range s.families() {
		from := len(t.addrs)
		addrs, err = retried("addresses", func() ([]entry, error) {
			t.addrs = t.addrs[:from]
			return t.moreAddrs(family)
		})
		if err != nil {
			return State{}, nil, err
		}
	}
	// All addresses are in one piece of memory, each interface's together and in the
	// kernel's order.
	all := make([]Address, 0, len(addrs))
	for i := range s.NICs {
		n, from := &s.NICs[i], len(all)
		for j := range addrs {
			if addrs[j].index == n.Index {
				all = append(all, addrs[j].Address)
				if a := &all[len(all)-1]; a.Label == "" { // IPv6 has none
					a.Label = n.Name
				}
			}
		}
		if len(all) > from {
			n.Addrs = all[from:len(all):len(all)]
		}
	}
	return s, addrs, nil
}

// retried reads again while the kernel marks its answer NLM_F_DUMP_INTR: the list changed
// while it was written, and may lack an entry that was there all the time.
func retried[T any](what string, read func() ([]T, error)) ([]T, error) {
	var err error
	for range readAttempts {
		var list []T
		if list, err = read(); err == nil {
			return list, nil
		}
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			break
		}
	}
	return nil, fmt.Errorf("host: read %s: %w", what, err)
}
