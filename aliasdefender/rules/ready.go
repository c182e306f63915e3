package rules

import "time"

// Readiness says whether the alias has a standby: a host that would take it if its holder
// failed now. If we do not hold the alias, Readiness is about us. If we hold it,
// Readiness is about the partner, as far as the partner tells.
type Readiness struct {
	Ready  Value  // Unknown: not known, or not yet
	Row    string // the row that answers, if it is about us
	Reason Reason // why not; NoRow if it is ready

	// HandOver says whether a planned hand-over would work now, and Hindrance why not.
	HandOver  Value
	Hindrance Reason

	// Again is when time alone may change the answer, without a new observation: something
	// that is unknown may be known by then, or a state may have lasted long enough. Zero:
	// only a fact that changes or grows old can change the answer, as for a decision.
	Again time.Time
}

// ahead tells whether a deadline of the readiness itself is still to come, and notes
// it.
func (r *Readiness) ahead(v *view, t time.Time) bool {
	if !v.f.Now.Before(t) {
		return false
	}
	if r.Again.IsZero() || t.Before(r.Again) {
		r.Again = t
	}
	return true
}

// Level is how serious it is. An operator who parked the alias wanted that.
func (r Readiness) Level() Level {
	switch {
	case r.Ready == Yes, r.Reason == Parked, r.Reason == NotYet, r.Reason == NoChannel, r.Reason == NotTold:
		return Info
	}
	return Warning
}

// Problem tells whether, as far as is known, a failure of the holder would leave the
// alias without a host.
func (r Readiness) Problem() bool { return r.Ready == No || r.Level() > Info }

// hypothetical has the text of a reason for a failure that has not happened, where
// the reason's own sentence would be wrong.
var hypothetical = map[Reason]string{
	AliasUnknown:   "it cannot be found out whether the alias answers",
	RouterSilent:   "the router is silent",
	RouterUnknown:  "the router cannot be asked",
	PartnerUnknown: "it cannot be found out whether the partner is alive",
	PartnerAlive:   "we are not primary, and the partner is not silent",
	NoPrimary:      "we are not primary, and the partner is not silent",
	NoChannel:      "without a key on both hosts the partner cannot say whether it would take the alias",
}

// Text explains in one clause why it is not ready; empty if it is.
func (r Readiness) Text() string {
	if text, ok := hypothetical[r.Reason]; ok {
		return text
	}
	if r.Ready == Yes {
		return ""
	}
	return r.Reason.Text()
}

// Ready tells whether the alias has a standby. Its answer decides nothing.
//
// A host that does not hold the alias asks the table what it would do if the holder's
// host failed now. A host whose kernel has lost the alias asks what it does to get it
// back. Facts that are unknown stay unknown, and addresses that are silent stay silent.
// Ready says nothing until everything could have been heard: for as long as a fact lives
// after a start, a change, a pause, or the moment when something became unknown.
func Ready(p Policy, s State, f Facts) Readiness { return ready(Rows(), p, s, f) }

func ready(rows []Row, p Policy, s State, f Facts) Readiness {
	v := view{p: p, s: s, f: f}
	r := Readiness{}
	switch {
	case r.lostLong(&v):
		d := v.decide(rows)
		if r.Ready, r.Row = Of(d.Action == Restore), d.Row; d.Action != Restore {
			r.Reason = d.Reason
		}
	case s.Holding:
		r.Ready, r.Reason = r.ofPartner(&v)
	case s.Parked || s.Leaving || r.watched(&v):
		w := v.withoutHolder()
		d := w.decide(rows)
		r.Ready, r.Row = Of(d.Action == Take), d.Row
		if why := r.deceived(&v); d.Action == Take && why != NoRow {
			r.Ready, r.Row, r.Reason = No, "", why
		} else if d.Action != Take {
			r.Reason = d.Reason
		}
	default:
		r.Reason = NotYet
	}
	if r.Hindrance = v.hindrance(); r.Hindrance == NoRow {
		r.HandOver = Yes
	} else if r.Hindrance != NotYet {
		r.HandOver = No
	}
	return r
}

// lostLong tells whether our record says that we hold the alias while the kernel has
// been without it for long: we do not serve it, and the partner may.
func (r *Readiness) lostLong(v *view) bool {
	return v.s.Holding && v.local(v.f.Kernel) == No && !r.ahead(v, v.f.Kernel.Since.Add(v.p.Stale()))
}

// watched tells whether everything has been observed for long enough to be judged.
func (r *Readiness) watched(v *view) bool {
	since := v.f.Watched
	for _, f := range []Fact{v.f.Alias, v.f.Partner, v.f.Router} {
		if f.Value == Unknown && f.Since.After(since) {
			since = f.Since
		}
	}
	if v.f.Alias.Value == Silent && v.f.Alias.Since.After(since) {
		since = v.f.Alias.Since // it may be about to be taken
	}
	return since.IsZero() || !r.ahead(v, since.Add(v.p.Stale()))
}

// withoutHolder is the view a moment after the holder's host has failed, when
// everything that follows is known: its address, the alias and its daemon are silent.
// A host that acts as primary asks for neither address nor daemon.
func (v *view) withoutHolder() *view {
	w := &view{p: v.p, s: v.s, f: v.f}
	gone := Fact{Value: Silent, Since: v.f.Now.Add(-2 * v.p.Doubt()), Asked: v.f.Now}
	if w.alias() == Answered {
		w.f.Alias = gone
	}
	w.s.Order, w.s.Handover, w.s.OursLast = NoOrder, Handover{}, false
	w.f.PartnerWhole, w.f.PartnerLeads = Fact{}, Unknown // it was the holder's word
	if w.fresh(w.f.Partner) != Unknown {
		w.f.PartnerWhole = gone // it has nothing, and could have nothing
	}
	if v.primary() {
		// Its word is forgotten, except for what makes us act as primary.
		w.f.Peer.Word, w.f.Peer.Facts = Word{}, [FactCount]Value{}
		return w
	}
	if w.fresh(w.f.Partner) == Answered {
		w.f.Partner = gone
	}
	w.f.Peer = Peer{}
	if !v.f.Peer.Heard.IsZero() {
		w.f.Peer.Heard = v.f.Now.Add(-v.p.ChannelSilent() - time.Second)
	}
	return w
}

// deceived is why an address that answers now would not fall silent with the holder,
// or would fall silent although it should not: a host answers for others, or
// router and partner are one host.
func (r *Readiness) deceived(v *view) Reason {
	said := v.word().Standing
	switch {
	case v.f.RouterIs == Yes:
		return RouterIsPartner
	case v.alias() == Answered && v.f.ByPartner == Yes && said != NotSaid && said != SaysHolding && !r.ahead(v, v.f.Peer.Since.Add(v.p.Stale())):
		return ServedByNobody
	}
	return NoRow
}

// ofPartner is what is known of the partner's readiness while we hold the alias.
func (r *Readiness) ofPartner(v *view) (Value, Reason) {
	word := v.word()
	switch word.Standing {
	case SaysParked:
		return No, Parked
	case SaysCannot, SaysReleased:
		return No, orNotReady(word.Why)
	}
	switch told := v.told(v.f.Peer.Facts[FactReady]); {
	case told == Yes:
		return Yes, NoRow
	case told == No:
		return No, orNotReady(word.Why)
	case !r.watched(v):
		return Unknown, NotYet
	case v.p.Channel && !v.said():
		return Unknown, PartnerUnheard
	case v.fresh(v.f.Partner) == Silent:
		return No, PartnerDown
	case !v.p.Channel:
		return Unknown, NoChannel
	}
	return Unknown, NotTold
}

// orNotReady is the partner's reason, or PartnerNotReady if it gives none.
func orNotReady(why Reason) Reason {
	if why == NoRow {
		return PartnerNotReady
	}
	return why
}

// hindrance is why a planned hand-over, from us or to us, would not work now.
func (v *view) hindrance() Reason {
	word := v.word()
	switch {
	case !v.p.Channel:
		return NoChannel
	case v.daemon() != Yes || !v.said():
		return PartnerUnheard
	case v.told(v.f.Peer.Facts[FactHears]) == No:
		return PartnerDeaf
	case v.s.Holding && word.Standing == SaysAble && v.link() != No:
		return NoRow
	case v.s.Holding && word.Standing == SaysParked:
		return Parked
	case v.s.Holding && word.Standing == SaysUnsure:
		return NotYet
	case v.s.Holding:
		return orNotReady(word.Why)
	case word.Standing != SaysHolding:
		return NotServed
	}
	switch standing, why := v.standing(); {
	case standing == SaysAble:
		return NoRow
	case why != NoRow:
		return why
	}
	return NotYet
}
