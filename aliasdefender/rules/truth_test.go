package rules

import "time"

// truth has for each reason what the facts must be for it to be true.
func truth() map[Reason]func(c instance) bool {
	vacant := func(c instance) bool { return c.alias() == Silent && c.router() == Answered }
	second := func(c instance) bool { return vacant(c) && !c.actsAsPrimary() }
	return map[Reason]func(c instance) bool{
		Parked:        func(c instance) bool { return c.s.Parked || c.s.Leaving },
		ParkedUnknown: instance.perhapsParked,
		KeepsVanishing: func(c instance) bool {
			return c.lost() && c.alias() == No && c.link() == Yes && c.vanishes()
		},
		NoLink:      func(c instance) bool { return c.link() == No },
		LinkUnknown: func(c instance) bool { return c.link() == Unknown },
		OnOtherNIC:  func(c instance) bool { return c.read(c.f.Elsewhere) != No && c.link() == Yes },
		ServiceFailing: func(c instance) bool {
			return c.failing() && (c.s.Holding || !c.partnerFails())
		},
		GroupApart:    instance.apart,
		GroupSplit:    instance.split,
		GroupJoins:    instance.joins,
		OperatorTakes: instance.ordered,
		Offered:       instance.offered,
		OperatorAsks:  instance.operatorAsks,
		FailbackAsks:  func(c instance) bool { return c.failbackDue() && c.asks(FailbackAsks) },
		FailbackTakes: func(c instance) bool { return c.failbackDue() && c.unheard() },
		FencedAnswers: func(c instance) bool { return c.fenced() && c.alias() == Answered },
		Served:        func(c instance) bool { return c.alias() == Answered },
		AliasUnknown:  func(c instance) bool { return c.alias() == Unknown },
		RouterSilent:  func(c instance) bool { return c.alias() == Silent && c.router() == Silent },
		NoRouter:      func(c instance) bool { return !c.f.RouterKnown },
		RouterUnknown: func(c instance) bool { return c.f.RouterKnown && c.alias() == Silent && c.router() == Unknown },
		Flapping:      func(c instance) bool { return c.flapping() && vacant(c) && c.partner() != Silent },
		PrimaryTakes: func(c instance) bool {
			return vacant(c) && c.actsAsPrimary() && (c.partner() == Silent || c.doubtedTwice())
		},
		DoubtedTwice: func(c instance) bool {
			return vacant(c) && c.actsAsPrimary() && c.partner() != Silent && !c.doubtedTwice()
		},
		PartnerCannot: func(c instance) bool { return second(c) && c.partnerCannot() },
		PartnerFenced: func(c instance) bool { return second(c) && c.fenced() && c.f.Alias.Asked.After(c.f.Fenced.Asked) },
		OursBefore:    func(c instance) bool { return second(c) && c.s.OursLast },
		DaemonDead:    func(c instance) bool { return second(c) && c.daemonDead() },
		NoPrimary: func(c instance) bool {
			return second(c) && c.partner() == Answered && c.age(c.f.Alias.Since) >= time.Minute
		},
		PartnerAlive:   func(c instance) bool { return second(c) && c.partner() == Answered },
		PartnerUnknown: func(c instance) bool { return second(c) && c.partner() == Unknown },
		PartnerSilent:  func(c instance) bool { return second(c) && c.partner() == Silent },

		HandedOver:       instance.handedOver,
		GivenBack:        instance.givenBack,
		HandingOver:      instance.handing,
		OperatorReleases: func(c instance) bool { return c.orderedOff() || c.handsOff() },
		WouldNot:         func(c instance) bool { return c.s.Give && !(c.mayGive() && c.rested()) },
		Asked:            instance.asked,
		LinkLost:         instance.unlinked,
		LostToOther:      func(c instance) bool { return c.lost() && c.alias() == Yes },
		LeaseEnded:       func(c instance) bool { return c.lost() && c.lapsed() && c.alias() != Yes },
		LeaseDue:         instance.leaseDue,
		Restored:         func(c instance) bool { return c.lost() && c.alias() == No && c.link() == Yes && !c.lapsed() },
		KernelLost:       func(c instance) bool { return c.lost() && (!c.unclaimed() && c.alias() != Yes || c.link() != Yes) },
		RivalPartner:     func(c instance) bool { return c.partnersClaim() && !c.actsAsPrimary() },
		FailbackRefused:  instance.failbackRefused,
		TwoPrimaries:     instance.otherPrimaryIsLower,
		PartnerDefended:  func(c instance) bool { return c.partnersClaim() && !c.yields() && c.defenceDue() },
		ForeignDefended:  func(c instance) bool { return c.foreignClaim() && c.defenceDue() },
		ClaimDefended: func(c instance) bool {
			return c.strangeClaim() && (c.actsAsPrimary() || c.askedEnough()) && c.defenceDue()
		},
		ClaimAsked: func(c instance) bool {
			return c.strangeClaim() && !(c.defenceDue() && c.link() == Yes && (c.actsAsPrimary() || c.askedEnough()))
		},
		RivalGone:       instance.rivalGone,
		PartnerClaims:   func(c instance) bool { return c.partnersClaim() && !c.yields() && !(c.defenceDue() && c.link() == Yes) },
		ForeignClaims:   func(c instance) bool { return c.foreignClaim() && !(c.defenceDue() && c.link() == Yes) },
		Isolated:        instance.isolated,
		ServiceReleased: instance.releases,
		BothFailing:     func(c instance) bool { return c.failing() && c.partnerFails() },
		AnnouncementDue: func(c instance) bool { return c.announcementDue() && c.rival() != Yes },
		OwnBehind:       func(c instance) bool { return c.reorderDue() && c.reorders() < 2 },
		OwnBehindAgain:  func(c instance) bool { return c.reorderDue() && c.reorders() >= 2 },
		OwnStaysBehind:  func(c instance) bool { return c.read(c.f.Behind) == Yes && !c.reorderDue() },
		OwnGone:         func(c instance) bool { return c.read(c.f.Own) == No },
		Held: func(c instance) bool {
			return c.read(c.f.Own) != No && c.read(c.f.Behind) != Yes && !c.lost() && c.rival() != Yes && !c.failing() && !c.unlinked()
		},
	}
}
