package defender

import (
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/rules"
)

// What a Monitor that observes would do again and again hides nothing that it would see
// after that.
func TestWhoObservesSeesBeyondWhatItDoesNotDo(t *testing.T) {
	for name, set := range map[string]func(w *world){
		"announce": func(w *world) {},
		"refresh":  func(w *world) { w.cfgB.Aliases[0].Lease = 10 * time.Second },
		"reorder":  func(w *world) {},
	} {
		s := &spy{}
		playWith(t, 1, true, false, func(w *world) {
			w.b.deeds, w.b.sources = NoDeeds, []Source{s}
			set(w)
		}, func(w *world) {
			w.settle()
			w.dies(w.a)
			w.b.set(func() { _ = w.b.kernel.Own("eth0", w.cfgB.Aliases[0].Prefix) })
			if name == "reorder" {
				w.b.set(func() { slices.Reverse(w.b.nic().Addrs) })
			}
			for range 30 {
				s.says(rules.No)
				w.wait(time.Second)
			}
			if holder, row, reason := w.status(w.b); holder != "us" || row != "H4" || reason != "service failing" {
				w.fail("%s: %s, %s, %s", name, holder, row, reason)
			}
			if n := w.logged("own address behind again"); n != 0 {
				w.fail("it is an alarm although nobody puts the address there again")
			}
			if n := w.logged("observing; would put"); name == "reorder" && n > 2 {
				w.fail("said %d times", n)
			}
			w.seg.mu.Lock()
			defer w.seg.mu.Unlock()
			if w.b.refreshes+w.b.reorders != 0 {
				w.fail("%s: it was done", name)
			}
		})
	}
}

// A Monitor that observes says what it would do, and does nothing.
func TestWhoObservesChangesNothing(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.b.deeds = NoDeeds }, func(w *world) {
		w.settle()
		w.expect("a", "the primary serves")
		w.dies(w.a)
		w.wait(time.Minute)
		w.expect("", "b only observes")
		if _, row, reason := w.status(w.b); row != "W14" || reason != "partner silent" {
			w.fail("it would decide %s, %s", row, reason)
		}
		if n := w.logged("observing; would take: alias and partner are silent"); n != 1 {
			w.fail("said %d times", n)
		}
		// Whoever does the work there puts it on and takes it off.
		w.b.set(func() { _ = w.b.kernel.Own("eth0", w.cfgB.Aliases[0].Prefix) })
		w.wait(10 * time.Second)
		if holder, _, _ := w.status(w.b); holder != "us" {
			w.fail("the alias is here, and Status says %q", holder)
		}
		w.b.set(func() { w.b.kernel.drop(w.b.nic(), aliasIP) })
		w.wait(10 * time.Second)
		if holder, row, _ := w.status(w.b); holder != "nobody" || row != "W14" {
			w.fail("the alias is gone, and Status says %q, %s", holder, row)
		}
		w.b.daemon.Stop(ExitAsSet)
		w.wait(5 * time.Second)
		w.seg.mu.Lock()
		defer w.seg.mu.Unlock()
		if w.b.tries+w.b.refreshes+w.b.reorders != 0 {
			w.fail("the kernel was written to")
		}
		for _, f := range w.seg.frames {
			if f.from == w.b {
				w.fail("announced: %+v", f)
			}
		}
	})
}
