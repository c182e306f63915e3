package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// standby is a host whose partner serves the alias, and all is well.
func standby() instance {
	c := nobody()
	c.f.Alias, c.f.ByPartner = seen(Answered, time.Hour), Yes
	return c
}

// TestReadyAsksTheTableWhatAFailureWouldBring: what would prevent a take is reported
// before the holder fails.
func TestReadyAsksTheTableWhatAFailureWouldBring(t *testing.T) {
	for name, tt := range map[string]struct {
		given  func(c *instance)
		ready  Value
		reason Reason
		row    string
	}{
		"all is well": {func(*instance) {}, Yes, NoRow, "W14"},
		"a primary":   {func(c *instance) { c.p.Primary = true }, Yes, NoRow, "W10"},
		"parked":      {func(c *instance) { c.s.Parked = true }, No, Parked, "W1"},
		"parked a moment ago": {func(c *instance) {
			c.s.Parked, c.f.Watched = true, noon
		}, No, Parked, "W1"},
		"no link":                        {func(c *instance) { c.f.Carrier = seen(No, 0) }, No, NoLink, "W2"},
		"no own address":                 {func(c *instance) { c.f.Own = seen(No, 0) }, No, NoLink, "W2"},
		"the alias on another NIC":       {func(c *instance) { c.f.Elsewhere = seen(Yes, 0) }, No, OnOtherNIC, "W2"},
		"the service fails":              {func(c *instance) { c.f.Service = seen(No, 0) }, No, ServiceFailing, "W3"},
		"the service fails on both":      {bothFail, No, ServiceFailing, "W3"},
		"a primary, and it does on both": {func(c *instance) { bothFail(c); c.p.Primary = true }, No, ServiceFailing, "W3"},
		"the alias cannot be asked":      {func(c *instance) { c.f.Alias = Fact{} }, No, AliasUnknown, "W7"},
		"the router is silent":           {func(c *instance) { c.f.Router = seen(Silent, 0) }, No, RouterSilent, "W8"},
		"no router":                      {func(c *instance) { c.f.RouterKnown, c.f.Router = false, Fact{} }, No, NoRouter, "W8"},
		"the router cannot be asked":     {func(c *instance) { c.f.Router = Fact{} }, No, RouterUnknown, "W8"},
		"the partner cannot be asked":    {func(c *instance) { c.f.Partner = Fact{} }, No, PartnerUnknown, "W13"},
		"a primary, and it cannot":       {func(c *instance) { c.p.Primary, c.f.Partner = true, Fact{} }, Yes, NoRow, "W10"},
		"a partner that filters pings":   {func(c *instance) { c.f.Partner = seen(Silent, time.Hour) }, Yes, NoRow, "W14"},
		"a primary that flaps": {func(c *instance) {
			c.p.Primary = true
			for range c.p.MaxTakes {
				c.s.Takes = append(c.s.Takes, noon.Add(-time.Second))
			}
		}, No, Flapping, "W9"},
		"an order and a hand-over do not count": {func(c *instance) {
			c.s.Order, c.s.OursLast, c.f.Partner = OrderTake, true, Fact{}
			c.s.Handover = Handover{Side: Getting, Number: 1, Began: noon}
		}, No, PartnerUnknown, "W13"},
		"nor does the partner's word": {func(c *instance) {
			says(c, Word{Standing: SaysCannot})
			c.f.Partner = Fact{}
		}, No, PartnerUnknown, "W13"},
		"acts as primary by the channel": {func(c *instance) {
			says(c, Word{Standing: SaysHolding})
			c.f.Peer.Primary, c.f.Peer.HWLower, c.f.Partner = No, Yes, Fact{}
		}, Yes, NoRow, "W10"},
		"a primary, of a group that neither could have then": {func(c *instance) {
			c.p.Primary, c.p.ReleaseSplit, c.f.Whole, c.f.PartnerWhole = true, true, seen(No, 0), seen(Yes, 0)
		}, No, GroupSplit, "W15"},
		"a primary, and of its partner that is not known": {func(c *instance) {
			c.p.Primary, c.p.ReleaseSplit, c.f.Whole, c.f.Partner = true, true, seen(No, 0), Fact{}
		}, Yes, NoRow, "W10"},
		"a group that neither could have then": {func(c *instance) {
			c.p.ReleaseSplit, c.f.Whole, c.f.PartnerWhole = true, seen(No, 0), seen(Yes, 0)
		}, No, GroupSplit, "W15"},
		"a doubt has begun": {func(c *instance) { c.f.Alias.Miss, c.f.Router.Asked = noon, noon.Add(-time.Second) }, Yes, NoRow, "W14"},
		"just started": {func(c *instance) {
			c.f.Watched, c.f.RouterKnown, c.f.Router = noon.Add(1-tooOld), false, Fact{}
		}, Unknown, NotYet, ""},
		"started for long enough": {func(c *instance) {
			c.f.Watched, c.f.RouterKnown, c.f.Router = noon.Add(-tooOld), false, Fact{}
		}, No, NoRouter, "W8"},
		"a router that could not be asked once": {func(c *instance) {
			c.f.Router = Fact{Value: Unknown, Since: noon.Add(-time.Second), Asked: noon}
		}, Unknown, NotYet, ""},
		"the router is the partner": {func(c *instance) { c.f.RouterIs = Yes }, No, RouterIsPartner, ""},
		"answered for nobody":       {func(c *instance) { says(c, Word{Standing: SaysAble}) }, No, ServedByNobody, ""},
		"let go a moment ago": {func(c *instance) {
			says(c, Word{Standing: SaysParked})
			c.f.Peer.Since = noon.Add(1 - tooOld)
		}, Yes, NoRow, "W14"},
		"answered by a third host": {func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.f.ByPartner = No
		}, Yes, NoRow, "W14"},
		"being taken":        {func(c *instance) { c.f.Alias = seen(Silent, time.Second) }, Unknown, NotYet, ""},
		"nobody takes it":    {func(c *instance) { c.f.Alias = seen(Silent, time.Hour) }, Yes, NoRow, "W14"},
		"nor could, for now": {func(c *instance) { c.f.Alias, c.f.Router = seen(Silent, time.Hour), seen(Silent, 0) }, No, RouterSilent, "W8"},
	} {
		t.Run(name, func(t *testing.T) {
			c := standby()
			tt.given(&c)
			r := Ready(c.p, c.s, c.f)
			if r.Ready != tt.ready || r.Reason != tt.reason || r.Row != tt.row {
				t.Errorf("ready %s, %s (%s); want %s, %s (%s)", r.Ready, r.Reason, r.Row, tt.ready, tt.reason, tt.row)
			}
			problem := r.Problem()
			if want := tt.ready == No; problem != want {
				t.Errorf("a problem %v", problem)
			}
			if warns := r.Level() > Info; warns != (tt.ready == No && tt.reason != Parked) {
				t.Errorf("a warning %v", warns)
			}
			if (r.Text() == "") != (tt.ready == Yes) {
				t.Errorf("it reads %q", r.Text())
			}
		})
	}
}

func bothFail(c *instance) {
	says(c, Word{Standing: SaysHolding})
	c.f.Service, c.f.Peer.Facts[FactService] = seen(No, 0), No
}

// TestAHolderTellsWhetherItsPartnerCouldTake, as far as the partner tells.
func TestAHolderTellsWhetherItsPartnerCouldTake(t *testing.T) {
	told := func(s Standing, ready Value, why Reason) func(*instance) {
		return func(c *instance) {
			says(c, Word{Standing: s, Why: why})
			c.f.Peer.Facts[FactReady] = ready
		}
	}
	for name, tt := range map[string]struct {
		given   func(c *instance)
		ready   Value
		reason  Reason
		problem bool
	}{
		"no channel":                         {func(*instance) {}, Unknown, NoChannel, false},
		"no channel, just started":           {func(c *instance) { c.f.Watched = noon }, Unknown, NotYet, false},
		"no channel, and it cannot be asked": {func(c *instance) { c.f.Partner = Fact{} }, Unknown, NoChannel, false},
		"no channel, partner silent":         {func(c *instance) { c.f.Partner = seen(Silent, time.Minute) }, No, PartnerDown, true},
		"a channel on which nothing is":      {func(c *instance) { c.p.Channel = true }, Unknown, PartnerUnheard, true},
		"nothing yet":                        {func(c *instance) { c.p.Channel, c.f.Watched = true, noon }, Unknown, NotYet, false},
		"ready":                              {told(SaysAble, Yes, NoRow), Yes, NoRow, false},
		"ready, and says so at our start":    {func(c *instance) { told(SaysAble, Yes, NoRow)(c); c.f.Watched = noon }, Yes, NoRow, false},
		"not ready, and says why":            {told(SaysAble, No, PartnerUnknown), No, PartnerUnknown, true},
		"not ready, and does not say why":    {told(SaysUnsure, No, NoRow), No, PartnerNotReady, true},
		"able, of a version that says less":  {told(SaysAble, Unknown, NoRow), Unknown, NotTold, false},
		"cannot, of any version":             {told(SaysCannot, Unknown, RouterSilent), No, RouterSilent, true},
		"parked":                             {told(SaysParked, No, Parked), No, Parked, true},
		"released":                           {told(SaysReleased, Unknown, OperatorReleases), No, OperatorReleases, true},
		"what it said is too old": {func(c *instance) {
			told(SaysAble, Yes, NoRow)(c)
			c.f.Peer.Said, c.f.Peer.Heard = noon.Add(-time.Minute), noon.Add(-time.Minute)
		}, Unknown, PartnerUnheard, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := holder()
			tt.given(&c)
			if r := Ready(c.p, c.s, c.f); r.Ready != tt.ready || r.Reason != tt.reason || r.Problem() != tt.problem {
				t.Errorf("ready %s, %s, a problem %v; want %s, %s, %v", r.Ready, r.Reason, r.Problem(), tt.ready, tt.reason, tt.problem)
			}
			if r := Ready(c.p, c.s, c.f); r.Reason != NotYet && r.Text() == NotYet.Text() {
				t.Errorf("%s reads %q", r.Reason, r.Text())
			}
		})
	}
}

// TestAHostThatLostTheAliasIsNoStandby: its record says that it holds the alias, but
// its kernel has lost it. The partner may serve it meanwhile, and if the partner
// fails nobody would.
func TestAHostThatLostTheAliasIsNoStandby(t *testing.T) {
	for name, tt := range map[string]struct {
		since  time.Duration
		rivals Value
		ready  Value
		why    Reason
	}{
		"rivals are not known": {time.Minute, Unknown, No, KernelLost},
		"it is restored":       {time.Minute, No, Yes, NoRow},
		"a moment ago":         {time.Second, Unknown, Unknown, NotYet},
	} {
		t.Run(name, func(t *testing.T) {
			c := holder()
			c.f.Kernel = Fact{Value: No, Since: noon.Add(-tt.since), Asked: noon}
			c.f.Alias = Fact{Value: tt.rivals, Since: noon.Add(-tt.since), Asked: noon}
			if r := Ready(c.p, c.s, c.f); r.Ready != tt.ready || r.Reason != tt.why {
				t.Errorf("%s, %s; want %s, %s", r.Ready, r.Reason, tt.ready, tt.why)
			}
		})
	}
}

// TestTimeAloneChangesReadinessAtAgainAndNotBefore: the facts do not change.
func TestTimeAloneChangesReadinessAtAgainAndNotBefore(t *testing.T) {
	const second = time.Second
	for name, tt := range map[string]struct {
		from  func() instance
		given func(c *instance)
		was   Reason
		is    Reason
	}{
		"watched for long enough": {standby, func(c *instance) { c.f.Watched, c.f.RouterIs = noon.Add(second-tooOld), Yes }, NotYet, RouterIsPartner},
		"and it is ready":         {standby, func(c *instance) { c.f.Watched = noon.Add(second - tooOld) }, NotYet, NoRow},
		"the partner of a holder": {holder, func(c *instance) { c.f.Watched = noon.Add(second - tooOld) }, NotYet, NoChannel},
		"answered for nobody for long enough": {standby, func(c *instance) {
			says(c, Word{Standing: SaysParked})
			c.f.Peer.Since = noon.Add(second - tooOld)
		}, NoRow, ServedByNobody},
		"lost for long": {holder, func(c *instance) {
			says(c, Word{Standing: SaysAble})
			c.f.Peer.Facts[FactReady] = Yes
			c.f.Kernel = Fact{Value: No, Since: noon.Add(second - tooOld), Asked: noon}
			c.f.Alias = Fact{Value: Unknown, Since: noon.Add(second - tooOld), Asked: noon}
		}, NoRow, KernelLost},
		"at rest": {standby, func(*instance) {}, NoRow, NoRow},
	} {
		t.Run(name, func(t *testing.T) {
			c := tt.from()
			tt.given(&c)
			again := time.Time{}
			if tt.was != tt.is {
				again = noon.Add(second)
			}
			now := Ready(c.p, c.s, c.f)
			if now.Reason != tt.was || !now.Again.Equal(again) {
				t.Fatalf("at noon %+v, want %s until %v", now, tt.was, again)
			}
			before := c.at(noon.Add(second - 1))
			if diff := cmp.Diff(now, Ready(before.p, before.s, before.f)); diff != "" {
				t.Errorf("a nanosecond before: %s", diff)
			}
			then := c.at(noon.Add(second))
			if r := Ready(then.p, then.s, then.f); r.Reason != tt.is || !r.Again.IsZero() {
				t.Errorf("at the deadline %+v, want %s for good", r, tt.is)
			}
		})
	}
}

// TestAHandOverWouldWork: the second answer.
func TestAHandOverWouldWork(t *testing.T) {
	hears := func(s Standing) func(*instance) {
		return func(c *instance) {
			says(c, Word{Standing: s})
			c.f.Peer.Facts[FactHears] = Yes
		}
	}
	for name, tt := range map[string]struct {
		from  func() instance
		given func(c *instance)
		works Value
		why   Reason
	}{
		"from us":                   {holder, hears(SaysAble), Yes, NoRow},
		"to us":                     {standby, hears(SaysHolding), Yes, NoRow},
		"no key":                    {holder, func(*instance) {}, No, NoChannel},
		"nothing is heard":          {standby, func(c *instance) { c.p.Channel = true }, No, PartnerUnheard},
		"the partner hears nothing": {holder, func(c *instance) { hears(SaysAble)(c); c.f.Peer.Facts[FactHears] = No }, No, PartnerDeaf},
		"the partner cannot":        {holder, func(c *instance) { says(c, Word{Standing: SaysCannot, Why: NoLink}) }, No, NoLink},
		"the partner is parked":     {holder, hears(SaysParked), No, Parked},
		"the partner has it too":    {holder, hears(SaysHolding), No, PartnerNotReady},
		"we cannot":                 {standby, func(c *instance) { hears(SaysHolding)(c); c.f.Router = seen(Silent, 0) }, No, RouterSilent},
		"we do not know":            {standby, func(c *instance) { hears(SaysHolding)(c); c.f.Router = Fact{} }, Unknown, NotYet},
		"who has it":                {standby, hears(SaysAble), No, NotServed},
		"an older version":          {standby, func(c *instance) { says(c, Word{Standing: SaysHolding}) }, Yes, NoRow},
	} {
		t.Run(name, func(t *testing.T) {
			c := tt.from()
			tt.given(&c)
			if r := Ready(c.p, c.s, c.f); r.HandOver != tt.works || r.Hindrance != tt.why {
				t.Errorf("%s, %s; want %s, %s", r.HandOver, r.Hindrance, tt.works, tt.why)
			}
		})
	}
}

// TestNoRowReadsWhatWeConcluded: our conclusions, which we tell the partner, move
// nothing here.
func TestNoRowReadsWhatWeConcluded(t *testing.T) {
	for _, c := range samples() {
		before := c.decide(Rows())
		for _, v := range []Value{Unknown, No, Yes} {
			d := c
			d.f.Ready, d.f.Hears = seen(v, 0), seen(v, 0)
			d.f.Peer.Facts[FactReady], d.f.Peer.Facts[FactHears] = v, v
			d.f.Watched, d.f.RouterIs = noon, v
			if after := d.decide(Rows()); after != before {
				t.Fatalf("%+v becomes %+v", before, after)
			}
		}
	}
}

// lies compares a standby's readiness with what happens when the holder's host then
// fails, and returns the contradiction.
func (p *pair) lies(c *setting) string {
	for i := range p.h {
		m, other := &p.h[i], &p.h[1-i]
		if m.daemon != running || m.kernel || !other.kernel || !other.on {
			continue
		}
		if m.ill && other.ill {
			continue // depending on the rhythm, the partner's word about its service still counts after it has failed, or not
		}
		r := ready(c.rows, c.policy(i), m.state(), m.facts(c, i))
		if r.Ready == Unknown {
			return hosts[i] + " does not say at rest whether it would take the alias"
		}
		if takes := p.afterCrash(c, 1-i); takes != (r.Ready == Yes) {
			return hosts[i] + " says that it is ready: " + r.Ready.String() + " (" + r.Reason.String() + "), and when the holder fails it takes the alias: " + Of(takes).String()
		}
	}
	return ""
}

// afterCrash tells whether the other host takes the alias when this one loses its
// power.
func (p *pair) afterCrash(c *setting, i int) bool {
	q := *p
	q.h[i] = boot(q.h[i].parks)
	q.h[i].on = false
	q.h[1-i].written = true
	for range settles / 3 {
		q.step(c)
		if q.h[1-i].kernel {
			return true
		}
	}
	return false
}
