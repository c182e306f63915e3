package rules

import "time"

// DefendEvery is the least time between two answers to one rival (RFC 5227,
// section 2.4 c).
const DefendEvery = 10 * time.Second

// announceAfter is when the alias is announced again, counted from the take; after
// that it is announced each minute.
var announceAfter = []time.Duration{
	1 * time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second,
}

// Order is what an operator wants done with an alias that is not held.
type Order uint8

// The orders of AddAlias.
const (
	NoOrder    Order = iota
	OrderTake        // take it unless another host answers for it
	OrderForce       // take it in any case
)

// State is our own record of one alias: what we did, and what we were told. It is a
// value: a copy is a snapshot. Anybody may read it; only its methods write it: Done,
// Obey, Report, Saw, Pinged, Awoke, Begin, LinkIsUp, PartnerIsBack and ProbedFor. The
// search in the tests plays the same methods.
//
// fields: each is one thing that was done or said, and the rows read nearly all of
// them; a struct within would have no name that a row could use.
type State struct {
	Holding  bool // we took it or adopted it
	Parked   bool // an operator took it off this host
	Order    Order
	Leaving  bool   // it has to be released: TERM with on_exit = "release", or gone from the file
	Exit     Exit   // what happens to it when the daemon ends, once the daemon was told to
	Ending   bool   // the daemon is ending, and nothing under way can bring the alias here any more
	Doing    Action // the deed that is under way; Wait: none
	Give     bool   // to be handed over, and kept if that fails: Handover, TERM with on_exit = "handover"
	Handover Handover

	Takes      []time.Time // the last takes, oldest first
	OursLast   bool        // we let it go because of a fault of our own (H3, H5, H8: isolated, service), and nobody has had it since
	Failback   bool        // we hold it by failback, and the partner has not yielded yet
	NoReturn   bool        // failback failed; we do not try again until the alias changes hands
	Claimed    bool        // we heard a rival: when it has gone we announce, because others have heard it too
	Defences   int         // announcements against the present rival
	Defended   time.Time   // when the last of them was sent
	Announced  int         // announcements since the schedule began
	CutOff     bool        // the router missed an answer while we had it, and has not answered since
	Next       time.Time   // when the next announcement is due; zero: none
	Anew       time.Time   // frames of rivals from before this, or within a timeout after it, do not count
	Lease      time.Time   // until when the kernel keeps the alias by itself; zero: for ever, or not known
	LeaseAgain time.Time   // when to ask the kernel again to renew, after it has refused
	Restores   int         // how often it was added again, each time soon after the last
	Restored   time.Time   // when it last was
	Woke       time.Time   // when this process last came back from a pause
	Reorders   int         // how often in a row, each within a minute of the last, it was put behind an own address
	Reordered  time.Time   // when it last was
	FenceHeld  time.Time   // we have held the alias since the fence that was proven then
	FenceOver  time.Time   // Facts.Fenced that was proven then counts no more
}

// We do not race a program that removes the alias again and again. The first two
// times we add the alias again at once, then after a pause that doubles. After it has
// stayed for restoreWindow the count begins again.
const (
	restoresAtOnce   = 2
	restoreWindow    = time.Minute
	restorePauseMost = time.Minute
)

// restorePause is the pause between the last restore and the next.
func (s State) restorePause() time.Duration {
	if s.Restores < restoresAtOnce {
		return 0
	}
	return min(time.Second<<min(s.Restores-restoresAtOnce, 10), restorePauseMost)
}

// restored records that the alias was added again. It is a part of [State.Done].
func (s *State) restored(now time.Time) {
	if s.Restored.IsZero() || now.Sub(s.Restored) >= s.restorePause()+restoreWindow {
		s.Restores = 0
	}
	s.Restores, s.Restored = s.Restores+1, now
}

// took records that the alias was put on this host for reason r. It is a part of
// [State.Done].
func (s *State) took(p Policy, r Reason, now time.Time) {
	switch {
	case r == OperatorTakes:
		s.Takes = nil // an operator's word ends the flapping
	case r == Offered: // both hosts wanted it
	default:
		s.countTake(p, now)
	}
	s.adopt()
	s.Failback = r == FailbackTakes
	s.Announced, s.Next = 0, now
}

// found records that the alias was found on this host. It is a part of
// [State.Done].
func (s *State) found(now time.Time) {
	s.adopt()
	s.Announced, s.Next = 0, now
}

func (s *State) adopt() {
	s.Holding = true
	s.Order = NoOrder
	s.OursLast, s.Failback = false, false
	s.Lease = time.Time{}
	s.Claimed, s.Defences, s.Defended = false, 0, time.Time{}
	s.Reorders, s.Reordered = 0, time.Time{}
}

// letGo records that the alias went off this host for reason r. It is a part of
// [State.Done].
func (s *State) letGo(r Reason) {
	h := s.Handover
	switch {
	case r == HandedOver:
		h = h.end(NoRow, h.Began)
	case r == GivenBack:
		h = h.end(NotVerified, h.Began)
	case h.Side != NoSide:
		h = h.end(Withdrawn, h.Began)
	}
	*s = State{
		Parked:    s.Parked,
		Leaving:   s.Leaving,
		Exit:      s.Exit,
		Ending:    s.Ending,
		Order:     s.Order,
		Handover:  h,
		Takes:     s.Takes,
		FenceHeld: s.FenceHeld,
		FenceOver: s.FenceOver,
		OursLast:  r == LinkLost || r == Isolated || r == LeaseEnded || r == ServiceReleased,
		NoReturn:  r == FailbackRefused || r == GivenBack && s.Handover.Why == FailbackAsks,
	}
}

// announce records that the announcement of d was sent. It is a part of [State.Done].
func (s *State) announce(d Decision, now time.Time) {
	switch d.Reason {
	case PartnerDefended, ForeignDefended, ClaimDefended:
		s.Defences++
		s.Defended = now
		return // a defence is not a step of the schedule
	case RivalGone:
		if s.Defences == 0 {
			s.Defended = now
		}
		s.Claimed, s.Defences, s.Failback = false, 0, false // Defended stays, so that a rival that comes and goes gets no more answers than one that stays
		return
	}
	step := time.Minute
	if s.Announced < len(announceAfter) {
		step = announceAfter[s.Announced]
		if s.Announced > 0 {
			step -= announceAfter[s.Announced-1]
		}
	}
	s.Announced++
	s.Next = now.Add(step)
}

// reannounce starts the schedule of announcements again. It is a part of the methods
// that name the occasion: LinkIsUp, PartnerIsBack, ProbedFor, Awoke, Pinged.
func (s *State) reannounce(now time.Time) {
	s.Announced, s.Next = 0, now
}

// Unordered returns the record as if nobody had ordered the alias off: what the rows
// would then decide may be more urgent than the order.
func (s State) Unordered() State {
	s.Parked, s.Leaving, s.Give = false, false, false
	return s
}

// Saw brings the record up to date with what was observed, and with what the partner
// says about an open hand-over. Call it before each [Decide].
func (s *State) Saw(p Policy, f Facts) Follow {
	follow := s.handover(p, f)
	s.heedFence(p, f)
	if s.Holding {
		if v := (view{p: p, s: *s, f: f}); v.rival() == Yes {
			s.Claimed = true
		}
		if f.Alias.Value == Silent {
			s.Failback = false // it has yielded
		}
		switch {
		case f.Router.Value == Silent || !f.Router.Miss.IsZero():
			s.CutOff = true
		case f.Router.Value == Answered && s.CutOff:
			// The clients are behind the router. Another host may have announced the
			// alias there and gone again without our hearing it.
			s.CutOff = false
			s.reannounce(f.Now)
		}
		return follow
	}
	if f.Alias.Value == Yes {
		s.OursLast = false
	}
	if f.Alias.Value == No || f.Alias.Value == Yes && f.ByPartner == No {
		s.NoReturn = false
	}
	return follow
}
