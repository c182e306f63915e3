package defender

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

// These stories are those of IPv6 alone. They are played once, in the run for IPv6.

// inIPv6 plays a story of A, the primary, and B.
func inIPv6(t *testing.T, set, f func(w *world)) {
	t.Helper()
	if family == host.IPv6 {
		playWith(t, 1, true, false, set, f)
	}
}

// flag changes what duplicate address detection says of the alias on a station.
func (st *station) flag(change func(*host.Address)) {
	for i, a := range st.nic().Addrs {
		if a.Prefix.Addr() == aliasIP {
			change(&st.nic().Addrs[i])
		}
	}
}

func TestAnAliasThatFailedDuplicateDetectionIsAddedAnew(t *testing.T) {
	inIPv6(t, nothing, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.flag(func(a *host.Address) { a.DADFailed = true }) })
		w.wait(2 * time.Second)
		_, a, _ := w.a.kernel.state().Find(aliasIP)
		if !a.Ours || a.DADFailed {
			w.fail("the alias is %+v", a)
		}
		if w.logged("row=H5") == 0 || w.logged("duplicate address detection") == 0 {
			w.fail("it is not said")
		}
	})
}

// TestAPingThatIsTooEarlyAfterATakeIsNoSilence: the kernel's route to a new address comes a
// moment after it.
func TestAPingThatIsTooEarlyAfterATakeIsNoSilence(t *testing.T) {
	for early, warned := range map[int]int{1: 0, 2: 1} {
		inIPv6(t, nothing, func(w *world) {
			w.settle()
			w.b.set(func() { w.b.early = early })
			w.a.set(func() { w.a.on = false })
			w.a.kill()
			w.wait(time.Minute)
			w.expect("b", "A is gone")
			if n := w.logged("event=not_verified"); n != warned {
				w.fail("%d pings too early: warned %d times, want %d", early, n, warned)
			}
			if is, want := w.shown(w.b).Verified, []string{"yes", "no"}[warned]; is != want {
				w.fail("%d pings too early: the snapshot says verified %q, want %q", early, is, want)
			}
			if n := w.logged("action=take"); n != 2 {
				w.fail("taken %d times", n)
			}
		})
	}
	inIPv6(t, (*world).withKey, func(w *world) {
		w.settle()
		w.wait(10 * time.Second)
		w.b.set(func() { w.b.early = 1 })
		w.must(w.a, control.Order{Give: true}, "handed over")
		w.wait(time.Minute)
		w.expect("b", "handed over")
	})
}

func TestATentativeAliasIsNotKnownToBeHere(t *testing.T) {
	inIPv6(t, func(w *world) {
		w.byHand(w.b)
		w.b.flag(func(a *host.Address) { a.Tentative = true })
	}, func(w *world) {
		w.wait(time.Minute)
		if s := w.shown(w.b); s.Holder == "us" {
			w.fail("adopted while the kernel does not serve it: %s, %s", s.Row, s.Why)
		}
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.wait(time.Minute)
		_, b, _ := w.b.kernel.state().Find(aliasIP)
		if s := w.shown(w.b); s.Holder != "us" || !b.Ours || b.Tentative {
			w.fail("A is dead; held by %s (%s, %s), and the alias is %+v", s.Holder, s.Row, s.Why, b)
		}
		w.b.set(func() { w.b.flag(func(a *host.Address) { a.Tentative = true }) })
		w.wait(time.Minute)
		if s := w.shown(w.b); s.Holder != "us" || w.logged("vanished") > 0 {
			w.fail("while the kernel looks into it, it is kept: %s by %s, %s", s.Holder, s.Row, s.Why)
		}
	})
}

func TestDisabledIPv6IsNoLinkAndIsSaid(t *testing.T) {
	inIPv6(t, nothing, func(w *world) {
		w.settle()
		disable := func(yes bool) {
			w.b.set(func() {
				if w.b.nic().NoIPv6 = yes; yes {
					w.b.nic().Addrs = nil
				} else {
					w.b.gainOwn()
				}
			})
		}
		disable(true)
		w.wait(10 * time.Second)
		if _, row, _ := w.status(w.b); row != "W2" {
			w.fail("row %s", row)
		}
		if out := w.order(w.b, control.Order{}); !strings.Contains(out.Text, "disable_ipv6=0") {
			w.fail("AddAlias says %q", out.Text)
		}
		w.a.set(func() { w.a.on = false })
		w.wait(10 * time.Second)
		w.expect("", "B has no IPv6 to take it with")
		disable(false)
		w.wait(10 * time.Second)
		w.expect("b", "B has IPv6 again, and A is off")
	})
}

// TestTheRoutersEntryMovesAtOnce also where the router ignores what it did not ask for:
// it is asked from the alias.
func TestTheRoutersEntryMovesAtOnce(t *testing.T) {
	inIPv6(t, func(w *world) { w.router.heedless = true }, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.a.set(func() { w.a.kernel.lose() })
		for w.holders() != "b" {
			w.wait(time.Millisecond)
		}
		w.wait(10 * time.Millisecond)
		w.seg.mu.Lock()
		at := w.router.cache[aliasIP]
		w.seg.mu.Unlock()
		if at != w.b.hw {
			w.fail("the router believes the alias at %v, not %v", at, w.b.hw)
		}
	})
}

// TestSeveralRoutersOneOfWhichWithdraws: each of them proves our network; a route that
// is gone proves nothing more.
func TestSeveralRoutersOneOfWhichWithdraws(t *testing.T) {
	var other *station
	inIPv6(t, func(w *world) {
		other = w.seg.add("other", 253)
		for _, st := range []*station{w.a, w.b} {
			st.gateways = []netip.Addr{netip.MustParseAddr("192.0.2.254"), other.gateway(), aliasIP, w.a.own.Addr(), w.b.own.Addr()}
		}
	}, func(w *world) {
		w.settle()
		if n := w.logged("not_third_party"); n > 0 {
			w.fail("gateways after the first are complained of %d times", n)
		}
		w.router.set(func() { w.router.on = false })
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.a.set(func() { w.a.kernel.lose() })
		w.wait(10 * time.Second)
		w.expect("b", "the second router answers")
		w.b.set(func() { w.b.router, w.b.gateways = netip.MustParseAddr("192.0.2.254"), []netip.Addr{other.gateway()} })
		w.wait(10 * time.Second)
		if s := w.shown(w.b); s.Router.Addr != other.gateway().String() || s.Router.Answer != "answered" {
			w.fail("the router is %+v", s.Router)
		}
		w.b.set(func() { w.b.router, w.b.gateways = netip.MustParseAddr("192.0.2.254"), nil })
		w.wait(10 * time.Second)
		if s := w.shown(w.b); s.Router.Addr != "" {
			w.fail("it has withdrawn, and the router is %+v", s.Router)
		}
	})
}

// TestWhatTheSecondRouterAnswersForIsUnknown, like what the first one does.
func TestWhatTheSecondRouterAnswersForIsUnknown(t *testing.T) {
	inIPv6(t, func(w *world) {
		other := w.seg.add("other", 253)
		other.foreign[aliasIP] = true
		w.a.gateways, w.b.gateways = []netip.Addr{other.gateway()}, []netip.Addr{other.gateway()}
	}, func(w *world) {
		w.wait(time.Minute)
		w.expect("", "whether anybody serves it is not known")
		if _, row, _ := w.status(w.a); row != "W7" {
			w.fail("row %s, want W7", row)
		}
	})
}

// TestEachFamilyHasItsOwnEar: on one NIC both aliases are served, and what keeps the
// listener of the one family from opening does not concern the other.
func TestEachFamilyHasItsOwnEar(t *testing.T) {
	old := netip.MustParseAddr("192.0.2.100")
	host4 := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }
	inIPv6(t, func(w *world) {
		for i, st := range []*station{w.a, w.b, w.router} {
			_ = st.kernel.Own("eth0", netip.PrefixFrom(host4(byte(i+1)), 24))
		}
		for i, c := range []*config.Config{w.cfgA, w.cfgB} {
			r := c.Aliases[0]
			r.Label, r.Addr, r.Prefix, r.Router = "eth0:4", old, netip.PrefixFrom(old, 24), host4(3)
			r.Partner.Addr = host4(byte(2 - i))
			r.Partner.Name = r.Partner.Addr.String()
			c.Aliases = append(c.Aliases, r)
		}
		w.b.refuses = host.IPv6
	}, func(w *world) {
		w.settle()
		if !w.a.has(old) || w.b.has(old) || w.b.has(aliasIP) {
			w.fail("A should have both")
		}
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.a.set(func() { w.a.kernel.lose() })
		w.wait(5 * time.Second)
		if !w.b.has(old) || w.b.has(aliasIP) {
			w.fail("B hears ARP, and no neighbour discovery")
		}
		if w.logged("no NDP listener on this NIC") != 1 || w.logged("no ARP listener") != 0 {
			w.fail("it is not said which listener is missing")
		}
		w.b.set(func() { w.b.refuses = 0 })
		w.wait(10 * time.Second)
		if !w.b.has(aliasIP) {
			w.fail("B hears both now")
		}
	})
}

// TestAnOwnAddressThatCannotSendIsNone: the questions go out from one that can, and from a
// global one where the target is global.
func TestAnOwnAddressThatCannotSendIsNone(t *testing.T) {
	inIPv6(t, func(w *world) {
		addrs := w.b.nic().Addrs
		slices.Reverse(addrs) // the link-local one first
		w.b.nic().Addrs = append([]host.Address{{Prefix: with(ip(77)), Label: "eth0", Tentative: true}}, addrs...)
	}, func(w *world) {
		w.settle()
		w.expect("a", "the primary serves")
		w.seg.mu.Lock()
		defer w.seg.mu.Unlock()
		for _, at := range []netip.Addr{ip(77)} {
			if _, heard := w.a.cache[at]; heard {
				w.fail("B has asked from %v", at)
			}
		}
		if w.a.cache[w.b.own.Addr()] != w.b.hw {
			w.fail("B has not asked from %v", w.b.own)
		}
	})
}

// told is when a station announced an address.
func (w *world) told(st *station, addr netip.Addr) (all []time.Time) {
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	for _, f := range w.seg.frames {
		if f.from == st && f.Sender.WithZone("") == addr {
			all = append(all, f.at)
		}
	}
	return all
}

// TestAnAddressIsAskedOnTheAliassNICWhereThatReachesIt: the zone of a link-local one names
// its NIC.
func TestAnAddressIsAskedOnTheAliassNICWhereThatReachesIt(t *testing.T) {
	global, link := netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("fe80::1/64")
	a := &alias{
		cfg:   config.Alias{NIC: "eth0", Addr: global.Addr(), Prefix: global},
		iface: &nic{own: []netip.Prefix{link, netip.MustParsePrefix("2001:db8:9::1/64")}},
	}
	for addr, want := range map[string]string{
		"2001:db8::7": "eth0", "2001:db8:9::7": "eth0", "2001:db8:8::7": "", "fe80::7%eth0": "eth0", "fe80::7%eth1": "",
	} {
		if k := (&loop{}).keyOf(a, netip.MustParseAddr(addr)); k.NIC != want || k.Addr.String() != addr {
			t.Errorf("%s is asked as %v on %q, want %q", addr, k.Addr, k.NIC, want)
		}
	}
}

// TestIPv6ThatComesAndGoesDoesNotConcernIPv4: with IPv6 go the NIC's addresses and routes of
// it, and the partner's, too.
func TestIPv6ThatComesAndGoesDoesNotConcernIPv4(t *testing.T) {
	old := netip.MustParseAddr("192.0.2.100")
	host4 := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }
	inIPv6(t, func(w *world) {
		for i, st := range []*station{w.a, w.b, w.router} {
			_ = st.kernel.Own("eth0", netip.PrefixFrom(host4(byte(i+1)), 24))
		}
		for i, c := range []*config.Config{w.cfgA, w.cfgB} {
			r := c.Aliases[0]
			r.Label, r.Addr, r.Prefix, r.Router = "eth0:4", old, netip.PrefixFrom(old, 24), host4(3)
			r.Partner.Addr = host4(byte(2 - i))
			r.Partner.Name = r.Partner.Addr.String()
			c.Aliases = append(c.Aliases, r)
		}
	}, func(w *world) {
		w.settle()
		w.wait(2 * time.Minute) // the first announcements are over
		said, told := strings.Count(w.log.String(), "alias="+old.String()), len(w.told(w.a, old))
		six := func(st *station) (all []host.Address) {
			for _, a := range st.nic().Addrs {
				if a.Prefix.Addr().Is6() {
					all = append(all, a)
				}
			}
			return all
		}
		for i := range 60 {
			st := []*station{w.a, w.b}[i%2]
			var gone []host.Address
			gateways := st.gateways
			st.set(func() {
				gone, st.gateways = six(st), nil
				st.nic().NoIPv6 = true
				st.nic().Addrs = slices.DeleteFunc(st.nic().Addrs, func(a host.Address) bool { return a.Prefix.Addr().Is6() })
			})
			w.wait(time.Duration(1+i*97) * time.Millisecond)
			st.set(func() {
				st.gateways, st.nic().NoIPv6 = gateways, false
				st.nic().Addrs = append(st.nic().Addrs, gone...)
			})
			w.wait(time.Duration(1+i*31) * time.Millisecond)
			if !w.a.has(old) || w.b.has(old) {
				w.fail("A should have %v after flap %d", old, i)
				return
			}
		}
		if n := strings.Count(w.log.String(), "alias="+old.String()); n != said {
			w.fail("%d lines about %v", n-said, old)
		}
		if n := len(w.told(w.a, old)) - told; n > 4 { // once a minute
			w.fail("announced %d times", n)
		}
	})
}

// TestWhatIsSaidOfDisabledIPv6CanBeTyped also where the NIC has dots in its name.
func TestWhatIsSaidOfDisabledIPv6CanBeTyped(t *testing.T) {
	n := nic{Side: host.Side{NIC: "eth0.100", Family: host.IPv6}, index: 2, up: true, carrier: true, noIPv6: true}
	if err := n.ready(); !strings.Contains(err.Error(), "net/ipv6/conf/eth0.100/disable_ipv6=0") {
		t.Error(err)
	}
}
