package rules

import (
	"testing"
	"time"
)

// TestAShortDoubtDoesNotBeginAnew: one answer that one of many members misses must not
// restart the time that failback waits for.
func TestAShortDoubtDoesNotBeginAnew(t *testing.T) {
	p := usual()
	for name, tt := range map[string]struct {
		between Value
		long    time.Duration
		anew    bool
	}{
		"unknown for a moment": {Unknown, time.Second, false},
		"unknown just shorter": {Unknown, p.Stale() - 1, false},
		"unknown for long":     {Unknown, p.Stale(), true},
		"no for a moment":      {No, time.Second, true},
	} {
		for looks := range 3 {
			f := Facts{Now: noon}
			tell := func(v Value, at time.Duration) {
				f.Now = noon.Add(at)
				Whole{Here: v}.Tell(p, &f)
				if f.Whole.Value != v || !f.Whole.Asked.Equal(f.Now) {
					t.Errorf("%s: %+v, want %s", name, f.Whole, v)
				}
			}
			tell(Yes, 0)
			tell(Yes, time.Minute)
			for i := range looks + 1 {
				tell(tt.between, time.Minute+tt.long*time.Duration(i)/time.Duration(looks+1))
			}
			tell(Yes, time.Minute+tt.long)
			want := noon
			if tt.anew {
				want = f.Now
			}
			if !f.Whole.Since.Equal(want) {
				t.Errorf("%s: since %v, want %v", name, f.Whole.Since, want)
			}
		}
	}
	f := Facts{Now: noon}
	for _, v := range []Value{Yes, Unknown, No, Unknown, Yes} {
		f.Now = f.Now.Add(time.Second)
		Whole{Here: v}.Tell(p, &f)
	}
	if !f.Whole.Since.Equal(f.Now) {
		t.Errorf("no between two doubts: since %v", f.Whole.Since)
	}
}

// TestNobodyLeadsWhileTheFirstIsOnItsWay: what follows would be handed back meanwhile.
func TestNobodyLeadsWhileTheFirstIsOnItsWay(t *testing.T) {
	for name, tt := range map[string]struct {
		h     Handover
		leads Value
	}{
		"no hand-over":            {Handover{}, Yes},
		"we ask for it":           {Handover{Side: Asking, Number: 1, Began: noon}, Unknown},
		"it is offered to us":     {Handover{Side: Getting, Number: 1, Began: noon}, Unknown},
		"that has taken too long": {Handover{Side: Getting, Number: 1, Began: noon.Add(-time.Minute)}, Yes},
		"one that has ended":      {Handover{Number: 1, Failure: Withdrawn, Ended: noon}, Yes},
	} {
		c := nobody()
		says(&c, Word{Standing: SaysHolding})
		c.s.Handover = tt.h
		seat := SeatOf(c.p, c.s, c.f)
		if w := Together([]Seat{seat, {}}); w.Leads != tt.leads {
			t.Errorf("%s: %s, want %s", name, w.Leads, tt.leads)
		}
		if w := Together([]Seat{{Theirs: true}, seat}); w.Leads != Yes {
			t.Errorf("%s of another member: %s", name, w.Leads)
		}
		if tt.leads == Unknown && !seat.Until.Equal(noon.Add(min(tt.h.until(c.p).Sub(noon), c.p.ChannelSilent()))) {
			t.Errorf("%s: until %v", name, seat.Until)
		}
	}
}

// TestAPartnersMachineIsSilentWhereverItIsAsked: the partners of a group are one machine, and
// what it has goes with it. What lives on one NIC may have its daemon and another NIC dead.
func TestAPartnersMachineIsSilentWhereverItIsAsked(t *testing.T) {
	silent := func(c *instance) { c.f.Partner = seen(Silent, 0) }
	answers := func(*instance) {}
	unknown := func(c *instance) { c.f.Partner = Fact{} }
	unlinked := func(c *instance) { c.f.Partner, c.f.Carrier = Fact{}, seen(No, 0) }
	heard := func(ago time.Duration) func(*instance) {
		return func(c *instance) { c.f.Partner, c.f.Peer.Heard = seen(Silent, 0), noon.Add(-ago) }
	}
	for name, tt := range map[string]struct {
		one, two func(*instance)
		there    Value
	}{
		"silent at both":                      {silent, silent, No},
		"answers at one":                      {silent, answers, Unknown},
		"not known at one":                    {silent, unknown, Unknown},
		"no link of ours to one":              {silent, unlinked, No},
		"no link of ours at all":              {unlinked, unlinked, Unknown},
		"answers at neither, daemon heard":    {silent, heard(0), Unknown},
		"no link to one, daemon heard":        {unlinked, heard(0), Unknown},
		"silent at both, daemon heard before": {heard(time.Minute), heard(time.Hour), No},
		"silent since before the router's return": {silent, func(c *instance) {
			c.f.Partner, c.f.Router = seen(Silent, time.Minute), Fact{Value: Answered, Since: noon, Asked: noon}
			c.f.Partner.Asked = noon.Add(-time.Second)
		}, Unknown},
	} {
		one, two := nobody(), nobody()
		tt.one(&one)
		tt.two(&two)
		seats := []Seat{SeatOf(one.p, one.s, one.f), SeatOf(two.p, two.s, two.f)}
		for range 2 {
			if w := Together(seats); w.There != tt.there {
				t.Errorf("%s: %s, want %s: %+v", name, w.There, tt.there, seats)
			}
			seats[0], seats[1] = seats[1], seats[0]
		}
	}
}
