package defender

import (
	"strings"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/rules"
)

// A Monitor that ends after a take takes the dead partner's other aliases first: nobody
// else would.
func TestWhoEndsAfterATakeTakesTheOthersFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		then func(w *world, g *gate) // after the first was taken
		has  string                  // what B has in the end, of aliases 100 and 101
		most time.Duration           // and when it has ended
	}{
		"a gate holds it":      {func(w *world, g *gate) { w.wait(time.Second); g.opens[1](nil) }, "both", 2 * time.Second},
		"the gate hangs":       {func(*world, *gate) {}, "the first", 20 * time.Second},
		"another order to end": {func(w *world, _ *gate) { w.b.daemon.Stop(ExitNext) }, "the first", time.Second},
		"another host has it":  {func(w *world, _ *gate) { w.b.set(func() { w.client.foreign[ip(101)] = true }); w.wait(5 * time.Second) }, "the first", 6 * time.Second},
	} {
		g := &gate{}
		playWith(t, 1, true, false, func(w *world) {
			*w.cfgA, *w.cfgB = *second(w.cfgA), *second(w.cfgB)
			w.b.gates = []Gate{g}
		}, func(w *world) {
			w.settle()
			w.dies(w.a)
			w.wait(20 * time.Second)
			if len(g.opens) != 2 {
				w.fail("%d takes ask, want 2", len(g.opens))
			}
			if g.asked[0].Alias != aliasIP {
				g.opens[0], g.opens[1] = g.opens[1], g.opens[0]
			}
			g.opens[0](nil)
			w.wait(time.Second)
			w.expect("b", "its gate has opened")
			began := time.Now()
			w.b.daemon.Stop(ExitTaken)
			w.wait(10 * time.Millisecond)
			if strings.Contains(w.log.String(), "event=ending") {
				w.fail("%s: it does not wait", name)
			}
			tt.then(w, g)
			select {
			case <-w.b.daemon.over:
			case <-time.After(time.Minute):
				w.fail("%s: it does not end", name)
			}
			if took := time.Since(began); took > tt.most {
				w.fail("%s: it ends after %v", name, took)
			}
			got := "the first"
			if w.b.has(ip(101)) {
				got = "both"
			}
			if !w.b.has(aliasIP) || got != tt.has {
				w.fail("%s: it has %s", name, got)
			}
		})
	}
}

// It does not wait where the others are served, or stay off this host by an order.
func TestWhoEndsAfterATakeDoesNotWaitForWhatIsServed(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		*w.cfgA, *w.cfgB = *second(w.cfgA), *second(w.cfgB)
		w.cfgA.Aliases[1].Primary, w.cfgB.Aliases[1].Primary = false, true
	}, func(w *world) {
		w.settle()
		began := time.Now()
		w.a.daemon.Stop(ExitTaken)
		<-w.a.daemon.over
		if took := time.Since(began); took > time.Second {
			w.fail("it ends after %v", took)
		}
	})
}

// Of a group it waits for what follows: the others would stay with a host that could not
// have all, and nobody would take them from there.
func TestWhoEndsAfterATakeWaitsForTheRestOfTheGroup(t *testing.T) {
	var took chan struct{}
	grouping(t, config.SplitServe, func(w *firewall) {
		took = make(chan struct{})
		look, first := w.seg.changed, sync.Once{}
		w.seg.changed = func() {
			if look(); w.b.has(memberIP()) {
				first.Do(func() { close(took) })
			}
		}
	}, func(w *firewall) {
		w.at("a", "a", "the primary serves")
		w.service(0, memberIP(), rules.No)
		<-took
		w.b.daemon.Stop(ExitTaken)
		select {
		case <-w.b.daemon.over:
		case <-time.After(time.Minute):
			w.fail("it does not end")
		}
		w.at("b", "b", "it has ended")
	})
}
