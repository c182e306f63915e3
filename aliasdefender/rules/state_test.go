package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTookBeginsToHold(t *testing.T) {
	early := noon.Add(-time.Minute)
	before := State{
		Order: OrderTake, OursLast: true, Takes: []time.Time{early},
		Defences: 2, Defended: early, Announced: 4, NoReturn: true,
	}
	for name, tt := range map[string]struct {
		reason Reason
		want   State
	}{
		"from a silent partner":             {PartnerSilent, State{Holding: true, Takes: []time.Time{early, noon}, Next: noon, NoReturn: true}},
		"by failback":                       {FailbackTakes, State{Holding: true, Takes: []time.Time{early, noon}, Next: noon, NoReturn: true, Failback: true}},
		"by order, which ends the flapping": {OperatorTakes, State{Holding: true, Next: noon, NoReturn: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s := before
			s.took(Policy{MaxTakes: 3}, tt.reason, noon)
			if diff := cmp.Diff(tt.want, s); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTookLeavesASnapshotAlone(t *testing.T) {
	takes := make([]time.Time, 1, 8)
	takes[0] = noon
	s := State{Takes: takes}
	snapshot := s
	s.took(Policy{MaxTakes: 3}, PrimaryTakes, noon.Add(time.Second))
	snapshot.took(Policy{MaxTakes: 3}, PrimaryTakes, noon.Add(time.Hour))
	if diff := cmp.Diff([]time.Time{noon, noon.Add(time.Second)}, s.Takes); diff != "" {
		t.Error(diff)
	}
}

func TestAdoptedHoldsWithoutATake(t *testing.T) {
	s := State{Order: OrderForce, OursLast: true, Defences: 1, Defended: noon, Announced: 3}
	s.found(noon)
	if diff := cmp.Diff(State{Holding: true, Next: noon}, s); diff != "" {
		t.Error(diff)
	}
}

func TestLetGoKeepsWhatOutlastsTheAlias(t *testing.T) {
	before := State{
		Holding: true, Parked: true, Leaving: true, Order: OrderTake, Takes: []time.Time{noon}, Give: true, Lease: noon, Woke: noon, Anew: noon,
		Failback: true, Defences: 3, Defended: noon, Announced: 6, Next: noon, NoReturn: true,
	}
	kept := State{Parked: true, Leaving: true, Order: OrderTake, Takes: []time.Time{noon}}
	ours, refused := kept, kept
	ours.OursLast, refused.NoReturn = true, true
	for reason, want := range map[Reason]State{
		HandedOver: kept, OperatorReleases: kept, LostToOther: kept, RivalPartner: kept, TwoPrimaries: kept,
		LinkLost: ours, Isolated: ours, LeaseEnded: ours, FailbackRefused: refused,
	} {
		t.Run(reason.String(), func(t *testing.T) {
			s := before
			s.letGo(reason)
			if diff := cmp.Diff(want, s); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLetGoEndsAHandoverForGood(t *testing.T) {
	open := Handover{Side: Giving, Number: 4, Why: Asked, Began: noon}
	over := Handover{Number: 4, Failure: Refused, Ended: noon.Add(-time.Hour)}
	for name, tt := range map[string]struct {
		was    Handover
		reason Reason
		want   Handover
	}{
		"handed over":               {open, HandedOver, Handover{Number: 4, Ended: noon}},
		"given back":                {open, GivenBack, Handover{Number: 4, Failure: NotVerified, Ended: noon}},
		"gone for another reason":   {open, LinkLost, Handover{Number: 4, Failure: Withdrawn, Ended: noon}},
		"after one that had failed": {over, LinkLost, over},
	} {
		t.Run(name, func(t *testing.T) {
			s := State{Holding: true, Handover: tt.was}
			s.letGo(tt.reason)
			if diff := cmp.Diff(tt.want, s.Handover); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnnouncementsGoOutAfterFiveSecondsAndThenEachMinute(t *testing.T) {
	c := holder()
	c.s = State{}
	c.s.took(Policy{MaxTakes: 3}, PartnerSilent, noon)
	var got []time.Duration
	for range 40 { // between them the facts are refreshed
		d := Decide(c.p, c.s, c.f)
		if d.Action == Announce {
			got = append(got, c.f.Now.Sub(noon))
			c.s.announce(d, c.f.Now)
			continue
		}
		c = refreshed(c.at(d.Again))
	}
	s := time.Second
	if len(got) < 8 {
		t.Fatalf("announced after %v only", got)
	}
	if diff := cmp.Diff([]time.Duration{0, s, 2 * s, 3 * s, 4 * s, 5 * s, 65 * s, 125 * s}, got[:8]); diff != "" {
		t.Error(diff)
	}
}

// refreshed is the same with everything asked just now.
func refreshed(c instance) instance {
	for _, n := range facts(&c.f) {
		if n.fact.Value != Unknown {
			n.fact.Asked = c.f.Now
		}
	}
	return c
}

func TestReannounceBeginsAnew(t *testing.T) {
	s := State{Holding: true, Announced: 9, Next: noon.Add(time.Minute)}
	s.reannounce(noon)
	if diff := cmp.Diff(State{Holding: true, Next: noon}, s); diff != "" {
		t.Error(diff)
	}
}

func TestDefenceIsNoStepOfTheSchedule(t *testing.T) {
	for _, r := range []Reason{PartnerDefended, ForeignDefended} {
		s := State{Holding: true, Announced: 2, Next: noon, Defences: 1, Failback: true}
		s.announce(Decision{Row: "H7", Action: Announce, Reason: r}, noon)
		want := State{Holding: true, Announced: 2, Next: noon, Defences: 2, Defended: noon, Failback: true}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("%s: %s", r, diff)
		}
	}
}

func TestEndOfARivalForgetsItButNotWhenItWasAnswered(t *testing.T) {
	s := State{Holding: true, Announced: 2, Next: noon, Claimed: true, Defences: 2, Defended: noon, Failback: true}
	s.announce(Decision{Row: "H7", Action: Announce, Reason: RivalGone}, noon)
	if diff := cmp.Diff(State{Holding: true, Announced: 2, Next: noon, Defended: noon}, s); diff != "" {
		t.Error(diff)
	}
}

func TestEndOfARivalThatWasNotAnsweredCountsAsAnAnswer(t *testing.T) {
	s := State{Holding: true, Claimed: true, Defended: noon.Add(-time.Hour)}
	s.announce(Decision{Row: "H7", Action: Announce, Reason: RivalGone}, noon)
	if diff := cmp.Diff(State{Holding: true, Defended: noon}, s); diff != "" {
		t.Error(diff)
	}
}

func TestSawDropsWhatNoLongerHolds(t *testing.T) {
	waiting := State{OursLast: true, NoReturn: true}
	failback := State{Holding: true, Failback: true}
	for name, tt := range map[string]struct {
		s         State
		alias     Value
		byPartner Value
		want      State
	}{
		"nothing seen":                          {waiting, Unknown, Unknown, waiting},
		"silent: failback may be tried again":   {waiting, Silent, Unknown, State{OursLast: true}},
		"the partner serves it: no longer ours": {waiting, Answered, Yes, State{NoReturn: true}},
		"somebody serves it":                    {waiting, Answered, Unknown, State{NoReturn: true}},
		"a third host serves it":                {waiting, Answered, No, State{}},
		"held, and the partner has yielded":     {failback, Silent, Unknown, State{Holding: true}},
		"held, and the partner claims it still": {failback, Yes, Yes, State{Holding: true, Failback: true, Claimed: true}},
		"held, and nothing is known":            {failback, Unknown, Yes, failback},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.s
			s.Saw(usual(), Facts{Now: noon, Alias: seen(tt.alias, 0), ByPartner: tt.byPartner})
			if diff := cmp.Diff(tt.want, s); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlappingEndsByItselfAndLaterEachTime(t *testing.T) {
	var s State
	last := noon
	take := func(r Reason, after time.Duration) {
		last = last.Add(after)
		s.took(Policy{MaxTakes: 3}, r, last)
	}
	expect := func(want time.Duration) {
		t.Helper()
		got := s.flapsUntil(3)
		if want == 0 && !got.IsZero() || want != 0 && got != last.Add(want) {
			t.Errorf("flapping until %v after the last take, want %v", got.Sub(last), want)
		}
	}
	take(PrimaryTakes, 0)
	take(PrimaryTakes, time.Minute)
	expect(0)
	take(PrimaryTakes, time.Hour-time.Minute+1)
	expect(0) // three within an hour and a nanosecond
	take(FailbackTakes, time.Minute-1)
	expect(time.Minute) // the last three, in an hour exactly
	for _, want := range []time.Duration{1, 2, 4, 8, 15, 15} {
		take(PrimaryTakes, time.Second)
		expect(want * time.Minute)
	}
	if len(s.Takes) > 7 {
		t.Errorf("%d takes are remembered, of which some make no difference", len(s.Takes))
	}
	take(Offered, 0)
	s.letGo(RivalPartner)
	expect(15 * time.Minute)
	if !s.flapsUntil(0).IsZero() {
		t.Error("flapping without a limit")
	}
	take(PrimaryTakes, 2*time.Hour)
	expect(0)
	take(OperatorTakes, 0)
	expect(0)
}

func TestFactKeepsSinceWhileItsValueStays(t *testing.T) {
	var f Fact
	f.Set(Unknown, noon, noon)
	f.Set(Yes, noon.Add(1*time.Second), noon.Add(2*time.Second))
	f.Set(Yes, noon.Add(3*time.Second), noon.Add(4*time.Second))
	if diff := cmp.Diff(Fact{Value: Yes, Since: noon.Add(2 * time.Second), Asked: noon.Add(3 * time.Second)}, f); diff != "" {
		t.Error(diff)
	}
}
