package rules

import "time"

// Result is how a deed ended.
type Result uint8

// The results.
const (
	Succeeded Result = iota
	Failed           // it was tried, and did not work
	NoReply          // the kernel did not answer: it may still happen
	NotThere         // the alias is not on this host, or has another mask: there is nothing to refresh
	Claimed          // the kernel refused to add it, because another host has it
	NoMeans          // it could not be tried: there is no listener to announce with
	Dropped          // it was not begun: a later decision replaced it
)

var results = [...]string{
	Succeeded: "done", Failed: "failed", NoReply: "no reply", NotThere: "not there", Claimed: "claimed", NoMeans: "no means", Dropped: "dropped",
}

func (r Result) String() string { return spelled(results[:], int(r)) }

// Outcome is what a deed found. The comment of each field names the deeds that set
// it.
type Outcome struct {
	Result Result

	// Take, Restore, Refresh, Reorder: when the write to the kernel began, and for
	// how long the kernel was told to keep the alias (valid_lft; 0: for ever). Adopt:
	// when the reading that found it began, and how long the alias stays by itself.
	Begun    time.Time
	Lifetime time.Duration

	Alias Value // Take: that fact when the deed had ended
	Ours  bool  // Adopt: a Monitor put it there

	// Adopt: the kernel does not keep the alias in the way that a Refresh makes it do,
	// apart from the lifetime: an IPv6 alias with a preferred lifetime becomes the source
	// of new connections.
	Unlike bool

	// HandOver, AskHandover: a number that neither host has used recently and that is
	// not 0 (begin anywhere, count up), and the partner's word.
	Number uint32
	Word   Word
}

// Look is how to ask for the alias.
type Look uint8

// The ways to look.
const (
	NoLook    Look = iota // in its rhythm
	LookAgain             // now; what is known counts until an answer comes
	LookAnew              // now; what is known of other hosts is forgotten
)

// Verify is how to ping the router from the alias. The caller tells [State.Pinged]
// the answer.
type Verify uint8

// The ways to verify. An answer proves that the router knows us.
const (
	NoVerify       Verify = iota
	VerifyOnce            // if the router does not answer, say so and announce again
	VerifyForGiver        // the giver keeps the alias until it hears that the router answered: ask Misses times, all within half of GiveWithin
)

// Follow is what the caller does after a deed, a command or an observation. The
// record is already up to date; these are the parts that need a wire, a kernel or a
// log. After each the caller decides about the alias again.
type Follow struct {
	Tell     bool      // write the deed to the journal and the log: the alias came, went, changed its place, or is offered or asked for
	Look     Look      // ask the wire
	Point    bool      // tell the segment that the alias is at the rival, if the rival's hardware address is known; before Look
	Verify   Verify    // ping the router after the announcement
	Read     bool      // read this host's addresses
	Answered bool      // the kernel says that another host has the alias: record it as a fact, after Look
	Retry    time.Time // do not try the same deed again before then; zero: it has not failed
	Ended    bool      // a hand-over has ended: Handover.Failure says why it did not move the alias; NoRow if it did
	Gone     bool      // its row has changed or gone, and the alias is off this host: a [State.Successor] takes its place
}

// RetryAfter is how long the caller waits before it tries a failed deed again.
func (p Policy) RetryAfter() time.Duration { return min(p.Interval, time.Second) }

// MayBegin tells whether the deed of d may begin: a daemon that is ending takes
// nothing more. The caller asks when the deed is decided, and again just before it
// does it.
func (s *State) MayBegin(d Decision) bool { return d.Action != Take || s.Exit == NoExit }

// Begin records that a deed that takes a while is under way: take, restore, release,
// refresh, reorder, or removing what is forgotten. Done ends it.
func (s *State) Begin(d Decision) { s.Doing = d.Action }

// Done records that the deed that d asked for has ended, or was not begun, and says
// what follows. Each action but Wait and Keep is a deed. Adopt is one too, although
// no row decides it.
func (s *State) Done(p Policy, d Decision, o Outcome, now time.Time) Follow {
	if s.Doing != Wait {
		s.Doing = Wait
		s.Ending = s.Exit != NoExit // the deed that was under way when we were told to end has now ended
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
			return Follow{Look: LookAgain} // is it still claiming?
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
		f.Look = LookAgain // nobody served it; the last holder is a rival only if it is heard again
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
		f.Point, f.Look = true, LookAgain // so that the host that keeps it hears us
	default:
		f.Look = LookAnew // until now we asked for rivals; now we ask who serves it
	}
	return f
}

// adopted: the alias was found on this host.
func (s *State) adopted(p Policy, o Outcome, now time.Time) Follow {
	if !s.MayAdopt(o.Ours) {
		return Follow{}
	}
	s.found(now)
	switch {
	case p.Lifetime() > 0: // it is due for a refresh
	case o.Lifetime > 0:
		s.Lease = o.Begun.Add(o.Lifetime) // it is from a Monitor whose settings wanted one
	case o.Unlike:
		s.Lease = o.Begun.Add(distantEnd) // it has none, and is due for a refresh all the same
	}
	return Follow{Tell: true}
}

// MayAdopt tells whether to hold an alias that is found on this host and is not on
// record; ours tells whether a Monitor put it there. A parked alias that an earlier
// Monitor could no longer remove is adopted so that it can be released. An alias that
// somebody else put there belongs to them.
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
		f.Look = LookAnew // a silence from before proves nothing for the next try
		f.Read, f.Answered, f.Gone = true, o.Result == Claimed, s.outdated()
		if o.Result != NoReply {
			was := s.Handover.Side
			s.notTaken(now)
			f.Ended = was != s.Handover.Side
		}
	case Refresh:
		s.notLeased(f.Retry)
		if o.Result == NotThere { // the reading decides what the rules do next
			f.Read, f.Retry = true, time.Time{}
		}
	case Reorder:
		s.reordered(now)
		f.Read = true // it may be off this host, and not back yet
	case Announce:
		if o.Result == NoMeans {
			f.Retry = now.Add(p.Timeout)
		}
	}
	return f
}

// outdated tells whether the record is no longer needed: its row has changed or gone,
// and the alias is off this host. A daemon that is ending needs no new record.
func (s *State) outdated() bool { return s.Leaving && !s.Holding && s.Exit == NoExit }

// Pinged records the result of the pings of the router from the alias: Answered;
// Silent; or Unknown, if they could not be sent. For a hand-over Unknown counts as
// silence: the giver still has the alias.
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

// PartnerIsBack records that the partner, which was silent, is heard again. It may have
// been cut off, so its neighbour cache, and those of its segment, may be stale. It may
// also have taken the alias meanwhile.
func (s *State) PartnerIsBack(now time.Time) Follow {
	if !s.Holding {
		return Follow{}
	}
	s.sayAgain(now)
	return Follow{Look: LookAgain}
}

// ProbedFor records that another host has probed for the alias (RFC 5227). That host
// is not sure that the alias is in use, so the whole segment is told where it is.
func (s *State) ProbedFor(now time.Time) { s.sayAgain(now) }

func (s *State) sayAgain(now time.Time) {
	if s.Holding {
		s.reannounce(now)
	}
}
