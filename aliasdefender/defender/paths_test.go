package defender

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
)

// withOther gives a file a row of the family that is not the present one.
func withOther(c *config.Config, partner config.Partner) *config.Config {
	n, r := *c, c.Aliases[0]
	r.Addr = netip.MustParseAddr("2001:db8:ffff::2")
	if c.Aliases[0].Addr.Is6() {
		r.Addr = netip.MustParseAddr("192.0.2.2")
	}
	r.Label, r.Partner, r.Prefix = "eth0:2", partner, with(r.Addr)
	n.Aliases = []config.Alias{c.Aliases[0], r}
	return &n
}

// partnersOf are the partners that the station's channel was told last.
func (w *world) partnersOf(st *station) []peer.Partner {
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	return slices.Clone(st.opened)
}

// TestARowOnALoopbackInterfaceChangesNoPaths: its partner is told nothing, so its family
// takes none of the paths from the rows of the pair.
func TestARowOnALoopbackInterfaceChangesNoPaths(t *testing.T) {
	path := netip.MustParseAddr(otherFamily()).Next()
	keyed(t, func(w *world) {
		name := w.cfgA.Aliases[0].Partner.Name
		w.cfgA.Settings.Peer.Paths = map[string][]netip.Addr{name: {path}}
		w.cfgA = withOther(w.cfgA, config.Partner{Name: name})
		r := &w.cfgA.Aliases[1]
		r.NIC, r.Label, r.Prefix = "lo", "lo:1", netip.PrefixFrom(r.Addr, r.Addr.BitLen())
	}, func(w *world) {
		got := w.partnersOf(w.a)
		if len(got) != 1 || !slices.Equal(got[0].Paths, []netip.Addr{path}) {
			w.fail("partners %v", got)
		}
	})
}

// TestThePartnersOfGroupsAreOneMachineInWhateverOrder the groups stand: one that has a
// partner in common with two others makes one machine of all.
func TestThePartnersOfGroupsAreOneMachineInWhateverOrder(t *testing.T) {
	l := &loop{cfg: &config.Config{}}
	row := func(n byte) *alias {
		a := &alias{cfg: config.Alias{Addr: ip(100 + n)}, targets: targets{partner: &detect.Target{Key: detect.Key{Addr: ip(n)}}}}
		l.list = append(l.list, a)
		return a
	}
	with := func(partners ...byte) *group {
		g := &group{}
		for _, n := range partners {
			g.members = append(g.members, row(n))
		}
		return g
	}
	row(5)
	groups := []*group{with(2, 1), with(4, 3), with(1, 3), with(7, 8)}
	want := map[netip.Addr]netip.Addr{ip(1): ip(2), ip(2): ip(2), ip(3): ip(2), ip(4): ip(2), ip(7): ip(7), ip(8): ip(7)}
	for _, order := range [][]int{{0, 1, 2, 3}, {0, 2, 1, 3}, {1, 0, 2, 3}, {2, 1, 0, 3}, {3, 2, 1, 0}, {1, 2, 3, 0}} {
		l.groups = nil
		for _, i := range order {
			l.groups = append(l.groups, groups[i])
		}
		if got := l.led(); !maps.Equal(got, want) {
			t.Errorf("%v: %v, want %v", order, got, want)
		}
	}
}

// TestEachFamilyOfAPartnersNameUsesThePathsOfItsFamily: the partner's two addresses are
// two partners to the channel, which can tell a path to the one only.
func TestEachFamilyOfAPartnersNameUsesThePathsOfItsFamily(t *testing.T) {
	four, six := netip.MustParseAddr("10.9.9.2"), netip.MustParseAddr("2001:db8:9::2")
	name := config.Partner{Name: "b.example"}
	keyed(t, func(w *world) {
		w.cfgA.Settings.Peer.Paths = map[string][]netip.Addr{name.Name: {four, six, w.b.own.Addr()}}
		w.cfgA.Aliases[0].Partner = name
		w.cfgA = withOther(w.cfgA, name)
	}, func(w *world) {
		w.a.kill()
		w.startWith(w.a, w.cfgA, func(o *Options) {
			o.Channel = w.a.open
			o.Resolve = func(context.Context, string, host.Family) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr(otherFamily()), w.b.own.Addr()}, nil
			}
		})
		w.wait(10 * time.Second)
		got := w.partnersOf(w.a)
		if len(got) != 2 {
			w.fail("partners %v", got)
			return
		}
		for _, p := range got {
			want := four
			if p.Addr.Is6() {
				want = six
			}
			if !slices.Equal(p.Paths, []netip.Addr{want}) {
				w.fail("%v has the paths %v", p.Addr, p.Paths)
			}
		}
	})
}

// TestAFamilyThatTheChannelDoesNotListenOnKeepsNoOtherOff also where it comes by a Reload,
// because listen changes with a restart only.
func TestAFamilyThatTheChannelDoesNotListenOnKeepsNoOtherOff(t *testing.T) {
	keyed(t, func(w *world) {
		w.cfgA.Settings.Peer.Listen = []netip.Addr{w.a.own.Addr()}
		other := netip.MustParseAddr(otherFamily())
		w.cfgA.Settings.Peer.Paths = map[string][]netip.Addr{w.cfgA.Aliases[0].Partner.Name: {other.Next()}}
		w.cfgA = withOther(w.cfgA, config.Partner{Name: other.String(), Addr: other})
	}, func(w *world) {
		got := w.partnersOf(w.a)
		if len(got) != 1 || got[0].Addr != w.b.own.Addr() || len(got[0].Paths) != 0 {
			w.fail("partners %v", got)
		}
		if n := w.logged("partner_unspoken"); n != 1 {
			w.fail("said %d times", n)
		}
		if a, _ := w.show(w.a); a.Says == nil || a.Says.Daemon != "heard" {
			w.fail("the partner's daemon: %+v", a.Says)
		}
	})
}

// TestANameThatFailsInOneFamilyCostsTheOtherNothing: a lookup that fails keeps the last
// good address, and one that hangs keeps no other waiting.
func TestANameThatFailsInOneFamilyCostsTheOtherNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		defer w.end()
		name := config.Partner{Name: "b.example"}
		w.cfgA.Aliases[0].Partner = name
		c := withOther(w.cfgA, name)
		asked := 0
		w.startWith(w.a, c, func(o *Options) {
			o.Resolve = func(ctx context.Context, _ string, f host.Family) ([]netip.Addr, error) {
				if f != family {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				w.seg.mu.Lock()
				defer w.seg.mu.Unlock()
				if asked++; asked > 1 {
					return nil, errors.New("server misbehaving")
				}
				return []netip.Addr{w.b.own.Addr()}, nil
			}
		})
		for _, d := range []time.Duration{10 * time.Second, 20 * time.Minute} {
			w.wait(d)
			s, err := w.a.daemon.Snapshot(t.Context(), false)
			if err != nil || s.Aliases[0].Partner.Addr != w.b.own.Addr().String() {
				w.fail("after %v the partner is %+v, %v", d, s.Aliases[0].Partner, err)
			}
		}
		w.seg.mu.Lock()
		defer w.seg.mu.Unlock()
		if asked < 2 {
			w.fail("looked up %d times", asked)
		}
	})
}
