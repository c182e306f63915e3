package rules

// holdingProperties are about an alias that is held.
func holdingProperties() []property { return append(lets(), keeps()...) }

// only makes a property: in that situation, this must be decided.
func only(name string, a Action, r Reason, when func(c instance) bool) property {
	return brokenIf(name, func(c instance, d Decision) bool {
		return c.s.Holding && when(c) && (d.Action != a || d.Reason != r)
	})
}

// lets: when the alias is let go.
func lets() []property {
	has := func(c instance) bool { return c.stays() && !c.lost() }
	return []property{
		only("a confirmed hand-over is one, whatever else is true", Release, HandedOver, instance.handedOver),
		only("what the router does not answer goes back while the giver has it", Release, GivenBack, instance.givenBack),
		only("ordered off or to be given it is handed over to a partner who can", HandOver, OperatorReleases, func(c instance) bool {
			return c.handsOff() && !c.handedOver() && !c.givenBack()
		}),
		only("ordered off it goes, unless a hand-over is open or possible", Release, OperatorReleases, instance.orderedOff),
		only("who asks for it and can gets it", HandOver, Asked, func(c instance) bool {
			return c.asked() && !c.handsOff() && !c.orderedOff() && !c.unlinked() && !c.relieved()
		}),
		brokenIf("an open hand-over begins no other", func(c instance, d Decision) bool {
			return c.handing() && d.Action == HandOver
		}),
		brokenIf("without a link it goes", func(c instance, d Decision) bool {
			return c.s.Holding && c.unlinked() && d.Action != Release
		}),
		only("a failing service hands it to a partner who can", HandOver, ServiceFailing, func(c instance) bool {
			return c.relieved() && !c.handedOver() && !c.givenBack() && !c.orderedOff() && !c.handsOff() && !c.unlinked()
		}),
		only("what the kernel lost and another claims is forgotten", Forget, LostToOther, func(c instance) bool {
			return c.stays() && c.lost() && c.alias() == Yes
		}),
		only("who is not primary yields to the partner", Release, RivalPartner, func(c instance) bool {
			return has(c) && c.partnersClaim() && !c.actsAsPrimary()
		}),
		only("a failback that the partner does not accept ends", Release, FailbackRefused, func(c instance) bool {
			return has(c) && c.actsAsPrimary() && c.failbackRefused()
		}),
		only("of two primaries the higher yields after two defences", Release, TwoPrimaries, func(c instance) bool {
			return has(c) && c.otherPrimaryIsLower() && !c.failbackRefused()
		}),
		brokenIf("what the kernel has lost does not go as isolated", func(c instance, d Decision) bool {
			return c.stays() && c.lost() && d.Reason == Isolated
		}),
		only("isolated it goes where the administrator says so", Release, Isolated, func(c instance) bool {
			return has(c) && c.rival() != Yes && !(c.rivalGone() && c.link() == Yes) && !c.leaseDue() && !c.reorderDue() && c.isolated()
		}),
		only("a failing service that nobody can be offered lets it go where the administrator says so", Release, ServiceReleased, func(c instance) bool {
			return has(c) && c.rival() != Yes && !(c.rivalGone() && c.link() == Yes) && !c.leaseDue() && !c.reorderDue() && !c.isolated() && c.releases()
		}),
		brokenIf("what the kernel has lost does not go for its service", func(c instance, d Decision) bool {
			return c.stays() && c.lost() && d.Reason == ServiceReleased
		}),
	}
}

// setsRight: an own address comes first again, if nothing is more urgent. Answers to
// a rival, and the lease, are.
func (c instance) setsRight() bool {
	answered := c.rival() == Yes && c.defenceDue() || c.rivalGone()
	return c.stays() && !c.lost() && c.reorderDue() && !c.yields() && !c.leaseDue() && !answered
}

// keeps: what is done for an alias that stays.
func keeps() []property {
	has := func(c instance) bool { return c.stays() && !c.lost() }
	return []property{
		only("what the kernel lost is restored at once", Restore, Restored, func(c instance) bool {
			return c.stays() && c.lost() && c.unclaimed() && c.link() == Yes && !c.lapsed() && !c.vanishes()
		}),
		only("what vanishes again and again is restored after a pause, as an alarm", Restore, KeepsVanishing, func(c instance) bool {
			return c.stays() && c.lost() && c.unclaimed() && c.link() == Yes && !c.lapsed() && c.vanishes() && c.age(c.s.Restored) >= c.restorePause()
		}),
		only("and not before", Keep, KeepsVanishing, func(c instance) bool {
			return c.stays() && c.lost() && c.unclaimed() && c.link() == Yes && !c.lapsed() && c.vanishes() && c.age(c.s.Restored) < c.restorePause()
		}),
		only("what went with its lease is forgotten, not restored", Forget, LeaseEnded, func(c instance) bool {
			return c.stays() && c.lost() && c.alias() != Yes && c.lapsed()
		}),
		only("the lease goes on before anything is announced", Refresh, LeaseDue, func(c instance) bool {
			return has(c) && c.leaseDue() && !c.yields()
		}),
		brokenIf("what the kernel has not, or the wire was not asked about, is not leased again", func(c instance, d Decision) bool {
			return d.Action == Refresh && !c.leaseDue()
		}),
		brokenIf("what is about to be confirmed by the partner is not announced by the schedule", func(c instance, d Decision) bool {
			return c.giving() && d.Reason == AnnouncementDue
		}),
		brokenIf("an open hand-over shows", func(c instance, d Decision) bool {
			return has(c) && c.handing() && !c.failing() && (d.Reason == Held || d.Reason == WouldNot)
		}),
		brokenIf("an order that cannot be carried out shows", func(c instance, d Decision) bool {
			return has(c) && c.s.Give && d.Reason == Held
		}),
		brokenIf("what the kernel does not have is not announced", func(c instance, d Decision) bool {
			return c.s.Holding && c.lost() && d.Action == Announce
		}),
		brokenIf("a bad or unknown link announces nothing", func(c instance, d Decision) bool {
			return c.link() != Yes && d.Action == Announce
		}),
		brokenIf("who was away answers no rival before the kernel has told that the alias is here", func(c instance, d Decision) bool {
			return !c.s.Woke.IsZero() && c.f.Kernel.Value == Unknown && d.Action == Announce
		}),
		brokenIf("who stays says so at once, and again when it is due", func(c instance, d Decision) bool {
			waits := c.strangeClaim() && !c.actsAsPrimary() && !c.askedEnough()
			return has(c) && c.rival() == Yes && !c.yields() && !waits && c.link() == Yes && c.defenceDue() && !c.leaseDue() && d.Action != Announce
		}),
		brokenIf("who is not primary says nothing until it is known who the rival is, or can be no more", func(c instance, d Decision) bool {
			return has(c) && c.strangeClaim() && !c.actsAsPrimary() && !c.askedEnough() && d.Action == Announce
		}),
		brokenIf("a claim of which nothing is known lets nothing go", func(c instance, d Decision) bool {
			return has(c) && c.strangeClaim() && d.Action == Release
		}),
		brokenIf("a rival is answered once in ten seconds", func(c instance, d Decision) bool {
			return has(c) && c.rival() == Yes && !c.s.Defended.IsZero() && c.age(c.s.Defended) < DefendEvery && d.Action == Announce
		}),
		brokenIf("who stays does not let go for the rival's sake", func(c instance, d Decision) bool {
			return has(c) && c.rival() == Yes && !c.yields() && d.Action != Announce && d.Action != Keep && d.Action != Refresh && d.Action != Reorder
		}),
		brokenIf("a third host is an alarm", func(c instance, d Decision) bool {
			return has(c) && c.foreignClaim() && d.Action != Refresh && d.Action != Reorder && d.Reason.Level() != Alarm
		}),
		only("the end of a rival is announced", Announce, RivalGone, func(c instance) bool {
			return has(c) && c.rivalGone() && c.link() == Yes && !c.leaseDue()
		}),
		only("what is due is announced", Announce, AnnouncementDue, func(c instance) bool {
			return has(c) && c.rival() != Yes && !c.rivalGone() && !c.isolated() && !c.releases() && !c.lastOfAll() && !c.leaseDue() && !c.reorderDue() && c.link() == Yes && c.announcementDue()
		}),
		only("the host's own address comes first again, and this is a warning twice", Reorder, OwnBehind, func(c instance) bool {
			return c.setsRight() && c.reorders() < 2
		}),
		only("the third time is an alarm", Reorder, OwnBehindAgain, func(c instance) bool {
			return c.setsRight() && c.reorders() >= 2
		}),
		brokenIf("what may be gone, is being handed over or has just been put there is not put anywhere", func(c instance, d Decision) bool {
			return d.Action == Reorder && !c.reorderDue()
		}),
		brokenIf("a host that speaks with the alias's address says so", func(c instance, d Decision) bool {
			return has(c) && (c.read(c.f.Behind) == Yes || c.read(c.f.Own) == No) && d.Reason == Held
		}),
		brokenIf("a failing service is kept with a warning", func(c instance, d Decision) bool {
			return has(c) && c.failing() && d.Action == Keep && d.Reason.Level() < Warning
		}),
		brokenIf("two failing services are an alarm", func(c instance, d Decision) bool {
			return c.s.Holding && c.failing() && c.partnerFails() && d.Reason == ServiceFailing && d.Action == Keep
		}),
	}
}
