package rules

import (
	"slices"
	"time"

	"pgregory.net/rapid"
)

// change changes one thing.
type change func(*rapid.T, *instance)

func changes() []change {
	all := []change{
		func(t *rapid.T, c *instance) { c.f.RouterKnown = false },
		func(t *rapid.T, c *instance) { c.s.Parked = true },
		func(t *rapid.T, c *instance) { c.s.Leaving = true },
		func(t *rapid.T, c *instance) { c.s.Give = true },
		handover,
		lease,
		func(t *rapid.T, c *instance) { c.s.Anew = noon.Add(-age(t, c.p)) },
		func(t *rapid.T, c *instance) { c.s.Woke = noon.Add(-age(t, c.p)) },
		func(t *rapid.T, c *instance) { c.s.OursLast = true },
		func(t *rapid.T, c *instance) {
			c.s.Failback = true
			c.s.Defences = rapid.IntRange(0, 2).Draw(t, "defences")
		},
		func(t *rapid.T, c *instance) { c.s.NoReturn = true },
		behind,
		func(t *rapid.T, c *instance) { c.s.Next = noon.Add(-age(t, c.p)) },
		func(t *rapid.T, c *instance) { c.s.Next = noon.Add(age(t, c.p)) },
		func(t *rapid.T, c *instance) { c.s.Order = Order(rapid.IntRange(0, 2).Draw(t, "order")) },
		func(t *rapid.T, c *instance) {
			c.s.Takes = nil
			for range rapid.IntRange(1, 4).Draw(t, "takes") {
				c.s.Takes = append(c.s.Takes, noon.Add(-age(t, c.p)))
			}
			slices.SortFunc(c.s.Takes, time.Time.Compare)
		},
		twins,
	}
	all = append(all, scenes()...)
	for i := range facts(&Facts{}) {
		all = append(all, func(t *rapid.T, c *instance) { *facts(&c.f)[i].fact = drawFact(t, c.p) })
	}
	for i := range values(&Facts{}) {
		all = append(all, func(t *rapid.T, c *instance) { *values(&c.f)[i].value = drawValue(t) })
	}
	return all
}

// scenes are the situations that two hosts and a wire get into.
func scenes() []change {
	return []change{
		func(*rapid.T, *instance) {}, // calm
		func(t *rapid.T, c *instance) { // the partner is gone, or cannot be asked
			c.f.Partner = seen(rapid.SampledFrom([]Value{Silent, Unknown}).Draw(t, "partner"), age(t, c.p))
		},
		func(t *rapid.T, c *instance) { // router and partner are both silent
			c.f.Router, c.f.Partner = seen(Silent, age(t, c.p)), seen(Silent, age(t, c.p))
		},
		func(t *rapid.T, c *instance) { // the router is heard again; the others were asked before that, or after
			c.f.Router.Since = noon.Add(-c.p.Timeout)
			c.f.Alias.Miss = noon.Add(-time.Hour)
			beside := func() time.Time {
				return noon.Add(rapid.SampledFrom([]time.Duration{-1, 0, 1}).Draw(t, "beside") - c.p.Timeout)
			}
			c.f.Alias.Asked = beside()
			if rapid.Bool().Draw(t, "partner silent") {
				c.f.Partner = Fact{Value: Silent, Since: noon.Add(-time.Hour), Asked: beside()}
			}
		},
		func(t *rapid.T, c *instance) { // the partner was fenced
			fencedFor(c, age(t, c.p))
			if rapid.Bool().Draw(t, "in vain") {
				c.f.Alias, c.f.ByPartner = seen(Answered, age(t, c.p)), Yes
			}
			c.f.Alias.Asked = noon.Add(-rapid.SampledFrom([]time.Duration{0, 0, c.p.Timeout}).Draw(t, "asked"))
			if rapid.SampledFrom([]bool{false, false, true}).Draw(t, "over") {
				c.s.FenceOver = c.f.Fenced.Asked
			}
		},
		func(t *rapid.T, c *instance) { // nobody has served it for a while
			c.f.Alias.Since = noon.Add(-age(t, c.p))
		},
		func(t *rapid.T, c *instance) { // the partner has served it, and everything has been well, for a while
			since := age(t, c.p)
			c.f.Alias, c.f.ByPartner = seen(Answered, since), Yes
			c.s.NoReturn = rapid.SampledFrom([]bool{false, false, true}).Draw(t, "no return")
			c.f.Router, c.f.Partner = seen(Answered, since), seen(Answered, since)
		},
		func(t *rapid.T, c *instance) { // a rival that we answered before, and that is heard again or not
			c.f.Alias = seen(Answered, age(t, c.p))
			if rapid.Bool().Draw(t, "heard a while ago") {
				c.f.Alias.Asked = noon.Add(-age(t, c.p))
			}
			c.f.ByPartner, c.f.WeAreLow = drawValue(t), drawValue(t)
			c.f.Claimant = seen(drawValue(t), 0)
			c.s.Claimed = rapid.Bool().Draw(t, "claimed")
			c.s.Defences = rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "defences")
			c.s.Defended = noon.Add(-age(t, c.p))
		},
		func(t *rapid.T, c *instance) { // a rival that is gone
			c.f.Alias, c.s.Claimed = seen(Silent, age(t, c.p)), true
			c.s.Defences, c.s.Defended = rapid.IntRange(0, 2).Draw(t, "defences"), noon.Add(-age(t, c.p))
		},
		func(t *rapid.T, c *instance) { // two primaries without a channel
			c.p.Primary, c.p.Channel = true, false
			c.f.Alias, c.f.ByPartner, c.f.WeAreLow = seen(Yes, 0), Yes, drawValue(t)
			c.f.Claimant = seen(rapid.SampledFrom([]Value{Yes, Yes, Unknown}).Draw(t, "claimant"), 0)
			c.s.Defences, c.s.Defended = rapid.SampledFrom([]int{1, 2}).Draw(t, "defences"), noon.Add(-age(t, c.p))
		},
		func(t *rapid.T, c *instance) { // asked just before a miss, with it or just after
			c.f.Alias.Miss = noon.Add(-c.p.Timeout)
			beside := func() time.Duration {
				return rapid.SampledFrom([]time.Duration{-c.p.Timeout / 2, -1, 0, 1}).Draw(t, "beside the miss")
			}
			c.f.Router.Asked, c.f.Partner.Asked = c.f.Alias.Miss.Add(beside()), c.f.Alias.Miss.Add(beside())
			c.f.Partner.Value, c.f.Partner.Miss = drawValue(t), c.f.Alias.Miss.Add(beside())
		},
		func(t *rapid.T, c *instance) { // another program removed it from this host
			c.f.Kernel, c.f.Alias.Value = seen(No, 0), drawValue(t)
		},
		func(t *rapid.T, c *instance) { // it does so again and again
			c.f.Kernel, c.f.Alias = seen(No, 0), seen(Silent, time.Hour)
			c.s.Restores = rapid.IntRange(1, 12).Draw(t, "restores")
			c.s.Restored = noon.Add(-age(t, c.p))
			if rapid.Bool().Draw(t, "at the pause") {
				c.s.Restored = noon.Add(-c.s.restorePause() - rapid.SampledFrom([]time.Duration{-1, 0, 1}).Draw(t, "beside it"))
			}
		},
		func(t *rapid.T, c *instance) { // the file of parked aliases cannot be read
			c.f.ParkedKnown = seen(rapid.SampledFrom([]Value{No, Unknown}).Draw(t, "parked known"), age(t, c.p))
			c.p.Primary = rapid.Bool().Draw(t, "primary")
			c.f.Alias.Since = noon.Add(-age(t, c.p))
			c.s.OursLast = rapid.Bool().Draw(t, "ours last")
			if rapid.Bool().Draw(t, "partner silent") {
				c.f.Partner = seen(Silent, time.Hour)
			}
		},
		func(t *rapid.T, c *instance) { // the channel tells of the partner
			c.p.Channel = true
			speaks(t, c)
		},
		func(t *rapid.T, c *instance) { // the service is ill
			c.f.Service, c.p.Channel = seen(No, 0), !c.p.ReleaseFailing
			speaks(t, c)
			switch {
			case !c.p.Channel:
				c.f.Peer = Peer{}
			case rapid.Bool().Draw(t, "and the partner's"):
				c.f.Peer.Said, c.f.Peer.Facts[FactService] = noon, No
			}
		},
		func(t *rapid.T, c *instance) { // an operator wants what the partner has
			c.p.Channel, c.s.Order = true, OrderTake
			c.f.Alias, c.f.ByPartner = seen(Answered, age(t, c.p)), Yes
			speaks(t, c)
			c.f.Peer.Word.Standing = SaysHolding
		},
		func(t *rapid.T, c *instance) { // a hand-over is open, and the partner's words are about it
			c.p.Channel = true
			handover(t, c)
			speaks(t, c)
			c.f.Peer.Word.Number = c.s.Handover.Number
		},
		func(t *rapid.T, c *instance) { // the same, within its time
			c.p.Channel = true
			sides := []Side{Giving, Giving, Getting, Getting, Asking}
			c.s.Handover = Handover{Number: 1, Side: rapid.SampledFrom(sides).Draw(t, "side"), Verified: drawValue(t)}
			c.s.Handover.Why = rapid.SampledFrom([]Reason{OperatorAsks, FailbackAsks}).Draw(t, "why")
			c.s.Handover.Began = noon.Add(-min(age(t, c.p), c.p.GiveWithin()-1))
			step := rapid.SampledFrom([]Step{Offers, Offers, Takes, Confirms, Refuses}).Draw(t, "step")
			c.f.Peer = Peer{Heard: noon, Said: noon, Word: Word{SaysHolding, step, 1, NoRow}}
		},
		func(t *rapid.T, c *instance) { // a partner that would take it, and asks for it or not
			c.p.Channel = true
			step := rapid.SampledFrom([]Step{NoStep, Asks}).Draw(t, "step")
			c.f.Peer = Peer{Heard: noon, Said: noon, Word: Word{SaysAble, step, 2, NoRow}}
		},
		func(t *rapid.T, c *instance) { // a partner that holds it while failback is due
			c.p.Primary, c.p.Failback, c.p.Channel = true, true, rapid.Bool().Draw(t, "channel")
			c.f.Alias, c.f.ByPartner = seen(Answered, c.p.FailbackAfter), Yes
			c.f.Router, c.f.Partner = seen(Answered, time.Hour), seen(Answered, time.Hour)
			speaks(t, c)
			c.f.Peer.Word.Standing = SaysHolding
		},
		func(t *rapid.T, c *instance) { // a group that is not whole here, or not together
			c.p.Channel = true
			c.p.ReleaseSplit = rapid.Bool().Draw(t, "release split")
			c.f.Whole, c.f.PartnerWhole = seen(rapid.SampledFrom([]Value{No, No, Yes}).Draw(t, "here"), age(t, c.p)), seen(drawValue(t), age(t, c.p))
			c.f.PartnerLeads = drawValue(t)
			if rapid.Bool().Draw(t, "the partner leads") {
				c.f.Whole, c.f.PartnerWhole, c.f.PartnerLeads = seen(Yes, 0), seen(Yes, 0), Yes
			}
			c.f.Peer = Peer{Heard: noon, Said: noon, Word: Word{Standing: rapid.SampledFrom([]Standing{SaysAble, SaysAble, SaysHolding, SaysCannot}).Draw(t, "standing")}}
			c.f.Alias.Since = noon.Add(-age(t, c.p))
		},
		func(t *rapid.T, c *instance) { // a group of which neither host can have all, and something else
			c.p.Channel, c.p.ReleaseSplit = true, rapid.Bool().Draw(t, "release split")
			c.f.Whole, c.f.PartnerWhole = seen(No, time.Hour), seen(No, time.Hour)
			rapid.SampledFrom([]change{handover, lease, behind, func(t *rapid.T, c *instance) {
				c.f.Alias, c.f.ByPartner = seen(Answered, age(t, c.p)), drawValue(t)
				c.f.Kernel = seen(drawValue(t), age(t, c.p))
			}, func(t *rapid.T, c *instance) { c.s.Next = noon }}).Draw(t, "and")(t, c)
		},
		func(t *rapid.T, c *instance) { // isolated for so long
			c.p.ReleaseIsolated = true
			c.f.Router, c.f.Partner = seen(Silent, age(t, c.p)), seen(Silent, time.Hour)
		},
		func(t *rapid.T, c *instance) { // ordered off, and the partner speaks
			c.s.Parked, c.s.Leaving, c.s.Give = rapid.Bool().Draw(t, "parked"), rapid.Bool().Draw(t, "leaving"), rapid.Bool().Draw(t, "give")
			c.p.Channel = rapid.Bool().Draw(t, "channel")
			c.s.Order = rapid.SampledFrom([]Order{NoOrder, OrderTake}).Draw(t, "order")
			speaks(t, c)
		},
		behind,
		func(t *rapid.T, c *instance) { // it stays so while a hand-over is open, or a rival is heard
			behind(t, c)
			rapid.SampledFrom([]change{handover, lease, func(t *rapid.T, c *instance) {
				c.f.Alias, c.f.ByPartner = seen(Answered, age(t, c.p)), drawValue(t)
				c.s.Defences, c.s.Defended = 1, noon.Add(-age(t, c.p))
			}}).Draw(t, "and")(t, c)
		},
		func(t *rapid.T, c *instance) { // the lease is running
			lease(t, c)
			c.f.Kernel = seen(drawValue(t), age(t, c.p))
			c.f.Alias.Value = drawValue(t)
		},
	}
}

// speaks: we heard the partner's daemon, and it said something.
func speaks(t *rapid.T, c *instance) {
	at := func(name string) time.Time {
		return noon.Add(-rapid.SampledFrom([]time.Duration{0, 0, 1, c.p.ChannelSilent() - 1, c.p.ChannelSilent(), time.Hour}).Draw(t, name))
	}
	c.f.Peer.Heard = at("heard")
	if rapid.Bool().Draw(t, "spoke of it") {
		c.f.Peer.Said = at("said")
	}
	if rapid.Bool().Draw(t, "has held it") {
		c.f.Peer.Held = at("held")
	}
	c.f.Peer.Word = Word{
		Standing: Standing(rapid.IntRange(int(NotSaid), int(SaysReleased)).Draw(t, "standing")),
		Step:     Step(rapid.IntRange(int(NoStep), int(Refuses)).Draw(t, "step")),
		Number:   uint32(rapid.IntRange(0, 2).Draw(t, "number")),
	}
	for _, r := range FactRows() {
		if r.Wire != 0 {
			c.f.Peer.Facts[r.ID] = drawValue(t)
		}
	}
}

// handover: a hand-over is open, or was.
func handover(t *rapid.T, c *instance) {
	h := Handover{Side: Side(rapid.IntRange(int(NoSide), int(Getting)).Draw(t, "side")), Number: 1}
	if h.Side == NoSide {
		h.Failure = rapid.SampledFrom([]Reason{NoRow, Refused}).Draw(t, "failure")
		h.Ended = noon.Add(-age(t, c.p))
	} else {
		h.Why = rapid.SampledFrom([]Reason{OperatorAsks, FailbackAsks}).Draw(t, "why")
		h.Began = noon.Add(-age(t, c.p))
		h.Verified = drawValue(t)
	}
	c.s.Handover = h
}

// lease: the alias has a lease, which ends soon or not.
func lease(t *rapid.T, c *instance) {
	in := rapid.SampledFrom([]time.Duration{-time.Hour, -leaseSlack, 0, leaseSlack, 6 * time.Second, 8 * time.Second}).Draw(t, "lease ends in")
	c.p.Lease = 10 * time.Second
	c.s.Lease = noon.Add(in + rapid.SampledFrom([]time.Duration{0, 1, -1}).Draw(t, "beside the lease"))
}

// behind: an own address stands behind the alias; the alias was put behind it before,
// or not.
func behind(t *rapid.T, c *instance) {
	c.f.Behind = seen(Yes, age(t, c.p))
	if c.s.Reorders = rapid.SampledFrom([]int{0, 1, 2, 3, 9}).Draw(t, "reorders"); c.s.Reorders > 0 {
		beside := rapid.SampledFrom([]time.Duration{0, 1, -1}).Draw(t, "beside the pause")
		pauses := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, reorderMost, reorderCalm}
		c.s.Reordered = noon.Add(beside - rapid.SampledFrom(pauses).Draw(t, "reordered"))
	}
}

// twins: the channel says that both hosts have the same role.
func twins(t *rapid.T, c *instance) {
	c.f.Peer.Heard, c.f.Peer.Said = noon, noon
	c.f.Peer.Primary, c.f.Peer.HWLower = Of(c.p.Primary), drawValue(t)
}
