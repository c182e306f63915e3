package defender

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestFailbackTakesItBackWithoutTwoHolders(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.cfgA.Aliases[0].Failback = true }, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.a.set(func() { w.a.kernel.lose() })
		w.settle()
		w.expect("b", "A crashed")
		w.bothMax = 0
		w.a.set(func() { w.a.on = true })
		w.a.start(w.cfgA, &w.log)
		w.wait(4 * time.Second)
		w.expect("b", "failback_after has not passed")
		w.settle()
		w.expect("a", "failback")
	})
}

func TestFailbackIsGivenUpWhenThePartnerDoesNotYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.cfgA.Aliases[0].Failback = true
		w.a.on = false
		w.b.start(w.cfgB, &w.log)
		defer w.end()
		w.settle()
		w.expect("b", "A is off")
		w.b.kill() // its kernel keeps the alias and answers
		w.a.set(func() { w.a.on = true })
		w.a.start(w.cfgA, &w.log)
		w.wait(time.Minute)
		w.expect("b", "B's kernel does not yield")
		if n := w.logged("failback is given up"); n != 1 {
			w.fail("given up %d times", n)
		}
		w.b.set(func() { w.b.kernel.lose() })
		w.settle()
		w.expect("a", "nobody serves it")
	})
}

func TestFlappingStopsUntilTheOtherIsSilent(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.cfgA.Aliases[0].MaxTakes = 3 }, func(w *world) {
		w.settle()
		for range 2 {
			w.a.set(func() { w.a.nic().Carrier = false })
			w.wait(3 * time.Second)
			w.a.set(func() { w.a.nic().Carrier = true })
			w.b.set(func() { w.b.nic().Carrier = false })
			w.wait(6 * time.Second)
			w.b.set(func() { w.b.nic().Carrier = true })
			w.wait(6 * time.Second)
			w.expect("a", "it came back")
		}
		w.a.set(func() { w.a.nic().Carrier = false })
		w.wait(3 * time.Second)
		w.b.kill()
		w.b.set(func() { w.b.kernel.lose() })
		w.a.set(func() { w.a.nic().Carrier = true })
		w.wait(30 * time.Second)
		w.expect("", "taken three times within an hour")
		if _, row, _ := w.status(w.a); row != "W9" {
			w.fail("row %s, want W9", row)
		}
		w.b.set(func() { w.b.on = false })
		w.settle()
		w.expect("a", "the partner is silent")
	})
}

// TestFlappingEndsByItself: nobody needs to come, and each take too many costs twice the
// wait, up to 15 minutes.
func TestFlappingEndsByItself(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.cfgA.Aliases[0].MaxTakes = 1 }, func(w *world) {
		w.settle()
		w.b.kill() // its host lives, and serves nothing
		for _, wait := range []time.Duration{1, 2, 4, 8, 15, 15} {
			taken := time.Now()
			w.a.set(func() { w.a.nic().Carrier = false })
			w.wait(2 * time.Second)
			w.a.set(func() { w.a.nic().Carrier = true })
			w.wait(wait*time.Minute - 15*time.Second - time.Since(taken))
			w.expect("", "left to the partner")
			if _, row, _ := w.status(w.a); row != "W9" {
				w.fail("row %s, want W9", row)
			}
			w.wait(15 * time.Second)
			w.expect("a", "it has waited for long enough")
		}
	})
}

// TestFlappingHostIsRelievedByItsPartner: it says that it cannot serve the alias.
func TestFlappingHostIsRelievedByItsPartner(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.withKey()
		w.cfgA.Aliases[0].MaxTakes = 1
	}, func(w *world) {
		w.settle()
		w.expect("a", "its first take, which is one too many for another")
		w.a.set(func() { w.a.nic().Carrier = false })
		w.wait(600 * time.Millisecond) // it lets go, and is back before anybody else has missed it
		w.a.set(func() { w.a.nic().Carrier = true })
		w.wait(4 * time.Second)
		w.expect("b", "the partner")
		if w.logged("on=b reason=\"partner cannot\"") == 0 {
			w.fail("not for the partner's word")
		}
		w.wait(2 * time.Minute)
		w.expect("b", "and it stays there")
	})
}
