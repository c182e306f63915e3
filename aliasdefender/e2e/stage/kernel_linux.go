package stage

import (
	"sync"
	"time"

	"github.com/vishvananda/netlink"
)

// The kernel changes networks under one lock for all namespaces of a machine. On one with
// many labs that begin and end, whoever wants it may wait for seconds: a Monitor that takes an
// alias, or reads its NICs, and whatever depends on that.
var stalls struct {
	sync.Mutex
	all []stall
}

// stall is a call of our own that had to wait for the kernel.
type stall struct{ from, to time.Time }

// stallLeast is the shortest wait that is remembered.
const stallLeast = 20 * time.Millisecond

// watchKernel asks for that lock again and again, until the process ends.
func watchKernel() {
	for ; ; time.Sleep(10 * time.Millisecond) {
		from := time.Now()
		_, _ = netlink.LinkByIndex(1)
		if to := time.Now(); to.Sub(from) >= stallLeast {
			stalls.Lock()
			stalls.all = append(stalls.all, stall{from, to})
			stalls.Unlock()
		}
	}
}

// KernelStood is for how long, at most at a time, the kernel kept whoever wanted to read or to
// change a network waiting within a stretch.
func KernelStood(from, to time.Time) (longest time.Duration) {
	stalls.Lock()
	defer stalls.Unlock()
	for _, s := range stalls.all {
		if s.to.After(from) && s.from.Before(to) {
			longest = max(longest, s.to.Sub(s.from))
		}
	}
	return longest
}
