package defender

import (
	"context"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
)

// drillsHeard has the station keep what its partner says of drills.
func (st *station) drillsHeard() func() []peer.Drill {
	var all []peer.Drill
	st.drilled = func(a record.Alias, _ string, says peer.Drill) {
		st.seg.mu.Lock()
		defer st.seg.mu.Unlock()
		if a.Addr == aliasIP {
			all = append(all, says)
		}
	}
	return func() []peer.Drill {
		st.seg.mu.Lock()
		defer st.seg.mu.Unlock()
		return all
	}
}

// What is said of a drill is heard at once, and once; it is gone with the Monitor that said
// it, and no decision depends on it.
func TestThePartnerHearsOfADrillAtOnce(t *testing.T) {
	var heard func() []peer.Drill
	playWith(t, 1, true, false, func(w *world) {
		w.withKey()
		w.a.drillsHeard()
		heard = w.b.drillsHeard()
	}, func(w *world) {
		w.wait(10 * time.Second)
		s, err := w.a.daemon.Snapshot(context.Background(), false)
		if err != nil || s.Aliases[0].Says == nil || !s.Aliases[0].Says.Drills {
			w.fail("a does not know that b can measure: %+v, %v", s.Aliases, err)
		}
		if hw := s.Aliases[0].Says.HW; hw != w.b.hw.String() {
			w.fail("a shows %q as the hardware address that b says it has", hw)
		}
		one := peer.Drill{Number: 7, Stage: peer.DrillMeasure}
		w.a.daemon.SayDrill(aliasIP, one)
		w.wait(50 * time.Millisecond)
		if got := heard(); len(got) != 1 || got[0] != one {
			w.fail("b hears %+v", got)
		}
		w.wait(10 * time.Second)
		if got := heard(); len(got) != 1 {
			w.fail("b is told again: %+v", got)
		}
		w.expect("a", "no word of a drill moves the alias")
		w.a.kill()
		w.wait(time.Second)
		w.a.start(w.cfgA, &w.log)
		w.wait(10 * time.Second)
		if got := heard(); len(got) != 2 || got[1] != (peer.Drill{}) {
			w.fail("b hears %+v of the next Monitor", got)
		}
	})
}

func TestAPartnerThatMeasuresForNobodySaysSo(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.must(w.a, control.Order{Give: true}, "handed over")
		if s, err := w.a.daemon.Snapshot(context.Background(), false); err != nil || s.Aliases[0].Says == nil || s.Aliases[0].Says.Drills {
			w.fail("%+v, %v", s.Aliases, err)
		}
	})
}

// there has a, for a drill, hand the alias over to b.
func (w *world) there() {
	w.a.daemon.SayDrill(aliasIP, peer.Drill{Number: 7, Stage: peer.DrillMeasure})
	w.wait(50 * time.Millisecond)
	w.must(w.a, control.Order{Alias: aliasIP, Give: true, Drill: true}, "handed over")
	w.expect("b", "the way there")
}

func TestADrillBringsTheAliasBackWhenNobodyElseOrdersAnything(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.there()
		w.remembered = nil
		w.must(w.a, control.Order{Alias: aliasIP, Drill: true}, "this host has it")
		w.expect("a", "the way back")
		if w.logged("a drill ordered Handover") != 1 || w.logged("a drill ordered AddAlias") != 1 || w.logged("an operator ordered AddAlias") != 0 {
			w.fail("the drill's orders are not marked as such")
		}
	})
}

// What an operator orders on either host while a drill has the alias away stays.
func TestADrillGivesWayToOperators(t *testing.T) {
	for name, c := range map[string]struct {
		order func(w *world)
		at    string
	}{
		"RemoveAlias here":   {func(w *world) { w.order(w.a, control.Order{Alias: aliasIP, Remove: true}) }, "b"},
		"Maintenance here":   {func(w *world) { w.order(w.a, control.Order{Maintenance: control.On}) }, "b"},
		"Handover here":      {func(w *world) { w.order(w.a, control.Order{Alias: aliasIP, Give: true}) }, "b"},
		"AddAlias there":     {func(w *world) { w.order(w.b, control.Order{Alias: aliasIP}) }, "b"},
		"a dry run here":     {func(w *world) { w.order(w.a, control.Order{Alias: aliasIP, Remove: true, DryRun: true}) }, "a"},
		"a dry run there":    {func(w *world) { w.order(w.b, control.Order{Alias: aliasIP, DryRun: true}) }, "a"},
		"none since it left": {func(*world) {}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			talking(t, true, false, func(w *world) {
				w.there()
				c.order(w)
				w.wait(100 * time.Millisecond)
				out := w.order(w.a, control.Order{Alias: aliasIP, Drill: true})
				if stays := c.at == "b"; out.Done == stays || out.GaveWay != stays {
					w.fail("%+v", out)
				}
				w.expect(c.at, "the operator's word stands: "+out.Text)
				if parked := w.shown(w.a).Parked; parked != (name == "RemoveAlias here" || name == "Maintenance here") {
					w.fail("parked: %v", parked)
				}
			})
		})
	}
}

// An operator's order of just before the hand-over counts too.
func TestADrillDoesNotBeginBesideAnOperatorsOrder(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.order(w.a, control.Order{Alias: aliasIP, Remove: true})
		if out := w.order(w.a, control.Order{Alias: aliasIP, Give: true, Drill: true}); out.Done || !out.GaveWay {
			w.fail("%+v", out)
		}
	})
}
