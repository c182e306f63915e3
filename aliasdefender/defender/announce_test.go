package defender

import (
	"testing"
	"time"
)

func TestHolderAnnouncesOnSchedule(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.wait(1500 * time.Millisecond) // the doubt twice over: taken now
		begin := time.Now()
		for i, want := range []int{1, 2, 3, 4, 5, 6, 6, 6} {
			if got := w.announcements(w.a, w.a.hw, begin); got != want {
				w.fail("%d announcements %d s after the take, want %d", got, i, want)
			}
			w.wait(time.Second)
		}
		w.wait(time.Minute)
		if got := w.announcements(w.a, w.a.hw, begin); got != 7 {
			w.fail("%d announcements after a minute, want 7", got)
		}
	})
}

func TestHolderAnnouncesAfterWhatMayHaveMovedCaches(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world)
	}{
		{"a short loss of carrier", func(w *world) {
			w.a.set(func() { w.a.nic().Carrier = false })
			w.wait(100 * time.Millisecond)
			w.a.set(func() { w.a.nic().Carrier = true })
		}},
		{"the partner's return", func(w *world) {
			w.b.set(func() { w.b.on = false })
			w.wait(5 * time.Second)
			w.b.set(func() { w.b.on = true })
		}},
		{"the partner's probe for it", func(w *world) {
			w.b.wires[0].Probe(aliasIP)
		}},
		{"adopting it", func(w *world) {
			w.a.kill()
			w.a.start(w.cfgA, &w.log)
		}},
		{"restoring it", func(w *world) {
			w.a.set(func() { w.a.kernel.lose() })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, 1, true, false, func(w *world) {
				w.wait(10 * time.Second)
				begin := time.Now()
				c.do(w)
				w.wait(2 * time.Second)
				w.expect("a", "nothing moved")
				if w.announcements(w.a, w.a.hw, begin) == 0 {
					w.fail("no announcement")
				}
			})
		})
	}
}

func TestWhoYieldsTellsWhereTheAliasIs(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.partition(w.a)
		w.settle()
		w.expect("ab", "parted")
		begin := time.Now()
		w.partition()
		w.settle()
		w.expect("a", "healed")
		if w.announcements(w.b, w.a.hw, begin) != 1 {
			w.fail("B should have announced once that the alias is at A")
		}
		w.seg.mu.Lock()
		last := w.seg.frames[len(w.seg.frames)-1]
		w.seg.mu.Unlock()
		if last.from != w.a {
			w.fail("the last announcement is not the holder's")
		}
	})
}

func TestHolderAnnouncesOnceMoreWhenARivalHasGone(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.wait(20 * time.Second)
		foreign := w.seg.add("foreign", 99)
		foreign.set(func() { foreign.foreign[aliasIP] = true })
		w.wait(1500 * time.Millisecond)
		if w.announcements(w.a, w.a.hw, time.Now().Add(-1500*time.Millisecond)) != 1 {
			w.fail("the first claim is answered at once, and once")
		}
		foreign.set(func() { foreign.on = false })
		begin := time.Now()
		w.wait(3 * time.Second)
		if w.announcements(w.a, w.a.hw, begin) != 1 {
			w.fail("no last announcement after the rival went")
		}
	})
}
