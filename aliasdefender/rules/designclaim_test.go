package rules

import (
	"time"
)

// rival is whether another host claims what we hold. During a hand-over the partner
// is not a rival.
func (c instance) rival() Value {
	if c.handing() && c.f.ByPartner != No || !c.s.Anew.IsZero() && !c.f.Alias.Asked.After(c.s.Anew.Add(c.p.Timeout)) {
		return Unknown
	}
	return c.alias()
}

// claimant: the partner's word since the claim, for which it has a heartbeat and a
// timeout unless its daemon has fallen silent; otherwise the claimant's answer since
// then.
func (c instance) claimant() Value {
	since, peer := c.f.Alias.Since, c.f.Peer
	switch said := peer.Said.Sub(since) > 0; {
	case said && c.says(SaysHolding):
		return Yes
	case said && c.says(SaysAble, SaysCannot, SaysParked, SaysReleased):
		if !peer.Held.IsZero() && c.f.Alias.Asked.Sub(peer.Held) <= c.p.Timeout {
			return Unknown
		}
		return No
	case c.p.Channel && (peer.Heard.IsZero() || c.age(peer.Heard) < c.p.ChannelSilent()) && c.age(since) < min(c.p.Interval, time.Second)+c.p.Timeout:
		return Unknown
	case c.f.Claimant.Asked.Before(since):
		return Unknown
	}
	return c.known(c.f.Claimant)
}

// partnersClaim: the rival is known to be the partner.
func (c instance) partnersClaim() bool { return c.rival() == Yes && c.claimant() == Yes }

// foreignClaim: it is known not to be.
func (c instance) foreignClaim() bool { return c.rival() == Yes && c.claimant() == No }

// strangeClaim: it is not known who claims it.
func (c instance) strangeClaim() bool { return c.rival() == Yes && c.claimant() == Unknown }

// askedEnough: every host that could tell who the rival is has had the time to.
func (c instance) askedEnough() bool {
	within := time.Duration(c.p.Misses+1) * c.p.Timeout
	if c.p.Channel {
		within += min(c.p.Interval, time.Second) + c.p.Timeout
	}
	return c.age(c.f.Alias.Since) >= within
}

func (c instance) heardAgain() bool {
	return c.f.Alias.Asked.After(c.s.Defended.Add(c.p.Timeout))
}

func (c instance) failbackRefused() bool {
	return c.s.Failback && c.s.Defences >= 1 && c.partnersClaim() && c.heardAgain()
}

func (c instance) otherPrimaryIsLower() bool {
	told := c.speaks() && c.f.Peer.Primary != Unknown && (c.f.Peer.Primary != Of(c.p.Primary) || c.f.Peer.HWLower != Unknown)
	return !told && c.actsAsPrimary() && c.partnersClaim() &&
		c.s.Defences >= 2 && c.heardAgain() && c.f.WeAreLow == No
}

// yields: the rival is the host that keeps it.
func (c instance) yields() bool {
	return c.partnersClaim() && !c.actsAsPrimary() || c.failbackRefused() || c.otherPrimaryIsLower()
}

// defenceDue: after a pause of our own, not before we have looked whether we still
// have it.
func (c instance) defenceDue() bool {
	return c.looked() && (c.s.Defended.IsZero() || c.f.Alias.Asked.After(c.s.Defended) && c.age(c.s.Defended) >= DefendEvery)
}

// rivalGone: a rival that was not answered counts once in ten seconds. Before we say
// that it has gone we must know that we have the alias.
func (c instance) rivalGone() bool {
	return c.rival() == No && c.read(c.f.Kernel) == Yes && c.s.Claimed && (c.s.Defences > 0 || c.s.Defended.IsZero() || c.age(c.s.Defended) >= 10*time.Second)
}
