package rules

import "time"

func waitingExamples() []example {
	second := time.Second
	served := func(c *instance) {
		c.p.Primary, c.p.Failback = true, true
		c.f.Alias, c.f.ByPartner = seen(Answered, time.Hour), Yes
	}
	flapping := func(c *instance) {
		for range c.p.MaxTakes {
			c.s.Takes = append(c.s.Takes, noon.Add(-40*second))
		}
	}
	return []example{
		{"W1", "parked by an operator", "", func(c *instance) { c.s.Parked = true }, Wait, Parked, 0},
		{"W1", "parked by an operator", "or gone from the file", func(c *instance) { c.s.Leaving = true }, Wait, Parked, 0},
		{"W1", "it is not known what operators parked, nobody has ordered the alias here since, and the partner is not silent", "it cannot be read",
			func(c *instance) { c.f.ParkedKnown, c.p.Primary = seen(No, 0), true }, Wait, ParkedUnknown, tooOld},
		{"W1", "it is not known what operators parked, nobody has ordered the alias here since, and the partner is not silent", "it was not read yet",
			func(c *instance) { c.f.ParkedKnown, c.s.OursLast = Fact{}, true }, Wait, ParkedUnknown, tooOld},
		{"W14", "not primary, partner silent", "what is parked is not known",
			func(c *instance) { c.f.ParkedKnown, c.f.Partner = seen(No, 0), seen(Silent, 0) }, Take, PartnerSilent, tooOld},
		{"W4", "an operator orders it, the alias is silent and its group may be here, or an operator forces it", "what is parked is not known",
			func(c *instance) { c.f.ParkedKnown, c.s.Order = seen(No, 0), OrderTake }, Take, OperatorTakes, tooOld},
		{"W2", "NIC missing, down, without carrier or without an address of its own", "down",
			func(c *instance) { c.f.NIC = seen(No, 0) }, Wait, NoLink, tooOld},
		{"W2", "NIC missing, down, without carrier or without an address of its own", "no carrier",
			func(c *instance) { c.f.Carrier = seen(No, 0) }, Wait, NoLink, tooOld},
		{"W2", "NIC missing, down, without carrier or without an address of its own", "no address",
			func(c *instance) { c.f.Own = seen(No, 0) }, Wait, NoLink, tooOld},
		{"W2", "link unknown", "", func(c *instance) { c.f.Carrier = Fact{} }, Wait, LinkUnknown, tooOld},
		{"W2", "link unknown", "read too long ago", func(c *instance) { c.f.NIC.Asked = noon.Add(-tooOld) }, Wait, LinkUnknown, tooOld},
		{"W2", "another NIC of this host has the alias, or it is not known whether one has", "though forced", func(c *instance) {
			c.f.Elsewhere, c.s.Order = seen(Yes, time.Hour), OrderForce
		}, Wait, OnOtherNIC, tooOld},
		{"W2", "another NIC of this host has the alias, or it is not known whether one has", "not known", func(c *instance) {
			c.f.Elsewhere = Fact{}
		}, Wait, OnOtherNIC, tooOld},
		{"W3", "own service failing, and the partner's is not known to be failing too", "even when ordered",
			func(c *instance) { c.f.Service, c.s.Order = seen(No, 0), OrderForce }, Wait, ServiceFailing, tooOld},
		{"W4", "an operator orders it, the alias is silent and its group may be here, or an operator forces it", "ordered",
			func(c *instance) { c.s.Order = OrderTake }, Take, OperatorTakes, tooOld},
		{"W4", "an operator orders it, the alias is silent and its group may be here, or an operator forces it", "forced",
			func(c *instance) { c.s.Order, c.f.Alias.Value = OrderForce, Answered }, Take, OperatorTakes, tooOld},
		{"W4", "an operator orders it, the alias is silent and its group may be here, or an operator forces it", "both services failing",
			func(c *instance) {
				says(c, Word{})
				c.s.Order, c.f.Service, c.f.Peer.Facts[FactService] = OrderTake, seen(No, 0), No
			}, Take, OperatorTakes, 4 * second},
		{"W5", "the holder offers it to us, the offer has not expired, router answered", "", func(c *instance) {
			getting(c, Word{SaysHolding, Offers, 1, NoRow})
			c.f.Alias.Value = Answered
		}, Take, Offered, 2 * second},
		{"W15", "not all of its group could be here, and the partner could have all", "though ours before", func(c *instance) {
			c.f.Whole, c.f.PartnerWhole, c.s.OursLast = seen(No, 0), seen(Yes, 0), true
		}, Wait, GroupApart, tooOld},
		{"W15", "neither host could have all of its group, and when_split = \"release\"", "", func(c *instance) {
			c.p.ReleaseSplit, c.f.Whole, c.f.PartnerWhole, c.s.OursLast = true, seen(No, 0), seen(No, 0), true
		}, Wait, GroupSplit, tooOld},
		{"W11", "not primary, and we were the last to let it go", "neither host could have all of its group", func(c *instance) {
			c.f.Whole, c.f.PartnerWhole, c.s.OursLast = seen(No, 0), seen(No, 0), true
		}, Take, OursBefore, tooOld},
		{"W11", "not primary, and we were the last to let it go", "what the partner could have of its group is not known", func(c *instance) {
			c.f.Whole, c.s.OursLast = seen(No, 0), true
		}, Take, OursBefore, tooOld},
		{"W4", "an operator orders it, the partner says that it holds the alias, router answered", "", func(c *instance) {
			says(c, Word{Standing: SaysHolding})
			c.s.Order, c.f.Alias.Value = OrderTake, Answered
		}, AskHandover, OperatorAsks, 4 * second},
		{"W4", "an operator orders it, the partner says that it holds the alias, router answered", "asked", func(c *instance) {
			says(c, Word{Standing: SaysHolding})
			c.s.Order, c.f.Alias.Value = OrderTake, Answered
			c.s.Handover = Handover{Side: Asking, Number: 1, Why: OperatorAsks, Began: noon}
		}, AskHandover, OperatorAsks, 2 * second},
		{"W6", "failback due, and the partner says that it holds the alias", "", func(c *instance) {
			served(c)
			says(c, Word{Standing: SaysHolding})
		}, AskHandover, FailbackAsks, 4 * second},
		{"W6", "failback due, and the partner serves the alias but cannot be asked: no channel, or nothing heard on it since our start, or not for failback_after and a lease", "", served, Take, FailbackTakes, tooOld},
		{"W6", "failback due, and the partner serves the alias but cannot be asked: no channel, or nothing heard on it since our start, or not for failback_after and a lease", "a key, and no channel since our start", func(c *instance) {
			served(c)
			c.p.Channel = true
		}, Take, FailbackTakes, tooOld},
		{"W6", "failback due, and the partner serves the alias but cannot be asked: no channel, or nothing heard on it since our start, or not for failback_after and a lease", "a channel that is blocked", func(c *instance) {
			served(c)
			c.p.Channel, c.p.Lease = true, 9*second
			c.f.Peer.Heard = noon.Add(-4*second - 5*time.Minute - 9*second)
		}, Take, FailbackTakes, tooOld},
		{"W6", "alias answered by another host", "failback was refused a moment ago", func(c *instance) {
			served(c)
			says(c, Word{Standing: SaysHolding})
			c.s.Handover = Handover{Number: 1, Failure: Refused, Ended: noon}
		}, Wait, Served, 4 * second},
		{"W6", "alias answered by another host", "offered too late", func(c *instance) {
			getting(c, Word{SaysHolding, Offers, 1, NoRow})
			c.f.Alias.Value, c.s.Handover.Began = Answered, noon.Add(-2*second)
		}, Wait, Served, second},
		{"W6", "alias answered by another host", "", func(c *instance) { c.f.Alias = seen(Answered, 0) }, Wait, Served, tooOld},
		{"W6", "alias answered by another host", "though ordered", func(c *instance) {
			c.f.Alias, c.s.Order = seen(Answered, 0), OrderTake
		}, Wait, Served, tooOld},
		{"W6", "alias answered by another host", "failback not due for a second", func(c *instance) {
			served(c)
			c.f.Partner.Since = noon.Add(second - c.p.FailbackAfter)
		}, Wait, Served, second},
		{"W6", "alias answered by another host", "failback was refused", func(c *instance) {
			served(c)
			c.s.NoReturn = true
		}, Wait, Served, tooOld},
		{"W6", "alias answered by another host", "failback, but from whom", func(c *instance) {
			served(c)
			c.f.ByPartner = Unknown
		}, Wait, Served, tooOld},
		{"W7", "alias unknown", "", func(c *instance) { c.f.Alias = Fact{} }, Wait, AliasUnknown, tooOld},
		{"W8", "router silent", "", func(c *instance) { c.f.Router = seen(Silent, 0) }, Wait, RouterSilent, tooOld},
		{"W8", "no router known", "", func(c *instance) { c.f.RouterKnown, c.f.Router = false, Fact{} }, Wait, NoRouter, tooOld},
		{"W8", "router unknown, or not heard since the alias or the partner missed an answer", "", func(c *instance) { c.f.Router = Fact{} }, Wait, RouterUnknown, tooOld},
		{"W8", "router unknown, or not heard since the alias or the partner missed an answer", "asked before the alias was missed", func(c *instance) {
			c.f.Router.Asked = c.f.Alias.Miss.Add(-1)
		}, Wait, RouterUnknown, tooOld},
		{"W8", "router unknown, or not heard since the alias or the partner missed an answer", "asked before the partner was missed", func(c *instance) {
			c.f.Partner = Fact{Value: Silent, Since: noon, Asked: noon, Miss: noon.Add(-second)}
			c.f.Router.Asked = noon.Add(-second - 1)
		}, Wait, RouterUnknown, tooOld},
		{"W8", "router unknown, or not heard since the alias or the partner missed an answer", "asked before the partner was missed, whose answer is too old", func(c *instance) {
			c.f.Partner = Fact{Value: Answered, Since: noon.Add(-time.Hour), Asked: noon.Add(-tooOld), Miss: noon.Add(-second)}
			c.f.Router.Asked = noon.Add(-second - 1)
		}, Wait, RouterUnknown, tooOld},
		{"W9", "taken too often within an hour, the pause after the last take is not over, and the partner is not silent", "a primary too", func(c *instance) {
			flapping(c)
			c.p.Primary = true
		}, Wait, Flapping, 20 * second},
		{"W10", "alias silent, router answered, we act as primary, partner silent", "at once", func(c *instance) {
			c.p.Primary, c.f.Partner = true, seen(Silent, 0)
		}, Take, PrimaryTakes, tooOld},
		{"W10", "alias silent, router answered, we act as primary, partner silent", "of two that are not the lower", func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.f.Peer.Primary, c.f.Peer.HWLower, c.f.Partner = No, Yes, seen(Silent, 0)
		}, Take, PrimaryTakes, 4 * second},
		{"W10", "alias silent for twice the doubt, router answered, we act as primary", "the partner answers", func(c *instance) {
			c.p.Primary, c.f.Alias.Since = true, noon.Add(-c.p.Doubt())
		}, Take, PrimaryTakes, tooOld},
		{"W10", "we act as primary, the partner is not silent, and the alias is not yet silent for twice the doubt", "", func(c *instance) {
			c.p.Primary = true
		}, Wait, DoubtedTwice, 2 * second},
		{"W11", "not primary, and the partner says that it cannot serve the alias, or that it is parked or released there", "cannot", func(c *instance) {
			says(c, Word{Standing: SaysCannot})
		}, Take, PartnerCannot, 4 * second},
		{"W11", "not primary, and the partner says that it cannot serve the alias, or that it is parked or released there", "released", func(c *instance) {
			says(c, Word{Standing: SaysReleased})
		}, Take, PartnerCannot, 4 * second},
		{"W11", "not primary, and the partner says that it cannot serve the alias, or that it is parked or released there", "parked", func(c *instance) {
			says(c, Word{Standing: SaysParked})
		}, Take, PartnerCannot, 4 * second},
		{"W11", "not primary, the partner was fenced, and the alias was silent when asked after that", "though the partner answers", func(c *instance) {
			fencedFor(c, 5*second)
		}, Take, PartnerFenced, tooOld},
		{"W12", "not primary, partner answered", "fenced, but the alias was not asked since", func(c *instance) {
			fencedFor(c, 0)
		}, Wait, PartnerAlive, 23 * second},
		{"W12", "not primary, partner answered", "fenced, but that is over", func(c *instance) {
			fencedFor(c, 5*second)
			c.s.FenceOver = c.f.Fenced.Asked
		}, Wait, PartnerAlive, tooOld},
		{"W6", "the partner was fenced, and the alias is still answered", "", func(c *instance) {
			served(c)
			c.p.Failback = false
			fencedFor(c, time.Minute)
		}, Wait, FencedAnswers, tooOld},
		{"W6", "alias answered by another host", "fenced a moment ago", func(c *instance) {
			served(c)
			c.p.Failback = false
			fencedFor(c, 5*second)
		}, Wait, Served, tooOld - 5*second},
		{"W11", "not primary, and we were the last to let it go", "", func(c *instance) {
			c.s.OursLast = true
		}, Take, OursBefore, tooOld},
		{"W12", "not primary, partner answered, its daemon has fallen silent on the channel", "", func(c *instance) {
			c.p.Channel, c.f.Peer.Heard = true, noon.Add(-4*second)
		}, Take, DaemonDead, tooOld},
		{"W12", "not primary, partner answered, alias silent for a minute", "", func(c *instance) {
			c.f.Alias.Since = noon.Add(-time.Minute)
		}, Wait, NoPrimary, tooOld},
		{"W12", "not primary, partner answered", "", func(c *instance) {}, Wait, PartnerAlive, tooOld},
		{"W12", "not primary, partner answered", "of two primaries the higher", func(c *instance) {
			says(c, Word{Standing: SaysUnsure})
			c.p.Primary, c.f.Peer.Primary, c.f.Peer.HWLower = true, Yes, No
		}, Wait, PartnerAlive, 4 * second},
		{"W12", "not primary, partner answered", "and its daemon was not heard since our start", func(c *instance) {
			c.p.Channel = true
		}, Wait, PartnerAlive, tooOld},
		{"W12", "not primary, partner answered", "its word is too old, and so is its role", func(c *instance) {
			says(c, Word{Standing: SaysCannot})
			c.f.Peer.Said = noon.Add(-4 * second)
			c.f.Peer.Primary, c.f.Peer.HWLower = No, Yes
		}, Wait, PartnerAlive, 4 * second},
		{"W7", "alias unknown", "found silent before the router was heard again", func(c *instance) {
			c.p.Primary = true
			c.f.Alias.Asked, c.f.Router.Since = noon.Add(-2*second), noon.Add(-second)
			c.f.Alias.Miss = noon.Add(-time.Hour)
		}, Wait, AliasUnknown, tooOld - 2*second},
		{"W13", "not primary, partner unknown", "found silent before the router was heard again", func(c *instance) {
			c.f.Partner = seen(Silent, time.Hour)
			c.f.Partner.Asked, c.f.Router.Since = noon.Add(-2*second), noon.Add(-second)
		}, Wait, PartnerUnknown, tooOld - 2*second},
		{"W13", "not primary, partner unknown", "", func(c *instance) { c.f.Partner = Fact{} }, Wait, PartnerUnknown, tooOld},
		{"W13", "not primary, partner unknown", "asked before the alias was missed", func(c *instance) {
			c.f.Partner.Asked = c.f.Alias.Miss.Add(-1)
		}, Wait, PartnerUnknown, tooOld - 3*second - 1},
		{"W14", "not primary, partner silent", "", func(c *instance) { c.f.Partner = seen(Silent, 0) }, Take, PartnerSilent, tooOld},
		{"W14", "not primary, partner silent", "though it flapped", func(c *instance) {
			flapping(c)
			c.f.Partner = seen(Silent, 0)
		}, Take, PartnerSilent, tooOld},
	}
}
