package detect_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
)

// by has the alias answered by another host's hardware address and, like a private VLAN's
// proxy ARP, answer no ping.
func by(k detect.Key) func(b *bench) {
	return func(b *bench) {
		b.when(1500*ms, func() { b.host(alias).hw, b.host(alias).filters = b.host(k).hw, true })
	}
}

// disowned has the partner's daemon say that its host does not have the alias.
func disowned(at time.Duration, yes bool) func(b *bench) {
	return func(b *bench) { b.when(at, func() { b.here[alias].Disowned = yes }) }
}

// pinged has the alias answer pings at first.
func pinged(b *bench) {
	b.when(1400*ms, func() {
		if !b.set.At(alias).Pings() {
			b.t.Fatal("it was not found out that the alias answers pings")
		}
	})
}

func TestAnAliasThatIsAnsweredForNobodyIsSilent(t *testing.T) {
	other := host.HW{2, 0, 0, 0, 0, 77}
	const ends = 4 * time.Second
	for name, x := range map[string]struct {
		want   string
		warned int
		script func(b *bench)
	}{
		"by the partner":             {"silent", 1, both(by(partner), disowned(0, true))},
		"by the router":              {"silent", 1, both(by(router), disowned(0, true))},
		"by the router, known late":  {"silent", 1, both(by(router), disowned(2300*ms, true))},
		"by another router":          {"silent", 1, both(by(near(253)), disowned(0, true))},
		"by the partner's other NIC": {"silent", 1, both(by(near(77)), disowned(0, true), func(b *bench) { b.here[alias].PartnerHW = other })},

		"by a third host":                         {"answered", 0, both(by(near(77)), disowned(0, true))},
		"by a witness":                            {"answered", 0, both(by(witness), disowned(0, true))},
		"by the partner, which says it has it":    {"answered", 0, by(partner)},
		"by the router, without a word":           {"unknown", 0, by(router)},
		"by another router, without a word":       {"unknown", 0, by(near(253))},
		"and it takes the word back":              {"answered", 1, both(by(partner), disowned(0, true), disowned(2900*ms, false))},
		"and it takes the word back in the doubt": {"answered", 0, both(by(partner), disowned(0, true), disowned(2600*ms, false))},
		"and it announces it before its daemon dies": {"silent", 0, both(by(partner), pinged, disowned(0, true), func(b *bench) {
			b.when(2300*ms, func() { b.frame(alias, b.now, false) })
			b.when(2400*ms, func() { b.here[alias].Disowned, b.here[alias].Quiet = false, true })
		})},
		"by the partner, and pings too": {"answered", 0, both(by(partner), disowned(0, true), func(b *bench) {
			b.when(1600*ms, func() { b.host(alias).filters = false })
		})},
		"by the router, and pings too": {"unknown", 0, both(by(router), disowned(0, true), func(b *bench) {
			b.when(1600*ms, func() { b.host(alias).filters = false })
		})},
		"by the partner, and no ping can be put": {"unknown", 0, both(by(partner), disowned(0, true), func(b *bench) {
			b.when(1600*ms, func() { b.host(alias).noPing = errors.New("operation not permitted") })
		})},
		"by nobody, and no ping can be put": {"silent", 0, both(dies(alias, 1500*ms, 0), disowned(0, true), func(b *bench) {
			b.when(1600*ms, func() { b.host(alias).noPing = errors.New("operation not permitted") })
		})},
		"by the partner, and answers to pings were lost": {"unknown", 0, both(by(partner), disowned(0, true), func(b *bench) {
			for d := 1600 * ms; d < ends; d += 100 * ms {
				loses(detect.ICMP, host.Side{}, d)(b)
			}
		})},
		"by the partner, and it announces it": {"answered", 1, both(by(partner), disowned(0, true), func(b *bench) {
			b.when(3900*ms, func() { b.frame(alias, b.now, false) })
		})},

		// A dead partner, as with a fabric that answers for it.
		"by the router, for the dead": {"silent", 0, both(by(router), pinged, func(b *bench) {
			b.when(2400*ms, func() { b.here[alias].Quiet = true })
		})},
		"by the router, and its daemon is heard": {"unknown", 0, both(by(router), pinged)},
		"by the router, and never answered a ping": {"unknown", 0, both(by(router), func(b *bench) {
			b.host(alias).filters = true
			b.when(2400*ms, func() { b.here[alias].Quiet = true })
		})},
		"by the router, for a host that answers pings": {"unknown", 0, both(by(router), pinged, func(b *bench) {
			b.when(2400*ms, func() { b.here[alias].Quiet, b.host(alias).filters = true, false })
		})},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, true)
			w := b.wish(alias, usual)
			w.Pings, w.Routers = true, append(w.Routers, near(253))
			b.begin(w)
			x.script(b)
			b.run(ends)
			if got := b.set.At(alias).Fact().Value.Answer(); got != x.want {
				t.Errorf("%s, want %s\n%s", got, x.want, strings.Join(b.log, "\n"))
			}
			if n := strings.Count(strings.Join(b.log, "\n"), detect.ErrForNobody[host.FamilyOf(alias.Addr)].Error()); n != x.warned {
				t.Errorf("said %d times, want %d", n, x.warned)
			}
		})
	}
}

// One announcement that nobody answers for does not make the alias answered for good:
// with the partner's word it is asked again.
func TestAnAnnouncementDelaysByADoubtWhatNobodyHas(t *testing.T) {
	b := newBench(t, true)
	b.quiet = true
	b.begin(b.wish(alias, usual))
	both(by(partner), disowned(0, true), func(b *bench) {
		b.when(3900*ms, func() { b.frame(alias, b.now, false) })
	})(b)
	for _, x := range []struct {
		at   time.Duration
		want string
	}{{3899 * ms, "silent"}, {3901 * ms, "answered"}, {3900*ms + usual.Interval + usual.Doubt(), "silent"}} {
		b.run(x.at)
		if got := b.set.At(alias).Fact().Value.Answer(); got != x.want {
			t.Errorf("at %v it is %s, want %s", x.at, got, x.want)
		}
	}
}
