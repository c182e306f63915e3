package defender

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// spy is a source that a test speaks for.
type spy struct {
	wanted []netip.Addr
	post   func(...Observation)
	holds  map[netip.Addr]bool
	fails  chan error
}

func (s *spy) String() string        { return "spy" }
func (s *spy) Want(all []netip.Addr) { s.wanted = all }
func (s *spy) Holds(alias netip.Addr, yes bool) {
	if s.holds == nil {
		s.holds = map[netip.Addr]bool{}
	}
	s.holds[alias] = yes
}
func (s *spy) Run(ctx context.Context, post func(...Observation)) error {
	s.post = post
	select {
	case err := <-s.fails:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (s *spy) says(v rules.Value) {
	s.post(Observation{Alias: aliasIP, Fact: rules.FactService, Value: v, Asked: time.Now()})
}

func TestSourceTellsOfTheService(t *testing.T) {
	s := &spy{}
	playWith(t, 1, true, false, func(w *world) {
		s.fails = make(chan error, 1) // of the bubble
		w.a.sources = []Source{s}
	}, func(w *world) {
		w.settle()
		if len(s.wanted) != 1 || s.wanted[0] != aliasIP {
			w.fail("wanted: %v", s.wanted)
		}
		reason := func(want string) {
			w.t.Helper()
			w.wait(50 * time.Millisecond)
			if _, _, got := w.status(w.a); got != want {
				w.fail("reason %q, want %q", got, want)
			}
		}
		reason("held")
		s.says(rules.No)
		reason("service failing")
		s.post(Observation{Alias: aliasIP, Fact: rules.FactService, Value: rules.Yes, Asked: time.Now().Add(-time.Minute)})
		reason("service failing") // what is older changes nothing
		s.post(Observation{Alias: aliasIP, Fact: rules.FactRouter, Value: rules.No, Asked: time.Now()})
		reason("service failing") // and what answers on the wire is no source's
		s.says(rules.Yes)
		reason("held")
		if !s.holds[aliasIP] {
			w.fail("the source is not told that the alias is here")
		}
		s.post(Observation{Alias: aliasIP, Fact: rules.FactService, Value: rules.No, Asked: time.Now(), Lives: time.Hour, Why: "web: refused"})
		w.wait(30 * time.Minute)
		reason("service failing") // the source has a slow rhythm, and says so
		if snap, _ := w.a.daemon.Snapshot(w.t.Context(), false); !strings.HasSuffix(snap.Aliases[0].Why, ": web: refused") {
			w.fail("Status has %q", snap.Aliases[0].Why)
		}
		s.post(Observation{Alias: aliasIP, Fact: rules.FactService, Value: rules.Yes, Asked: time.Now()}, Observation{Alias: aliasIP, Fact: rules.FactService, Value: rules.No, Asked: time.Now()})
		w.wait(time.Minute)
		reason("held") // too old: unknown
		s.fails <- errors.New("broken")
		w.wait(time.Second)
		if w.logged("event=source_ended") != 1 {
			w.fail("the end of the source is not said")
		}
	})
}

// TestAnOrderWhileTheServiceFailsSaysWhy: W3 stands before W4, whatever is forced.
func TestAnOrderWhileTheServiceFailsSaysWhy(t *testing.T) {
	s := &spy{}
	playWith(t, 1, true, false, func(w *world) { w.a.sources = []Source{s} }, func(w *world) {
		w.settle()
		if out := w.order(w.a, control.Order{Alias: aliasIP, Remove: true}); !out.Done {
			w.fail("%+v", out)
		}
		s.post(Observation{Alias: aliasIP, Fact: rules.FactService, Value: rules.No, Asked: time.Now(), Lives: time.Hour})
		out := w.order(w.a, control.Order{Alias: aliasIP, Force: true})
		if out.Done || out.Text != "not yet: our own service fails its check" || !strings.HasPrefix(out.Next, "this host takes nothing while its service fails: ") {
			w.fail("%+v", out)
		}
	})
}

func TestASourceIsToldWhenAnAliasComesAndGoes(t *testing.T) {
	here, there := &spy{}, &spy{}
	playWith(t, 1, true, false, func(w *world) { w.a.sources, w.b.sources = []Source{here}, []Source{there} }, func(w *world) {
		w.settle()
		if !here.holds[aliasIP] || there.holds[aliasIP] {
			w.fail("told %v and %v, and a serves", here.holds, there.holds)
		}
		w.a.set(func() { w.a.nic().Carrier = false })
		w.wait(10 * time.Second)
		w.expect("b", "a has no link")
		if here.holds[aliasIP] || !there.holds[aliasIP] {
			w.fail("told %v and %v, and b serves", here.holds, there.holds)
		}
	})
}

// A row that changes or goes takes its alias off this host: a source that was told only of
// aliases that come would go on asking for a service that a standby does not run.
func TestASourceIsToldWhenTheRowOfAnAliasGoes(t *testing.T) {
	for _, left := range []*config.Config{{}, nil} {
		here := &spy{}
		playWith(t, 1, true, false, func(w *world) { w.a.sources = []Source{here} }, func(w *world) {
			w.settle()
			if left == nil {
				left = one(changed(w.cfgA.Aliases[0], elsewhere))
				left.Aliases[0].Primary = false // so that b keeps what it takes meanwhile
				w.a.set(func() { w.a.muted = true })
			}
			w.a.daemon.Reload(left)
			w.wait(100 * time.Millisecond)
			if here.holds[aliasIP] {
				w.fail("%d rows left: it is not told that the alias has gone", len(left.Aliases))
			}
		})
	}
}

// A loop that has been busy sees an observation that is newer than its own time.
func TestWhatASourceTellsWhileTheLoopIsBusyCounts(t *testing.T) {
	s := &spy{}
	playWith(t, 1, true, false, func(w *world) { w.a.sources = []Source{s} }, func(w *world) {
		w.settle()
		w.a.daemon.post(func(*loop) { time.Sleep(10 * time.Millisecond) })
		time.Sleep(5 * time.Millisecond)
		s.says(rules.No)
		w.wait(50 * time.Millisecond)
		if _, _, got := w.status(w.a); got != "service failing" {
			w.fail("reason %q: it was thrown away", got)
		}
	})
}
