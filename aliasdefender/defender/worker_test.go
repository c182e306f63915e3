package defender

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAReadingFromBeforeTheEndOfAnErrandDoesNotShowIt, also if both have the same time.
func TestAReadingFromBeforeTheEndOfAnErrandDoesNotShowIt(t *testing.T) {
	for name, first := range map[string]bool{"the errand ends while it is read": false, "the errand ends before": true} {
		t.Run(name, func(t *testing.T) {
			play(t, 1, true, false, func(w *world) {
				w.wait(settleTime)
				w.expect("a", "it is primary")
				ends := func() {
					w.a.daemon.post(func(l *loop) { l.endErrand(l.list[0]) })
					synctest.Wait()
				}
				if first {
					ends()
				}
				late, was := make(chan struct{}), slices.Clone(w.a.nic().Addrs)
				w.a.set(func() {
					w.a.late = late
					w.a.kernel.lose()
				})
				synctest.Wait() // the reading is of now, and comes back later
				w.seg.mu.Lock()
				w.a.late, w.a.nic().Addrs = nil, was
				w.seg.mu.Unlock()
				if !first {
					ends()
				}
				close(late)
				w.wait(time.Millisecond)
				if vanished := w.logged("event=vanished") > 0; vanished != first {
					w.fail("it counts: %v", vanished)
				}
			})
		})
	}
}

// TestOfManyAddressesOfIPv6OnlySomeGoToTheKernelTogether: it takes long for a thousand,
// and what it is quick with goes in between.
func TestOfManyAddressesOfIPv6OnlySomeGoToTheKernelTogether(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.wait(10 * time.Second)
		var mu sync.Mutex
		var batches []int // those of IPv4 count as negative
		some := &trade{do: func(what []any) []error {
			time.Sleep(20 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			batches = append(batches, len(what)*what[0].(int))
			return make([]error, len(what))
		}}
		put := func(n int, slow bool, what int) {
			w.a.daemon.post(func(l *loop) {
				for range n {
					l.worker.put(job{trade: some, what: what, slow: slow, done: func(time.Time, error) {}})
				}
			})
		}
		put(200, true, 1)
		w.wait(30 * time.Millisecond) // the second batch is under way
		put(100, false, -1)
		w.wait(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if want := []int{1, 64, -100, 64, 64, 7}; !slices.Equal(batches, want) {
			w.fail("batches of %v, want %v", batches, want)
		}
	})
}
