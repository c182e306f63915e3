package rules

import "time"

// Row is one line of the table: where When holds and no row above matches,
// Action is taken for Reason.
type Row struct {
	ID      string
	Holding bool // belongs to the half for an alias that we hold
	When    string
	Action  Action
	Reason  Reason

	when func(*view) bool
}

// Rows is the table, in order: the half for an alias that we do not hold, then
// the half for one that we do. The package comment, the tests and the verb Why
// read it; nothing else decides.
func Rows() []Row { return rows }

var rows = append(waiting(), holding()...)

func waiting() []Row {
	always := func(*view) bool { return true }
	return []Row{
		{"W1", false, "parked by an operator", Wait, Parked,
			func(v *view) bool { return v.s.Parked || v.s.Leaving }},
		{"W1", false, "it is not known what operators parked, nobody has ordered the alias here since, and the partner is not silent", Wait, ParkedUnknown,
			func(v *view) bool { return v.parkedUnknown() && v.partner() != Silent }},
		{"W2", false, "NIC missing, down, without carrier or without an address of its own", Wait, NoLink,
			func(v *view) bool { return v.link() == No }},
		{"W2", false, "link unknown", Wait, LinkUnknown,
			func(v *view) bool { return v.link() == Unknown }},
		{"W2", false, "another NIC of this host has the alias, or it is not known whether one has", Wait, OnOtherNIC,
			func(v *view) bool { return v.local(v.f.Elsewhere) != No }},
		{"W3", false, "own service failing, and the partner's is not known to be failing too", Wait, ServiceFailing,
			func(v *view) bool { return v.fresh(v.f.Service) == No && v.told(v.f.Peer.Facts[FactService]) != No }},
		{"W4", false, "an operator orders it, the alias is silent and its group may be here, or an operator forces it", Take, OperatorTakes,
			func(v *view) bool {
				return v.s.Order == OrderForce || v.s.Order == OrderTake && v.alias() == Silent && v.grouped() == NoRow
			}},
		{"W5", false, "the holder offers it to us, the offer has not expired, router answered", Take, Offered,
			func(v *view) bool { return v.offered() && v.router() == Answered }},
		{"W15", false, "not all of its group could be here, and the partner could have all", Wait, GroupApart, (*view).apart},
		{"W15", false, "neither host could have all of its group, and when_split = \"release\"", Wait, GroupSplit,
			func(v *view) bool { return v.p.ReleaseSplit && v.split() }},
		{"W4", false, "an operator orders it, the partner says that it holds the alias, router answered", AskHandover, OperatorAsks,
			func(v *view) bool {
				return v.s.Order == OrderTake && v.router() == Answered && v.mayAsk(OperatorAsks)
			}},
		{"W6", false, "failback due, and the partner says that it holds the alias", AskHandover, FailbackAsks,
			func(v *view) bool { return v.failbackDue() && v.p.Place != Follower && v.mayAsk(FailbackAsks) }},
		{"W6", false, "failback due, and the partner serves the alias but cannot be asked: no channel, or nothing heard on it since our start, or not for failback_after and a lease", Take, FailbackTakes,
			func(v *view) bool { return v.failbackDue() && v.unheard() }},
		{"W6", false, "the partner was fenced, and the alias is still answered", Wait, FencedAnswers,
			func(v *view) bool { return v.fenced() && v.alias() == Answered && v.fencedLong() }},
		{"W6", false, "alias answered by another host", Wait, Served,
			func(v *view) bool { return v.alias() == Answered }},
		{"W7", false, "alias unknown", Wait, AliasUnknown,
			func(v *view) bool { return v.alias() == Unknown }},
		{"W8", false, "router silent", Wait, RouterSilent,
			func(v *view) bool { return v.router() == Silent }},
		{"W8", false, "no router known", Wait, NoRouter,
			func(v *view) bool { return !v.f.RouterKnown }},
		{"W8", false, "router unknown, or not heard since the alias or the partner missed an answer", Wait, RouterUnknown,
			func(v *view) bool { return v.router() == Unknown }},
		{"W9", false, "taken too often within an hour, the pause after the last take is not over, and the partner is not silent", Wait, Flapping,
			(*view).flapping},
		{"W10", false, "alias silent, router answered, we act as primary, partner silent", Take, PrimaryTakes,
			func(v *view) bool { return v.primary() && v.partner() == Silent }},
		{"W10", false, "alias silent for twice the doubt, router answered, we act as primary", Take, PrimaryTakes,
			func(v *view) bool { return v.primary() && v.doubtedTwice() }},
		{"W10", false, "we act as primary, the partner is not silent, and the alias is not yet silent for twice the doubt", Wait, DoubtedTwice,
			func(v *view) bool { return v.primary() }},
		{"W11", false, "not primary, and the partner says that it cannot serve the alias, or that it is parked or released there", Take, PartnerCannot,
			func(v *view) bool {
				said := v.word().Standing
				return said == SaysCannot || said == SaysParked || said == SaysReleased
			}},
		{"W11", false, "not primary, the partner was fenced, and the alias was silent when asked after that", Take, PartnerFenced,
			func(v *view) bool { return v.fenced() && v.silentSinceFence() }},
		{"W11", false, "not primary, and we were the last to let it go", Take, OursBefore,
			func(v *view) bool { return v.s.OursLast }},
		{"W12", false, "not primary, partner answered, its daemon has fallen silent on the channel", Take, DaemonDead,
			func(v *view) bool {
				return v.partner() == Answered && v.p.Channel && v.daemon() == No
			}},
		{"W12", false, "not primary, partner answered, alias silent for a minute", Wait, NoPrimary,
			func(v *view) bool {
				return v.partner() == Answered && v.reached(v.f.Alias.Since.Add(time.Minute))
			}},
		{"W12", false, "not primary, partner answered", Wait, PartnerAlive,
			func(v *view) bool { return v.partner() == Answered }},
		{"W13", false, "not primary, partner unknown", Wait, PartnerUnknown,
			func(v *view) bool { return v.partner() == Unknown }},
		{"W14", false, "not primary, partner silent", Take, PartnerSilent, always},
	}
}

func holding() []Row {
	always := func(*view) bool { return true }
	return []Row{
		{"H1", true, "the partner confirms that it took what we handed over", Release, HandedOver, (*view).confirmed},
		{"H1", true, "it was handed over to us, the router does not answer it here, and the partner still has it", Release, GivenBack, (*view).unverified},
		{"H2", true, "ordered off or to be handed over, the partner would take it, and no hand-over is open or has just failed", HandOver, OperatorReleases,
			func(v *view) bool {
				return (v.s.Parked || v.s.Leaving || v.s.Give) && v.canGive() && v.rested()
			}},
		{"H2", true, "ordered off, and no hand-over open", Release, OperatorReleases,
			func(v *view) bool { return (v.s.Parked || v.s.Leaving) && !v.handing() }},
		{"H3", true, "NIC missing or down", Release, LinkLost,
			func(v *view) bool { return v.local(v.f.NIC) == No }},
		{"H3", true, "without carrier for (misses - 1) x timeout", Release, LinkLost,
			func(v *view) bool {
				return v.local(v.f.Carrier) == No && v.reached(v.f.Carrier.Since.Add(v.p.carrierGrace()))
			}},
		{"H4", true, "own service failing, the partner would take it, and no hand-over is open or has just failed", HandOver, ServiceFailing,
			func(v *view) bool { return v.fresh(v.f.Service) == No && v.canGive() && v.rested() }},
		{"H4", true, "the partner asks for it, and would take it", HandOver, Asked,
			func(v *view) bool { return v.asked() && v.canGive() }},
		{"H11", true, "not all of its group could be here, the partner could have all and would take it, and no hand-over is open or has just failed", HandOver, GroupApart,
			func(v *view) bool { return v.apart() && v.canGive() && v.rested() }},
		{"H11", true, "the partner has the first member of its group, could have all and would take it, and no hand-over is open or has just failed", HandOver, GroupJoins,
			func(v *view) bool { return v.joins() && v.canGive() && v.rested() }},
		{"H5", true, "the kernel lost it, and another host has claimed it since", Forget, LostToOther,
			func(v *view) bool { return v.local(v.f.Kernel) == No && v.alias() == Yes }},
		{"H5", true, "the kernel lost it because its lease ran out", Forget, LeaseEnded,
			func(v *view) bool { return v.local(v.f.Kernel) == No && v.lapsed() }},
		{"H5", true, "the kernel lost it yet again, link good, nobody else claims it, and the last restore is too recent", Keep, KeepsVanishing,
			func(v *view) bool {
				return v.local(v.f.Kernel) == No && v.link() == Yes && v.unclaimed() && v.vanishes() && !v.restoreDue()
			}},
		{"H5", true, "the kernel lost it yet again, link good, nobody else claims it", Restore, KeepsVanishing,
			func(v *view) bool {
				return v.local(v.f.Kernel) == No && v.link() == Yes && v.unclaimed() && v.vanishes()
			}},
		{"H5", true, "the kernel lost it, link good, nobody else claims it", Restore, Restored,
			func(v *view) bool {
				return v.local(v.f.Kernel) == No && v.link() == Yes && v.unclaimed()
			}},
		{"H5", true, "the kernel lost it, link not good or rivals not known", Keep, KernelLost,
			func(v *view) bool { return v.local(v.f.Kernel) == No }},
		{"H6", true, "the rival is the partner, and we do not act as primary", Release, RivalPartner,
			func(v *view) bool { return v.rivalIs(Yes) && !v.primary() }},
		{"H6", true, "taken by failback, announced twice, and the partner has not yielded", Release, FailbackRefused,
			func(v *view) bool {
				return v.s.Failback && v.s.Defences >= 1 && v.rivalIs(Yes) && v.claimsStill()
			}},
		{"H6", true, "no channel tells the roles, we have defended twice, the partner still claims it, and our hardware address is the higher", Release, TwoPrimaries,
			func(v *view) bool {
				return !v.rolesTold() && v.s.Defences >= 2 && v.rivalIs(Yes) && v.claimsStill() && v.f.WeAreLow == No
			}},
		{"H9", true, "the lease is due, and we have looked at kernel and wire since our last pause", Refresh, LeaseDue,
			func(v *view) bool { return v.local(v.f.Kernel) == Yes && v.leaseDue() && v.looked() }},
		{"H7", true, "the rival is the partner, and we stay", Announce, PartnerDefended,
			func(v *view) bool {
				return v.rivalIs(Yes) && v.defends()
			}},
		{"H7", true, "the rival is a third host", Announce, ForeignDefended,
			func(v *view) bool { return v.rivalIs(No) && v.defends() }},
		{"H7", true, "it is not yet known who the rival is, and we act as primary or have asked for long enough", Announce, ClaimDefended,
			func(v *view) bool {
				return v.rivalIs(Unknown) && v.defendsUnknown() && v.defends()
			}},
		{"H7", true, "the rival has fallen silent", Announce, RivalGone,
			func(v *view) bool {
				return v.rival() == No && v.link() == Yes && v.local(v.f.Kernel) == Yes && v.s.Claimed && v.goneDue()
			}},
		{"H10", true, "our own address stands behind the alias, for the third time in a row", Reorder, OwnBehindAgain,
			func(v *view) bool { return v.reorderDue() && v.reorders() >= 2 }},
		{"H10", true, "our own address stands behind the alias, link good, no hand-over open", Reorder, OwnBehind, (*view).reorderDue},
		{"H7", true, "the rival is the partner, and it is too soon to answer it", Keep, PartnerClaims,
			func(v *view) bool { return v.rivalIs(Yes) }},
		{"H7", true, "the rival is a third host, and it is too soon to answer it", Keep, ForeignClaims,
			func(v *view) bool { return v.rivalIs(No) }},
		{"H7", true, "it is not yet known who the rival is: we are asking", Keep, ClaimAsked,
			func(v *view) bool { return v.rival() == Yes }},
		{"H8", true, "router and partner silent for isolated_after, and on_isolation = \"release\"", Release, Isolated,
			func(v *view) bool { return v.p.ReleaseIsolated && v.isolated() }},
		{"H8", true, "own service failing, no channel, and on_service_failure = \"release\"", Release, ServiceReleased,
			func(v *view) bool {
				return v.p.ReleaseFailing && !v.p.Channel && v.fresh(v.f.Service) == No
			}},
		{"H11", true, "neither host could have all of its group, when_split = \"release\", and no hand-over is open", Release, GroupSplit,
			func(v *view) bool { return v.p.ReleaseSplit && v.split() && !v.handing() }},
		{"H9", true, "an announcement is due, we have looked since our last pause, and we are not handing the alias over", Announce, AnnouncementDue,
			func(v *view) bool {
				return v.link() == Yes && !v.s.Next.IsZero() && v.reached(v.s.Next) && v.looked() && !v.open(Giving)
			}},
		{"H4", true, "own service failing, and the partner's too", Keep, BothFailing,
			func(v *view) bool { return v.fresh(v.f.Service) == No && v.told(v.f.Peer.Facts[FactService]) == No }},
		{"H4", true, "own service failing, and no hand-over can begin now", Keep, ServiceFailing,
			func(v *view) bool { return v.fresh(v.f.Service) == No }},
		{"H1", true, "a hand-over is open", Keep, HandingOver, (*view).handing},
		{"H2", true, "to be handed over, but the partner would not take it", Keep, WouldNot,
			func(v *view) bool { return v.s.Give }},
		{"H11", true, "neither host could have all of its group", Keep, GroupSplit, (*view).split},
		{"H11", true, "not all of its group could be here, and no hand-over can begin now", Keep, GroupApart, (*view).apart},
		{"H11", true, "the partner has the first member of its group and could have all, and no hand-over can begin now", Keep, GroupJoins, (*view).joins},
		{"H10", true, "our own address stands behind the alias, and cannot be put before it yet", Keep, OwnStaysBehind,
			func(v *view) bool { return v.local(v.f.Behind) == Yes }},
		{"H10", true, "the NIC has no address of its own", Keep, OwnGone,
			func(v *view) bool { return v.local(v.f.Own) == No }},
		{"H9", true, "otherwise", Keep, Held, always},
	}
}

// isolated tells whether router and partner have both been silent for the time that
// the administrator set.
func (v *view) isolated() bool {
	if v.fresh(v.f.Router) != Silent || v.fresh(v.f.Partner) != Silent {
		return false
	}
	since := v.f.Router.Since
	if v.f.Partner.Since.After(since) {
		since = v.f.Partner.Since
	}
	return v.reached(since.Add(v.p.IsolatedAfter))
}

// parkedUnknown tells whether an operator may have parked the alias, and nobody has
// ordered it here since.
func (v *view) parkedUnknown() bool { return v.local(v.f.ParkedKnown) != Yes && v.s.Order == NoOrder }

// vanishes tells whether the alias was restored twice a short time ago: the third time
// is an alarm.
func (v *view) vanishes() bool {
	return v.s.Restores >= restoresAtOnce && !v.reached(v.s.Restored.Add(v.s.restorePause()+restoreWindow))
}

// restoreDue tells whether the pause since the last restore is over.
func (v *view) restoreDue() bool { return v.reached(v.s.Restored.Add(v.s.restorePause())) }

// mayAsk tells whether we may ask the partner to hand the alias over for that reason: we
// are already asking for it; or the partner says that it has the alias, and no
// hand-over failed a moment ago.
func (v *view) mayAsk(why Reason) bool {
	if v.s.Handover.Side == Asking {
		return v.s.Handover.Why == why && v.open(Asking)
	}
	return v.word().Standing == SaysHolding && v.rested()
}

// unheard tells whether failback has nobody to ask: there is no channel, or we have heard
// nothing on it since our start, or not for so long that the channel must be at fault
// and not the daemon: a dead daemon's alias would be gone by then.
func (v *view) unheard() bool {
	peer := v.f.Peer
	if !v.p.Channel || peer.Heard.IsZero() {
		return true
	}
	return v.reached(peer.Heard.Add(v.p.ChannelSilent() + v.p.FailbackAfter + v.p.Lifetime()))
}
