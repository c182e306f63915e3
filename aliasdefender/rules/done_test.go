package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestDoneRecordsEachDeedAndSaysWhatFollows. The lease is a minute, and the write
// began a second ago.
func TestDoneRecordsEachDeedAndSaysWhatFollows(t *testing.T) {
	begun, later := noon.Add(-time.Second), noon.Add(time.Second)
	until := begun.Add(time.Minute)
	written := Outcome{Begun: begun, Lifetime: time.Minute}
	with := func(change func(o *Outcome)) Outcome {
		o := written
		change(&o)
		return o
	}
	failed := func(r Result) Outcome { return with(func(o *Outcome) { o.Result = r }) }
	took := State{Holding: true, Takes: []time.Time{noon}, Next: noon, Lease: until}
	offered := Handover{Side: Getting, Number: 4, Began: begun}
	refused := Handover{Number: 4, Failure: NotTaken, Ended: noon}
	give := State{Holding: true, Handover: Handover{Side: Giving, Number: 7, Why: OperatorReleases, Began: noon}}
	answer := State{Holding: true, Handover: Handover{Side: Giving, Number: 4, Why: Asked, Began: noon}}
	ask := State{Handover: Handover{Side: Asking, Number: 7, Why: OperatorAsks, Began: noon}}
	defended := State{Holding: true, Defences: 1, Defended: noon}
	changed := func(s State, change func(s *State)) State {
		change(&s)
		return s
	}
	d := func(a Action, r Reason) Decision { return Decision{Action: a, Reason: r} }
	for name, tt := range map[string]struct {
		was    State
		d      Decision
		o      Outcome
		want   State
		follow Follow
	}{
		"taken from nobody": {State{}, d(Take, PrimaryTakes), with(func(o *Outcome) { o.Alias = Silent }), took,
			Follow{Tell: true, Look: LookAgain, Verify: VerifyOnce}},
		"taken from somebody, who is a rival only if heard again": {State{}, d(Take, PrimaryTakes), with(func(o *Outcome) { o.Alias = Answered }), took,
			Follow{Tell: true, Look: LookAnew, Verify: VerifyOnce}},
		"taken, and it was offered": {State{Handover: offered}, d(Take, Offered), written,
			State{Holding: true, Next: noon, Lease: until, Handover: offered}, Follow{Tell: true, Look: LookAnew, Verify: VerifyForGiver}},
		"taken for ever": {State{}, d(Take, PrimaryTakes), Outcome{Begun: begun}, changed(took, func(s *State) { s.Lease = time.Time{} }),
			Follow{Tell: true, Look: LookAnew, Verify: VerifyOnce}},
		"taken, and meanwhile all is to be handed over": {State{Exit: ExitGive, Doing: Take}, d(Take, PrimaryTakes), written,
			changed(took, func(s *State) { s.Exit, s.Ending, s.Give = ExitGive, true, true }), Follow{Tell: true, Look: LookAnew, Verify: VerifyOnce}},
		"not taken": {State{Handover: offered, Doing: Take}, d(Take, Offered), failed(Failed), State{Handover: refused},
			Follow{Look: LookAnew, Read: true, Retry: later, Ended: true}},
		"perhaps taken": {State{Handover: offered}, d(Take, Offered), failed(NoReply), State{Handover: offered},
			Follow{Look: LookAnew, Read: true, Retry: later}},
		"not taken, for the kernel knows who has it": {State{}, d(Take, PrimaryTakes), failed(Claimed), State{},
			Follow{Look: LookAnew, Read: true, Answered: true, Retry: later}},
		"not taken, and its row is gone": {State{Leaving: true}, d(Take, PrimaryTakes), failed(Failed), State{Leaving: true},
			Follow{Look: LookAnew, Read: true, Gone: true, Retry: later}},
		"not begun": {State{Exit: ExitKeep, Doing: Take}, d(Take, PrimaryTakes), failed(Dropped), State{Exit: ExitKeep, Ending: true},
			Follow{Look: LookAgain}},
		"not begun, and its row is gone": {State{Leaving: true, Doing: Take}, d(Take, PrimaryTakes), failed(Dropped), State{Leaving: true},
			Follow{Look: LookAgain, Gone: true}},
		"restored": {State{Holding: true, Announced: 4, LeaseAgain: noon}, d(Restore, Restored), written, State{Holding: true, Next: noon, Lease: until, Restores: 1, Restored: noon},
			Follow{Tell: true, Verify: VerifyOnce}},
		"not restored":  {State{Holding: true, Lease: noon}, d(Restore, Restored), failed(Failed), State{Holding: true, Lease: noon}, Follow{Look: LookAnew, Read: true, Retry: later}},
		"refreshed":     {State{Holding: true, LeaseAgain: noon}, d(Refresh, LeaseDue), written, State{Holding: true, Lease: until}, Follow{}},
		"not refreshed": {State{Holding: true}, d(Refresh, LeaseDue), failed(Failed), State{Holding: true, LeaseAgain: later}, Follow{Retry: later}},
		"not there":     {State{Holding: true}, d(Refresh, LeaseDue), failed(NotThere), State{Holding: true, LeaseAgain: later}, Follow{Read: true}},
		"put behind":    {State{Holding: true}, d(Reorder, OwnBehind), written, State{Holding: true, Lease: until, Reorders: 1, Reordered: noon}, Follow{Tell: true}},
		"put behind again": {State{Holding: true, Reorders: 4, Reordered: noon.Add(1 - time.Minute)}, d(Reorder, OwnBehindAgain), written,
			State{Holding: true, Lease: until, Reorders: 5, Reordered: noon}, Follow{Tell: true}},
		"put behind after a calm minute": {State{Holding: true, Reorders: 4, Reordered: noon.Add(-time.Minute)}, d(Reorder, OwnBehind), written,
			State{Holding: true, Lease: until, Reorders: 1, Reordered: noon}, Follow{Tell: true}},
		"not put behind": {State{Holding: true, Lease: noon}, d(Reorder, OwnBehind), failed(Failed), State{Holding: true, Lease: noon, Reorders: 1, Reordered: noon},
			Follow{Read: true, Retry: later}},
		"released":       {State{Holding: true, Lease: noon}, d(Release, LinkLost), Outcome{}, State{OursLast: true}, Follow{Tell: true, Look: LookAnew}},
		"yielded":        {State{Holding: true}, d(Release, RivalPartner), Outcome{}, State{}, Follow{Tell: true, Look: LookAgain, Point: true}},
		"row is gone":    {State{Holding: true, Leaving: true}, d(Release, OperatorReleases), Outcome{}, State{Leaving: true}, Follow{Tell: true, Look: LookAnew, Gone: true}},
		"not released":   {State{Holding: true}, d(Release, LinkLost), failed(Failed), State{Holding: true}, Follow{Retry: later}},
		"forgotten":      {State{Holding: true}, d(Forget, LeaseEnded), Outcome{}, State{OursLast: true}, Follow{Tell: true}},
		"announced":      {State{Holding: true}, d(Announce, AnnouncementDue), Outcome{}, State{Holding: true, Announced: 1, Next: later}, Follow{}},
		"defended":       {State{Holding: true}, d(Announce, ForeignDefended), Outcome{}, defended, Follow{Look: LookAgain}},
		"rival gone":     {defended, d(Announce, RivalGone), Outcome{}, State{Holding: true, Defended: noon}, Follow{Look: LookAgain}},
		"not announced":  {State{Holding: true}, d(Announce, AnnouncementDue), failed(Failed), State{Holding: true}, Follow{Retry: later}},
		"no ARP":         {State{Holding: true}, d(Announce, AnnouncementDue), failed(NoMeans), State{Holding: true}, Follow{Retry: noon.Add(time.Second / 2)}},
		"offered":        {State{Holding: true}, d(HandOver, OperatorReleases), Outcome{Number: 7, Word: Word{Number: 4}}, give, Follow{Tell: true}},
		"offered, asked": {State{Holding: true}, d(HandOver, Asked), Outcome{Number: 7, Word: Word{Number: 4}}, answer, Follow{Tell: true}},
		"asked for":      {State{}, d(AskHandover, OperatorAsks), Outcome{Number: 7}, ask, Follow{Tell: true}},
		"asked already":  {ask, d(AskHandover, OperatorAsks), Outcome{Number: 8}, ask, Follow{}},
		"adopted":        {State{}, d(Adopt, Adopted), Outcome{Begun: begun}, State{Holding: true, Next: noon}, Follow{Tell: true}},
		"held already":   {State{Holding: true}, d(Adopt, Adopted), Outcome{Begun: begun}, State{Holding: true}, Follow{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := usual()
			p.Timeout = time.Second / 2
			p.Lease = 2 * time.Minute // the setting changed meanwhile: what was written counts
			s := tt.was
			follow := s.Done(p, tt.d, tt.o, noon)
			if diff := cmp.Diff(tt.want, s); diff != "" {
				t.Errorf("the record (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.follow, follow); diff != "" {
				t.Errorf("what follows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAdoptedKeepsALeaseOnlyWhereNoneIsWanted(t *testing.T) {
	for name, tt := range map[string]struct {
		lease time.Duration
		o     Outcome
		want  time.Time
		due   bool
	}{
		"none is wanted: until the kernel lets go it is to be told": {0, Outcome{Lifetime: time.Minute}, noon.Add(time.Minute), true},
		"none is wanted, and it has none":                           {0, Outcome{}, time.Time{}, false},
		"none is wanted, and the host would speak with it":          {0, Outcome{Unlike: true}, noon.Add(distantEnd), true},
		"one is wanted: it is told at once, for the whole lease":    {10 * time.Second, Outcome{Lifetime: time.Minute, Unlike: true}, time.Time{}, true},
	} {
		var s State
		p := Policy{Lease: tt.lease}
		tt.o.Begun = noon
		s.Done(p, Decision{Action: Adopt, Reason: Adopted}, tt.o, noon)
		if !s.Lease.Equal(tt.want) {
			t.Errorf("%s: until %v, want %v", name, s.Lease, tt.want)
		}
		if v := (view{p: p, s: s, f: Facts{Now: noon}}); v.leaseDue() != tt.due {
			t.Errorf("%s: it is due for a refresh: %v", name, !tt.due)
		}
	}
}

func TestOnlyWhatMayBeHeldIsAdopted(t *testing.T) {
	for name, tt := range map[string]struct {
		s            State
		theirs, ours bool
	}{
		"waiting":                 {State{}, true, true},
		"parked":                  {State{Parked: true}, false, true},
		"its row is going":        {State{Leaving: true}, false, false},
		"ending, it stays":        {State{Exit: ExitKeep}, false, false},
		"ending, it is handed on": {State{Exit: ExitGive}, false, false},
		"ending, it goes":         {State{Exit: ExitRelease, Leaving: true}, false, true},
		"held":                    {State{Holding: true}, false, false},
	} {
		if got := [2]bool{tt.s.MayAdopt(false), tt.s.MayAdopt(true)}; got != [2]bool{tt.theirs, tt.ours} {
			t.Errorf("%s: somebody's %v, a Monitor's %v; want %v and %v", name, got[0], got[1], tt.theirs, tt.ours)
		}
	}
}

func TestADaemonThatEndsTakesNothing(t *testing.T) {
	for _, e := range []Exit{ExitKeep, ExitGive, ExitRelease} {
		s := State{Exit: e}
		if s.MayBegin(Decision{Action: Take}) || !s.MayBegin(Decision{Action: Release}) {
			t.Errorf("exit %d: it may take %v, and release %v", e, s.MayBegin(Decision{Action: Take}), s.MayBegin(Decision{Action: Release}))
		}
	}
}

func TestPingedConfirmsOrAnnouncesAgain(t *testing.T) {
	getting := State{Holding: true, Handover: Handover{Side: Getting}, Announced: 2, Next: noon.Add(time.Minute)}
	verified := func(v Value) State {
		s := getting
		s.Handover.Verified = v
		return s
	}
	silent := verified(No)
	silent.Announced, silent.Next = 0, noon
	for name, tt := range map[string]struct {
		s      State
		answer Value
		want   State
	}{
		"answered":             {getting, Answered, verified(Yes)},
		"not answered":         {getting, Silent, silent},
		"could not be asked":   {getting, Unknown, verified(No)},
		"let go meanwhile":     {State{}, Silent, State{}},
		"held by no hand-over": {State{Holding: true}, Silent, State{Holding: true, Next: noon}},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.s
			s.Pinged(tt.answer, noon)
			if diff := cmp.Diff(tt.want, s); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAHolderAnnouncesAgainForWhoMayNotHaveHeard(t *testing.T) {
	for name, happens := range map[string]func(s *State) Follow{
		"the link is up":      func(s *State) Follow { s.LinkIsUp(noon); return Follow{} },
		"the partner is back": func(s *State) Follow { return s.PartnerIsBack(noon) },
		"somebody probes":     func(s *State) Follow { s.ProbedFor(noon); return Follow{} },
	} {
		s := State{Holding: true, Announced: 6, Next: noon.Add(time.Minute)}
		follow := happens(&s)
		if diff := cmp.Diff(State{Holding: true, Next: noon}, s); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if want := name == "the partner is back"; (follow == Follow{Look: LookAgain}) != want {
			t.Errorf("%s: %+v follows", name, follow)
		}
		var none State
		if follow := happens(&none); !cmp.Equal(none, State{}) || follow != (Follow{}) {
			t.Errorf("%s, and it is not held: %+v, %+v", name, none, follow)
		}
	}
}
