package defender

import (
	"testing"
	"testing/synctest"
	"time"
)

// deafHolder has what is sent to A lost, at ten phases of the two daemons' rhythms,
// and tells in how many of them B takes the alias from it within a minute.
func deafHolder(t *testing.T, asks bool) (taken int) {
	for phase := range 10 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, true, false)
			defer w.end()
			w.a.start(w.cfgA, &w.log)
			w.wait(2*time.Second + time.Duration(phase)*100*time.Millisecond)
			w.b.start(w.cfgB, &w.log)
			w.wait(10 * time.Second)
			w.expect("a", "at the beginning")
			w.a.set(func() { w.a.unreached = true })
			if !asks {
				w.a.kill()
			}
			w.wait(30 * time.Second)
			switch _, row, reason := w.status(w.b); {
			case w.b.kernel.has(aliasIP):
				taken++
			case row != "W12" || reason != "partner alive":
				w.fail("B waits for %s, %s", row, reason)
			}
			w.a.set(func() { w.a.unreached = false })
			w.wait(10 * time.Second)
			if !asks {
				return // nobody is there who would let go
			}
			w.expect("a", "it hears again")
		})
	}
	return taken
}

// TestAHostThatHearsNothingLivesByItsOwnQuestions: what it asks each second is a sign
// of its life, and where that falls into each of its partner's doubts the partner
// waits (W12). Whether it does is up to the phase of the two rhythms, which no run
// changes. A host that hears nothing and asks nothing is taken for dead in all of them.
func TestAHostThatHearsNothingLivesByItsOwnQuestions(t *testing.T) {
	if n := deafHolder(t, true); n == 0 || n == 10 {
		t.Errorf("from a deaf host that asks the alias is taken in %d of 10 phases", n)
	}
	if n := deafHolder(t, false); n != 10 {
		t.Errorf("from a deaf host that asks nothing the alias is taken in %d of 10 phases", n)
	}
}
