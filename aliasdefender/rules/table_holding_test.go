package rules

import "time"

func holdingExamples() []example {
	second := time.Second
	rival := func(byPartner Value) func(c *instance) {
		return func(c *instance) {
			c.p.Primary, c.f.Alias, c.f.ByPartner = true, seen(Yes, 0), byPartner
			c.f.Claimant = seen(byPartner, 0)
		}
	}
	// defended: answered n times, the last time that long ago.
	defended := func(byPartner Value, n int, ago time.Duration) func(c *instance) {
		return func(c *instance) {
			rival(byPartner)(c)
			c.s.Defences, c.s.Defended = n, noon.Add(-ago)
		}
	}
	// behind: an own address stands behind it; it was put behind that n times, the
	// last time that long ago.
	behind := func(n int, ago time.Duration) func(c *instance) {
		return func(c *instance) {
			c.f.Behind = seen(Yes, 0)
			if c.s.Reorders = n; n > 0 {
				c.s.Reordered = noon.Add(-ago)
			}
		}
	}
	lost := func(alias Value) func(c *instance) {
		return func(c *instance) { c.f.Kernel, c.f.Alias = seen(No, 0), seen(alias, 0) }
	}
	// vanished: restored n times, the last time that long ago, and gone again.
	vanished := func(n int, ago time.Duration) func(c *instance) {
		return func(c *instance) {
			lost(No)(c)
			c.s.Restores, c.s.Restored = n, noon.Add(-ago)
		}
	}
	return []example{
		{"H1", "the partner confirms that it took what we handed over", "though the NIC is down", func(c *instance) {
			giving(c, Word{SaysHolding, Confirms, 1, NoRow})
			c.f.NIC = seen(No, 0)
		}, Release, HandedOver, 2 * second},
		{"H1", "it was handed over to us, the router does not answer it here, and the partner still has it", "", func(c *instance) {
			getting(c, Word{SaysHolding, Offers, 1, NoRow})
			c.s.Handover.Verified = No
		}, Release, GivenBack, 3 * second},
		{"H2", "ordered off or to be handed over, the partner would take it, and no hand-over is open or has just failed", "ordered off", func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.s.Parked = true
		}, HandOver, OperatorReleases, 4 * second},
		{"H2", "ordered off or to be handed over, the partner would take it, and no hand-over is open or has just failed", "to be handed over", func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.s.Give = true
		}, HandOver, OperatorReleases, 4 * second},
		{"H2", "ordered off, and no hand-over open", "", func(c *instance) { c.s.Parked = true }, Release, OperatorReleases, 0},
		{"H2", "ordered off, and no hand-over open", "one has failed a moment ago", func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.s.Parked, c.s.Handover = true, Handover{Number: 1, Failure: NoAnswer, Ended: noon}
		}, Release, OperatorReleases, 4 * second},
		{"H2", "ordered off, and no hand-over open", "the partner would take, but the kernel has lost it", func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.s.Parked, c.f.Kernel = true, seen(No, 0)
		}, Release, OperatorReleases, 4 * second},
		{"H2", "ordered off, and no hand-over open", "gone from the file", func(c *instance) { c.s.Leaving = true }, Release, OperatorReleases, 0},
		{"H3", "NIC missing or down", "", func(c *instance) { c.f.NIC = seen(No, 0) }, Release, LinkLost, tooOld},
		{"H3", "without carrier for (misses - 1) x timeout", "", func(c *instance) {
			c.f.Carrier = seen(No, 2*second)
		}, Release, LinkLost, tooOld},
		{"H4", "own service failing, the partner would take it, and no hand-over is open or has just failed", "", func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.f.Service = seen(No, 0)
		}, HandOver, ServiceFailing, 4 * second},
		{"H4", "the partner asks for it, and would take it", "", func(c *instance) {
			says(c, Word{SaysAble, Asks, 1, OperatorAsks})
		}, HandOver, Asked, 4 * second},
		{"H11", "not all of its group could be here, the partner could have all and would take it, and no hand-over is open or has just failed", "", func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.f.Whole, c.f.PartnerWhole = seen(No, 0), seen(Yes, 0)
		}, HandOver, GroupApart, 4 * second},
		{"H11", "the partner has the first member of its group, could have all and would take it, and no hand-over is open or has just failed", "", func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.f.Whole, c.f.PartnerWhole, c.f.PartnerLeads = seen(Yes, 0), seen(Yes, 0), Yes
		}, HandOver, GroupJoins, 4 * second},
		{"H11", "the partner has the first member of its group, could have all and would take it, and no hand-over is open or has just failed", "what could be here is not known", func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.f.PartnerWhole, c.f.PartnerLeads = seen(Yes, 0), Yes
		}, HandOver, GroupJoins, 4 * second},
		{"H11", "neither host could have all of its group, when_split = \"release\", and no hand-over is open", "", func(c *instance) {
			c.p.ReleaseSplit, c.f.Whole, c.f.PartnerWhole = true, seen(No, 0), seen(No, 0)
		}, Release, GroupSplit, tooOld},
		{"H11", "neither host could have all of its group", "", func(c *instance) {
			c.f.Whole, c.f.PartnerWhole = seen(No, 0), seen(No, 0)
		}, Keep, GroupSplit, tooOld},
		{"H11", "not all of its group could be here, and no hand-over can begin now", "the partner says nothing of this one", func(c *instance) {
			c.f.Whole, c.f.PartnerWhole = seen(No, 0), seen(Yes, 0)
		}, Keep, GroupApart, tooOld},
		{"H11", "the partner has the first member of its group and could have all, and no hand-over can begin now", "", func(c *instance) {
			c.f.Whole, c.f.PartnerWhole, c.f.PartnerLeads = seen(Yes, 0), seen(Yes, 0), Yes
		}, Keep, GroupJoins, tooOld},
		{"H5", "the kernel lost it because its lease ran out", "", func(c *instance) {
			lost(No)(c)
			c.s.Lease = noon.Add(second)
		}, Forget, LeaseEnded, tooOld},
		{"H9", "the lease is due, and we have looked at kernel and wire since our last pause", "a third of it is gone", func(c *instance) {
			c.p.Lease, c.s.Lease, c.s.Next = 9*second, noon.Add(6*second), noon
		}, Refresh, LeaseDue, 5 * second},
		{"H9", "the lease is due, and we have looked at kernel and wire since our last pause", "adopted", func(c *instance) {
			c.p.Lease = 9 * second
		}, Refresh, LeaseDue, tooOld},
		{"H9", "the lease is due, and we have looked at kernel and wire since our last pause", "none is wanted any more", func(c *instance) {
			c.s.Lease = noon.Add(2 * second)
		}, Refresh, LeaseDue, tooOld},
		{"H9", "the lease is due, and we have looked at kernel and wire since our last pause", "it outlived the lease that we know", func(c *instance) {
			c.p.Lease, c.s.Lease = 9*second, noon.Add(-second)
		}, Refresh, LeaseDue, tooOld},
		{"H9", "the lease is due, and we have looked at kernel and wire since our last pause", "the wire could not be asked for a doubt", func(c *instance) {
			c.p.Lease, c.s.Woke, c.f.Alias = 9*second, noon.Add(-3*second), Fact{}
		}, Refresh, LeaseDue, tooOld},
		{"H5", "the kernel lost it, and another host has claimed it since", "", lost(Yes), Forget, LostToOther, tooOld},
		{"H5", "the kernel lost it, link good, nobody else claims it", "", lost(No), Restore, Restored, tooOld},
		{"H5", "the kernel lost it, link good, nobody else claims it", "the second time", vanished(1, 0), Restore, Restored, tooOld},
		{"H5", "the kernel lost it, link good, nobody else claims it", "it has stayed for a minute since", vanished(2, 61*second), Restore, Restored, tooOld},
		{"H5", "the kernel lost it yet again, link good, nobody else claims it, and the last restore is too recent", "the third time",
			vanished(2, second-1), Keep, KeepsVanishing, 1},
		{"H5", "the kernel lost it yet again, link good, nobody else claims it, and the last restore is too recent", "the sixth time",
			vanished(5, second), Keep, KeepsVanishing, 7 * second},
		{"H5", "the kernel lost it yet again, link good, nobody else claims it, and the last restore is too recent", "the hundredth time",
			vanished(99, 20*second), Keep, KeepsVanishing, 40 * second},
		{"H5", "the kernel lost it yet again, link good, nobody else claims it", "the third time", vanished(2, second), Restore, KeepsVanishing, tooOld},
		{"H5", "the kernel lost it, link not good or rivals not known", "nothing is announced", func(c *instance) {
			lost(Unknown)(c)
			c.s.Next = noon
		}, Keep, KernelLost, tooOld},
		{"H5", "the kernel lost it, link not good or rivals not known", "no own address", func(c *instance) {
			lost(No)(c)
			c.f.Own = seen(No, 0)
		}, Keep, KernelLost, tooOld},
		{"H6", "the rival is the partner, and we do not act as primary", "it has answered to its address", func(c *instance) {
			rival(Yes)(c)
			c.p.Primary = false
		}, Release, RivalPartner, tooOld},
		{"H6", "the rival is the partner, and we do not act as primary", "on another NIC of its", func(c *instance) {
			rival(Yes)(c)
			c.p.Primary, c.f.ByPartner = false, No
		}, Release, RivalPartner, tooOld},
		{"H6", "the rival is the partner, and we do not act as primary", "by its word", func(c *instance) {
			rival(No)(c)
			says(c, Word{Standing: SaysHolding})
			c.p.Primary, c.f.Alias.Since = false, noon.Add(-1)
		}, Release, RivalPartner, 4 * second},
		{"H6", "taken by failback, announced twice, and the partner has not yielded", "", func(c *instance) {
			defended(Yes, 1, second+1)(c)
			c.s.Failback = true
		}, Release, FailbackRefused, tooOld},
		{"H6", "no channel tells the roles, we have defended twice, the partner still claims it, and our hardware address is the higher", "", func(c *instance) {
			defended(Yes, 2, second+1)(c)
			c.f.WeAreLow = No
		}, Release, TwoPrimaries, tooOld},
		{"H7", "the rival is the partner, and we stay", "", rival(Yes), Announce, PartnerDefended, tooOld},
		{"H7", "the rival is the partner, and we stay", "defended twice, and we are the lower", func(c *instance) {
			defended(Yes, 2, DefendEvery)(c)
			c.f.WeAreLow = Yes
		}, Announce, PartnerDefended, tooOld},
		{"H7", "the rival is the partner, and it is too soon to answer it", "back from a pause, and the kernel has not told yet whether we have it", func(c *instance) {
			rival(Yes)(c)
			c.s.Woke, c.f.Kernel = noon, Fact{}
		}, Keep, PartnerClaims, tooOld},
		{"H7", "the rival is a third host", "", rival(No), Announce, ForeignDefended, tooOld},
		{"H7", "the rival is a third host", "it has the partner's hardware address, and the partner says that it has nothing", func(c *instance) {
			rival(Yes)(c)
			says(c, Word{Standing: SaysAble})
			c.p.Primary, c.f.Alias.Since = false, noon.Add(-1)
		}, Announce, ForeignDefended, 4 * second},
		{"H7", "it is not yet known who the rival is, and we act as primary or have asked for long enough", "primary", rival(Unknown), Announce, ClaimDefended, tooOld},
		{"H7", "it is not yet known who the rival is, and we act as primary or have asked for long enough", "nobody can be asked", func(c *instance) {
			rival(Unknown)(c)
			c.p.Primary, c.f.Alias.Since = false, noon.Add(-4*second)
		}, Announce, ClaimDefended, tooOld},
		{"H7", "it is not yet known who the rival is: we are asking", "it has the partner's hardware address", func(c *instance) {
			rival(Yes)(c)
			c.p.Primary, c.f.Claimant = false, Fact{}
		}, Keep, ClaimAsked, 4 * second},
		{"H7", "it is not yet known who the rival is: we are asking", "the partner has just let it go", func(c *instance) {
			rival(Yes)(c)
			says(c, Word{Standing: SaysAble})
			c.p.Primary, c.f.Alias.Since, c.f.Peer.Held = false, noon.Add(-1), noon.Add(-second)
		}, Keep, ClaimAsked, 4 * second},
		{"H7", "it is not yet known who the rival is: we are asking", "the partner's word is from before the claim", func(c *instance) {
			rival(Yes)(c)
			says(c, Word{Standing: SaysHolding})
			c.p.Primary = false
		}, Keep, ClaimAsked, 2 * second},
		{"H7", "the rival has fallen silent", "", func(c *instance) { c.s.Claimed = true }, Announce, RivalGone, tooOld},
		{"H7", "the rival is the partner, and it is too soon to answer it", "", defended(Yes, 1, 4*second), Keep, PartnerClaims, 6 * second},
		{"H7", "the rival is the partner, and it is too soon to answer it", "the claim was on its way", func(c *instance) {
			defended(Yes, 2, second)(c)
			c.f.WeAreLow = No
		}, Keep, PartnerClaims, 9 * second},
		{"H7", "the rival is a third host, and it is too soon to answer it", "not primary", func(c *instance) {
			defended(No, 3, 4*second)(c)
			c.p.Primary = false
		}, Keep, ForeignClaims, 6 * second},
		{"H7", "the rival is a third host, and it is too soon to answer it", "not heard since", func(c *instance) {
			defended(No, 1, 0)(c)
		}, Keep, ForeignClaims, tooOld},
		{"H8", "router and partner silent for isolated_after, and on_isolation = \"release\"", "", func(c *instance) {
			c.p.ReleaseIsolated = true
			c.f.Router, c.f.Partner = seen(Silent, time.Minute), seen(Silent, time.Hour)
		}, Release, Isolated, tooOld},
		{"H8", "own service failing, no channel, and on_service_failure = \"release\"", "", func(c *instance) {
			c.p.ReleaseFailing, c.p.Channel = true, false
			c.f.Service = seen(No, 0)
		}, Release, ServiceReleased, tooOld},
		{"H4", "own service failing, and no hand-over can begin now", "without a channel, and it is to be kept", func(c *instance) {
			c.p.Channel = false
			c.f.Service = seen(No, 0)
		}, Keep, ServiceFailing, tooOld},
		{"H9", "otherwise", "the service failed a moment before its check's own time was over", func(c *instance) {
			c.f.Service = Fact{Value: No, Since: noon.Add(-time.Hour), Asked: noon.Add(-10 * second), Lives: 10 * second}
		}, Keep, Held, tooOld},
		{"H9", "an announcement is due, we have looked since our last pause, and we are not handing the alias over", "", func(c *instance) { c.s.Next = noon }, Announce, AnnouncementDue, tooOld},
		{"H9", "otherwise", "an announcement is due, and the kernel was not read since a pause", func(c *instance) {
			c.s.Next, c.s.Woke = noon, noon
			c.f.Kernel.Asked = noon.Add(-second)
		}, Keep, Held, tooOld - second},
		{"H4", "own service failing, and the partner's too", "", func(c *instance) {
			says(c, Word{Standing: SaysCannot})
			c.f.Service, c.f.Peer.Facts[FactService] = seen(No, 0), No
		}, Keep, BothFailing, 4 * second},
		{"H4", "own service failing, and no hand-over can begin now", "", func(c *instance) {
			says(c, Word{Standing: SaysCannot})
			c.f.Service = seen(No, 0)
		}, Keep, ServiceFailing, 4 * second},
		{"H1", "a hand-over is open", "ordered off while one is", func(c *instance) {
			giving(c, Word{Standing: SaysAble})
			c.s.Leaving, c.s.Next = true, noon
		}, Keep, HandingOver, 2 * second},
		{"H1", "a hand-over is open", "the partner claims what we hand over to it", func(c *instance) {
			rival(Yes)(c)
			giving(c, Word{SaysHolding, Takes, 1, NoRow})
		}, Keep, HandingOver, 2 * second},
		{"H1", "a hand-over is open", "and the partner confirms another", func(c *instance) {
			giving(c, Word{SaysHolding, Confirms, 7, NoRow})
		}, Keep, HandingOver, 2 * second},
		{"H2", "to be handed over, but the partner would not take it", "it is not heard", func(c *instance) {
			c.s.Give = true
		}, Keep, WouldNot, tooOld},
		{"H2", "to be handed over, but the partner would not take it", "parked there", func(c *instance) {
			says(c, Word{Standing: SaysParked})
			c.s.Give = true
		}, Keep, WouldNot, 4 * second},
		{"H10", "our own address stands behind the alias, link good, no hand-over open", "the first time", behind(0, 0), Reorder, OwnBehind, tooOld},
		{"H10", "our own address stands behind the alias, link good, no hand-over open", "the second, a second later, while a rival is answered", func(c *instance) {
			defended(No, 1, 0)(c)
			behind(1, second)(c)
		}, Reorder, OwnBehind, tooOld},
		{"H10", "our own address stands behind the alias, link good, no hand-over open", "the last ones were long ago", behind(3, time.Minute), Reorder, OwnBehind, tooOld},
		{"H10", "our own address stands behind the alias, for the third time in a row", "two seconds later", behind(2, 2*second), Reorder, OwnBehindAgain, tooOld},
		{"H10", "our own address stands behind the alias, for the third time in a row", "the tenth, half a minute later", behind(9, 30*second), Reorder, OwnBehindAgain, 30 * second},
		{"H10", "our own address stands behind the alias, and cannot be put before it yet", "two seconds have to pass", behind(2, second), Keep, OwnStaysBehind, second},
		{"H10", "our own address stands behind the alias, and cannot be put before it yet", "the lease is about to end", func(c *instance) {
			behind(0, 0)(c)
			c.p.Lease, c.s.Lease = 9*second, noon.Add(second)
		}, Keep, OwnStaysBehind, tooOld},
		{"H10", "our own address stands behind the alias, and cannot be put before it yet", "back from a pause, and the wire is being asked", func(c *instance) {
			behind(0, 0)(c)
			c.s.Woke, c.f.Alias = noon, Fact{}
		}, Keep, OwnStaysBehind, 3 * second},
		{"H10", "the NIC has no address of its own", "nothing is announced", func(c *instance) {
			c.f.Own, c.s.Next = seen(No, 0), noon
		}, Keep, OwnGone, tooOld},
		{"H1", "a hand-over is open", "an own address stands behind what is handed over", func(c *instance) {
			giving(c, Word{Standing: SaysAble})
			behind(0, 0)(c)
		}, Keep, HandingOver, 2 * second},
		{"H9", "otherwise", "", func(c *instance) {}, Keep, Held, tooOld},
		{"H9", "otherwise", "what was claimed before counts no more", func(c *instance) {
			rival(Yes)(c)
			c.s.Anew = noon
		}, Keep, Held, tooOld},
		{"H9", "otherwise", "the partner says that it holds it, and the wire is silent", func(c *instance) {
			says(c, Word{Standing: SaysHolding})
			c.p.Primary = false
		}, Keep, Held, 4 * second},
		{"H9", "otherwise", "a lease of which less than a third is gone", func(c *instance) {
			c.p.Lease, c.s.Lease = 9*second, noon.Add(7*second)
		}, Keep, Held, second},
		{"H9", "otherwise", "too late to go on with the lease", func(c *instance) {
			c.p.Lease, c.s.Lease = 9*second, noon.Add(second)
		}, Keep, Held, tooOld},
		{"H9", "otherwise", "back from a pause, and the wire is being asked", func(c *instance) {
			c.p.Lease, c.s.Woke, c.f.Alias = 9*second, noon, Fact{}
		}, Keep, Held, 3 * second},
		{"H9", "otherwise", "isolated, and nobody said to release", func(c *instance) {
			c.f.Router, c.f.Partner = seen(Silent, time.Hour), seen(Silent, time.Hour)
		}, Keep, Held, tooOld},
	}
}

// says: the partner's daemon is heard, and says that.
func says(c *instance, w Word) {
	c.p.Channel, c.f.Peer.Heard, c.f.Peer.Said, c.f.Peer.Word = true, noon, noon, w
}

// giving: we have just offered it, and the partner says that.
func giving(c *instance, w Word) {
	says(c, w)
	c.s.Handover = Handover{Side: Giving, Number: 1, Why: OperatorReleases, Began: noon}
}

// getting: the partner has just offered it to us, and says that.
func getting(c *instance, w Word) {
	says(c, w)
	c.s.Handover = Handover{Side: Getting, Number: 1, Why: Offered, Began: noon}
}
