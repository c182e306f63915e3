package peer

import (
	"net/netip"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab"
)

// TestAHostWhoseFirstAddressIsAnAliasIsHeard: the kernel writes from the first one,
// which the partner does not know, unless it is told otherwise. A source that the
// host does not have is the kernel's choice again.
func TestAHostWhoseFirstAddressIsAnAliasIsHeard(t *testing.T) {
	for _, c := range []struct {
		name, others, own, partner, nobodys string
		bits                                int
	}{
		{"IPv4", "10.0.0.100", "10.0.0.1", "10.0.0.2", "10.0.0.77", 24},
		{"IPv6, where the kernel prefers the newest", "2001:db8::100", "2001:db8::1", "2001:db8::2", "2001:db8::77", 64},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := lab.ForTest(t)
			r := &rig{T: t}
			var err error
			r.first, err = l.Switch("first")
			r.must(err)
			host := func(name string, addrs ...string) *lab.Host {
				nic := lab.NICSpec{Switch: r.first}
				for _, a := range addrs {
					nic.Addrs = append(nic.Addrs, netip.PrefixFrom(netip.MustParseAddr(a), c.bits))
				}
				h, err := l.Host(lab.HostSpec{Name: name, NICs: []lab.NICSpec{nic}})
				r.must(err)
				return h
			}
			own, partner := netip.MustParseAddr(c.own), netip.MustParseAddr(c.partner)
			has := []string{c.others, c.own}
			if own.Is6() {
				has = []string{c.own, c.others}
			}
			r.a, r.b = host("a", has...), host("b", c.partner)
			a, b := r.on(r.a, Partner{Addr: partner}), r.on(r.b, Partner{Addr: own})
			a.SetSources(map[netip.Addr]netip.Addr{partner: own})
			a.beat(partner, Message{Version: "1"}, 5*time.Millisecond)
			b.hears("from its own address", overPath(own))

			a.SetSources(map[netip.Addr]netip.Addr{partner: netip.MustParseAddr(c.nobodys)})
			a.awaitPath("from an address that it does not have", 0, func(p PathStatus) bool { return p.Err == nil && !p.Sent.IsZero() })
		})
	}
}
