package defender

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// gate is one that a test opens.
type gate struct {
	mu    sync.Mutex // for tests that look while it may be asked
	asked []Deed
	of    rules.Action // what it is asked about; Wait: takes
	opens []func(error)
	ctx   []context.Context
	at    func() // called when it is asked
}

func (g *gate) String() string { return "the test's gate" }

func (g *gate) Ask(ctx context.Context, d Deed, open func(error)) bool {
	if of := g.of; d.Action != of && (of != rules.Wait || d.Action != rules.Take) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked, g.opens, g.ctx = append(g.asked, d), append(g.opens, open), append(g.ctx, ctx)
	if g.at != nil {
		g.at()
	}
	return true
}

// dies is the end of host a: what b does about it goes through its gates.
func (w *world) dies(st *station) {
	st.set(func() { st.on = false })
	st.kill()
	st.set(func() { st.kernel.lose() })
}

func TestTakeWaitsForEachGateInOrder(t *testing.T) {
	first, second := &gate{}, &gate{}
	playWith(t, 1, true, false, func(w *world) { w.b.gates = []Gate{first, second} }, func(w *world) {
		w.settle()
		w.dies(w.a)
		w.wait(20 * time.Second)
		w.expect("", "the first gate is shut")
		if len(first.asked) != 1 || len(second.asked) != 0 {
			w.fail("asked %d and %d times, want the first alone, once", len(first.asked), len(second.asked))
		}
		if got := first.asked[0]; got != (Deed{Action: rules.Take, Alias: aliasIP, NIC: "eth0", Row: "W14", Why: rules.PartnerSilent}) {
			w.fail("asked about %+v", got)
		}
		first.opens[0](nil)
		w.wait(time.Second)
		w.expect("", "the second gate is shut")
		first.opens[0](nil) // once more: it counts once
		second.opens[0](nil)
		w.wait(time.Second)
		w.expect("b", "both gates have opened")
		if len(first.asked) != 1 || len(second.asked) != 1 {
			w.fail("asked %d and %d times, want each once", len(first.asked), len(second.asked))
		}
	})
}

func TestGateThatRefusesIsSaidAndAskedAgain(t *testing.T) {
	g := &gate{}
	playWith(t, 1, true, false, func(w *world) { w.b.gates = []Gate{g} }, func(w *world) {
		w.settle()
		w.dies(w.a)
		w.wait(10 * time.Second)
		g.opens[0](errors.New("no lease"))
		w.wait(5 * time.Second)
		w.expect("", "the gate has refused")
		if s, _ := w.b.daemon.Snapshot(w.t.Context(), false); !strings.Contains(s.Aliases[0].Why, "the test's gate does not allow the take: no lease") {
			w.fail("Status has %q", s.Aliases[0].Why)
		}
		if len(g.opens) != 2 {
			w.fail("asked %d times, want once more after a second", len(g.opens))
		}
		g.opens[1](nil)
		w.wait(time.Second)
		w.expect("b", "the gate has opened")
	})
}

// What the gate was asked about may be over when it opens: the decision is made
// again, and nothing is taken.
func TestDecisionIsMadeAgainAfterEachGate(t *testing.T) {
	g := &gate{}
	playWith(t, 1, true, false, func(w *world) { w.b.gates = []Gate{g} }, func(w *world) {
		w.settle()
		w.dies(w.a)
		w.wait(10 * time.Second)
		w.a.set(func() { w.a.on = true; w.a.foreign[aliasIP] = true })
		w.wait(3 * time.Second)
		g.opens[0](nil)
		w.wait(10 * time.Second)
		if w.b.has(aliasIP) {
			w.fail("taken although another host answers")
		}
	})
}

func TestNoGateHoldsARelease(t *testing.T) {
	g := &gate{}
	playWith(t, 1, true, false, func(w *world) { w.a.gates = []Gate{g} }, func(w *world) {
		w.wait(5 * time.Second)
		g.opens[0](nil)
		w.wait(time.Second)
		w.expect("a", "the primary serves")
		w.a.set(func() { w.a.nic().Carrier = false })
		w.wait(3 * time.Second)
		w.expect("b", "a has no link: H3 asks no gate")
	})
}

// The last look at the kernel counts, however long the reading takes.
func TestLastLookFindsWhatWasPutThereMeanwhile(t *testing.T) {
	g := &gate{}
	playWith(t, 1, true, false, func(w *world) { w.b.gates = []Gate{g} }, func(w *world) {
		w.settle()
		w.dies(w.a)
		w.wait(10 * time.Second)
		hang := make(chan struct{})
		w.b.set(func() { w.b.hang = hang })
		g.opens[0](nil)
		w.wait(20 * time.Millisecond)
		w.b.set(func() {
			w.b.hang = nil
			_ = w.b.kernel.Own("eth0", w.cfgB.Aliases[0].Prefix)
		})
		close(hang)
		w.wait(20 * time.Millisecond)
		if w.logged("it was found on this host") != 1 || w.b.tries != 0 {
			w.fail("taken %d times, want it adopted: the last look has found it", w.b.tries)
		}
	})
}

// What was put there after the reading began, and before the gate opened, is in no
// reading that counts for the take but the next one.
func TestReadingFromBeforeTheGateOpenedIsNoLastLook(t *testing.T) {
	g := &gate{}
	playWith(t, 1, true, false, func(w *world) { w.b.gates = []Gate{g} }, func(w *world) {
		w.settle()
		w.dies(w.a)
		w.wait(10 * time.Second)
		late := make(chan struct{})
		w.b.set(func() { w.b.late = late }) // and the kernel tells of a change: a reading begins
		w.wait(20 * time.Millisecond)
		w.seg.mu.Lock() // the kernel tells nothing of this
		_ = w.b.kernel.Own("eth0", w.cfgB.Aliases[0].Prefix)
		w.b.late = nil
		w.seg.mu.Unlock()
		g.opens[0](nil)
		w.wait(20 * time.Millisecond)
		if w.logged("it was found on this host") != 0 || w.b.tries != 0 {
			w.fail("taken %d times: no reading has come back since the gate opened", w.b.tries)
		}
		close(late)
		w.wait(20 * time.Millisecond)
		if w.logged("it was found on this host") != 1 || w.b.tries != 0 {
			w.fail("taken %d times, want it adopted: the reading after the gate has found it", w.b.tries)
		}
	})
}

// ordered has A, which holds the alias, be told to park it.
func (w *world) ordered() { w.meanwhile(w.a, control.Order{Alias: aliasIP, Remove: true}) }

// leased plays a story of A alone, which holds the alias with a lease and has this gate.
func leased(t *testing.T, g *gate, f func(*world)) {
	t.Helper()
	playWith(t, 1, false, true, func(w *world) {
		w.a.gates = []Gate{g}
		w.cfgA.Aliases[0].Lease, w.cfgB.Aliases[0].Primary = 10*time.Second, false
	}, func(w *world) {
		w.b.kill()
		w.b.set(func() { w.b.on = false })
		w.settle()
		f(w)
	})
}

func TestAReleaseThatCanWaitWaitsForItsGate(t *testing.T) {
	g := &gate{of: rules.Release}
	playWith(t, 1, true, false, func(w *world) { w.a.gates = []Gate{&gate{of: rules.Forget}, g} }, func(w *world) {
		w.settle()
		w.ordered()
		w.wait(time.Second)
		w.expect("a", "the gate is shut")
		if want := (Deed{Action: rules.Release, Alias: aliasIP, NIC: "eth0", Row: "H2", Why: rules.OperatorReleases}); len(g.asked) != 1 || g.asked[0] != want {
			w.fail("asked about %+v", g.asked)
		}
		g.opens[0](nil)
		w.wait(time.Second)
		w.expect("", "the gate has opened")
		if g.ctx[0].Err() == nil {
			w.fail("the gate is not told that nobody waits")
		}
	})
}

// What must go at once overtakes a gate that was asked before: H3, H6 and H8.
func TestNoLinkDoesNotWaitForAGateThatWasAsked(t *testing.T) {
	g := &gate{of: rules.Release}
	playWith(t, 1, true, false, func(w *world) { w.a.gates = []Gate{g} }, func(w *world) {
		w.settle()
		w.ordered()
		w.wait(time.Second)
		w.expect("a", "the gate is shut")
		w.a.set(func() { w.a.nic().Carrier = false })
		w.wait(3 * time.Second)
		w.expect("b", "a has no link: H3 waits for no gate")
		if g.ctx[0].Err() == nil {
			w.fail("the gate is not told that nobody waits")
		}
		g.opens[0](errors.New("too late"))
		w.wait(time.Second)
		if len(g.opens) != 1 {
			w.fail("asked %d times", len(g.opens))
		}
	})
}

// A release that a gate does not allow is asked about again. Meanwhile the alias stays,
// and its lease is renewed.
func TestAReleaseThatIsNotAllowedKeepsTheAlias(t *testing.T) {
	g := &gate{of: rules.Release}
	g.at = func() { open := g.opens[len(g.opens)-1]; go open(errors.New("not now")) }
	leased(t, g, func(w *world) {
		w.expect("a", "nobody else is there")
		w.ordered()
		w.wait(time.Minute)
		w.expect("a", "the gate does not allow the release")
		g.mu.Lock()
		n := len(g.opens)
		g.at = func() { open := g.opens[len(g.opens)-1]; go open(nil) }
		g.mu.Unlock()
		if w.logged("the test's gate does not allow the release") == 0 || n < 30 {
			w.fail("asked %d times:\n%s", n, w.log.String())
		}
		w.wait(3 * time.Second)
		w.expect("", "the gate has opened")
	})
}

// A Monitor that is told to release its aliases at its end waits for their gates.
func TestAnExitWaitsForTheGates(t *testing.T) {
	g := &gate{of: rules.Release}
	playWith(t, 1, true, false, func(w *world) {
		w.a.gates = []Gate{g}
		w.cfgA.Settings.OnExit = config.ExitRelease
		w.cfgA.Aliases[0].Hooks = config.Hooks{BeforeTimeout: 4 * time.Second, Programs: map[config.HookName]config.Program{config.BeforeRelease: {"/bin/true"}}}
	}, func(w *world) {
		w.settle()
		w.a.daemon.Stop(ExitAsSet)
		w.wait(3900 * time.Millisecond)
		w.expect("a", "the gate is shut")
		g.opens[0](nil)
		w.wait(time.Second)
		w.expect("", "released")
	})
}

// What must go at once goes at once, also just after a gate has said no and when the lease
// is due.
func TestWhatMustGoAtOnceIsNotRenewedFirst(t *testing.T) {
	g := &gate{of: rules.Release}
	leased(t, g, func(w *world) {
		w.ordered()
		w.wait(time.Second)
		begun := make(chan rules.Action, 1)
		w.a.daemon.post(func(l *loop) {
			a := l.list[0]
			l.leaveGate(a)
			l.failed(a, rules.Release, "the gate does not allow the release", errors.New("no"))
			a.errand.failure.refused = true
			a.state.Lease = l.now.Add(5 * time.Second)
			l.carry(a, rules.Decision{Row: "H3", Action: rules.Release, Reason: rules.LinkLost})
			begun <- a.state.Doing
		})
		if got := <-begun; got != rules.Release {
			w.fail("it begins to %s", got)
		}
	})
}

// An alias whose release waits for a gate when the Monitor ends stays until the next one
// has come, or for good, as any other does.
func TestAnAliasThatWaitsForAGateOutlivesTheMonitor(t *testing.T) {
	for _, next := range []bool{true, false} {
		g := &gate{of: rules.Release}
		leased(t, g, func(w *world) {
			w.ordered()
			w.wait(time.Second)
			exit := ExitKeep
			if next {
				exit = ExitNext
			}
			w.a.daemon.Stop(exit)
			w.wait(4 * time.Minute)
			w.expect("a", "it was told to stay")
			w.wait(2 * time.Minute)
			if w.a.has(aliasIP) == next {
				w.fail("next: %v: after 6 minutes it is there: %v", next, !next)
			}
		})
	}
}

// everyMove is a sink that wants each event.
type everyMove struct{ moves []record.Event }

func (*everyMove) Every() {}
func (s *everyMove) Put(e record.Event) {
	if e.Kind == record.Moved {
		s.moves = append(s.moves, e)
	}
}

// What happens so often that log and disk only count it is still told to who wants each
// event: a hook that missed one would leave a route where it was.
func TestWhoWantsEachEventGetsEach(t *testing.T) {
	every, some := &everyMove{}, 0
	play(t, 1, true, false, func(w *world) {
		w.a.kill()
		d := w.startWith(w.a, w.cfgA, func(o *Options) {
			o.Ring = record.NewRing()
			o.Recorder = record.New(o.Ring, every, record.SinkFunc(func(e record.Event) {
				if e.Kind == record.Moved {
					some++
				}
			}))
		})
		w.a.daemon = d
		w.settle()
		for range 15 {
			w.order(w.a, control.Order{Alias: aliasIP, Remove: true})
			w.order(w.a, control.Order{Alias: aliasIP})
		}
		counted := 0
		for i, e := range every.moves {
			if want := [...]string{"take", "release"}[i%2]; e.Decision.Action != want || e.Alias.Addr != aliasIP {
				w.fail("move %d is %+v", i, e)
			}
			if e.Seq == 0 {
				counted++
			}
		}
		if len(every.moves) != 31 || some != 31-counted || counted == 0 {
			w.fail("%d told, %d recorded, %d counted", len(every.moves), some, counted)
		}
		d.Stop(ExitKeep)
		w.wait(time.Second)
	})
}
