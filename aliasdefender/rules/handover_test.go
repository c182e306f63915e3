package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// With the usual rhythm a giver waits 2 s, the taker 3 s, and a channel is silent
// after 4 s.
func TestTimesOfAHandover(t *testing.T) {
	for name, tt := range map[string]struct {
		interval, timeout       time.Duration
		give, patience, silence time.Duration
	}{
		"slow: no longer than the 2 s of TERM": {20 * time.Second, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second},
		"fast":                                 {100 * time.Millisecond, 25 * time.Millisecond, 650 * time.Millisecond, 675 * time.Millisecond, 325 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			p := Policy{Interval: tt.interval, Timeout: tt.timeout, Misses: 3}
			got := []time.Duration{p.GiveWithin(), p.Patience(), p.ChannelSilent()}
			if diff := cmp.Diff([]time.Duration{tt.give, tt.patience, tt.silence}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLifetimeIsForEverOnAPrimaryWithoutAChannel(t *testing.T) {
	const lease = time.Minute
	for name, tt := range map[string]struct {
		primary, channel bool
		want             time.Duration
	}{
		"primary, no channel":     {true, false, 0},
		"primary, channel":        {true, true, lease},
		"not primary, no channel": {false, false, lease},
		"not primary, channel":    {false, true, lease},
	} {
		p := Policy{Primary: tt.primary, Channel: tt.channel, Lease: lease}
		if got := p.Lifetime(); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestHandoverGoesOnByTheWordAndTheTime(t *testing.T) {
	const soon = time.Second
	asking := Handover{Side: Asking, Number: 5, Why: OperatorAsks, Began: noon}
	giving := Handover{Side: Giving, Number: 5, Why: OperatorReleases, Began: noon}
	getting := Handover{Side: Getting, Number: 5, Why: Offered, Began: noon}
	over := func(why Reason, after time.Duration) Handover {
		return Handover{Number: 5, Failure: why, Ended: noon.Add(after)}
	}
	says := func(s Standing, step Step, n uint32) Word { return Word{Standing: s, Step: step, Number: n} }
	for name, tt := range map[string]struct {
		h       Handover
		holding bool
		w       Word
		after   time.Duration
		want    Handover
	}{
		"nothing said": {Handover{}, false, Word{}, soon, Handover{}},
		"an offer is heard": {Handover{}, false, says(SaysHolding, Offers, 5), soon,
			Handover{Side: Getting, Number: 5, Why: Offered, Began: noon.Add(soon)}},
		"an offer of one that has ended":      {over(NotVerified, 0), false, says(SaysHolding, Offers, 5), soon, over(NotVerified, 0)},
		"an offer while we hold it":           {Handover{}, true, says(SaysHolding, Offers, 5), soon, Handover{}},
		"an offer without a number is none":   {Handover{}, false, says(SaysHolding, Offers, 0), soon, Handover{}},
		"asked, and not answered yet":         {asking, false, says(SaysHolding, NoStep, 0), soon, asking},
		"asked, and offered":                  {asking, false, says(SaysHolding, Offers, 5), soon, Handover{Side: Getting, Number: 5, Why: OperatorAsks, Began: noon.Add(soon)}},
		"asked, and offered for its own":      {asking, false, says(SaysHolding, Offers, 9), soon, Handover{Side: Getting, Number: 9, Why: OperatorAsks, Began: noon.Add(soon)}},
		"asked, and refused":                  {asking, false, says(SaysHolding, Refuses, 5), soon, over(Refused, soon)},
		"asked, and another refused":          {asking, false, says(SaysHolding, Refuses, 4), soon, asking},
		"asked, and the holder has let it go": {asking, false, says(SaysAble, NoStep, 0), soon, over(Withdrawn, soon)},
		"asked, and taken otherwise":          {asking, true, says(SaysHolding, NoStep, 0), soon, over(NoRow, soon)},
		"asked in vain":                       {asking, false, Word{}, 2 * soon, over(NoAnswer, 2*soon)},
		"given, and not taken yet":            {giving, true, says(SaysAble, NoStep, 0), soon, giving},
		"given, and taken":                    {giving, true, says(SaysHolding, Takes, 5), soon, giving},
		"given, and confirmed: H1":            {giving, true, says(SaysHolding, Confirms, 5), soon, giving},
		"given, and confirmed too late":       {giving, true, says(SaysHolding, Confirms, 5), 2 * soon, over(NoAnswer, 2*soon)},
		"given, and refused":                  {giving, true, says(SaysAble, Refuses, 5), soon, over(Refused, soon)},
		"given, and another refused":          {giving, true, says(SaysAble, Refuses, 4), soon, giving},
		"given, and the partner cannot":       {giving, true, says(SaysCannot, NoStep, 0), soon, over(Refused, soon)},
		"given, and parked there":             {giving, true, says(SaysParked, NoStep, 0), soon, over(Refused, soon)},
		"given, and the partner is ending":    {giving, true, says(SaysReleased, NoStep, 0), soon, over(Refused, soon)},
		"given, and nothing heard":            {giving, true, Word{}, 2 * soon, over(NoAnswer, 2*soon)},
		"offered to us":                       {getting, false, says(SaysHolding, Offers, 5), soon, getting},
		"offered to us, and withdrawn":        {getting, false, says(SaysHolding, NoStep, 0), soon, over(Withdrawn, soon)},
		"offered to us, and expired":          {getting, false, says(SaysHolding, Offers, 5), 2 * soon, over(Withdrawn, 2*soon)},
		"offered to us, and another since":    {getting, false, says(SaysHolding, Offers, 6), soon, over(Withdrawn, soon)},
		"offered to us, and nothing heard":    {getting, false, Word{}, 2 * soon, getting},
		"the same, until our patience ends":   {getting, false, Word{}, 3 * soon, over(Withdrawn, 3*soon)},
		"taken, and offered still":            {getting, true, says(SaysHolding, Offers, 5), 3*soon - 1, getting},
		"taken, and the giver has released":   {getting, true, says(SaysAble, NoStep, 0), soon, over(NoRow, soon)},
		"taken, and the giver has ended it":   {getting, true, says(SaysHolding, NoStep, 0), soon, over(NoRow, soon)},
		"taken, and our patience ends":        {getting, true, says(SaysHolding, Offers, 5), 3 * soon, over(NoRow, 3*soon)},
		"taken, and nothing heard":            {getting, true, Word{}, soon, getting},
	} {
		t.Run(name, func(t *testing.T) {
			got := tt.h.step(usual(), tt.holding, tt.w, noon.Add(tt.after))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOpenBeginsOneHandoverAtATime(t *testing.T) {
	f := Facts{Now: noon, Peer: Peer{Word: Word{Step: Asks, Number: 3}}}
	for name, tt := range map[string]struct {
		d    Decision
		was  Handover
		want Handover
	}{
		"an offer":         {Decision{Action: HandOver, Reason: OperatorReleases}, Handover{Number: 2}, Handover{Side: Giving, Number: 7, Why: OperatorReleases, Began: noon}},
		"an answer":        {Decision{Action: HandOver, Reason: Asked}, Handover{}, Handover{Side: Giving, Number: 3, Why: Asked, Began: noon}},
		"asking":           {Decision{Action: AskHandover, Reason: FailbackAsks}, Handover{}, Handover{Side: Asking, Number: 7, Why: FailbackAsks, Began: noon}},
		"asking already":   {Decision{Action: AskHandover, Reason: FailbackAsks}, Handover{Side: Asking, Number: 4}, Handover{Side: Asking, Number: 4}},
		"another is open":  {Decision{Action: HandOver, Reason: Asked}, Handover{Side: Getting, Number: 4}, Handover{Side: Getting, Number: 4}},
		"no such decision": {Decision{Action: Keep, Reason: Held}, Handover{}, Handover{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := State{Handover: tt.was}
			s.openHandover(tt.d, f, 7)
			if diff := cmp.Diff(tt.want, s.Handover); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVerifiedCountsForWhatWasHandedOverOnly(t *testing.T) {
	for name, tt := range map[string]struct {
		s    State
		yes  bool
		want Value
	}{
		"answered":        {State{Holding: true, Handover: Handover{Side: Getting}}, true, Yes},
		"not answered":    {State{Holding: true, Handover: Handover{Side: Getting}}, false, No},
		"not taken yet":   {State{Handover: Handover{Side: Getting}}, true, Unknown},
		"taken otherwise": {State{Holding: true}, true, Unknown},
	} {
		s := tt.s
		if s.verified(tt.yes); s.Handover.Verified != tt.want {
			t.Errorf("%s: %v, want %v", name, s.Handover.Verified, tt.want)
		}
	}
}

// TestEndOfAHandoverForgetsRivalsAndAnnounces on the side that has the alias.
func TestEndOfAHandoverForgetsRivalsAndAnnounces(t *testing.T) {
	c := holder()
	giving(&c, Word{Standing: SaysAble, Step: Refuses, Number: 1})
	c.s.Announced, c.s.Next = 6, noon.Add(time.Minute)
	c.s.Order = OrderTake // of an operator who wanted it back: it is here
	c.s.Saw(c.p, c.f)
	want := State{Holding: true, Handover: Handover{Number: 1, Failure: Refused, Ended: noon}, Anew: noon, Next: noon}
	if diff := cmp.Diff(want, c.s); diff != "" {
		t.Error(diff)
	}
	c = nobody()
	getting(&c, Word{Standing: SaysHolding})
	c.s.Saw(c.p, c.f)
	if diff := cmp.Diff(State{Handover: Handover{Number: 1, Failure: Withdrawn, Ended: noon}}, c.s); diff != "" {
		t.Errorf("who has nothing announces nothing: %s", diff)
	}
}

// TestWhatTheGiverSentBeforeItLetGoIsNoRival, even if we read it a moment after the
// word that the giver has let go: otherwise the taker would yield to nobody.
func TestWhatTheGiverSentBeforeItLetGoIsNoRival(t *testing.T) {
	c := holder()
	c.p.Primary = false
	c.s.Anew = noon.Add(-2 * c.p.Timeout)
	c.f.ByPartner = Yes
	c.f.Alias, c.f.Claimant = Fact{Value: Answered, Since: noon, Asked: c.s.Anew.Add(c.p.Timeout)}, seen(Answered, 0)
	if d := Decide(c.p, c.s, c.f); d.Action == Release {
		t.Errorf("heard within a timeout: %+v", d)
	}
	c.f.Alias.Asked = c.f.Alias.Asked.Add(1)
	if d := Decide(c.p, c.s, c.f); d.Reason != RivalPartner {
		t.Errorf("heard later: %+v", d)
	}
}

func TestTryAgainLetsAnOperatorBeginAtOnce(t *testing.T) {
	c := holder()
	says(&c, Word{Standing: SaysAble})
	c.s.Give, c.s.Handover = true, Handover{Number: 1, Failure: NoAnswer, Ended: noon}
	if d := Decide(c.p, c.s, c.f); d.Reason != WouldNot {
		t.Errorf("a moment after one that failed: %+v", d)
	}
	c.s.tryAgain()
	if d := Decide(c.p, c.s, c.f); d.Action != HandOver {
		t.Errorf("ordered again: %+v", d)
	}
}

func TestSayTellsHowThingsAre(t *testing.T) {
	flaps := func(c *instance) {
		for range c.p.MaxTakes {
			c.s.Takes = append(c.s.Takes, noon)
		}
	}
	// unknown is for that much less than a fact lives.
	unknown := func(c *instance, less time.Duration) Fact {
		at := noon.Add(less - c.p.Stale())
		return Fact{Value: Unknown, Since: at, Asked: at}
	}
	// aged is an answer from that much less than two such lives ago.
	aged := func(c *instance, less time.Duration) Fact {
		return Fact{Value: Answered, Since: noon.Add(-time.Hour), Asked: noon.Add(less - 2*c.p.Stale())}
	}
	for name, tt := range map[string]struct {
		from  func() instance
		given func(c *instance)
		want  Word
	}{
		"router unknown for long":                     {nobody, func(c *instance) { c.f.Router = unknown(c, 0) }, Word{Standing: SaysCannot, Why: RouterUnknown}},
		"router unknown for less":                     {nobody, func(c *instance) { c.f.Router = unknown(c, 1) }, Word{Standing: SaysUnsure}},
		"router too old for long":                     {nobody, func(c *instance) { c.f.Router = aged(c, 0) }, Word{Standing: SaysCannot, Why: RouterUnknown}},
		"router too old for less":                     {nobody, func(c *instance) { c.f.Router = aged(c, 1) }, Word{Standing: SaysUnsure}},
		"alias unknown for long":                      {nobody, func(c *instance) { c.f.Alias = unknown(c, 0) }, Word{Standing: SaysCannot, Why: AliasUnknown}},
		"alias unknown for less":                      {nobody, func(c *instance) { c.f.Alias = unknown(c, 1) }, Word{Standing: SaysAble}},
		"both unknown, and link not known":            {nobody, func(c *instance) { c.f.Router, c.f.NIC = unknown(c, 0), Fact{} }, Word{Standing: SaysUnsure}},
		"the kernel lost it, rivals unknown for long": {holder, func(c *instance) { c.f.Kernel, c.f.Alias = seen(No, 0), unknown(c, 0) }, Word{Standing: SaysCannot, Why: KernelLost}},
		"rivals unknown for long":                     {holder, func(c *instance) { c.f.Alias = unknown(c, 0) }, Word{Standing: SaysHolding, Why: Held}},
		"holding":                                     {holder, func(*instance) {}, Word{Standing: SaysHolding, Why: Held}},
		"the kernel lost it":                          {holder, func(c *instance) { c.f.Kernel = seen(No, 0) }, Word{Standing: SaysUnsure, Why: KernelLost}},
		"it keeps vanishing": {holder, func(c *instance) {
			c.f.Kernel, c.s.Restores, c.s.Restored = seen(No, 0), 4, noon
		}, Word{Standing: SaysCannot, Why: KeepsVanishing}},
		"it keeps vanishing, and is restored": {holder, func(c *instance) {
			c.f.Kernel, c.s.Restores, c.s.Restored = seen(No, 0), 4, noon.Add(-4*time.Second)
		}, Word{Standing: SaysUnsure, Why: KernelLost}},
		"the kernel lost it, one of many that are asked in turns": {holder, func(c *instance) {
			c.f.Kernel, c.f.AliasEvery = seen(No, 0), 4*c.p.Stale()
			c.f.Alias = aged(c, 0)
			c.f.Alias.Value = No
		}, Word{Standing: SaysUnsure, Why: KernelLost}},
		"able":                {nobody, func(*instance) {}, Word{Standing: SaysAble}},
		"parked":              {nobody, func(c *instance) { c.s.Parked = true }, Word{Standing: SaysParked, Why: Parked}},
		"released":            {nobody, func(c *instance) { c.s.Leaving = true }, Word{Standing: SaysReleased, Why: RowGone}},
		"stopped":             {nobody, func(c *instance) { c.s.Obey(StopAndRelease, c.f) }, Word{Standing: SaysReleased, Why: Stopped}},
		"perhaps parked":      {nobody, func(c *instance) { c.f.ParkedKnown = seen(No, 0) }, Word{Standing: SaysCannot, Why: ParkedUnknown}},
		"and partner dead":    {nobody, func(c *instance) { c.f.ParkedKnown, c.f.Partner = Fact{}, seen(Silent, 0) }, Word{Standing: SaysAble}},
		"no link":             {nobody, func(c *instance) { c.f.Carrier = seen(No, 0) }, Word{Standing: SaysCannot, Why: NoLink}},
		"service failing":     {nobody, func(c *instance) { c.f.Service = seen(No, 0) }, Word{Standing: SaysCannot, Why: ServiceFailing}},
		"no router known":     {nobody, func(c *instance) { c.f.RouterKnown = false }, Word{Standing: SaysCannot, Why: NoRouter}},
		"router silent":       {nobody, func(c *instance) { c.f.Router = seen(Silent, 0) }, Word{Standing: SaysCannot, Why: RouterSilent}},
		"flapping":            {nobody, flaps, Word{Standing: SaysCannot, Why: Flapping}},
		"flapping, but alone": {nobody, func(c *instance) { flaps(c); c.f.Partner = seen(Silent, 0) }, Word{Standing: SaysAble}},
		"router not known":    {nobody, func(c *instance) { c.f.Router = Fact{} }, Word{Standing: SaysUnsure}},
		"link not known":      {nobody, func(c *instance) { c.f.NIC = Fact{} }, Word{Standing: SaysUnsure}},
		"offers":              {holder, func(c *instance) { giving(c, Word{}) }, Word{SaysHolding, Offers, 1, OperatorReleases}},
		"asks": {nobody, func(c *instance) {
			c.s.Handover = Handover{Side: Asking, Number: 4, Why: FailbackAsks, Began: noon}
		}, Word{SaysAble, Asks, 4, FailbackAsks}},
		"offered, not taken yet": {nobody, func(c *instance) { getting(c, Word{SaysHolding, Offers, 1, NoRow}) }, Word{Standing: SaysAble}},
		"takes":                  {holder, func(c *instance) { getting(c, Word{SaysHolding, Offers, 1, NoRow}) }, Word{SaysHolding, Takes, 1, Held}},
		"confirms": {holder, func(c *instance) {
			getting(c, Word{SaysHolding, Offers, 1, NoRow})
			c.s.Handover.Verified = Yes
		}, Word{SaysHolding, Confirms, 1, Held}},
		"refuses what it could not take": {nobody, func(c *instance) {
			getting(c, Word{SaysHolding, Offers, 1, NoRow})
			c.s.notTaken(noon)
		}, Word{SaysAble, Refuses, 1, NotTaken}},
		"refuses nothing that it has": {holder, func(c *instance) {
			getting(c, Word{SaysHolding, Offers, 1, NoRow})
			c.s.notTaken(noon)
		}, Word{SaysHolding, Takes, 1, Held}},
		"takes nothing, for it ends": {nobody, func(c *instance) { c.s.Ending = true }, Word{Standing: SaysReleased, Why: Stopped}},
		"holds it, and ends":         {holder, func(c *instance) { c.s.Ending = true }, Word{Standing: SaysHolding, Why: Held}},
		"refuses an offer": {nobody, func(c *instance) {
			says(c, Word{SaysHolding, Offers, 1, NoRow})
			c.s.Handover = Handover{Number: 1, Failure: NotVerified, Ended: noon}
		}, Word{SaysAble, Refuses, 1, NotVerified}},
		"refuses an asking": {holder, func(c *instance) {
			says(c, Word{SaysAble, Asks, 1, NoRow})
			c.s.Handover = Handover{Number: 1, Failure: NoAnswer, Ended: noon}
		}, Word{SaysHolding, Refuses, 1, NoAnswer}},
		"says nothing more to what is no longer said": {nobody, func(c *instance) {
			says(c, Word{SaysHolding, Offers, 1, NoRow})
			c.f.Peer.Said = noon.Add(-c.p.ChannelSilent())
			c.s.Handover = Handover{Number: 1, Failure: NotVerified, Ended: noon}
		}, Word{Standing: SaysAble}},
	} {
		t.Run(name, func(t *testing.T) {
			c := tt.from()
			tt.given(&c)
			if diff := cmp.Diff(tt.want, Say(c.p, c.s, c.f)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestForgetKeepsThatTheDaemonWasHeard(t *testing.T) {
	p := Peer{Word: Word{Standing: SaysHolding}, Said: noon, Primary: Yes}
	p.Forget(noon.Add(time.Hour))
	if diff := cmp.Diff(Peer{}, p); diff != "" {
		t.Errorf("never heard: %s", diff)
	}
	p = Peer{Heard: noon, Said: noon, Word: Word{Standing: SaysHolding}, HWLower: Yes}
	p.Forget(noon.Add(time.Hour))
	if diff := cmp.Diff(Peer{Heard: noon.Add(time.Hour)}, p); diff != "" {
		t.Errorf("heard: %s", diff)
	}
}

func TestLeasedKnowsWhenTheKernelLetsGo(t *testing.T) {
	s := State{Lease: noon}
	s.leased(Policy{Lease: time.Minute}.Lifetime(), noon)
	if want := noon.Add(time.Minute); !s.Lease.Equal(want) {
		t.Errorf("until %v, want %v", s.Lease, want)
	}
	s.leased(Policy{Lease: time.Minute, Primary: true}.Lifetime(), noon)
	if !s.Lease.IsZero() {
		t.Errorf("for ever, but until %v", s.Lease)
	}
}

func TestAwokeAnnouncesWhatItHas(t *testing.T) {
	s := State{Holding: true, Announced: 6, Next: noon.Add(time.Minute)}
	s.Awoke(noon)
	if diff := cmp.Diff(State{Holding: true, Next: noon, Woke: noon}, s); diff != "" {
		t.Error(diff)
	}
	s = State{}
	s.Awoke(noon)
	if diff := cmp.Diff(State{Woke: noon}, s); diff != "" {
		t.Error(diff)
	}
}

// TestRouterThatAnswersAgainIsAnnouncedTo: the clients are behind it, and may have
// heard another host meanwhile.
func TestRouterThatAnswersAgainIsAnnouncedTo(t *testing.T) {
	later := State{Holding: true, Announced: 6, Next: noon.Add(time.Minute)}
	missed := seen(Answered, time.Hour)
	missed.Miss = noon
	for name, was := range map[string]Fact{"silent": seen(Silent, 0), "an answer missed": missed} {
		s := later
		s.Saw(usual(), Facts{Now: noon, Router: was})
		if !s.CutOff || s.Next.Equal(noon) {
			t.Errorf("%s: %+v", name, s)
		}
		s.Saw(usual(), Facts{Now: noon, Router: seen(Answered, 0)})
		if diff := cmp.Diff(State{Holding: true, Next: noon}, s); diff != "" {
			t.Errorf("%s, and answered again: %s", name, diff)
		}
	}
	s := later
	s.Saw(usual(), Facts{Now: noon, Router: seen(Answered, 0)})
	if diff := cmp.Diff(later, s); diff != "" {
		t.Errorf("answered all the time: %s", diff)
	}
}

func TestStandingsAndStepsAreSpelled(t *testing.T) {
	seen := map[string]bool{}
	for s := NotSaid; s <= SaysReleased; s++ {
		seen[s.String()] = true
	}
	for s := NoStep; s <= Refuses; s++ {
		seen[s.String()] = true
	}
	if len(standings) != int(SaysReleased)+1 || len(steps) != int(Refuses)+1 || len(seen) != len(standings)+len(steps) {
		t.Errorf("spelled: %v", seen)
	}
}
