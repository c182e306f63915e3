package detect_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"alias-defender/aliasdefender/rules"
)

// TestAnOwnAddressThatIsBackAtOnceCostsNoKnowledge: a program configures the NIC
// anew. What was known counts on only where nothing else can have happened.
func TestAnOwnAddressThatIsBackAtOnceCostsNoKnowledge(t *testing.T) {
	gone := errors.New("no address of its own")
	for name, tt := range map[string]struct {
		away   time.Duration
		change func(b *bench) // of the link, while it is away or as it comes back
		known  bool
	}{
		"back within a timeout":      {249 * ms, nil, true},
		"back after a timeout":       {250 * ms, nil, false},
		"another address came back":  {5 * ms, func(b *bench) { b.link.Own = []netip.Prefix{netip.PrefixFrom(near(8).Addr, bits())} }, false},
		"another NIC came":           {5 * ms, func(b *bench) { b.link.Index++ }, false},
		"the cable was out, too":     {5 * ms, func(b *bench) { b.link.Bare = false; b.set.Link(b.now, b.link) }, false},
		"the cable was out all time": {5 * ms, func(b *bench) { b.link.Bare = false }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, true)
			b.begin(b.wish(alias, usual))
			own := b.link.Own
			begin := 10*time.Second + 10*ms
			b.when(begin, func() {
				b.link.Err, b.link.Own, b.link.Bare = gone, nil, name != "the cable was out all time"
				b.set.Link(b.now, b.link)
			})
			b.when(begin+tt.away, func() {
				b.link.Own = own
				if tt.change != nil {
					tt.change(b)
				}
				b.link.Err, b.link.Bare = nil, false
				b.set.Link(b.now, b.link)
				for _, k := range []struct {
					name string
					got  rules.Value
				}{{"alias", b.set.At(alias).Fact().Value}, {"router", b.set.At(router).Fact().Value}} {
					if known := k.got != rules.Unknown; known != tt.known {
						t.Errorf("%s is %s", k.name, k.got.Answer())
					}
				}
			})
			b.run(11 * time.Second)
		})
	}
}
