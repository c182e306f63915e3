package drill

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

func TestADrillMovesTheAliasThereAndBackAndBothHostsTellWhatTheyMeasured(t *testing.T) {
	play(t, func(p *pair) { p.gap = 35 * time.Millisecond }, func(t *testing.T, p *pair, d control.Drill, err error) {
		if err != nil || d.Outcome != control.DrillGood || p.has() != "a" {
			t.Fatalf("%+v, %v; the alias is on %s", d, err, p.has())
		}
		if len(p.orders) != 2 || !p.orders[0].Give || p.orders[1] != (control.Order{Alias: alias, Within: awayWithin, Drill: true}) {
			t.Errorf("orders: %+v", p.orders)
		}
		for who, m := range map[string]*control.Measure{"us": d.Aliases[0].Us, "partner": d.Aliases[0].Partner} {
			if m == nil || m.GapMS < 35 || m.GapMS > 60 || m.Lost < 6 || m.Lost > 10 || m.Asked < 150 || m.PauseMS > 20 {
				t.Errorf("%s: %+v", who, m)
			}
		}
		if e := p.ended("a"); e.Kind != record.DrillEnded || e.Level != record.Info || !strings.Contains(e.Text, "the partner measured: a gap of at most") {
			t.Errorf("a's log: %+v", e)
		}
		if e := p.events["b"][0]; e.Kind != record.DrillBegun || e.Text != "measures for a drill of the partner's" {
			t.Errorf("b's log begins with %+v", e)
		}
		if e := p.ended("b"); e.Kind != record.DrillEnded || e.Level != record.Info || !strings.HasPrefix(e.Text, "measured for a drill of the partner's: a gap of at most") {
			t.Errorf("b's log: %+v", e)
		}
		if last, counts := p.a.Shown(); last == nil || last.Outcome != d.Outcome || counts[control.DrillGood] != 1 {
			t.Errorf("shown: %+v, %v", last, counts)
		}
		if p.b.measures() || p.a.measures() {
			t.Error("somebody still measures")
		}
	})
}

func TestAGapLongerThanTheBoundIsSaid(t *testing.T) {
	play(t, func(p *pair) { p.gap = 150 * time.Millisecond }, func(t *testing.T, p *pair, d control.Drill, err error) {
		if err != nil || d.Outcome != control.DrillGap || p.ended("a").Level != rules.Warning || p.ended("b").Level != rules.Warning {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestAPartnerOfAnEarlierVersionMeasuresNothingAndThatIsSaid(t *testing.T) {
	play(t, func(p *pair) { p.old = true }, func(t *testing.T, p *pair, d control.Drill, err error) {
		if err != nil || d.Outcome != control.DrillGood || d.Aliases[0].Partner != nil || !strings.Contains(d.Aliases[0].PartnerWhy, "earlier version") || !strings.Contains(d.Text, "earlier version") {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestADrillIsRefusedWhereAHostCannotMeasure(t *testing.T) {
	play(t, func(p *pair) { p.dropped = true }, func(t *testing.T, p *pair, _ control.Drill, err error) {
		refused(t, err, "gets no answer to its pings")
		if len(p.orders) > 0 {
			t.Errorf("orders: %+v", p.orders)
		}
	})
	play(t, func(p *pair) { p.deaf = true }, func(t *testing.T, p *pair, _ control.Drill, err error) {
		refused(t, err, "has not begun to measure within 5s")
		if e := p.ended("b"); len(p.orders) > 0 || !strings.Contains(e.Text, brokenOff) || p.b.measures() {
			t.Errorf("orders: %+v, b's log: %+v", p.orders, e)
		}
	})
}

func refused(t *testing.T, err error, text string) {
	t.Helper()
	var refusal *control.Refusal
	if !errors.As(err, &refusal) || refusal.Kind != control.KindDrill || !strings.Contains(refusal.Text, text) {
		t.Errorf("%v, not refused with %q", err, text)
	}
}

func TestADrillWhoseWayFailsSaysWhereTheAliasIs(t *testing.T) {
	for name, c := range map[string]struct {
		fails        func(o control.Order) string
		dies         bool
		holder       string
		text, advice string
	}{
		"there": {fails: func(o control.Order) string { return map[bool]string{true: "the partner refuses"}[o.Give] }, holder: "a",
			text: "the hand-over to the partner failed: 10.0.0.1: the partner refuses; 10.0.0.1 is on this host", advice: "try again"},
		"back": {fails: func(o control.Order) string { return map[bool]string{false: "the router is silent"}[o.Give] }, holder: "b",
			text: "the hand-over back failed: 10.0.0.1: the router is silent; 10.0.0.1 is on the partner", advice: "AddAlias 10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(p *pair) { p.fails = c.fails }, func(t *testing.T, p *pair, d control.Drill, err error) {
				if err != nil || d.Outcome != control.DrillFailed || p.has() != c.holder || !strings.Contains(d.Text, c.text) || !strings.Contains(d.Next, c.advice) {
					t.Errorf("%+v, %v; the alias is on %s", d, err, p.has())
				}
				if e := p.ended("a"); e.Level != rules.Error || !strings.Contains(e.Text, c.text) || !strings.Contains(e.Text, c.advice) {
					t.Errorf("a's log: %+v", e)
				}
			})
		})
	}
}

// The order is withdrawn, but the partner takes the alias a moment later: it comes back.
func TestAnAliasThatLeavesLateComesBack(t *testing.T) {
	late := func(p *pair) {
		p.fails = func(o control.Order) string {
			if !o.Give {
				return ""
			}
			p.open = true
			time.AfterFunc(time.Second, func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.holder, p.open = "b", false
			})
			return "not yet: it is offered to the partner"
		}
	}
	play(t, late, func(t *testing.T, p *pair, d control.Drill, err error) {
		if err != nil || d.Outcome != control.DrillFailed || p.has() != "a" || !strings.Contains(d.Text, "10.0.0.1 is on this host") {
			t.Errorf("%+v, %v; the alias is on %s", d, err, p.has())
		}
	})
}

func TestAMonitorThatEndsBreaksItsDrillOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		done := make(chan control.Drill, 1)
		go func() { d, _ := p.a.Drill(t.Context(), alias.String()); done <- d }()
		for synctest.Wait(); p.orderCount() == 0; synctest.Wait() {
			time.Sleep(10 * time.Millisecond)
		}
		p.stop()
		if d := <-done; d.Outcome != control.DrillFailed || !strings.Contains(d.Text, "broken off") || !strings.Contains(d.Text, "is on the partner") || p.orderCount() != 1 {
			t.Errorf("%+v; orders: %+v", d, p.orders)
		}
		if e := p.ended("b"); !strings.Contains(e.Text, weEnd) && !strings.Contains(e.Text, brokenOff) {
			t.Errorf("b's log: %+v", e)
		}
		if _, err := p.a.Drill(t.Context(), alias.String()); err == nil {
			t.Error("a Monitor that ends begins a drill")
		}
	})
}

// A loop that answers nothing any more ends the drill, not the Monitor's drills.
func TestADrillEndsThoughTheLoopHangs(t *testing.T) {
	play(t, func(p *pair) { p.hangs = true }, func(t *testing.T, p *pair, d control.Drill, err error) {
		if d.Outcome != control.DrillFailed || !strings.Contains(d.Text, "the loop does not answer") || err != nil {
			t.Errorf("%+v, %v", d, err)
		}
		if p.a.measures() {
			t.Error("it is still under way")
		}
		if took := time.Duration(d.TookMS) * time.Millisecond; took > control.DrillWithin {
			t.Errorf("it took %v", took)
		}
	})
}

// What a drill has come to is recorded when End returns: then the event log still takes it.
func TestTheEndOfADrillIsRecordedBeforeTheMonitorEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		go func() { _, _ = p.a.Drill(t.Context(), alias.String()) }()
		for synctest.Wait(); p.orderCount() == 0; synctest.Wait() {
			time.Sleep(10 * time.Millisecond)
		}
		for host, d := range map[string]*Desk{"a": p.a, "b": p.b} {
			if d.End(); p.ended(host).Kind != record.DrillEnded {
				t.Errorf("%s's log ends with %+v", host, p.ended(host))
			}
		}
		p.stop()
	})
}

func (p *pair) has() string { p.mu.Lock(); defer p.mu.Unlock(); return p.holder }

func (p *pair) orderCount() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.orders) }

// The host that does the drill dies: nothing more is heard of it.
func TestMeasuringForAPartnerThatDiesEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.b.Heard(subjectOf(alias), peer.Drill{Number: 5, Stage: peer.DrillMeasure})
		time.Sleep(mostWaited + time.Second)
		if e := p.ended("b"); e.Kind != record.DrillEnded || e.Level != rules.Warning || !strings.Contains(e.Text, tooLong) || p.b.measures() {
			t.Errorf("%+v", e)
		}
		p.stop()
	})
}

func TestOneDrillAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		done := make(chan error, 1)
		leaves, leave := context.WithCancel(t.Context())
		go func() { _, err := p.a.Drill(leaves, alias.String()); done <- err }()
		time.Sleep(100 * time.Millisecond)
		_, err := p.a.Drill(t.Context(), alias.String())
		refused(t, err, "another drill is under way")
		_, err = p.b.Drill(t.Context(), alias.String())
		refused(t, err, "measures for a drill of the partner's")
		p.a.Heard(subjectOf(netip.MustParseAddr("10.0.0.9")), peer.Drill{Number: 9, Stage: peer.DrillMeasure})
		p.a.mu.Lock()
		if len(p.a.theirs) > 0 {
			t.Error("it measures for the partner too")
		}
		p.a.mu.Unlock()
		leave() // the drill goes on
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		if last, counts := p.a.Shown(); last == nil || last.Outcome != control.DrillGood || counts[control.DrillRefused] != 1 || p.has() != "a" {
			t.Errorf("%+v, %v", last, counts)
		}
		p.stop()
	})
}

// Parked here, say, or taken by force there: the loop knows, and refuses the drill's order.
func TestADrillThatMeetsAnOperatorsOrderLeavesTheAliasToIt(t *testing.T) {
	const parked = "10.0.0.1 was parked on this host by an operator"
	for name, c := range map[string]struct {
		there  bool // it meets the order on the way there
		holder string
		fails  string
	}{
		"there":                         {true, "a", ""},
		"back":                          {false, "b", ""},
		"back, after a way that failed": {false, "b", "another order was given meanwhile"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(p *pair) {
				p.yield = func(o control.Order) string { return map[bool]string{true: parked}[o.Give == c.there] }
				p.fails = func(o control.Order) string {
					if c.fails != "" {
						p.holder = "b"
					}
					return c.fails
				}
			}, func(t *testing.T, p *pair, d control.Drill, err error) {
				if err != nil || d.Outcome != control.DrillFailed || p.has() != c.holder || !strings.Contains(d.Text, c.fails) || !strings.Contains(d.Text, "broken off, because "+parked) || strings.Contains(d.Next, "AddAlias") {
					t.Errorf("%+v, %v; the alias is on %s", d, err, p.has())
				}
				for _, o := range p.orders {
					if !o.Drill {
						t.Errorf("an order that is not marked as a drill's: %+v", o)
					}
				}
			})
		})
	}
}

func TestADrillIsRefusedWhereATakeWouldEndAMonitor(t *testing.T) {
	for host, text := range map[string]string{"a": "in this host's settings", "b": "in the partner's settings"} {
		play(t, func(p *pair) { p.exits = host }, func(t *testing.T, p *pair, _ control.Drill, err error) {
			refused(t, err, text)
			if len(p.orders) > 0 || p.b.measures() {
				t.Errorf("%s: orders: %+v", host, p.orders)
			}
		})
	}
}

func TestADrillIsRefusedWhereAnOperatorHasJustOrderedSomethingThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.old = true // b says nothing by itself
		p.a.mu.Lock()
		p.a.own = &own{number: 5, says: map[netip.Addr]peer.Drill{}, told: make(chan struct{}, 1)}
		mine := p.a.own
		p.a.mu.Unlock()
		p.a.Heard(subjectOf(alias), peer.Drill{Number: 5, Stage: peer.DrillOrdered})
		if why := p.a.ready(t.Context(), mine, []Subject{subjectOf(alias)}, nil, true); !strings.Contains(why, "an operator has just ordered something") {
			t.Error(why)
		}
		p.stop()
	})
}

// A partner's word is heard once. What cannot be begun yet is begun when it can.
func TestMeasuringForAPartnerThatCannotBeginYetBeginsLater(t *testing.T) {
	other := netip.MustParseAddr("10.0.0.9")
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		measured := func(of netip.Addr) uint32 {
			p.b.mu.Lock()
			defer p.b.mu.Unlock()
			if now := p.b.theirs[of]; now != nil {
				return now.number
			}
			return 0
		}
		hear := func(of netip.Addr, number uint32, stage peer.DrillStage) {
			p.b.Heard(subjectOf(of), peer.Drill{Number: number, Stage: stage})
		}
		hear(alias, 5, peer.DrillMeasure)
		time.Sleep(100 * time.Millisecond)
		hear(alias, 6, peer.DrillMeasure) // the former one has not ended
		time.Sleep(time.Second)
		if n := measured(alias); n != 6 {
			t.Errorf("drill %d is measured, not 6", n)
		}
		for i := range mostMeasured {
			hear(netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), 6, peer.DrillMeasure)
		}
		hear(other, 7, peer.DrillMeasure) // no room
		hear(alias, 6, peer.DrillEnds)
		hear(alias, 0, peer.NoDrill)
		hear(netip.AddrFrom4([4]byte{10, 0, 1, 0}), 6, peer.DrillEnds)
		hear(netip.AddrFrom4([4]byte{10, 0, 1, 0}), 0, peer.NoDrill)
		time.Sleep(time.Second)
		if n := measured(other); n != 7 {
			t.Errorf("drill %d is measured of the other, not 7", n)
		}
		hear(alias, 8, peer.DrillMeasure) // no room, and then it is over
		hear(alias, 0, peer.NoDrill)
		hear(other, 0, peer.NoDrill)
		time.Sleep(time.Second)
		if n := measured(alias); n != 0 {
			t.Errorf("drill %d is measured, which is over", n)
		}
		p.stop()
	})
}
