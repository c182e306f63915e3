package defender

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/rules"
)

// show is what a daemon knows of the alias, and whether Status ends with 1.
func (w *world) show(st *station) (a control.Alias, problem bool) {
	w.t.Helper()
	s, err := st.daemon.Snapshot(w.t.Context(), false)
	if err != nil {
		w.fail("%s: %v", st.name, err)
	}
	t, err := st.daemon.Tally(w.t.Context())
	if err != nil {
		w.fail("%s: %v", st.name, err)
	}
	a = s.Aliases[0]
	problem = !s.Tally().Well()
	if problem == t.Well() {
		w.fail("%s: Status ends with a problem %v, and the service manager is told otherwise", st.name, problem)
	}
	return a, problem
}

// standsBy fails unless the host says so of the alias's standby.
func (w *world) standsBy(st *station, ready, reason, why string) {
	w.t.Helper()
	a, problem := w.show(st)
	s := a.Standby
	if s.Ready != ready || s.Reason != reason || !strings.Contains(s.Why, why) {
		w.fail("%s: ready %s, %s: %s; want %s, %s: %s", st.name, s.Ready, s.Reason, s.Why, ready, reason, why)
	}
	if problem != (ready != "yes") {
		w.fail("%s: Status ends with a problem: %v", st.name, problem)
	}
}

// names has a station look names up so.
func names(addrs ...string) func(context.Context, string, host.Family) ([]netip.Addr, error) {
	return func(context.Context, string, host.Family) ([]netip.Addr, error) {
		var all []netip.Addr
		for _, a := range addrs {
			all = append(all, netip.MustParseAddr(spelt(a)))
		}
		if len(all) == 0 {
			return nil, errors.New("no such host")
		}
		return all, nil
	}
}

// TestAStandbyThatCouldNotTakeSaysSoBeforeItHasTo: each of these pairs looked well, and
// served nobody after the holder's failure.
func TestAStandbyThatCouldNotTakeSaysSoBeforeItHasTo(t *testing.T) {
	named := func(w *world) { w.cfgB.Aliases[0].Partner = config.Partner{Name: "a.example"} }
	for name, tt := range map[string]struct {
		set         func(w *world)
		resolve     func(context.Context, string, host.Family) ([]netip.Addr, error)
		befalls     func(w *world)
		reason, why string // empty: it is ready
	}{
		"all is well": {},
		"its default route leads through the alias": {set: func(w *world) { w.b.router = aliasIP },
			reason: "no router known", why: spelt("the gateway 10.0.0.100 of eth0's default route is an alias")},
		"its default route leads through the partner": {set: func(w *world) { w.b.router = w.a.own.Addr() },
			reason: "no router known", why: spelt("the gateway 10.0.0.1 of eth0's default route is the partner")},
		"its default route leads through another address of the partner": {set: func(w *world) {
			w.b.router = ip(11)
			w.cfgB.Settings.Peer.Paths = map[string][]netip.Addr{w.cfgB.Aliases[0].Partner.Name: {w.b.router}}
		}, reason: "no router known", why: spelt("the gateway 10.0.0.11 of eth0's default route is the partner too")},
		"its router is the partner by another address": {set: func(w *world) {
			w.b.router = ip(11)
			w.a.foreign[w.b.router] = true
		}, reason: "router is the partner", why: "the router answers with the partner's hardware address"},
		"the partner's name has this host's file's router": {set: func(w *world) {
			named(w)
			w.cfgB.Aliases[0].Router = w.a.own.Addr()
		}, resolve: names("10.0.0.1"), reason: "no router known", why: spelt("the router 10.0.0.1 is the partner")},
		"the partner's name has the alias first": {set: named, resolve: names("10.0.0.100", "10.0.0.2", "10.0.0.1")},
		"the partner's name is the alias's": {set: named, resolve: names("10.0.0.100"),
			reason: "cannot ask the partner", why: spelt("a.example cannot be the partner: 10.0.0.100 is an alias")},
		"the partner's name is this host's": {set: named, resolve: names("10.0.0.2"),
			reason: "cannot ask the partner", why: spelt("10.0.0.2 is an address of this host")},
		"the partner's name has an address of the other family first": {set: named, resolve: names(otherFamily(), "10.0.0.1")},
		"the partner's name has none of this family": {set: named, resolve: names(otherFamily()),
			reason: "cannot ask the partner", why: "a.example cannot be the partner: the name has no " + family.String() + " address"},
		"the partner's name does not resolve": {set: named, resolve: names(),
			reason: "cannot ask the partner", why: "the partner's name a.example does not resolve to an " + family.String() + " address: no such host"},
		"its router is no more": {befalls: func(w *world) { w.router.on = false },
			reason: "router silent", why: "the router is silent"},
		"it can ask nobody": {befalls: func(w *world) { w.b.arpErr, w.b.pingErr = errors.New("not permitted"), errors.New("not permitted") },
			reason: "cannot ask", why: "it cannot be found out whether the alias answers"},
		"its own address is gone": {befalls: func(w *world) { w.b.nic().Addrs = nil },
			reason: "no link", why: "without an address of its own"},
		"its cable is out": {befalls: func(w *world) { w.b.nic().Carrier = false },
			reason: "no link", why: "without carrier"},
		"an operator parked it": {set: func(w *world) { w.b.parked = []netip.Addr{aliasIP} },
			reason: "parked", why: "an operator took the alias off this host"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, true, false)
				if tt.set != nil {
					tt.set(w)
				}
				defer w.end()
				w.a.start(w.cfgA, &w.log)
				w.startWith(w.b, w.cfgB, func(o *Options) {
					if o.Kept.Parked = w.b.parked; tt.resolve != nil {
						o.Resolve = tt.resolve
					}
				})
				w.wait(2 * time.Second)
				if a, _ := w.show(w.b); a.Standby.Ready != "unknown" && tt.reason != "parked" {
					w.fail("ready %s before all could be heard", a.Standby.Ready)
				}
				w.wait(10 * time.Second)
				if tt.befalls != nil {
					w.b.set(func() { tt.befalls(w) })
					w.wait(10 * time.Second)
				}
				w.expect("a", "the primary serves")
				if tt.reason == "" {
					w.standsBy(w.b, "yes", "", "")
				} else {
					w.standsBy(w.b, "no", tt.reason, tt.why)
				}
				w.a.set(func() { w.a.on = false })
				w.a.kill()
				w.wait(time.Minute)
				if tt.reason == "" {
					w.expect("b", "it said that it is ready")
				} else {
					w.expect("", "it said that it is not")
				}
			})
		})
	}
}

// TestAHolderShowsWhetherItsPartnerCouldTake, by the channel or by what it hears itself.
func TestAHolderShowsWhetherItsPartnerCouldTake(t *testing.T) {
	keyed(t, func(w *world) { w.b.router = aliasIP }, func(w *world) {
		w.standsBy(w.a, "no", "no router known", spelt("the gateway 10.0.0.100 of eth0's default route is an alias"))
		if a, _ := w.show(w.a); a.Standby.Host != "partner" || a.Standby.HandOver != "no" {
			w.fail("%+v", *a.Standby)
		}
	})
	keyed(t, func(w *world) {}, func(w *world) {
		for _, st := range []*station{w.a, w.b} {
			w.standsBy(st, "yes", "", "")
			if a, _ := w.show(st); a.Standby.HandOver != "yes" {
				w.fail("%s: %+v", st.name, *a.Standby)
			}
		}
		w.must(w.b, control.Order{Remove: true}, "parked")
		w.wait(5 * time.Second)
		w.standsBy(w.a, "no", "parked", "")
		w.standsBy(w.b, "no", "parked", "")
		w.must(w.b, control.Order{Maintenance: control.Off}, "")
		w.b.set(func() { w.b.mumbles = true })
		w.wait(10 * time.Second)
		w.standsBy(w.a, "unknown", "partner unheard", "")
		if a, _ := w.show(w.b); a.Standby.HandOver != "no" {
			w.fail("B is not heard: %+v", *a.Standby)
		}
	})
	play(t, 1, true, false, func(w *world) {
		w.settle()
		if a, problem := w.show(w.a); a.Standby.Ready != "unknown" || problem {
			w.fail("without a key: %+v", *a.Standby)
		}
		w.b.set(func() { w.b.muted = true })
		w.wait(10 * time.Second)
		w.standsBy(w.a, "no", "partner down", "the partner is silent")
		if n := w.logged("event=standby_not_ready"); n == 0 {
			w.fail("not logged")
		}
		w.b.set(func() { w.b.muted = false })
		w.settle()
		if _, problem := w.show(w.a); problem {
			w.fail("the partner is back")
		}
	})
}

// TestWhatAStandbyLacksIsLoggedOnceAndWhenItIsOver and stands in Why.
func TestWhatAStandbyLacksIsLoggedOnceAndWhenItIsOver(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		if n := w.logged("event=standby_"); n != 0 {
			w.fail("a good pair logs %d lines", n)
		}
		w.router.set(func() { w.router.on = false })
		w.wait(time.Minute)
		w.router.set(func() { w.router.on = true })
		w.settle()
		if no, yes := w.logged("event=standby_not_ready"), w.logged("event=standby_ready"); no != 1 || yes != 1 {
			w.fail("%d and %d lines", no, yes)
		}
		s, err := w.b.daemon.Snapshot(w.t.Context(), true)
		if err != nil {
			w.fail("%v", err)
		}
		if !slices.ContainsFunc(s.Aliases[0].Journal, func(e control.Entry) bool {
			return e.Action == "not ready" && e.Row == "W8" && e.Reason == "router silent" && e.Why == "the router is silent"
		}) {
			w.fail("Why does not show it: %+v", s.Aliases[0].Journal)
		}
	})
}

// TestAnAliasThatLoHasIsNotTakenBesideIt: behind a load balancer each host has it
// there, and its own kernel answers what it asks.
func TestAnAliasThatLoHasIsNotTakenBesideIt(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		for _, st := range []*station{w.a, w.b} {
			st.kernel.nics = append(st.kernel.nics, host.NIC{Name: "lo", Index: 1, Up: true, Carrier: true})
			_ = st.kernel.Own("lo", netip.PrefixFrom(aliasIP, 32))
		}
	}, func(w *world) {
		w.wait(20 * time.Second)
		for _, st := range []*station{w.a, w.b} {
			if a, _ := w.show(st); a.Row != "W2" || a.Holder == "us" {
				w.fail("%s: %s, held by %s", st.name, a.Row, a.Holder)
			}
			w.standsBy(st, "no", "on another NIC", "the alias is on lo of this host, not on eth0")
			if out := w.order(st, control.Order{Force: true}); out.Done || !strings.Contains(out.Text, "take it off there by hand") {
				w.fail("%s: AddAlias: %+v", st.name, out)
			}
		}
		w.b.set(func() { w.b.kernel.drop(w.b.kernel.nic("lo"), aliasIP) })
		w.wait(10 * time.Second)
		if a, _ := w.show(w.b); a.Row == "W2" {
			w.fail("it is off lo, and B: %s", a.Why)
		}
	})
}

// TestWhatIsServedByNobodyIsSaid: the partner's host answers ARP and pings for an alias
// that it says it has not.
func TestWhatIsServedByNobodyIsSaid(t *testing.T) {
	keyed(t, func(w *world) { w.a.foreign[aliasIP] = true }, func(w *world) {
		w.standsBy(w.b, "yes", "", "")
		w.a.set(func() { w.b.dumb = true }) // so that it is released, and not handed over
		w.wait(10 * time.Second)
		w.must(w.a, control.Order{Remove: true}, "released")
		w.a.set(func() { w.b.dumb = false })
		w.wait(30 * time.Second)
		if a, _ := w.show(w.b); a.Holder != "partner" {
			w.fail("held by %s", a.Holder)
		}
		w.standsBy(w.b, "no", "answered for nobody", "answer for others")
	})
}

// TestAFabricThatAnswersForTheDeadDelaysNobody: it answers ARP for what it has learned
// (EVPN), and goes on to when a host has died. With a channel the daemon that fell
// silent, and pings that are answered no more, tell.
func TestAFabricThatAnswersForTheDeadDelaysNobody(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 100 * time.Millisecond} {
		keyed(t, func(w *world) {
			w.seg.fabric = map[netip.Addr]host.HW{}
			for _, c := range []*config.Config{w.cfgA, w.cfgB} {
				c.Aliases[0].Rhythm = config.Rhythm{Interval: interval, Timeout: interval / 4, Misses: 3}
			}
		}, func(w *world) {
			w.wait(20 * time.Second)
			w.a.set(func() { w.a.on = false })
			w.a.kill()
			w.a.set(func() { w.a.kernel.lose() })
			w.wait(10 * interval)
			w.expect("b", "A is dead, whatever the fabric says")
			w.seg.mu.Lock()
			at := w.seg.fabric[aliasIP]
			w.seg.mu.Unlock()
			if at != w.b.hw {
				w.fail("the fabric has it at %s", at)
			}
		})
	}
}

// TestAPartnerThatOnlyAnswersARPIsNotRobbed: a firewall there that drops pings and the
// channel makes its host look like a dead one behind a fabric. But its daemon hears the
// last questions, which are probes, and announces; after that its ARP is believed again.
func TestAPartnerThatOnlyAnswersARPIsNotRobbed(t *testing.T) {
	keyed(t, func(*world) {}, func(w *world) {
		w.wait(20 * time.Second)
		before := w.logged("action=take")
		w.a.set(func() { w.a.filters, w.a.dumb = true, true })
		w.wait(time.Minute)
		since := time.Now()
		w.wait(10 * time.Minute)
		w.expect("a", "its holder is alive")
		if n := w.logged("action=take") - before; n > 0 {
			w.fail("taken %d times", n)
		}
		if n := w.announcements(w.a, w.a.hw, since); n > 40 {
			w.fail("%d announcements in ten minutes: it is doubted all the time", n)
		}
	})
}

// The channel carries the first bytes of what the partner says.
func TestWhatThePartnerSaysIsShownInFull(t *testing.T) {
	known := rules.NoRouter.Text()
	long := strings.Repeat("w", peer.MaxText)
	for _, tt := range []struct {
		said string
		of   rules.Reason
		want string
	}{
		{"the router is silent", rules.RouterSilent, "the router is silent"},
		{known[:peer.MaxText], rules.NoRouter, known},
		{long, rules.NoRouter, long + "…"},
		{"", rules.NoRow, ""},
	} {
		if got := inFull(tt.said, tt.of); got != tt.want {
			t.Errorf("%q is shown as %q, want %q", tt.said, got, tt.want)
		}
	}
}
