package rules

import "time"

// A claim is a frame of another host that says that it has an alias which we hold.
// Whoever is on the segment can send one, in anybody's name. So the frame itself never
// tells that the claimant is the partner. What tells is asked for once the claim was
// seen: the partner's word, or an answer of the claimant to the partner's address.

// claimWithin is how long it takes at most until it is known who claims the alias: the
// partner's word has the time of a heartbeat and of one timeout, and the claimant that
// of a doubt.
func (p Policy) claimWithin() time.Duration {
	if !p.Channel {
		return p.Doubt() + p.Timeout
	}
	return p.Doubt() + 2*p.Timeout + p.Heartbeat()
}

// claimant tells whether the host that claims what we hold is the partner. Where there
// is a channel its word decides, said since the claim was first seen: old words are from
// before whatever the claim may mean. The word is waited for, unless the partner's daemon
// has fallen silent; also where it was not heard since our start: who has just started
// does not know yet which of the two acts as primary.
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
			return Unknown // the claim may be its own, from before it let go
		}
	}
	if v.p.Channel && v.daemon() != No && !v.reached(since.Add(v.p.Timeout+v.p.Heartbeat())) {
		return Unknown
	}
	return v.after(v.f.Claimant, since)
}

// Claimant tells whether the host that claims an alias which we hold is the partner, as
// the rows see it.
func Claimant(p Policy, f Facts) Value {
	v := view{p: p, f: f}
	return v.claimant()
}

// rivalIs tells whether another host claims what we hold, and whether it is known to be
// the partner (Yes), known not to be (No), or not known yet.
func (v *view) rivalIs(partner Value) bool {
	return v.rival() == Yes && v.claimant() == partner
}

// defends tells whether a rival is answered now. Who was away looks first whether its own
// kernel still has the alias: the lease may have ended meanwhile, and the rival be the one
// who serves.
func (v *view) defends() bool {
	return v.link() == Yes && v.looked() && v.defenceDue()
}

// defendsUnknown tells whether a claim is answered although it is not known whose it is:
// who acts as primary keeps the alias from either, and nobody waits for ever.
func (v *view) defendsUnknown() bool {
	return v.primary() || v.reached(v.f.Alias.Since.Add(v.p.claimWithin()))
}

// goneDue tells whether the end of a rival is announced now: of one that was answered
// at once, and of one that came and went before that no more often than it is answered.
func (v *view) goneDue() bool {
	return v.s.Defences > 0 || v.s.Defended.IsZero() || v.reached(v.s.Defended.Add(DefendEvery))
}

const (
	// flapWindow is the time within which Policy.MaxTakes takes are too many.
	flapWindow = time.Hour
	// flapsFirst is how long the alias is then left to the partner, after each further
	// take for twice as long, and never longer than flapsMost.
	flapsFirst = time.Minute
	flapsMost  = 15 * time.Minute
	// doublings is after how many of them that is reached.
	doublings = 4
)

// countTake records a take that nobody ordered and the partner did not offer. Those
// that make no difference any more are forgotten.
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

// flapsUntil is until when the alias is left to a partner that is not silent; zero if
// it was not taken too often.
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
