package rules

// Command is what somebody wants of one alias: an operator, the file, or who
// ends the daemon.
type Command uint8

// The commands.
const (
	NoCommand       Command = iota
	AddAlias                // AddAlias: take it unless another host has it
	ForceAlias              // AddAlias --force: take it in any case
	RemoveAlias             // RemoveAlias, 'Maintenance on', and at the start what was parked on disk
	UnparkAlias             // 'Maintenance off'
	HandoverAlias           // Handover: give it to the partner, and keep it if he does not take it
	WithdrawCommand         // the operator waits no longer
	RowLeaves               // its row has gone from the file, or wants it elsewhere
	RowStays                // the row is as it was after all
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

// Exit is what becomes of the alias when the daemon ends.
type Exit uint8

// The exits.
const (
	NoExit      Exit = iota // the daemon goes on
	ExitKeep                // it stays on this host
	ExitGive                // it is handed over, and stays if it cannot be
	ExitRelease             // it goes
)

// Obey records a command. It says how the alias is to be asked for; what became
// of an operator's command [State.Report] tells. Of the facts it reads Alias.
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

// add is an operator's word that this host shall have it.
func (s *State) add(c Command, f Facts) Follow {
	s.Parked, s.Takes = false, nil // his word ends the flapping
	if s.Holding {
		if s.Give = false; s.Handover.Side == Giving {
			s.Order = OrderTake // it is asked for back
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

// exit: the daemon ends. What is being taken meanwhile comes yet, and the partner
// must not hear before that it may have it.
func (s *State) exit(e Exit) {
	s.Exit, s.Ending = e, s.Doing == Wait
}

// Answer is how an operator's command has ended for one alias.
type Answer uint8

// The answers.
const (
	Pending    Answer = iota // it goes on
	IsHere                   // we hold it
	IsOff                    // it is off this host
	StaysHere                // it could not be handed over: Handover.Failure says why, if one was begun, else the partner's word
	IsServed                 // another host has it, and was not to be robbed: Handover.Failure says why it did not hand it over
	IsUnlinked               // the NIC cannot carry it
)

// Report tells whether the command that is under way, AddAlias, ForceAlias,
// RemoveAlias or HandoverAlias, has come to its end with the decision d, and
// takes what it asked for off the record if so. It is not asked before the
// answers are there that [State.Obey] wanted, nor while a deed is under way.
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
			// It leaves, or stays, here or there: then the command is carried out.
		case s.Holding:
			answer = IsHere
		case h.Side != NoSide:
			// The partner is being asked, or is handing it over.
		case d.Reason == Served:
			answer = IsServed
		case d.Reason == NoLink, d.Reason == OnOtherNIC:
			answer = IsUnlinked
		}
		if answer != Pending {
			s.Order = NoOrder
		}
		return answer
	}
	return Pending
}

// Between tells whether the alias is here and in the midst of a hand-over.
func (s *State) Between() bool {
	return s.Holding && (s.Handover.Side == Giving || s.Handover.Side == Getting)
}

// MayLeave tells whether the alias, about which d was decided last, may still be
// handed over before the daemon ends.
func (s *State) MayLeave(d Decision) bool {
	h := s.Handover
	return s.Holding && s.Give && (h.Side != NoSide || h.Failure == NoRow && d.Reason != WouldNot)
}

// Successor is the record of the row that takes the place of this one, about
// which d was decided last; the alias is off this host. What was let go because
// the row has changed is ours to take again.
func (s *State) Successor(d Decision) State {
	return State{
		Parked: s.Parked, Exit: s.Exit, Ending: s.Ending,
		OursLast: s.OursLast || d.Action == Release && d.Reason == OperatorReleases,
	}
}
