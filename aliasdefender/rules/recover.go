package rules

import "time"

// A recovery of a partner that lives while its service does not: the partner's service is
// restarted and, if that does not help, the partner is fenced, which means cut off from
// the network, so that the alias can be taken. Programs of the administrator's do both.
// The rules say how far that may go, and for how long a fence counts.

// Sight is what a recovery may do about one alias now. It is comparable.
type Sight struct {
	Restart bool   // the partner's service may be restarted
	Fence   bool   // and the partner may be fenced
	Wait    bool   // only time forbids the fence
	Why     string // why not the one or the other, in one clause; empty: both are allowed

	Low  bool // our hardware address is known to be lower than the partner's
	Over bool // a fence counts no more
}

// Recover says what a recovery may do now. The Decision's Again says when time alone may
// change that. Unknown facts allow nothing. If the partner's daemon says that its service
// fails, this host leaves the matter to the rows H4 and W11.
func Recover(p Policy, s State, f Facts) (Sight, Decision) {
	v := view{p: p, s: s, f: f}
	is := Sight{Low: f.WeAreLow == Yes, Over: f.Fenced.Value == Yes && !v.fenced()}
	if is.Why = v.noRecovery(); is.Why == "" {
		is.Restart = true
		is.Why, is.Wait = v.noFence()
		is.Fence = is.Why == ""
	}
	return is, Decision{Again: v.again}
}

// noRecovery is why nothing may be done about the partner's service.
func (v *view) noRecovery() string {
	step := v.word().Step
	switch {
	case v.s.Holding:
		return "the alias is on this host"
	case v.s.Parked || v.s.Leaving:
		return "the alias is parked on this host"
	case v.s.Exit != NoExit:
		return "this Monitor is ending"
	case v.s.Order != NoOrder:
		return "an operator orders the alias to this host"
	case v.s.Handover.Side != NoSide || step == Offers || step == Asks || step == Takes:
		return "a hand-over is open"
	case v.fenced():
		return "the partner is fenced already"
	case v.alias() != Answered:
		return "the alias is not answered"
	case v.f.ByPartner != Yes:
		return "the alias is not known to be answered by the partner"
	case v.partner() != Answered:
		return "the partner does not answer"
	case v.router() != Answered:
		return "the router does not answer: our own network may be at fault"
	case v.fresh(v.f.Service) == No:
		return "this host's own service is failing"
	case v.fresh(v.f.Ready) != Yes:
		return "this host is not ready to take the alias"
	case v.p.Place != Ungrouped && (v.grouped() != NoRow || v.fresh(v.f.Whole) != Yes):
		return "this host is not known to be able to have all of the alias's group"
	case v.daemon() == Yes && v.told(v.f.Peer.Facts[FactService]) == No:
		return "the partner's daemon says that its service is failing: it hands the alias over (H4)"
	}
	return ""
}

// wellFor is for how long a partner that said that its service is well is not fenced: its
// Monitor may be starting anew, or not be heard for a moment. Whoever begins to listen does
// not know what was said before.
const wellFor = 10 * time.Minute

// noFence is why the partner may not be fenced, where its service may be restarted, and
// whether only time forbids it.
func (v *view) noFence() (why string, wait bool) {
	if v.daemon() == Yes && v.told(v.f.Peer.Facts[FactService]) == Yes {
		return "the partner's daemon says that its service is well", false
	}
	if v.daemon() == Yes && !v.said() {
		return "the partner's daemon is heard, and says nothing of the alias", false
	}
	if well := v.f.Peer.Well; !well.IsZero() && !v.reached(well.Add(wellFor)) {
		return "less than 10 minutes ago the partner's daemon said that its service was well, or we did not listen yet", true
	}
	return "", false
}

// fenced tells whether the partner is fenced, and that still counts.
func (v *view) fenced() bool {
	return v.fresh(v.f.Fenced) == Yes && !v.s.FenceOver.Equal(v.f.Fenced.Asked)
}

// fencedLong tells whether the fence has had the time that any change needs to be seen:
// it may act a moment after its program has ended.
func (v *view) fencedLong() bool {
	end := v.f.Fenced.Asked.Add(v.p.Stale())
	return v.reached(end) && v.f.Alias.Asked.After(end)
}

// silentSinceFence tells whether the alias was asked after the fence. By then the rows
// above have found it silent. If it was not asked yet it will have been soon.
func (v *view) silentSinceFence() bool {
	if v.f.Alias.Asked.After(v.f.Fenced.Asked) {
		return true
	}
	v.reached(v.f.Fenced.Asked.Add(v.p.Interval + v.p.Doubt()))
	return false
}

// heedFence notes that a fence counts no more: the partner's daemon is heard again, the
// partner and the alias have fallen silent while the router answers, so that it is not our
// own network that is at fault (the next one who answers was not fenced), another host
// serves the alias after we did, or an operator has ordered it here. It is a part of
// [State.Saw].
func (s *State) heedFence(p Policy, f Facts) {
	at := f.Fenced.Asked
	if s.Holding {
		s.FenceHeld = at
	}
	switch {
	case f.Fenced.Value != Yes:
		s.FenceOver = at // the next one is later
	case !s.Holding && s.FenceHeld.Equal(at) && f.Alias.Value == Answered,
		s.Order != NoOrder,
		f.Peer.Heard.After(at.Add(p.Stale())), // a fence may act a moment after its program has ended
		f.Partner.Asked.After(at) && s.bothSilent(p, f):
		s.FenceOver = at
	}
}

// bothSilent tells whether partner and alias are, and our own network works.
func (s *State) bothSilent(p Policy, f Facts) bool {
	v := view{p: p, s: *s, f: f}
	return v.partner() == Silent && v.alias() == Silent && v.router() == Answered
}
