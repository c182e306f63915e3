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
