package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestObeyRecordsEachCommand(t *testing.T) {
	failure := Handover{Number: 3, Failure: NoAnswer, Ended: noon}
	again := Handover{Number: 3, Ended: noon}
	giving := Handover{Side: Giving, Number: 4}
	takes := []time.Time{noon}
	for name, tt := range map[string]struct {
		was    State
		c      Command
		alias  Value
		want   State
		follow Follow
	}{
		"AddAlias": {State{Parked: true, Takes: takes, Handover: failure}, AddAlias, Silent,
			State{Order: OrderTake, Handover: again}, Follow{Look: LookAnew}},
		"AddAlias of what answers":          {State{}, AddAlias, Answered, State{Order: OrderTake}, Follow{Look: LookAgain}},
		"AddAlias --force":                  {State{Parked: true}, ForceAlias, Answered, State{Order: OrderForce}, Follow{Look: LookAgain}},
		"AddAlias of what is held":          {State{Holding: true, Parked: true, Give: true}, AddAlias, Silent, State{Holding: true}, Follow{}},
		"AddAlias of what is being given":   {State{Holding: true, Give: true, Handover: giving}, AddAlias, Silent, State{Holding: true, Order: OrderTake, Handover: giving}, Follow{}},
		"RemoveAlias":                       {State{Holding: true, Order: OrderTake, Handover: failure}, RemoveAlias, Silent, State{Holding: true, Parked: true, Handover: again}, Follow{}},
		"Maintenance off":                   {State{Parked: true, Handover: failure}, UnparkAlias, Silent, State{Handover: again}, Follow{}},
		"Handover":                          {State{Holding: true, Order: OrderTake, Handover: failure}, HandoverAlias, Silent, State{Holding: true, Give: true, Handover: again}, Follow{}},
		"Handover of what is not held":      {State{}, HandoverAlias, Silent, State{}, Follow{}},
		"nobody waits any longer":           {State{Order: OrderTake, Give: true, Handover: failure}, WithdrawCommand, Silent, State{Handover: failure}, Follow{}},
		"its row goes":                      {State{Holding: true}, RowLeaves, Silent, State{Holding: true, Leaving: true}, Follow{}},
		"its row is as it was":              {State{Holding: true, Leaving: true}, RowStays, Silent, State{Holding: true}, Follow{}},
		"TERM, kept":                        {State{Holding: true, Handover: failure}, StopAndKeep, Silent, State{Holding: true, Exit: ExitKeep, Ending: true, Handover: failure}, Follow{}},
		"TERM, handed over":                 {State{Holding: true, Handover: failure}, StopAndGive, Silent, State{Holding: true, Exit: ExitGive, Ending: true, Give: true, Handover: again}, Follow{}},
		"TERM, handed over, not held":       {State{}, StopAndGive, Silent, State{Exit: ExitGive, Ending: true}, Follow{}},
		"TERM, while it is being taken":     {State{Doing: Take}, StopAndGive, Silent, State{Exit: ExitGive, Doing: Take}, Follow{}},
		"no more is handed over":            {State{Holding: true, Exit: ExitGive, Ending: true, Give: true}, StopAndKeep, Silent, State{Holding: true, Exit: ExitKeep, Ending: true, Give: true}, Follow{}},
		"TERM, released":                    {State{Holding: true}, StopAndRelease, Silent, State{Holding: true, Exit: ExitRelease, Ending: true, Leaving: true}, Follow{}},
		"a command that this version lacks": {State{Holding: true, Handover: failure}, Command(99), Silent, State{Holding: true, Handover: failure}, Follow{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.was
			follow := s.Obey(tt.c, Facts{Now: noon, Alias: seen(tt.alias, 0)})
			if diff := cmp.Diff(tt.want, s); diff != "" {
				t.Errorf("the record (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.follow, follow); diff != "" {
				t.Errorf("what follows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReportEndsACommandOnce(t *testing.T) {
	held, off := State{Holding: true, Give: true, Order: OrderTake}, State{Order: OrderTake}
	with := func(s State, h Handover) State {
		s.Handover = h
		return s
	}
	for name, tt := range map[string]struct {
		s    State
		c    Command
		r    Reason
		want Answer
	}{
		"handed over":                            {off, HandoverAlias, Served, IsOff},
		"being handed over":                      {with(held, Handover{Side: Giving}), HandoverAlias, HandingOver, Pending},
		"about to be":                            {held, HandoverAlias, OperatorReleases, Pending},
		"the hand-over failed":                   {with(held, Handover{Failure: NoAnswer}), HandoverAlias, Held, StaysHere},
		"the partner would not":                  {held, HandoverAlias, WouldNot, StaysHere},
		"released":                               {off, RemoveAlias, Parked, IsOff},
		"not released yet":                       {held, RemoveAlias, OperatorReleases, Pending},
		"taken":                                  {held, AddAlias, Held, IsHere},
		"between the two":                        {with(held, Handover{Side: Getting}), AddAlias, HandingOver, Pending},
		"asked for":                              {with(off, Handover{Side: Asking}), AddAlias, Served, Pending},
		"served by another":                      {off, AddAlias, Served, IsServed},
		"no link":                                {off, ForceAlias, NoLink, IsUnlinked},
		"its group cannot be here":               {off, AddAlias, GroupApart, IsApart},
		"its group can be nowhere":               {off, AddAlias, GroupSplit, IsApart},
		"not known yet":                          {off, AddAlias, AliasUnknown, Pending},
		"nothing was ordered that has an answer": {off, WithdrawCommand, Served, Pending},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.s
			if got := s.Report(tt.c, Decision{Reason: tt.r}); got != tt.want {
				t.Fatalf("%v, want %v", got, tt.want)
			}
			want := tt.s // and all that was not asked for stays
			switch tt.want {
			case StaysHere:
				want.Give = false
			case IsHere, IsServed, IsUnlinked, IsApart:
				want.Order = NoOrder
			}
			if diff := cmp.Diff(want, s); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMayLeaveUntilThePartnerWillNotHaveIt(t *testing.T) {
	for name, tt := range map[string]struct {
		s    State
		r    Reason
		want bool
	}{
		"to be handed over":     {State{Holding: true, Give: true}, Held, true},
		"being handed over":     {State{Holding: true, Give: true, Handover: Handover{Side: Giving}}, HandingOver, true},
		"the partner would not": {State{Holding: true, Give: true}, WouldNot, false},
		"the hand-over failed":  {State{Holding: true, Give: true, Handover: Handover{Failure: Refused}}, Held, false},
		"it has left":           {State{Give: true}, Served, false},
		"it is to stay":         {State{Holding: true}, Held, false},
	} {
		if got := tt.s.MayLeave(Decision{Reason: tt.r}); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSuccessorIsOursWhereTheRowWasWhatEndedIt(t *testing.T) {
	s := State{Parked: true, Leaving: true, Takes: []time.Time{noon}, Exit: ExitKeep, Ending: true}
	for reason, ours := range map[Reason]bool{OperatorReleases: true, LinkLost: false} {
		want := State{Parked: true, Exit: ExitKeep, Ending: true, OursLast: ours}
		if diff := cmp.Diff(want, s.Successor(Decision{Action: Release, Reason: reason})); diff != "" {
			t.Errorf("%s: %s", reason, diff)
		}
	}
	s.OursLast = true
	if !s.Successor(Decision{Action: Wait, Reason: Parked}).OursLast {
		t.Error("what was ours to take is not after the row has changed")
	}
}
