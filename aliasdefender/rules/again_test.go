package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTimeAloneDecidesAtAgainAndNotBefore walks to each deadline that Again names:
// until a nanosecond before it the decision stays, and at it another row decides.
func TestTimeAloneDecidesAtAgainAndNotBefore(t *testing.T) {
	const second = time.Second
	rival := func(c *instance) {
		c.p.Primary, c.f.Alias, c.f.ByPartner, c.f.Claimant = true, seen(Yes, 0), Yes, seen(Yes, 0)
	}
	for name, tt := range map[string]struct {
		from  func() instance
		given func(c *instance)
		after time.Duration
		row   string
		was   Reason
		is    Reason
	}{
		"a primary has doubted twice": {nobody, func(c *instance) { c.p.Primary = true }, 2 * second, "W10", DoubtedTwice, PrimaryTakes},
		"nobody has served it for a minute": {nobody, func(c *instance) { c.f.Alias.Since = noon.Add(-30 * second) },
			30 * second, "W12", PartnerAlive, NoPrimary},
		"failback is due": {nobody, func(c *instance) {
			c.p.Primary, c.p.Failback = true, true
			c.f.Alias, c.f.ByPartner = seen(Answered, 4*time.Minute+58*second), Yes
		}, 2 * second, "W6", Served, FailbackTakes},
		"failback is asked for": {nobody, func(c *instance) {
			c.p.Primary, c.p.Failback, c.p.Channel = true, true, true
			c.f.Peer = Peer{Heard: noon.Add(19 * second), Said: noon.Add(19 * second), Word: Word{Standing: SaysHolding}}
			c.f.Alias, c.f.ByPartner = seen(Answered, time.Hour), Yes
			c.f.Router.Since = noon.Add(-4*time.Minute - 40*second)
		}, 20 * second, "W6", Served, FailbackAsks},
		"the alias's silence is too old":      {nobody, func(c *instance) { c.f.Alias.Asked = noon.Add(-second) }, 42 * second, "W7", PartnerAlive, AliasUnknown},
		"the router's answer is too old":      {nobody, func(c *instance) { c.f.Router.Asked = noon.Add(-second) }, 42 * second, "W8", PartnerAlive, RouterUnknown},
		"the partner's answer is too old":     {nobody, func(c *instance) { c.f.Partner.Asked = noon.Add(-second) }, 42 * second, "W13", PartnerAlive, PartnerUnknown},
		"the link was read too long ago":      {nobody, func(c *instance) { c.f.Own.Asked = noon.Add(-second) }, 42 * second, "W2", PartnerAlive, LinkUnknown},
		"at a fast rhythm the link keeps 5 s": {nobody, fast(), localStale, "W2", AliasUnknown, LinkUnknown},
		"the service's failure is too old":    {holder, func(c *instance) { c.f.Service = seen(No, 0); c.f.Service.Asked = noon.Add(-second) }, 42 * second, "H9", ServiceFailing, Held},
		"the carrier's grace is over":         {holder, func(c *instance) { c.f.Carrier = seen(No, second/2) }, 3 * second / 2, "H3", Held, LinkLost},
		"what the defence limit held back is owed": {holder, func(c *instance) {
			rival(c)
			c.s.Defences, c.s.Defended = 1, noon.Add(-4*second)
		}, 6 * second, "H7", PartnerClaims, PartnerDefended},
		"isolated for long enough": {holder, func(c *instance) {
			c.p.ReleaseIsolated = true
			c.f.Router, c.f.Partner = seen(Silent, time.Hour), seen(Silent, 59*second)
		}, second, "H8", Held, Isolated},
		"what vanishes again and again is restored": {holder, func(c *instance) {
			c.f.Kernel = seen(No, 0)
			c.s.Restores, c.s.Restored = 3, noon
		}, 2 * second, "H5", KeepsVanishing, KeepsVanishing},
		"an announcement is due": {holder, func(c *instance) { c.s.Next = noon.Add(second) }, second, "H9", Held, AnnouncementDue},
	} {
		t.Run(name, func(t *testing.T) {
			c := tt.from()
			tt.given(&c)
			again := noon.Add(tt.after)
			now := Decide(c.p, c.s, c.f)
			if now.Reason != tt.was || !now.Again.Equal(again) {
				t.Fatalf("at noon %+v, want %s until %v", now, tt.was, again)
			}
			before := c.at(again.Add(-1))
			if diff := cmp.Diff(now, Decide(before.p, before.s, before.f)); diff != "" {
				t.Errorf("a nanosecond before: %s", diff)
			}
			then := c.at(again)
			if d := Decide(then.p, then.s, then.f); d.Row != tt.row || d.Reason != tt.is {
				t.Errorf("at the deadline %s %s, want %s %s", d.Row, d.Reason, tt.row, tt.is)
			}
		})
	}
}

// fast is a rhythm at which answers last 275 ms; the alias's answer is too old.
func fast() func(c *instance) {
	return func(c *instance) {
		c.p.Interval, c.p.Timeout = 100*time.Millisecond, 25*time.Millisecond
		c.f.Alias.Asked = noon.Add(-275 * time.Millisecond)
		c.f.ParkedKnown.Asked = noon.Add(time.Minute) // this is in the process's own memory, which does not grow old
	}
}

func TestCarrierIsBorneForLessThanAPartnerNeeds(t *testing.T) {
	p := usual()
	if p.carrierGrace() != 2*time.Second || p.Doubt() != 3*time.Second || p.Stale() != tooOld {
		t.Errorf("grace %v, doubt %v, too old after %v", p.carrierGrace(), p.Doubt(), p.Stale())
	}
	p.Misses = 1
	if p.carrierGrace() != 0 {
		t.Errorf("one miss: grace %v", p.carrierGrace())
	}
}

// TestFlappingCountsTakesOfOneHour tries the limit, and a nanosecond on either side.
func TestFlappingCountsTakesOfOneHour(t *testing.T) {
	c := nobody()
	c.p.Primary, c.p.MaxTakes, c.f.Alias.Since = true, 2, noon.Add(-time.Minute)
	for span, want := range map[time.Duration]Reason{time.Hour: Flapping, time.Hour + 1: PrimaryTakes} {
		c.s.Takes = []time.Time{noon.Add(-span), noon}
		if d := Decide(c.p, c.s, c.f); d.Reason != want {
			t.Errorf("two takes in %v: %s, want %s", span, d.Reason, want)
		}
	}
}
