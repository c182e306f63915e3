package rules

import "time"

// Side is the part that this host plays in a hand-over.
type Side uint8

// The sides.
const (
	NoSide  Side = iota // none is open
	Asking              // we asked the holder for the alias
	Giving              // we offer it to the partner
	Getting             // the partner offers it to us; it stays so after we have taken it
)

var sides = [...]string{NoSide: "", Asking: "asking the partner for it", Giving: "offering it to the partner", Getting: "taking it over from the partner"}

func (s Side) String() string { return spelled(sides[:], int(s)) }

// offerAgain is how long after a failed hand-over the rules begin another by
// themselves. An operator's order does not wait for it (State.tryAgain).
const offerAgain = 30 * time.Second

// Handover is one host's record of a hand-over: make before break.
//
//	giver                          who gets it
//	        <------ asks(n) -----  Asking          (where it began there)
//	Giving  ------ offers(n) --->  Getting
//	                               takes, announces, verifies
//	        <---- takes(n) ------
//	        <--- confirms(n) ----  verified: the router answers the alias
//	H1: releases
//	        ---- not holding --->  over: announces once more
//
// The giver keeps the alias until it hears the confirmation. It gives up after
// [Policy.GiveWithin], at a refusal, or when the partner can no longer serve. A taker
// that cannot verify the alias gives it back (H1), and refuses(n). While the hand-over is
// open, neither host counts the other as a rival. At its end each host forgets what it
// has seen of rivals meanwhile, and the host that has the alias announces it. If a word
// was lost and both have the alias at the end, H6 decides who keeps it.
//
// A number is used once: a host answers words about a hand-over that has ended only by
// refusing it.
type Handover struct {
	Side     Side
	Number   uint32 // of the open one, otherwise of the last; 0: there was none
	Why      Reason
	Began    time.Time // when it was opened here, or when the offer was first heard
	Verified Value     // getting: whether the router answers the alias here

	Failure Reason    // why the last one did not move the alias; NoRow: it did
	Ended   time.Time // when it ended
}

// openHandover begins what d asks for, [HandOver] or [AskHandover]. The number must
// be one that neither host has used recently, and not 0: begin anywhere, count up. An
// answer to the partner's request uses the partner's number. It is a part of
// [State.Done].
func (s *State) openHandover(d Decision, f Facts, number uint32) {
	h := Handover{Number: number, Why: d.Reason, Began: f.Now}
	switch {
	case d.Action == AskHandover && s.Handover.Side == NoSide:
		h.Side = Asking
	case d.Action == HandOver && s.Handover.Side == NoSide:
		h.Side = Giving
		if d.Reason == Asked {
			h.Number = f.Peer.Word.Number
		}
	default:
		return // it is open already
	}
	s.Handover = h
}

// verified records whether the router answered a ping from the alias after a take. If
// it could not be asked the answer is no: the giver still has the alias. It is a part
// of [State.Pinged].
func (s *State) verified(yes bool) {
	if s.Handover.Side == Getting && s.Holding {
		s.Handover.Verified = Of(yes)
	}
}

// notTaken ends a hand-over to us: the offer cannot be taken, and is refused. It is a
// part of [State.Done].
func (s *State) notTaken(now time.Time) {
	if s.Handover.Side == Getting && !s.Holding {
		s.Handover = s.Handover.end(NotTaken, now)
	}
}

// tryAgain lets an operator's order begin a hand-over even if one failed a moment
// ago. It is a part of [State.Obey].
func (s *State) tryAgain() { s.Handover.Failure = NoRow }

// end is the record once the hand-over has ended.
func (h Handover) end(why Reason, now time.Time) Handover {
	return Handover{Number: h.Number, Failure: why, Ended: now}
}

// step is the record after the partner's word w at the time now.
func (h Handover) step(p Policy, holding bool, w Word, now time.Time) Handover {
	late := !now.Before(h.until(p))
	switch offered := w.Step == Offers && w.Number != 0; h.Side {
	case NoSide:
		if offered && !holding && w.Number != h.Number {
			return Handover{Side: Getting, Number: w.Number, Why: Offered, Began: now}
		}
	case Asking:
		switch {
		case holding:
			return h.end(NoRow, now)
		case offered:
			return Handover{Side: Getting, Number: w.Number, Why: h.Why, Began: now}
		case w.Step == Refuses && w.Number == h.Number:
			return h.end(Refused, now)
		case w.Standing != NotSaid && w.Standing != SaysHolding:
			return h.end(Withdrawn, now)
		case late:
			return h.end(NoAnswer, now)
		}
	case Giving:
		switch {
		case w.Step == Refuses && w.Number == h.Number, w.Standing == SaysCannot, w.Standing == SaysParked, w.Standing == SaysReleased:
			return h.end(Refused, now)
		case late:
			return h.end(NoAnswer, now)
		}
	case Getting:
		switch {
		case w.Standing == NotSaid && !late:
			// Nothing is heard; only time can end it.
		case !holding && (late || !offered || w.Number != h.Number || !now.Before(h.Began.Add(p.GiveWithin()))):
			return h.end(Withdrawn, now)
		case holding && (late || !offered || w.Number != h.Number):
			return h.end(NoRow, now)
		}
	}
	return h
}

// until is when we stop waiting for the partner.
func (h Handover) until(p Policy) time.Time {
	if h.Side == Getting {
		return h.Began.Add(p.Patience())
	}
	return h.Began.Add(p.GiveWithin())
}

// handover brings the record up to date. At the end it forgets every sighting of a
// rival, and if we have the alias we announce it: the last announcement must be the
// holder's, whoever else announced meanwhile.
func (s *State) handover(p Policy, f Facts) Follow {
	v := view{p: p, s: *s, f: f}
	was := s.Handover.Side
	s.Handover = s.Handover.step(p, s.Holding, v.word(), f.Now)
	if was == NoSide || s.Handover.Side != NoSide {
		return Follow{}
	}
	if !s.Holding {
		return Follow{Ended: true}
	}
	s.Anew = f.Now
	s.Order = NoOrder // of an operator who wanted it back meanwhile
	s.reannounce(f.Now)
	return Follow{Ended: true, Look: LookAgain} // does the other still have it?
}

// open tells whether a hand-over is open in which we play the part side.
func (v *view) open(side Side) bool {
	return v.s.Handover.Side == side && !v.reached(v.s.Handover.until(v.p))
}

// handing tells whether a hand-over is open while the alias is here: before it has
// left, or after it has come.
func (v *view) handing() bool { return v.open(Giving) || v.open(Getting) }

// offered tells whether there is an offer that may still be taken. An offer that is
// heard late has expired: the giver may have ended the hand-over.
func (v *view) offered() bool {
	h, w := v.s.Handover, v.word()
	return v.open(Getting) && w.Step == Offers && w.Number == h.Number && !v.reached(h.Began.Add(v.p.GiveWithin()))
}

// confirmed tells whether the partner has what we offered.
func (v *view) confirmed() bool {
	w := v.word()
	return v.open(Giving) && w.Step == Confirms && w.Number == v.s.Handover.Number
}

// unverified tells whether we took what was offered but the router does not answer,
// and the giver still has the alias.
func (v *view) unverified() bool {
	w := v.word()
	return v.open(Getting) && v.s.Handover.Verified == No && w.Step == Offers && w.Number == v.s.Handover.Number
}

// rested tells whether a hand-over may begin: none is open, and none failed a moment
// ago.
func (v *view) rested() bool {
	h := v.s.Handover
	return h.Side == NoSide && (h.Failure == NoRow || v.reached(h.Ended.Add(offerAgain)))
}

// canGive tells whether there is something to hand over, and a partner that would
// take it.
func (v *view) canGive() bool {
	return !v.handing() && v.word().Standing == SaysAble && v.local(v.f.Kernel) != No && v.link() == Yes
}

// asked tells whether the partner asks for the alias and has had no answer.
func (v *view) asked() bool {
	w := v.word()
	return w.Step == Asks && w.Number != 0 && w.Number != v.s.Handover.Number
}
