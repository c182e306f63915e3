package rules

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
)

// commonProperties are promises about both halves.
func commonProperties() []property {
	truth := truth()
	return []property{
		brokenIf("every decision has its row, reason and text", func(c instance, d Decision) bool {
			return d.Row == "" || d.Reason == NoRow || d.Reason.String() == "" || d.Reason.Text() == ""
		}),
		brokenIf("a holder does not wait, and who holds nothing does not keep", func(c instance, d Decision) bool {
			ofHolder := d.Action != Wait && d.Action != Take && d.Action != AskHandover
			return ofHolder != c.s.Holding
		}),
		brokenIf("the reason is true", func(c instance, d Decision) bool {
			is, ok := truth[d.Reason]
			return !ok || !is(c)
		}),
		brokenIf("again is never in the past", func(c instance, d Decision) bool {
			return !d.Again.IsZero() && !d.Again.After(c.f.Now)
		}),
		{"nothing changes before again", nothingBeforeAgain},
		{"of two holders exactly one stays", oneStays},
		{"too old is unknown", tooOldIsUnknown},
		{"knowing nothing takes nothing and lets nothing go", knowingNothing},
		{"knowing less neither takes nor lets go", knowingLess},
	}
}

func allProperties() []property {
	return slices.Concat(waitingProperties(), holdingProperties(), groupProperties(), commonProperties())
}

func nothingBeforeAgain(rows []Row, c instance) error {
	d := c.decide(rows)
	last := d.Again.Add(-1)
	if d.Again.IsZero() {
		last = c.f.Now.Add(24 * time.Hour)
	}
	middle := c.f.Now.Add(last.Sub(c.f.Now) / 2)
	for _, t := range []time.Time{middle, last} {
		if diff := cmp.Diff(d, c.at(t).decide(rows)); diff != "" {
			return fmt.Errorf("after %v:\n%s", c.age(t), diff)
		}
	}
	return nil
}

// tooOldIsUnknown makes unknown what is too old; it must be so already.
func tooOldIsUnknown(rows []Row, c instance) error {
	before := c.decide(rows)
	for _, n := range facts(&c.f) {
		if bound := c.p.Life(*n.fact); n.Host && c.age(n.fact.Asked) < max(bound, localStale) || c.age(n.fact.Asked) < bound {
			continue
		}
		n.fact.Value = Unknown
		if diff := cmp.Diff(before, c.decide(rows)); diff != "" {
			return fmt.Errorf("%s is too old, and yet it decides:\n%s", n.Name, diff)
		}
	}
	return nil
}

// knowingNothing keeps only an operator's orders.
func knowingNothing(rows []Row, c instance) error {
	c.f = Facts{Now: c.f.Now}
	d := c.decide(rows)
	if d.Action == Take || d.Action == Release && !c.orderedOff() || d.Action == Forget || d.Action == Restore {
		return fmt.Errorf("without any fact: %s %s, %s", d.Row, d.Action, d.Reason)
	}
	return nil
}

// knowingLess takes away one fact after the other. An alias that is not taken with
// all that is known must not be taken with less, and one that is kept must not be let
// go unless there was a reason before.
//
// The design names the exceptions: without the partner's word, the claimant's answer
// counts (H6); without the channel's word, the file's role counts; without a check
// the service is unknown, and W3 does not ask about it; a group of which nothing is known
// holds nothing back; an operator's order does not wait for the router.
func knowingLess(rows []Row, c instance) error {
	before := c.decide(rows)
	keeps := before.Action == Keep || before.Action == Announce
	waits := before.Action == Wait || before.Action == AskHandover
	if !keeps && !waits {
		return nil
	}
	check := func(name string, less instance) error {
		d := less.decide(rows)
		switch {
		case waits && d.Action == Take:
			return fmt.Errorf("%s (%s) becomes a take (%s) when %s is unknown", before.Row, before.Reason, d.Row, name)
		case keeps && d.Action == Release && !truth()[d.Reason](c):
			return fmt.Errorf("%s (%s) becomes a release (%s) when %s is unknown", before.Row, before.Reason, d.Row, name)
		}
		return nil
	}
	less := c
	group := map[FactID]bool{FactWhole: true, FactPartnerWhole: true}
	for _, n := range facts(&less.f) {
		was := *n.fact
		n.fact.Value = Unknown
		if err := check(n.Name, less); err != nil && n.ID != FactService && !group[n.ID] && !(n.ID == FactPartner && before.Reason == GroupSplit) && !(n.ID == FactRouter && c.s.Order == OrderTake) {
			return err
		}
		*n.fact = was
	}
	// What the partner said, and since when its daemon has been silent.
	peer := less.f.Peer
	less.f.Peer.Word = Word{}
	if err := check("Peer.Word", less); err != nil && c.f.Claimant.Value != Answered {
		return err
	}
	less.f.Peer = peer
	for _, n := range values(&less.f) {
		if n.name == "Peer.Primary" || n.name == "Peer.HWLower" {
			continue
		}
		was := *n.value
		*n.value = Unknown
		if err := check(n.name, less); err != nil {
			return err
		}
		*n.value = was
	}
	return nil
}

// oneStays has two hosts hold one alias and hear each other. If their roles differ,
// or the channel tells them apart, one yields at once. Two primaries without a
// channel find out after two defences each. If neither is primary both yield: nobody
// is there to keep it, and row W12 says so.
func oneStays(rows []Row, c instance) error {
	low, same := c.f.WeAreLow == Yes, c.f.Peer.Facts[FactService] == Yes
	a, b := inConflict(c, c.p.Primary, low), inConflict(c, c.p.Primary == same, !low)
	if c.p.Channel {
		a.f.Peer.Said, b.f.Peer.Said = noon, noon
		a.f.Peer.Word.Standing, b.f.Peer.Word.Standing = SaysHolding, SaysHolding
		a.f.Peer.Primary, b.f.Peer.Primary = Of(b.p.Primary), Of(a.p.Primary)
		a.f.Peer.HWLower, b.f.Peer.HWLower = Of(low), Of(!low)
	}
	leave := func() [2]bool {
		return [2]bool{a.decide(rows).Action == Release, b.decide(rows).Action == Release}
	}
	want := [2]bool{!a.p.Primary, !b.p.Primary}
	if same && c.p.Channel {
		want = [2]bool{!low, low}
	}
	if got := leave(); got != want {
		return fmt.Errorf("primary %v and %v, channel %v, lower %v: released %v", a.p.Primary, b.p.Primary, c.p.Channel, low, got)
	}
	if !same || !a.p.Primary || c.p.Channel {
		return nil
	}
	for _, x := range []*instance{&a, &b} {
		x.s.Defences, x.s.Defended = 2, x.f.Now.Add(-x.p.Timeout-1)
	}
	if got := leave(); got != [2]bool{!low, low} {
		return fmt.Errorf("two primaries after two defences, lower %v: released %v", low, got)
	}
	return nil
}

// inConflict is a host that holds an alias that its partner holds too.
func inConflict(c instance, primary, low bool) instance {
	h := holder()
	h.p, h.p.Primary = c.p, primary
	h.f.Alias, h.f.WeAreLow, h.f.ByPartner = seen(Yes, time.Nanosecond), Of(low), c.f.ByPartner
	h.f.Claimant = seen(Yes, 0) // whatever hardware address it seems to have
	return h
}
