package defender

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/host"
)

// TestTheChannelIsWrittenFromAnIPv6AddressThatLasts: the kernel would choose a temporary
// address, or the youngest, neither of which the partner has in its file.
func TestTheChannelIsWrittenFromAnIPv6AddressThatLasts(t *testing.T) {
	more := func(s string, change func(*host.Address)) host.Address {
		a := host.Address{Prefix: netip.MustParsePrefix(s), Label: "eth0"}
		change(&a)
		return a
	}
	inIPv6(t, func(w *world) {
		w.withKey()
		n := w.a.nic()
		n.Addrs = append([]host.Address{
			more("2001:db8::d/64", func(a *host.Address) { a.Deprecated = true }),
			more("2001:db8::1ea5/64", func(a *host.Address) { a.Lease = time.Hour }),
			more("fd00::a/64", func(*host.Address) {}),
		}, n.Addrs...)
		n.Addrs = append(n.Addrs,
			more("2001:db8::b/64", func(*host.Address) {}),
			more("2001:db8::c/64", func(a *host.Address) { a.Tentative = true }),
			more("2001:db8::7e/64", func(a *host.Address) { a.Temporary, a.Lease = true, time.Hour }))
	}, func(w *world) {
		w.settle()
		w.seg.mu.Lock()
		defer w.seg.mu.Unlock()
		want := []netip.Addr{w.a.own.Addr(), ip(0xb), netip.MustParseAddr("2001:db8::1ea5"), ip(0x7e), ip(0xd)}
		if got := w.a.from[w.b.own.Addr()]; !slices.Equal(got, want) || slices.Contains(got, aliasIP) {
			w.fail("written from %v, want %v", got, want)
		}
	})
}

// TestTheHostDoesNotSpeakWithAnIPv6AliasThatItAdopts: another program put it there with a
// preferred lifetime, so that it would be the source of new connections.
func TestTheHostDoesNotSpeakWithAnIPv6AliasThatItAdopts(t *testing.T) {
	for name, set := range map[string]func(*world){"with a lease": (*world).withKey, "without one": nothing} {
		t.Run(name, func(t *testing.T) {
			inIPv6(t, func(w *world) {
				set(w)
				w.byHand(w.a)
				w.a.flag(func(a *host.Address) { a.Deprecated, a.Ours = false, false })
			}, func(w *world) {
				w.wait(time.Minute)
				_, a, there := w.a.kernel.state().Find(aliasIP)
				if s := w.shown(w.a); s.Holder != "us" || !there || !a.Deprecated {
					w.fail("held by %s, and %+v", s.Holder, a)
				}
				w.seg.mu.Lock()
				defer w.seg.mu.Unlock()
				if leases := w.cfgA.Aliases[0].Lease > 0; !leases && w.a.refreshes != 1 {
					w.fail("%d refreshes", w.a.refreshes)
				}
			})
		})
	}
}

// TestAPartnerBehindARouterIsWrittenToFromAnAddressOfItsKind: a host may have both
// global and unique local addresses, and a link-local one is good on its own segment only.
func TestAPartnerBehindARouterIsWrittenToFromAnAddressOfItsKind(t *testing.T) {
	inIPv6(t, (*world).withKey, func(w *world) {
		w.settle()
		w.a.set(func() {
			n := w.a.nic()
			n.Addrs = append(n.Addrs, host.Address{Prefix: netip.MustParsePrefix("fd00::a/64"), Label: "eth0"})
		})
		w.wait(time.Minute)
		for to, want := range map[string]string{
			"2001:db8:1::5": w.a.own.Addr().String(), "fd00:1::5": "fd00::a", "fd00::5": "fd00::a",
			"fe80::5%eth0": w.a.linkLocal().Addr().String(), "fe80::5%eth1": "none",
		} {
			owns := make(chan []netip.Addr, 1)
			w.a.daemon.post(func(l *loop) { owns <- l.ownsFor(netip.MustParseAddr(to)) })
			got := append(<-owns, netip.Addr{})[0]
			if !got.IsValid() && want == "none" {
				continue
			}
			if got.String() != want {
				w.fail("%s is written to from %s, want %s", to, got, want)
			}
		}
	})
}
