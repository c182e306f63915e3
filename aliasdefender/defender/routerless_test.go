package defender

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

func TestAddAliasIsDoneWhenTheRouterHasAnswered(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.b.set(func() { w.b.shunned = true })
		if out := w.order(w.b, control.Order{}); out.Done || !strings.Contains(out.Text, "the router did not answer the alias here") {
			w.fail("%+v", out)
		}
		w.expect("a", "it was given back")
	})
}

// TestWhatTheRouterDoesNotAnswerIsGivenBack also at the default rhythm, where
// three timeouts are longer than a hand-over.
func TestWhatTheRouterDoesNotAnswerIsGivenBack(t *testing.T) {
	keyed(t, func(w *world) {
		w.slow()
		w.cfgA.Aliases[0].Failback = true
		w.cfgA.Aliases[0].Lease, w.cfgB.Aliases[0].Lease = time.Minute, time.Minute
	}, func(w *world) {
		w.wait(time.Minute)
		w.must(w.a, control.Order{Give: true}, "handed over")
		w.a.set(func() { w.a.shunned = true })
		for range 300 {
			w.wait(time.Second)
			if w.holders() == "a" {
				w.fail("it stays where the router does not answer it")
			}
		}
	})
}

func TestHandoverBesideARouterThatAnswersNoPings(t *testing.T) {
	keyed(t, func(w *world) { w.router.filters = true }, func(w *world) {
		w.wait(10 * time.Second)
		w.must(w.a, control.Order{Give: true}, "handed over")
	})
}

// TestWhatARouterAnsweredBeforeProvesNothingNow: the router, which answers no pings, knew the
// alias on B once.
func TestWhatARouterAnsweredBeforeProvesNothingNow(t *testing.T) {
	keyed(t, func(w *world) { w.router.filters = true }, func(w *world) {
		w.wait(10 * time.Second)
		w.must(w.a, control.Order{Give: true}, "handed over")
		w.wait(time.Minute)
		w.must(w.b, control.Order{Give: true}, "handed over")
		w.b.set(func() { w.b.shunned = true })
		w.wait(time.Minute)
		if out := w.order(w.a, control.Order{Give: true}); out.Done {
			w.fail("%+v", out)
		}
		w.expect("a", "the router does not answer the alias on B")
	})
}

func TestHandoverBesideAWitnessWhenTheRouterIsGone(t *testing.T) {
	keyed(t, func(w *world) {
		for _, c := range []*config.Config{w.cfgA, w.cfgB} {
			c.Aliases[0].Witnesses = []netip.Addr{w.client.own.Addr()}
		}
	}, func(w *world) {
		w.router.set(func() { w.router.on = false })
		w.wait(20 * time.Second)
		w.must(w.a, control.Order{Give: true}, "handed over")
	})
}
