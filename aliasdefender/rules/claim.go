package rules

import "time"

// A claim is a frame in which another host says that it has an alias that we hold.
// Anybody on the segment can send one in anybody's name, so the frame itself never
// proves that the claimant is the partner. Once a claim has been seen we look for
// proof: the partner's word, or the claimant's answer to a question for the partner's
// address.

// claimWithin is the longest time until it is known who claims the alias. The
// partner's word may take a heartbeat and a timeout, the claimant's answer a doubt.
func (p Policy) claimWithin() time.Duration {
	if !p.Channel {
		return p.Doubt() + p.Timeout
	}
	return p.Doubt() + 2*p.Timeout + p.Heartbeat()
}

// claimant tells whether the host that claims what we hold is the partner. With a
// channel the partner's word decides, if it was said after the claim was first seen:
// an older word may be from before the event that the claim reports. The rules wait
// for that word unless the partner's daemon has fallen silent. They wait even if it
// has not been heard since our start, because a daemon that has just started does not
// know yet which of the two acts as primary.
func (v *view) claimant() Value {
	since := v.f.Alias.Since
	if v.f.Peer.Said.After(since) {
		switch v.word().Standing {
		case SaysHolding:
			return Yes
		case SaysAble, SaysCannot, SaysParked, SaysReleased:
			if v.f.Peer.Held.IsZero() || v.f.Alias.Asked.After(v.f.Peer.Held.Add(v.p.Timeout)) {
				return No
			}
			return Unknown // the claim may be the partner's own, sent before it let go
		}
	}
	if v.p.Channel && v.daemon() != No && !v.reached(since.Add(v.p.Timeout+v.p.Heartbeat())) {
		return Unknown
	}
	return v.after(v.f.Claimant, since)
}

// Claimant tells, as the rows see it, whether the partner is the host that claims an
// alias that we hold.
func Claimant(p Policy, f Facts) Value {
	v := view{p: p, f: f}
	return v.claimant()
}

// rivalIs tells whether another host claims what we hold, and whether it is known to be
// the partner (Yes), known not to be (No), or not known yet.
func (v *view) rivalIs(partner Value) bool {
	return v.rival() == Yes && v.claimant() == partner
}

// defends tells whether to answer a rival now. After a pause we first look whether
// our own kernel still has the alias: the lease may have ended meanwhile, and the
// rival may be the host that serves it.
func (v *view) defends() bool {
	return v.link() == Yes && v.looked() && v.defenceDue()
}

// defendsUnknown tells whether to answer a claim although the claimant is not known
// yet. A host that acts as primary keeps the alias whoever claims it, and no host
// waits for ever.
func (v *view) defendsUnknown() bool {
	return v.primary() || v.reached(v.f.Alias.Since.Add(v.p.claimWithin()))
}

// goneDue tells whether to announce now that a rival has gone. If we answered the
// rival, the answer is yes at once. A rival that came and went before we answered it
// is announced no more often than it would have been answered.
func (v *view) goneDue() bool {
	return v.s.Defences > 0 || v.s.Defended.IsZero() || v.reached(v.s.Defended.Add(DefendEvery))
}

const (
	// flapWindow is the time within which Policy.MaxTakes takes are too many.
	flapWindow = time.Hour
	// flapsFirst is how long the alias is then left to the partner. Each further take
	// doubles that time, up to flapsMost.
	flapsFirst = time.Minute
	flapsMost  = 15 * time.Minute
	// doublings is how many doublings it takes to reach flapsMost.
	doublings = 4
)

// countTake records a take that nobody ordered and the partner did not offer. It
// forgets takes that no longer make a difference.
func (s *State) countTake(p Policy, now time.Time) {
	var takes []time.Time
	for _, at := range s.Takes {
		if now.Sub(at) <= flapWindow {
			takes = append(takes, at)
		}
	}
	if most := p.MaxTakes + doublings - 1; p.MaxTakes > 0 && len(takes) > most {
		takes = takes[len(takes)-most:]
	}
	s.Takes = append(takes, now)
}

// flapsUntil is the time until which the alias is left to a partner that is not
// silent; zero if it was not taken too often.
func (s *State) flapsUntil(most int) time.Time {
	if most < 1 || len(s.Takes) < most {
		return time.Time{}
	}
	last, n := s.Takes[len(s.Takes)-1], 0
	for _, at := range s.Takes {
		if last.Sub(at) <= flapWindow {
			n++
		}
	}
	if n < most {
		return time.Time{}
	}
	return last.Add(min(flapsFirst<<min(n-most, doublings), flapsMost))
}

// flapping is row W9: the alias was taken too often, and is left to the partner for a while.
func (v *view) flapping() bool {
	until := v.s.flapsUntil(v.p.MaxTakes)
	return !until.IsZero() && v.partner() != Silent && !v.reached(until)
}
