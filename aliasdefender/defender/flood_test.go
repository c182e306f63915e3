package defender

import (
	"testing"
	"time"
)

// A program that removes the alias whenever it is there, 200 times a second, was
// answered with 181 restores and 414 lines of the log a second.
func TestAProgramThatRemovesTheAliasFillsNoLog(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		lines := w.logged("\n")
		const minutes = 3
		restores := 0
		for range minutes * 60 * 200 {
			w.a.set(func() {
				if w.a.kernel.has(aliasIP) {
					restores++
				}
				w.a.kernel.drop(w.a.kernel.nic("eth0"), aliasIP)
			})
			w.a.daemon.changed()
			w.wait(5 * time.Millisecond)
		}
		// It is added at once twice, and then after 1, 2, 4, 8, 16, 32 and 60 s.
		if restores < 8 || restores > 12 {
			w.fail("it was added %d times in %d minutes", restores, minutes)
		}
		if _, row, reason := w.status(w.a); row != "H5" || reason != "keeps vanishing" {
			w.fail("Status says %s, %s", row, reason)
		}
		if n := w.logged("\n") - lines; n > 100 {
			w.fail("%d lines in %d minutes", n, minutes)
		}
		// It stops: the alias is back within a minute, and stays.
		w.wait(2 * time.Minute)
		w.expect("a", "nobody removes it any more")
	})
}

// TestAFloodOfTheKernelsNoticesDoesNotKeepUsReading: router advertisements make one each.
// The first change is read at once all the same, and so is what has changed last.
func TestAFloodOfTheKernelsNoticesDoesNotKeepUsReading(t *testing.T) {
	for takes, most := range map[time.Duration]int{2 * time.Millisecond: 110, 10 * time.Millisecond: 22, 40 * time.Millisecond: 14} {
		play(t, 1, true, false, func(w *world) {
			w.settle()
			readings := func() int {
				w.seg.mu.Lock()
				defer w.seg.mu.Unlock()
				return w.a.readings
			}
			w.a.set(func() { w.a.readTakes = takes })
			w.wait(2500 * time.Millisecond)
			before := readings()
			w.a.daemon.changed()
			w.wait(time.Millisecond)
			if readings() != before+1 {
				w.fail("a single change is not read at once")
			}
			before++
			for range 500 {
				w.wait(2 * time.Millisecond)
				w.a.daemon.changed()
			}
			if n := readings() - before; n > most || n < most/2 {
				w.fail("%d readings in a second, of %v each; want at most %d", n, takes, most)
			}
			w.wait(echo + 2*takes)
			w.a.daemon.changed()
			w.wait(takes / 2) // a reading is under way
			w.a.set(func() { w.a.nic().Carrier = false })
			w.a.daemon.changed()
			w.wait(2*takes + echo)
			carrier := true
			w.a.daemon.post(func(l *loop) { carrier = l.list[0].iface.carrier })
			w.wait(time.Millisecond)
			if carrier {
				w.fail("the last change is not read")
			}
			w.a.set(func() { w.a.nic().Carrier = true })
		})
	}
}

// TestTwoChangesInARowAreReadAtOnce: another program removes an alias of a hundred, and
// removes it again as soon as it is back.
func TestTwoChangesInARowAreReadAtOnce(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.readTakes = 2 * time.Millisecond })
		w.wait(2500 * time.Millisecond)
		for range 2 {
			w.a.set(func() { w.a.kernel.drop(w.a.kernel.nic("eth0"), aliasIP) })
			w.a.daemon.changed()
			w.wait(3 * time.Millisecond)
			if !w.a.kernel.has(aliasIP) {
				w.fail("it is not back 3 ms after it was removed")
			}
			w.a.daemon.changed() // the kernel tells of our own deed too
			w.wait(10 * time.Millisecond)
		}
	})
}

// TestAChangeWhileTheKernelIsAtWorkIsReadAfterIt: another program removes the alias in the
// moment in which it is added. The kernel's word comes before the worker's.
func TestAChangeWhileTheKernelIsAtWorkIsReadAfterIt(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		remove := func() {
			w.a.kernel.drop(w.a.kernel.nic("eth0"), aliasIP)
			w.a.daemon.changed()
		}
		const work = 5 * time.Millisecond
		w.a.set(func() { w.a.adding, w.a.added = work, remove })
		w.wait(2500 * time.Millisecond)
		w.a.set(remove)
		w.wait(work + work/2)
		if w.a.kernel.has(aliasIP) {
			w.fail("it is there though it was removed when it was added")
		}
		w.wait(work)
		if !w.a.kernel.has(aliasIP) {
			w.fail("it is not back as soon as the kernel can have added it again")
		}
	})
}

// What floods is counted, and the count is told, for the alias and in words.
func TestWhatIsNotLoggedIsCounted(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		for range 50 {
			w.a.daemon.post(func(l *loop) { l.list[0].log(l, "vanished").Warn("it has vanished") })
		}
		w.wait(time.Second)
		if n := w.logged("it has vanished"); n != 10 {
			w.fail("logged %d times, want 10", n)
		}
		w.wait(2 * time.Minute)
		if w.logged("40 more in the last minute: vanished\" alias="+spelled(aliasIP)+" event=repeated") != 1 {
			w.fail("the count is not told once")
		}
	})
}
