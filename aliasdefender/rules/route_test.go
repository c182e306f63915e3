package rules

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// routeCase is one case to decide.
type routeCase struct {
	p RoutePolicy
	s RouteState
	f RouteFacts
}

func (c routeCase) decide() RouteDecision { return DecideRoute(c.p, c.s, c.f) }

// hop is one of which that is known.
func hop(v Value) Hop { return Hop{Answer: seen(v, time.Hour), Link: seen(Yes, time.Hour)} }

// via are hops of weight 1.
func via(hops ...int) (all []Via) {
	for _, h := range hops {
		all = append(all, Via{h, 1})
	}
	return all
}

// routing is a router with two hops that live, whose route leads to the first.
func routing() routeCase {
	return routeCase{
		p: RoutePolicy{Interval: 20 * time.Second, Timeout: time.Second, Misses: 3},
		s: RouteState{Last: 1},
		f: RouteFacts{
			Now: noon, Since: noon.Add(-time.Hour), Hops: []Hop{hop(Yes), hop(Yes)},
			Kernel: seen(Yes, time.Hour), Via: via(0), Foreign: No, Shadowed: No,
		},
	}
}

func lost(c *routeCase) { c.f.Kernel, c.f.Via = seen(No, 0), nil }

func spread(c *routeCase) { c.p.Spread, c.f.Via = true, via(0, 1) }

func TestEveryRouteRowDecides(t *testing.T) {
	both := func(all ...func(*routeCase)) func(*routeCase) {
		return func(c *routeCase) {
			for _, f := range all {
				f(c)
			}
		}
	}
	off := func(c *routeCase) { c.f.Hops[0].Off = true }
	first := func(v Value) func(*routeCase) { return func(c *routeCase) { c.f.Hops[0] = hop(v) } }
	second := func(v Value) func(*routeCase) { return func(c *routeCase) { c.f.Hops[1] = hop(v) } }
	reached := map[int]bool{}
	for _, tt := range []struct {
		what   string
		given  func(*routeCase)
		row    string
		action RouteAction
		reason RouteReason
		via    []Via
	}{
		{"nothing is known of the kernel", func(c *routeCase) { c.f.Kernel = Fact{} }, "R1", RouteRest, RoutesUnknown, nil},
		{"a reading that is too old", func(c *routeCase) { c.f.Kernel.Asked = noon.Add(-time.Minute) }, "R1", RouteRest, RoutesUnknown, nil},
		{"ordered off", func(c *routeCase) { c.s.Leaving = true }, "R2", RouteWithdraw, RouteOrderedOff, nil},
		{"gone, as ordered", both(lost, func(c *routeCase) { c.s.Leaving = true }), "R2", RouteRest, RouteGone, nil},
		{"a foreign route", both(lost, func(c *routeCase) { c.f.Foreign = Yes }), "R3", RouteRest, RouteForeign, nil},
		{"perhaps a foreign route", both(lost, func(c *routeCase) { c.f.Foreign = Unknown }), "R3", RouteRest, RoutesUnknown, nil},
		{"all dead, withdraw", both(first(No), second(No), func(c *routeCase) { c.p.Withdraw = true }), "R4", RouteWithdraw, HopsDeadWithdrawn, nil},
		{"all dead", both(first(No), second(No)), "R4", RouteRest, HopsDead, nil},
		{"all dead, and not there", both(first(No), second(No), lost), "R4", RouteRest, HopsDead, nil},
		{"nothing is known", both(first(Unknown), second(Unknown)), "R5", RouteRest, HopsUnknownLong, nil},
		{"nothing is known, and it is not there", both(first(Unknown), second(Unknown), lost), "R5", RouteRest, HopsUnknownLong, nil},
		{"nothing is known yet", both(first(Unknown), second(Unknown), func(c *routeCase) { c.f.Since = noon.Add(-time.Second) }), "R5", RouteRest, HopsUnknown, nil},
		{"its hop dead, the other unknown", both(first(No), second(Unknown)), "R5", RouteRest, HopsUnknownLong, nil},
		{"deleted", lost, "R6", RouteAdd, RouteRestored, via(0)},
		{"not there at the start, and the first not known yet", both(lost, first(Unknown), func(c *routeCase) { c.f.Since, c.s.Last = noon.Add(-time.Second), 0 }), "R5", RouteRest, HopsUnknown, nil},
		{"not there at the start, and the second not known yet", both(lost, second(Unknown), func(c *routeCase) { c.f.Since, c.s.Last = noon.Add(-time.Second), 0 }), "R6", RouteAdd, RouteRestored, via(0)},
		{"not there at the start, it led to the second, and the first not known yet", both(lost, first(Unknown), func(c *routeCase) { c.f.Since, c.s.Last = noon.Add(-time.Second), 2 }), "R6", RouteAdd, RouteRestored, via(1)},
		{"a spread not there at the start, and the second not known yet", both(spread, lost, second(Unknown), func(c *routeCase) { c.f.Since = noon.Add(-time.Second) }), "R5", RouteRest, HopsUnknown, nil},
		{"deleted, and its hop unknown", both(lost, first(Unknown)), "R6", RouteAdd, RouteRestored, via(1)},
		{"deleted, and it went to the second", both(lost, func(c *routeCase) { c.s.Last = 2 }), "R6", RouteAdd, RouteRestored, via(1)},
		{"deleted, and it went to the second, failback", both(lost, func(c *routeCase) { c.s.Last, c.p.Failback = 2, true }), "R6", RouteAdd, RouteRestored, via(0)},
		{"a spread that was deleted", both(spread, lost), "R6", RouteAdd, RouteRestored, via(0, 1)},
		{"not there, and the NIC of the hop that it led to has just come back", both(lost, func(c *routeCase) {
			c.f.Hops[0] = Hop{Link: seen(Yes, time.Second)}
		}), "R5", RouteRest, HopsUnknown, nil},
		{"not there at the start, it led to the second, and that is not known yet", both(lost, second(Unknown), func(c *routeCase) {
			c.f.Since, c.s.Last = noon.Add(-time.Second), 2
		}), "R5", RouteRest, HopsUnknown, nil},
		{"its hop unknown", first(Unknown), "R7", RouteRest, HopStaysUnknown, nil},
		{"the first is back, failback", func(c *routeCase) { c.f.Via, c.p.Failback = via(1), true }, "R8", RouteReplace, HopPreferred, via(0)},
		{"the first is back", func(c *routeCase) { c.f.Via = via(1) }, "R12", RouteRest, RouteGood, nil},
		{"its hop dead", first(No), "R9", RouteReplace, HopChosen, via(1)},
		{"the NIC to its hop is down", func(c *routeCase) { c.f.Hops[0].Link = seen(No, time.Hour) }, "R9", RouteReplace, HopChosen, via(1)},
		{"the NIC to its hop is down, and nothing answers there", func(c *routeCase) { c.f.Hops[0] = Hop{Link: seen(No, time.Hour)} }, "R9", RouteReplace, HopChosen, via(1)},
		{"it goes to a hop that is not set", func(c *routeCase) { c.f.Via = via(-1) }, "R9", RouteReplace, HopChosen, via(0)},
		{"it was a spread", func(c *routeCase) { c.f.Via = via(0, 1) }, "R9", RouteReplace, HopChosen, via(0)},
		{"one of a spread dead", both(spread, first(No)), "R10", RouteReplace, HopsChanged, via(1)},
		{"one of a spread back", both(spread, func(c *routeCase) { c.f.Via = via(1) }), "R10", RouteReplace, HopsChanged, via(0, 1)},
		{"other weights", both(spread, func(c *routeCase) { c.p.Weights = []int{3, 1} }), "R10", RouteReplace, HopsChanged, []Via{{0, 3}, {1, 1}}},
		{"one of a spread unknown, which stays", both(spread, first(Unknown)), "R7", RouteRest, HopStaysUnknown, nil},
		{"one of a spread not known yet", both(spread, first(Unknown), func(c *routeCase) { c.f.Since = noon.Add(-time.Second) }), "R12", RouteRest, RouteGood, nil},
		{"one of a spread on no network any more", both(spread, first(Unknown), off), "R7", RouteRest, HopStaysUnknown, nil},
		{"one of a spread on no network any more, and one dead", both(spread, first(Unknown), off, func(c *routeCase) {
			c.f.Hops, c.f.Via = append(c.f.Hops, hop(No)), via(0, 1, 2)
		}), "R10", RouteReplace, HopsChanged, via(1)},
		{"one of a spread on no network any more, and the other dead", both(spread, first(Unknown), off, second(No)), "R5", RouteRest, HopsUnknownLong, nil},
		{"one unknown, which does not join a spread", both(spread, first(Unknown), func(c *routeCase) { c.f.Via = via(1) }), "R12", RouteRest, RouteGood, nil},
		{"one dead and one unknown of a spread", both(spread, first(No), second(Unknown)), "R10", RouteReplace, HopsChanged, via(1)},
		{"shadowed", func(c *routeCase) { c.f.Shadowed = Yes }, "R11", RouteRest, RouteShadowed, nil},
		{"all is well", func(*routeCase) {}, "R12", RouteRest, RouteGood, nil},
	} {
		c := routing()
		tt.given(&c)
		d := c.decide()
		d.Again = time.Time{}
		if diff := cmp.Diff(RouteDecision{Row: tt.row, Action: tt.action, Reason: tt.reason, Via: tt.via}, d); diff != "" {
			t.Errorf("%s:\n%s", tt.what, diff)
		}
		reached[slices.IndexFunc(RouteRows(), func(r RouteRow) bool { return r.when(newRouteView(c.p, c.s, c.f)) })] = true
	}
	for i, r := range RouteRows() {
		if !reached[i] {
			t.Errorf("no example for %s %s", r.ID, r.When)
		}
	}
	for r := range routeReasonCount {
		if r.String() == "" || r.Text() == "" {
			t.Errorf("reason %d has no name or text", r)
		}
	}
}

// everyRoute calls f for each combination of what the rows read, with three hops.
func everyRoute(f func(routeCase)) (n int) {
	values := []Value{Unknown, No, Yes}
	kernels := []struct {
		is  Value
		via []Via
	}{
		{Unknown, nil}, {No, nil}, {Yes, via(0)}, {Yes, via(1)}, {Yes, via(2)}, {Yes, via(-1)},
		{Yes, via(0, 1)}, {Yes, via(0, 2)}, {Yes, via(1, 2)}, {Yes, via(0, 1, 2)},
	}
	for i := range 27 {
		hops := []Hop{hop(values[i%3]), hop(values[i/3%3]), hop(values[i/9])}
		for _, kernel := range kernels {
			for _, foreign := range values {
				for flags := range 1 << 7 {
					for last := range 4 {
						c := routing()
						flag := func(n int) bool { return flags>>n&1 == 1 }
						c.p.Spread, c.p.Failback, c.p.Withdraw, c.s.Leaving = flag(0), flag(1), flag(2), flag(3)
						if flag(4) {
							c.p.Weights = []int{2, 1, 1}
						}
						c.f.Shadowed = Of(flag(5))
						c.s.Last = last
						c.f.Hops, c.f.Foreign = slices.Clone(hops), foreign
						for h := range c.f.Hops {
							c.f.Hops[h].Off = flag(6) && c.f.Hops[h].Answer.Value == Unknown
						}
						c.f.Kernel, c.f.Via = seen(kernel.is, time.Hour), kernel.via
						f(c)
						n++
					}
				}
			}
		}
	}
	return n
}

// after is the case when the kernel has done what was decided.
func (c routeCase) after(d RouteDecision) routeCase {
	switch d.Action {
	case RouteAdd, RouteReplace:
		c.f.Kernel, c.f.Via = seen(Yes, 0), d.Via
	case RouteWithdraw:
		c.f.Kernel, c.f.Via = seen(No, 0), nil
	}
	c.s.Done(d)
	return c
}

// TestARouteGoesWhereItIsKnownToArrive holds every combination to what is promised of a
// route, in words of its own.
func TestARouteGoesWhereItIsKnownToArrive(t *testing.T) {
	n := everyRoute(func(c routeCase) {
		if t.Failed() {
			return
		}
		d := c.decide()
		bad := func(what string, more ...any) {
			t.Errorf("%s: %s %s, %s, to %v; with %+v\n%s", what, d.Row, d.Action, d.Reason, d.Via, c, fmt.Sprint(more...))
		}
		is := func(h int) Value { return c.f.Hops[h].Answer.Value }
		had := func(h int) bool { return slices.ContainsFunc(c.f.Via, func(v Via) bool { return v.Hop == h }) }
		known, there := c.f.Kernel.Value != Unknown, c.f.Kernel.Value == Yes
		alive, unknown := 0, 0
		for h := range c.f.Hops {
			if is(h) == Yes {
				alive++
			} else if is(h) == Unknown {
				unknown++
			}
		}
		acts := d.Action != RouteRest

		// Which deeds there may be at all.
		switch {
		case acts && !known:
			bad("a deed on routes that cannot be read")
		case d.Action == RouteAdd && (there || c.f.Foreign != No):
			bad("added where something is, or may be")
		case (d.Action == RouteReplace || d.Action == RouteWithdraw) && !there:
			bad("touched what is not ours")
		case c.s.Leaving && known && there != (d.Action == RouteWithdraw):
			bad("ordered off")
		case !c.s.Leaving && d.Action == RouteWithdraw && (alive+unknown > 0 || !c.p.Withdraw):
			bad("withdrawn")
		case !c.s.Leaving && there && alive+unknown == 0 && c.p.Withdraw && !acts:
			bad("not withdrawn")
		case alive+unknown == 0 && (d.Action == RouteAdd || d.Action == RouteReplace):
			bad("moved, and every hop is dead")
		}
		if c.s.Leaving || !known {
			return
		}

		// Where it goes.
		for i, v := range d.Via {
			switch {
			case v.Hop < 0 || is(v.Hop) == No:
				bad("to a hop that is dead")
			case is(v.Hop) == Unknown && !had(v.Hop):
				bad("an unknown hop joins")
			case c.f.Hops[v.Hop].Off:
				bad("to a hop to which the kernel makes no route")
			case i > 0 && d.Via[i-1].Hop >= v.Hop:
				bad("out of order")
			}
		}
		for h := range c.f.Hops {
			if c.p.Spread && d.Action == RouteReplace && is(h) == Unknown && had(h) && !c.f.Hops[h].Off && !slices.ContainsFunc(d.Via, func(v Via) bool { return v.Hop == h }) {
				bad("an unknown hop leaves")
			}
		}
		if !c.p.Spread && len(d.Via) > 1 {
			bad("mode first, and more than one hop")
		}
		if !c.p.Spread && there && len(c.f.Via) == 1 && c.f.Via[0].Hop >= 0 && is(c.f.Via[0].Hop) == Unknown && acts {
			bad("moved although its hop may live")
		}
		end := c.after(d)
		dead := func(v Via) bool { return v.Hop < 0 || is(v.Hop) == No }
		if alive > 0 && c.f.Foreign == No {
			switch {
			case end.f.Kernel.Value != Yes || slices.ContainsFunc(end.f.Via, dead):
				bad("a hop lives, and in the end the route is not there or leads to a dead one")
			case c.p.Spread && slices.ContainsFunc([]int{0, 1, 2}, func(h int) bool {
				return is(h) == Yes && !slices.ContainsFunc(end.f.Via, func(v Via) bool { return v.Hop == h })
			}):
				bad("a hop lives, and is not in the spread")
			case !c.p.Spread && c.p.Failback && is(end.f.Via[0].Hop) == Yes && slices.ContainsFunc([]int{0, 1, 2}, func(h int) bool { return h < end.f.Via[0].Hop && is(h) == Yes }):
				bad("failback, and it does not lead to the first that lives")
			case !c.p.Spread && !c.p.Failback && len(c.f.Via) == 1 && !dead(c.f.Via[0]) && acts:
				bad("no failback, and it left a hop that is not dead")
			}
		}

		// Once is enough.
		if again := end.decide(); again.Action != RouteRest {
			bad("the same facts lead to a second deed", again)
		}

		// What is not known is never the cause of a deed. (It may be what is left of a spread
		// when a hop that is known to be dead leaves it.)
		for h := range c.f.Hops {
			blind := c
			blind.f.Hops = slices.Clone(c.f.Hops)
			blind.f.Hops[h] = Hop{}
			b := blind.decide()
			leaves := c.p.Spread && b.Action == RouteReplace && slices.ContainsFunc(c.f.Via, func(v Via) bool { return v.Hop != h && dead(v) })
			if b.Action != RouteRest && !acts && !leaves {
				bad("a deed because a hop is unknown", h, b)
			}
		}
	})
	if n != 27*10*3*128*4 {
		t.Errorf("%d combinations", n)
	}
}

func TestWhereARouteLedIsRemembered(t *testing.T) {
	var s RouteState
	s.Saw(via(2))
	if s.Saw(via(-1)); s.Last != 3 { // a hop that is not set says nothing
		t.Errorf("last: %d", s.Last)
	}
	if s.Saw(via(0, 1)); s.Last != 3 { // and neither does a spread
		t.Errorf("last: %d", s.Last)
	}
	if s.Renumber([]int{1, -1, 0}); s.Last != 1 {
		t.Errorf("last, after its hop became the first: %d", s.Last)
	}
	if s.Renumber([]int{-1}); s.Last != 0 {
		t.Errorf("last, after its hop has gone: %d", s.Last)
	}
	if s.Leave(); !s.Leaving {
		t.Error("it does not leave")
	}
	if s.Return(); s.Leaving {
		t.Error("it leaves, and was called back")
	}
}

func TestARouteIsDecidedAgainWhenTimeChangesIt(t *testing.T) {
	c := routing()
	c.f.Hops = []Hop{hop(Unknown), hop(Unknown)}
	c.f.Since = noon
	if d := c.decide(); d.Reason != HopsUnknown || !d.Again.Equal(noon.Add(23*time.Second)) {
		t.Errorf("%+v", d)
	}
	c.f.Hops[1], c.f.Kernel, c.f.Via, c.s.Last = hop(Yes), seen(No, 0), nil, 0
	if d := c.decide(); d.Reason != HopsUnknown || !d.Again.Equal(noon.Add(23*time.Second)) {
		t.Errorf("it waits for the first: %+v", d)
	}
	c = routing()
	if d := c.decide(); !d.Again.Equal(noon.Add(tooOld)) {
		t.Errorf("an answer grows old: %+v", d)
	}
	c.f.Now = noon.Add(tooOld)
	c.f.Kernel.Asked = c.f.Now
	c.f.Hops[0].Link.Asked, c.f.Hops[1].Answer.Asked, c.f.Hops[1].Link.Asked = c.f.Now, c.f.Now, c.f.Now
	if d := c.decide(); d.Reason != HopStaysUnknown {
		t.Errorf("an answer that is too old: %+v", d)
	}
}
