package rules

import (
	"time"

	"pgregory.net/rapid"
)

// noon is the present in all tests.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// instance is one case to decide.
type instance struct {
	p Policy
	s State
	f Facts
}

func (c instance) decide(rows []Row) Decision { return decide(rows, c.p, c.s, c.f) }

// at is the same case at another time.
func (c instance) at(now time.Time) instance {
	c.f.Now = now
	return c
}

// seen is a fact that has had its value for a while and was asked a moment ago.
func seen(v Value, since time.Duration) Fact {
	return Fact{Value: v, Since: noon.Add(-since), Asked: noon}
}

// usual is the default rhythm: silent after 3 s, too old after 43 s.
func usual() Policy {
	return Policy{
		Interval: 20 * time.Second, Timeout: time.Second, Misses: 3,
		MaxTakes: 10, FailbackAfter: 5 * time.Minute, IsolatedAfter: time.Minute,
	}
}

// nobody is a host that is not primary; its partner is alive, and nobody has served
// the alias for a moment.
func nobody() instance {
	alias := seen(Silent, time.Second)
	alias.Miss = noon.Add(-3 * time.Second)
	return instance{
		p: usual(),
		f: Facts{
			Now: noon,
			NIC: seen(Yes, time.Hour), Carrier: seen(Yes, time.Hour), Own: seen(Yes, time.Hour), Kernel: seen(No, time.Hour),
			ParkedKnown: seen(Yes, time.Hour),
			Elsewhere:   seen(No, time.Hour),
			Alias:       alias, Partner: seen(Answered, time.Hour), Router: seen(Answered, time.Hour), RouterKnown: true,
		},
	}
}

// holder is a host that holds the alias, with nothing wrong.
func holder() instance {
	c := nobody()
	c.s.Holding = true
	c.f.Kernel = seen(Yes, time.Hour)
	c.f.Alias = seen(Silent, time.Hour)
	return c
}

// instances draws any case that may have to be decided: a scene with some things
// changed, so that the tests reach the lower rows too.
func instances() *rapid.Generator[instance] {
	return rapid.Custom(func(t *rapid.T) instance {
		c := nobody()
		if rapid.Bool().Draw(t, "holding") {
			c = holder()
		}
		c.p = policies().Draw(t, "policy")
		rapid.SampledFrom(scenes()).Draw(t, "scene")(t, &c)
		changes := changes()
		for range rapid.SampledFrom([]int{0, 1, 2, 3, 4, 6, 8}).Draw(t, "changes") {
			rapid.SampledFrom(changes).Draw(t, "change")(t, &c)
		}
		if !c.f.RouterKnown {
			c.f.Router = Fact{} // there was nobody to ask
		}
		if !c.p.Channel {
			c.f.Peer = Peer{} // nor anybody to hear
		}
		if c.f.Peer.Said.After(c.f.Peer.Heard) {
			c.f.Peer.Heard = c.f.Peer.Said
		}
		return c
	})
}

func policies() *rapid.Generator[Policy] {
	return rapid.Custom(func(t *rapid.T) Policy {
		p := usual()
		p.Interval = rapid.SampledFrom([]time.Duration{100 * time.Millisecond, time.Second, 20 * time.Second}).Draw(t, "interval")
		p.Timeout = min(p.Interval/4, time.Second)
		p.Misses = rapid.IntRange(1, 3).Draw(t, "misses")
		p.MaxTakes = rapid.IntRange(0, 3).Draw(t, "max takes")
		p.Primary = rapid.Bool().Draw(t, "primary")
		p.Channel = rapid.Bool().Draw(t, "channel")
		p.FailbackAfter = rapid.SampledFrom([]time.Duration{p.Timeout, time.Minute}).Draw(t, "failback after")
		p.Failback = rapid.Bool().Draw(t, "failback")
		p.Lease = rapid.SampledFrom([]time.Duration{0, 10 * time.Second}).Draw(t, "lease")
		p.ReleaseIsolated = rapid.Bool().Draw(t, "release isolated")
		p.ReleaseFailing = p.ReleaseIsolated // both are rare
		p.Place = rapid.SampledFrom([]Place{Ungrouped, Ungrouped, Ungrouped, Ungrouped, Leader, Follower}).Draw(t, "place")
		p.ReleaseSplit = p.ReleaseIsolated
		return p
	})
}

// age draws how long ago something happened: one of the times at which a row changes
// its answer, or a nanosecond beside it.
func age(t *rapid.T, p Policy) time.Duration {
	turns := []time.Duration{
		0, p.Timeout, p.carrierGrace(), p.Doubt(), p.Interval, p.Stale(), localStale,
		DefendEvery, time.Minute, p.IsolatedAfter, p.FailbackAfter, time.Hour,
		p.ChannelSilent(), p.GiveWithin(), p.Patience(), offerAgain,
		p.claimWithin(), p.Timeout + p.Heartbeat(), 2 * time.Minute, flapsMost,
	}
	beside := rapid.SampledFrom([]time.Duration{0, 0, -1, 1}).Draw(t, "beside")
	return max(0, rapid.SampledFrom(turns).Draw(t, "age")+beside)
}

func drawValue(t *rapid.T) Value {
	return rapid.SampledFrom([]Value{Unknown, No, Yes}).Draw(t, "value")
}

func drawFact(t *rapid.T, p Policy) Fact {
	f := Fact{Value: drawValue(t), Since: noon.Add(-age(t, p)), Asked: noon}
	if rapid.Bool().Draw(t, "aged") {
		f.Asked = noon.Add(-age(t, p))
	}
	if rapid.Bool().Draw(t, "missed") {
		f.Miss = noon.Add(-age(t, p))
	}
	return f
}

type namedFact struct {
	FactRow
	fact *Fact
}

// facts are all facts that have times.
func facts(f *Facts) (all []namedFact) {
	for _, r := range FactRows() {
		all = append(all, namedFact{r, r.Of(f)})
	}
	return all
}

type namedValue struct {
	name  string
	value *Value
}

// values are all facts without times, and what the partner says about itself.
func values(f *Facts) []namedValue {
	all := []namedValue{
		{"ByPartner", &f.ByPartner}, {"WeAreLow", &f.WeAreLow}, {"PartnerLeads", &f.PartnerLeads},
		{"Peer.Primary", &f.Peer.Primary}, {"Peer.HWLower", &f.Peer.HWLower},
	}
	for _, r := range FactRows() {
		if r.Wire != 0 {
			all = append(all, namedValue{"Peer.Facts " + r.Name, &f.Peer.Facts[r.ID]})
		}
	}
	return all
}
