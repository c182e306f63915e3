package rules

// Command is what somebody wants done with one alias: an operator, the file, or the
// caller that ends the daemon.
type Command uint8

// The commands.
const (
	NoCommand       Command = iota
	AddAlias                // AddAlias: take it unless another host has it
	ForceAlias              // AddAlias --force: take it in any case
	RemoveAlias             // RemoveAlias, 'Maintenance on', and at the start what was parked on disk
	UnparkAlias             // 'Maintenance off'
	HandoverAlias           // Handover: give it to the partner; keep it if the partner does not take it
	WithdrawCommand         // the operator has stopped waiting
	RowLeaves               // its row has gone from the file, or names another place
	RowStays                // the row is unchanged after all
	StopAndKeep             // USR2, TERM with on_exit = "keep"; or the end of StopAndGive
	StopAndGive             // TERM with on_exit = "handover"
	StopAndRelease          // TERM with on_exit = "release"
)

var commands = [...]string{
	NoCommand: "", AddAlias: "AddAlias", ForceAlias: "AddAlias --force", RemoveAlias: "RemoveAlias", UnparkAlias: "Maintenance off",
	HandoverAlias: "Handover", WithdrawCommand: "withdraw", RowLeaves: "row leaves", RowStays: "row stays",
	StopAndKeep: "stop and keep", StopAndGive: "stop and hand over", StopAndRelease: "stop and release",
}

func (c Command) String() string { return spelled(commands[:], int(c)) }

// Exit is what happens to the alias when the daemon ends.
type Exit uint8

// The exits.
const (
	NoExit      Exit = iota // the daemon goes on
	ExitKeep                // it stays on this host
	ExitGive                // it is handed over; it stays if that fails
	ExitRelease             // it is released
)

// Obey records a command, and says how to ask for the alias. [State.Report] tells how an
// operator's command ended. The only fact that Obey reads is Alias.
func (s *State) Obey(c Command, f Facts) Follow {
	switch c {
	case AddAlias, ForceAlias, RemoveAlias, UnparkAlias, HandoverAlias:
		s.tryAgain()
	}
	switch c {
	case AddAlias, ForceAlias:
		return s.add(c, f)
	case RemoveAlias:
		s.Parked, s.Order = true, NoOrder
	case UnparkAlias:
		s.Parked = false
	case HandoverAlias:
		s.Give, s.Order = s.Holding, NoOrder
	case WithdrawCommand:
		s.Give, s.Order = false, NoOrder
	case RowLeaves:
		s.Leaving = true
	case RowStays:
		s.Leaving = false
	case StopAndKeep:
		s.exit(ExitKeep)
	case StopAndGive:
		s.exit(ExitGive)
		s.Give = s.Holding
		s.tryAgain()
	case StopAndRelease:
		s.exit(ExitRelease)
		s.Leaving = true
	}
	return Follow{}
}

// add carries out an operator's order that this host shall have the alias.
func (s *State) add(c Command, f Facts) Follow {
	s.Parked, s.Takes = false, nil // the order ends the flapping
	if s.Holding {
		if s.Give = false; s.Handover.Side == Giving {
			s.Order = OrderTake // ask for it back
		}
		return Follow{}
	}
	if s.Order = OrderTake; c == ForceAlias {
		s.Order = OrderForce
	}
	if f.Alias.Value == Answered {
		return Follow{Look: LookAgain}
	}
	return Follow{Look: LookAnew} // what is known may be an interval old
}

// exit: the daemon is ending. A take that is under way still completes, and until it
// has the partner must not hear that it may take the alias.
func (s *State) exit(e Exit) {
	s.Exit, s.Ending = e, s.Doing == Wait
}

// Answer is how an operator's command ended for one alias.
type Answer uint8

// The answers.
const (
	Pending    Answer = iota // it is still under way
	IsHere                   // we hold it
	IsOff                    // it is off this host
	StaysHere                // it could not be handed over: Handover.Failure says why if a hand-over began, otherwise the partner's word does
	IsServed                 // another host has it, and the order was not to force it: Handover.Failure says why that host did not hand it over
	IsUnlinked               // the NIC cannot carry it
	IsApart                  // another member of its group cannot be here
)

// Report tells whether and how the command that is under way (AddAlias, ForceAlias,
// RemoveAlias or HandoverAlias) has ended with the decision d. If it has ended, Report
// removes the order from the record. Do not call Report before the answers that
// [State.Obey] wanted are there, or while a deed is under way.
func (s *State) Report(c Command, d Decision) Answer {
	h := s.Handover
	switch c {
	case HandoverAlias:
		switch {
		case !s.Holding:
			return IsOff
		case h.Side == NoSide && (h.Failure != NoRow || d.Reason == WouldNot):
			s.Give = false
			return StaysHere
		}
	case RemoveAlias:
		if !s.Holding {
			return IsOff
		}
	case AddAlias, ForceAlias:
		answer := Pending
		switch {
		case s.Between():
			// When it has left or stayed, on either host, the command is carried out.
		case s.Holding:
			answer = IsHere
		case h.Side != NoSide:
			// We are asking the partner, or it is handing the alias over.
		case d.Reason == Served:
			answer = IsServed
		case d.Reason == NoLink, d.Reason == OnOtherNIC:
			answer = IsUnlinked
		case d.Reason == GroupApart, d.Reason == GroupSplit:
			answer = IsApart
		}
		if answer != Pending {
			s.Order = NoOrder
		}
		return answer
	}
	return Pending
}

// Between tells whether the alias is here while a hand-over of it is open.
func (s *State) Between() bool {
	return s.Holding && (s.Handover.Side == Giving || s.Handover.Side == Getting)
}

// MayLeave tells whether the alias may still be handed over before the daemon ends; d
// is the last decision about it.
func (s *State) MayLeave(d Decision) bool {
	h := s.Handover
	return s.Holding && s.Give && (h.Side != NoSide || h.Failure == NoRow && d.Reason != WouldNot)
}

// Successor is the record for the row that replaces this one; d is the last decision
// about the alias, which is off this host. If it was released because the row
// changed, we may take it again.
func (s *State) Successor(d Decision) State {
	return State{
		Parked: s.Parked, Exit: s.Exit, Ending: s.Ending, FenceHeld: s.FenceHeld, FenceOver: s.FenceOver,
		OursLast: s.OursLast || d.Action == Release && d.Reason == OperatorReleases,
	}
}
