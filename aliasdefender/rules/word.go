package rules

import "time"

// Standing is what a host tells its partner about one alias: whether it holds it, or
// would take it.
type Standing uint8

// The standings. Unsure: holds nothing and does not know enough to take.
const (
	NotSaid Standing = iota
	SaysUnsure
	SaysHolding
	SaysAble     // it holds nothing; link, router and service are good: it would take
	SaysCannot   // W1 (not known what is parked, partner not silent), W2, W3, W8, W9 or W15 holds there, or H5 is waiting because the alias keeps vanishing, or something has been unknown for long
	SaysParked   // W1: an operator took it off that host
	SaysReleased // its daemon is ending, or has lost the row, and has let the alias go
)

// Step is how far a hand-over has come on one host, as that host tells its partner.
type Step uint8

// The steps, each with the number of the hand-over.
const (
	NoStep   Step = iota
	Asks          // for the alias
	Offers        // the alias to the partner
	Takes         // what was offered, not verified yet
	Confirms      // that it has the alias, and that the router knows it
	Refuses       // what was asked or offered; it will not take that up again
)

// Word is what a host says to its partner about one alias. It tells the present
// state, not a change: if a word is lost the next heartbeat repeats it.
type Word struct {
	Standing Standing
	Step     Step
	Number   uint32 // of the hand-over; 0 if there is no step
	Why      Reason // for SaysCannot, Asks, Offers and Refuses; the rules do not read it
}

// Lacks tells whether a host with this standing certainly does not have the alias. A host
// that is Unsure may have it in its kernel.
func (s Standing) Lacks() bool {
	return s == SaysAble || s == SaysCannot || s == SaysParked || s == SaysReleased
}

var standings = [...]string{
	NotSaid: "nothing said", SaysUnsure: "not sure", SaysHolding: "holding", SaysAble: "able", SaysCannot: "cannot serve",
	SaysParked: "parked", SaysReleased: "released",
}

func (s Standing) String() string { return spelled(standings[:], int(s)) }

var steps = [...]string{
	NoStep: "", Asks: "asks for it", Offers: "offers it", Takes: "takes it", Confirms: "confirms it", Refuses: "refuses it",
}

func (s Step) String() string { return spelled(steps[:], int(s)) }

// Say is the word to send now. The caller sends it in each heartbeat, and at once
// when it changes.
func Say(p Policy, s State, f Facts) Word {
	v := view{p: p, s: s, f: f}
	w := Word{Number: s.Handover.Number}
	w.Standing, w.Why = v.standing()
	asked := v.word()
	switch h := s.Handover; {
	case h.Side == Giving:
		w.Step, w.Why = Offers, h.Why
	case h.Side == Asking:
		w.Step, w.Why = Asks, h.Why
	case h.Side == Getting && s.Holding && h.Verified == Yes:
		w.Step = Confirms
	case h.Side == Getting && s.Holding:
		w.Step = Takes
	case h.Side == NoSide && (asked.Step == Offers || asked.Step == Asks) && asked.Number == h.Number:
		w.Step, w.Why = Refuses, h.Failure
	default:
		w.Number = 0
	}
	return w
}

// standing is our standing, and the reason if we cannot serve the alias.
func (v *view) standing() (Standing, Reason) {
	standing, why := v.alone()
	if group := v.grouped(); group != NoRow && (standing == SaysAble || standing == SaysUnsure && !v.s.Holding) {
		return SaysCannot, group
	}
	return standing, why
}

// alone is our standing as if the alias were in no group.
func (v *view) alone() (Standing, Reason) {
	switch {
	case v.s.Holding && v.local(v.f.Kernel) == No && v.alias() == Unknown && v.unknownLong(v.f.Alias):
		return SaysCannot, KernelLost
	case v.s.Holding && v.local(v.f.Kernel) == No && v.vanishes() && !v.restoreDue():
		return SaysCannot, KeepsVanishing
	case v.s.Holding && v.local(v.f.Kernel) == No:
		return SaysUnsure, KernelLost
	case v.s.Holding:
		return SaysHolding, Held
	case v.s.Parked:
		return SaysParked, Parked
	case v.s.Ending, v.s.Leaving && v.s.Exit != NoExit:
		return SaysReleased, Stopped
	case v.s.Leaving:
		return SaysReleased, RowGone
	case v.parkedUnknown() && v.partner() != Silent:
		return SaysCannot, ParkedUnknown
	case v.link() == No:
		return SaysCannot, NoLink
	case v.local(v.f.Elsewhere) == Yes:
		return SaysCannot, OnOtherNIC
	case v.fresh(v.f.Service) == No:
		return SaysCannot, ServiceFailing
	case !v.f.RouterKnown:
		return SaysCannot, NoRouter
	case v.fresh(v.f.Router) == Silent:
		return SaysCannot, RouterSilent
	case v.flapping():
		return SaysCannot, Flapping
	case v.link() == Yes && v.unknownLong(v.f.Alias):
		return SaysCannot, AliasUnknown
	case v.link() == Yes && v.local(v.f.Elsewhere) == No && v.router() == Answered:
		return SaysAble, NoRow
	case v.link() == Yes && v.unknownLong(v.f.Router):
		return SaysCannot, RouterUnknown
	}
	return SaysUnsure, NoRow
}

// unknownLong tells whether something has been unknown for so long that the partner
// should not wait for us: while it is unknown we take nothing. It is false for what
// was never asked.
func (v *view) unknownLong(f Fact) bool {
	since := f.Since
	if f.Value != Unknown {
		since = f.Asked.Add(v.p.Stale()) // it has grown old
	}
	return !f.Since.IsZero() && v.reached(since.Add(v.p.Stale()))
}

// word is the partner's word; empty once the channel has been silent for too long.
func (v *view) word() Word {
	if !v.said() {
		return Word{}
	}
	return v.f.Peer.Word
}

// said tells whether the last word of the partner's daemon about the alias still
// counts.
func (v *view) said() bool {
	return !v.f.Peer.Said.IsZero() && !v.reached(v.f.Peer.Said.Add(v.p.ChannelSilent()))
}

// Counts tells whether the partner's last word about the alias still counts.
func (p Peer) Counts(of Policy, now time.Time) bool {
	v := view{p: of, f: Facts{Now: now, Peer: p}}
	return v.said()
}

// told is a value that came with the partner's word; Unknown if that word no longer
// counts.
func (v *view) told(value Value) Value {
	if !v.said() {
		return Unknown
	}
	return value
}

// daemon tells whether the partner's daemon is heard: unknown if it has not
// been since our start.
func (v *view) daemon() Value {
	switch {
	case v.f.Peer.Heard.IsZero():
		return Unknown
	case v.reached(v.f.Peer.Heard.Add(v.p.ChannelSilent())):
		return No
	}
	return Yes
}
