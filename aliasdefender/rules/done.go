package rules

import "time"

// Result is how a deed has ended.
type Result uint8

// The results.
const (
	Succeeded Result = iota
	Failed           // it was tried, and is not done
	NoReply          // the kernel did not answer: it may be done yet
	NotThere         // the alias is not on this host, or with another mask: there is nothing to refresh
	Claimed          // the kernel refused to add it, for another host has it
	NoMeans          // it could not be tried: there is no ARP listener to announce with
	Dropped          // it was not begun: decided otherwise just before
)

var results = [...]string{
	Succeeded: "done", Failed: "failed", NoReply: "no reply", NotThere: "not there", Claimed: "claimed", NoMeans: "no means", Dropped: "dropped",
}

func (r Result) String() string { return spelled(results[:], int(r)) }

// Outcome is what a deed found. Each field counts for the deeds that its comment
// names.
type Outcome struct {
	Result Result

	// Take, Restore, Refresh, Reorder: when the write to the kernel was begun, and for how
	// long the kernel was told to keep the alias (valid_lft; 0: for ever). Adopt:
	// when the reading was begun that found it, and how long it stays by itself.
	Begun    time.Time
	Lifetime time.Duration

	Alias Value // Take: the fact of that name when the deed had ended
	Ours  bool  // Adopt: a Monitor put it there

	// HandOver, AskHandover: a number that neither host has used of late, and not
	// 0 (begin anywhere, count on), and what the partner says.
	Number uint32
	Word   Word
}

// Look is how the alias is to be asked for.
type Look uint8

// The ways to look.
const (
	NoLook    Look = iota // in its rhythm
	LookAgain             // now; until it has answered what is known counts
	LookAnew              // now; what is known of other hosts is forgotten
)

// Verify is how the router is to be pinged from the alias; [State.Pinged] is told
// of the answer.
type Verify uint8

// The ways to verify. An answer proves that the router knows us.
const (
	NoVerify       Verify = iota
	VerifyOnce            // none is said, and announced again
	VerifyForGiver        // the giver has the alias until it hears of an answer: ask Misses times, all within half of GiveWithin
)

// Follow is what has to follow a deed, a command or an observation. The record
// has it already; these are the parts that need a wire, a kernel or a log. The
// alias is decided about again after each.
type Follow struct {
	Tell     bool      // the deed is one for the journal and the log: the alias came, went, changed its place, or is offered or asked for
	Look     Look      // at the wire
	Point    bool      // tell the segment that the alias is at the rival, if its hardware address is known; before Look
	Verify   Verify    // after the announcement
	Read     bool      // read this host's addresses
	Answered bool      // another host has the alias, as the kernel says: file it so, after Look
	Retry    time.Time // not before then is the same deed tried again; zero: it has not failed
	Ended    bool      // a hand-over has ended where it was: Handover.Failure says why, NoRow if it moved the alias
	Gone     bool      // its row has changed or went, and it is off this host: a [State.Successor] takes its place
}

// RetryAfter is how long a deed that failed is left alone.
func (p Policy) RetryAfter() time.Duration { return min(p.Interval, time.Second) }

// MayBegin tells whether the deed of d may be begun: a daemon that ends takes
// nothing any more. It is asked when the deed is decided and again just before it
// is done.
func (s *State) MayBegin(d Decision) bool { return d.Action != Take || s.Exit == NoExit }

// Begin records that a deed which takes a while is under way: take, restore,
// release, refresh, reorder, or the removal of what is forgotten. Done ends it.
func (s *State) Begin(d Decision) { s.Doing = d.Action }

// Done records the end of the deed that d asked for, or that it was not begun,
// and says what is to follow. Each action but Wait and Keep is a deed; adopting
// is one although no row decides it.
func (s *State) Done(p Policy, d Decision, o Outcome, now time.Time) Follow {
	if s.Doing != Wait {
		s.Doing = Wait
		s.Ending = s.Exit != NoExit // what was under way when we were told to end has come or gone
	}
	switch {
	case o.Result == Dropped:
		return Follow{Look: LookAgain, Gone: s.outdated()}
	case o.Result != Succeeded:
		return s.undone(p, d, o, now)
	}
	switch d.Action {
	case Take:
		return s.taken(p, d, o, now)
	case Restore:
		s.reannounce(now)
		s.restored(now)
		s.leased(o.Lifetime, o.Begun)
		return Follow{Tell: true, Verify: s.verify()}
	case Refresh:
		s.leased(o.Lifetime, o.Begun)
	case Reorder:
		s.reordered(now)
		s.leased(o.Lifetime, o.Begun)
		return Follow{Tell: true}
	case Release, Forget:
		return s.gone(d)
	case Announce:
		s.announce(d, now)
		if d.Defends() {
			return Follow{Look: LookAgain} // does it claim still?
		}
	case HandOver, AskHandover:
		was := s.Handover.Side
		s.openHandover(d, Facts{Now: now, Peer: Peer{Word: o.Word}}, o.Number)
		return Follow{Tell: was != s.Handover.Side}
	case Adopt:
		return s.adopted(p, o, now)
	}
	return Follow{}
}

// taken: the alias was put on this host.
func (s *State) taken(p Policy, d Decision, o Outcome, now time.Time) Follow {
	s.took(p, d.Reason, now)
	s.leased(o.Lifetime, o.Begun)
	s.Give = s.Exit == ExitGive // it was begun before we were told to end
	f := Follow{Tell: true, Look: LookAnew, Verify: s.verify()}
	if o.Alias == Silent {
		f.Look = LookAgain // nobody served it; who served it until now is a rival only if heard again
	}
	return f
}

func (s *State) verify() Verify {
	if s.Handover.Side == Getting {
		return VerifyForGiver
	}
	return VerifyOnce
}

// gone: the alias is off this host.
func (s *State) gone(d Decision) Follow {
	s.letGo(d.Reason)
	f := Follow{Tell: true, Gone: s.outdated()}
	switch {
	case d.Action == Forget:
	case d.Reason.YieldsToRival():
		f.Point, f.Look = true, LookAgain // so that the one who keeps it hears of us
	default:
		f.Look = LookAnew // who else has it was asked as a rival
	}
	return f
}

// adopted: the alias was found on this host.
func (s *State) adopted(p Policy, o Outcome, now time.Time) Follow {
	if !s.MayAdopt(o.Ours) {
		return Follow{}
	}
	s.found(now)
	if o.Lifetime > 0 && p.Lifetime() == 0 {
		s.Lease = o.Begun.Add(o.Lifetime) // of a Monitor whose settings wanted one
	}
	return Follow{Tell: true}
}

// MayAdopt tells whether what is found on this host, and is not on record, is to
// be held; ours tells that a Monitor put it there. One that is parked and that a
// Monitor before us could not take off any more is adopted to be released; what
// somebody else put there is his.
func (s *State) MayAdopt(ours bool) bool {
	switch {
	case s.Holding:
		return false
	case s.Exit == ExitRelease:
		return ours
	}
	return s.Exit == NoExit && !s.Leaving && (!s.Parked || ours)
}

// undone: the deed failed, or may have.
func (s *State) undone(p Policy, d Decision, o Outcome, now time.Time) Follow {
	f := Follow{Retry: now.Add(p.RetryAfter())}
	switch d.Action {
	case Take, Restore:
		f.Look = LookAnew // a silence from before says nothing when it is tried again
		f.Read, f.Answered, f.Gone = true, o.Result == Claimed, s.outdated()
		if o.Result != NoReply {
			was := s.Handover.Side
			s.notTaken(now)
			f.Ended = was != s.Handover.Side
		}
	case Refresh:
		s.notLeased(f.Retry)
		if o.Result == NotThere { // the rules decide by what is read
			f.Read, f.Retry = true, time.Time{}
		}
	case Reorder:
		s.reordered(now)
		f.Read = true // it may be off, and not on again
	case Announce:
		if o.Result == NoMeans {
			f.Retry = now.Add(p.Timeout)
		}
	}
	return f
}

// outdated tells whether nothing keeps the record: its row has changed or went,
// and the alias is off this host. A daemon that ends needs no new one.
func (s *State) outdated() bool { return s.Leaving && !s.Holding && s.Exit == NoExit }

// Pinged records what came of the pings of the router from the alias: Answered;
// Silent; or Unknown, if they could not be sent. Not being able to ask counts for
// a hand-over as a silence does: the giver has it still.
func (s *State) Pinged(answer Value, now time.Time) {
	if !s.Holding {
		return
	}
	s.verified(answer == Answered)
	if answer == Silent {
		s.reannounce(now)
	}
}

// LinkIsUp records that the NIC can carry the alias again.
func (s *State) LinkIsUp(now time.Time) { s.sayAgain(now) }

// PartnerIsBack records that the partner, which was silent, is heard: it may have
// been cut off, its cache and its segment's with it. It may also have taken the
// alias meanwhile.
func (s *State) PartnerIsBack(now time.Time) Follow {
	if !s.Holding {
		return Follow{}
	}
	s.sayAgain(now)
	return Follow{Look: LookAgain}
}

// ProbedFor records that another host has probed for the alias (RFC 5227): it
// doubts that it is served, so the whole segment hears where it is.
func (s *State) ProbedFor(now time.Time) { s.sayAgain(now) }

func (s *State) sayAgain(now time.Time) {
	if s.Holding {
		s.reannounce(now)
	}
}
