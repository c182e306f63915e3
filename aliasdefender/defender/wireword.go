package defender

import (
	"slices"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/rules"
)

// This is the only place where the rules' words become those of the wire, and back. A
// word that the partner's version knows and ours does not becomes none.

// standingOf, stepOf and valueOf are the rules' words in the channel's.
var (
	standingOf = [...]peer.Standing{
		rules.NotSaid: peer.Unknown, rules.SaysUnsure: peer.Unsure, rules.SaysHolding: peer.Holding, rules.SaysAble: peer.Able,
		rules.SaysCannot: peer.Cannot, rules.SaysParked: peer.Parked, rules.SaysReleased: peer.Released,
	}
	stepOf = [...]peer.Step{
		rules.NoStep: peer.NoStep, rules.Asks: peer.Asks, rules.Offers: peer.Offers, rules.Takes: peer.Takes,
		rules.Confirms: peer.Confirms, rules.Refuses: peer.Refuses,
	}
	valueOf = [...]peer.Value{rules.Unknown: peer.NotSaid, rules.No: peer.No, rules.Yes: peer.Yes}
)

// theirs finds the channel's word among ours; the zero word if it is none.
func theirs[T comparable](words []T, word T) int { return max(slices.Index(words, word), 0) }

// wireWord is the alias's word as it goes to the partner, with the facts that the partner
// is told.
func (a *alias) wireWord(f rules.Facts) peer.Word {
	w := peer.Word{
		Alias: a.cfg.Addr.WithZone(""), Bits: uint8(a.cfg.Prefix.Bits()), Link: peer.LinkOf(a.cfg.Addr, a.iface.both), Primary: a.cfg.Primary,
		Standing: standingOf[a.word.Standing], Step: stepOf[a.word.Step], Handover: a.word.Number, Drill: a.drill,
		Interval: a.cfg.Interval, Timeout: a.cfg.Timeout, Misses: uint8(a.cfg.Misses),
	}
	why, text := a.word.Why, a.word.Why.Text()
	if is := a.standby.is; why == rules.NoRow && a.word.Step == rules.NoStep && !a.state.Holding && is.Ready == rules.No {
		why, text = is.Reason, is.Text() // it could be handed the alias, but would not take it by itself
	}
	switch w.Why = why.Wire(); {
	case why == rules.NoRow:
	case a.state.Holding: // not in the partner's own words
		w.Text = text
	default:
		w.Text = a.explain(why, text)
	}
	for _, r := range rules.FactRows() {
		if fact := r.Of(&f); r.Wire != 0 && a.fresh(*fact, f.Now) {
			w.Facts = w.Facts.With(r.Wire, valueOf[fact.Value])
		}
	}
	if a.group != nil {
		w.Group = a.group.mark
	}
	if a.iface.wire != nil {
		w.HW = [len(host.HW{})]byte(a.iface.wire.HW())
	}
	return w
}

// fresh tells whether a fact is young enough to be told.
func (a *alias) fresh(f rules.Fact, now time.Time) bool { return now.Sub(f.Asked) < a.policy.Life(f) }

// rulesWord is the partner's word as the rules have it.
func rulesWord(w peer.Word) rules.Peer {
	p := rules.Peer{
		Word: rules.Word{
			Standing: rules.Standing(theirs(standingOf[:], w.Standing)), Step: rules.Step(theirs(stepOf[:], w.Step)),
			Number: w.Handover, Why: rules.ReasonFromWire(w.Why),
		},
		Primary: rules.Of(w.Primary),
	}
	for _, r := range rules.FactRows() {
		if r.Wire != 0 {
			p.Facts[r.ID] = rules.Value(theirs(valueOf[:], w.Facts.Value(r.Wire)))
		}
	}
	return p
}
