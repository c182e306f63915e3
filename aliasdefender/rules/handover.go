package rules

import "time"

// Side is which part this host plays in a hand-over.
type Side uint8

// The sides.
const (
	NoSide  Side = iota // none is open
	Asking              // we asked the holder for the alias
	Giving              // we offer it to the partner
	Getting             // the partner offers it to us; still so once we have taken it
)

var sides = [...]string{NoSide: "", Asking: "asking the partner for it", Giving: "offering it to the partner", Getting: "taking it over from the partner"}

func (s Side) String() string { return spelled(sides[:], int(s)) }

// offerAgain is how long after one that failed a hand-over is begun again by
// itself. An operator's order does not wait for it (State.tryAgain).
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
// [Policy.GiveWithin], at a refusal, or when the partner cannot serve any more;
// who has the alias and cannot verify it gives it back (H1), and refuses(n).
// While it is open neither counts the other as a rival; at its end what was seen
// of rivals meanwhile is forgotten, and whoever has the alias announces it. If a
// word was lost and both have it at the end, H6 knows who keeps it.
//
// A number is taken up once: of a hand-over that has ended nothing is heeded but
// by refusing it.
type Handover struct {
	Side     Side
	Number   uint32 // of the one that is open, else of the last; 0: there was none
	Why      Reason
	Began    time.Time // when it was opened here, or the offer first heard
	Verified Value     // getting: whether the router answers the alias here

	Failure Reason    // why the last one did not move the alias; NoRow: it did
	Ended   time.Time // when
}

// openHandover begins what d asks for, [HandOver] or [AskHandover]. The number must be
// one that neither host has used of late, and not 0: begin anywhere, count on. An
// answer to the partner's asking has the partner's number. It is a part of
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

// verified records whether the router answered a ping from the alias after a
// take. Not being able to ask is no: the giver has it still. It is a part of
// [State.Pinged].
func (s *State) verified(yes bool) {
	if s.Handover.Side == Getting && s.Holding {
		s.Handover.Verified = Of(yes)
	}
}

// notTaken ends a hand-over to us: what is offered cannot be taken, and is refused.
// It is a part of [State.Done].
func (s *State) notTaken(now time.Time) {
	if s.Handover.Side == Getting && !s.Holding {
		s.Handover = s.Handover.end(NotTaken, now)
	}
}

// tryAgain lets an operator's order begin a hand-over although one has failed a
// moment ago. It is a part of [State.Obey].
func (s *State) tryAgain() { s.Handover.Failure = NoRow }

// end is the record once it is over.
func (h Handover) end(why Reason, now time.Time) Handover {
	return Handover{Number: h.Number, Failure: why, Ended: now}
}

// step is what the partner's word and the time make of the record.
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
			// Nothing is heard: the time tells.
		case !holding && (late || !offered || w.Number != h.Number || !now.Before(h.Began.Add(p.GiveWithin()))):
			return h.end(Withdrawn, now)
		case holding && (late || !offered || w.Number != h.Number):
			return h.end(NoRow, now)
		}
	}
	return h
}

// until is when our patience with it ends.
func (h Handover) until(p Policy) time.Time {
	if h.Side == Getting {
		return h.Began.Add(p.Patience())
	}
	return h.Began.Add(p.GiveWithin())
}

// handover brings the record up to date. At the end nothing that was seen of a
// rival before counts, and who has the alias says so: the last announcement must
// be the holder's, whoever else announced meanwhile.
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
	return Follow{Ended: true, Look: LookAgain} // whether the other has it still
}

// open tells whether a hand-over is open in which we play that part.
func (v *view) open(side Side) bool {
	return v.s.Handover.Side == side && !v.reached(v.s.Handover.until(v.p))
}

// handing tells whether one is open that the alias has not left, or has come by.
func (v *view) handing() bool { return v.open(Giving) || v.open(Getting) }

// offered tells whether there is an offer that may still be taken. One that is
// heard late has expired: the giver may have ended it.
func (v *view) offered() bool {
	h, w := v.s.Handover, v.word()
	return v.open(Getting) && w.Step == Offers && w.Number == h.Number && !v.reached(h.Began.Add(v.p.GiveWithin()))
}

// confirmed tells whether the partner has what we offered.
func (v *view) confirmed() bool {
	w := v.word()
	return v.open(Giving) && w.Step == Confirms && w.Number == v.s.Handover.Number
}

// unverified tells whether we took what was offered, and in vain, while the
// giver has it still.
func (v *view) unverified() bool {
	w := v.word()
	return v.open(Getting) && v.s.Handover.Verified == No && w.Step == Offers && w.Number == v.s.Handover.Number
}

// rested tells whether a hand-over may be begun: none is open, and none has
// failed a moment ago.
func (v *view) rested() bool {
	h := v.s.Handover
	return h.Side == NoSide && (h.Failure == NoRow || v.reached(h.Ended.Add(offerAgain)))
}

// canGive tells whether there is something to hand over, and somebody who would
// take it.
func (v *view) canGive() bool {
	return !v.handing() && v.word().Standing == SaysAble && v.local(v.f.Kernel) != No && v.link() == Yes
}

// asked tells whether the partner asks for the alias, and has not been answered.
func (v *view) asked() bool {
	w := v.word()
	return w.Step == Asks && w.Number != 0 && w.Number != v.s.Handover.Number
}
