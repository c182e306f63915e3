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
	l := lab.ForTest(t)
	r := &rig{T: t}
	var err error
	r.first, err = l.Switch("first")
	r.must(err)
	host := func(name string, addrs ...string) *lab.Host {
		nic := lab.NICSpec{Switch: r.first}
		for _, a := range addrs {
			nic.Addrs = append(nic.Addrs, netip.MustParsePrefix(a+"/24"))
		}
		h, err := l.Host(lab.HostSpec{Name: name, NICs: []lab.NICSpec{nic}})
		r.must(err)
		return h
	}
	r.a, r.b = host("a", "10.0.0.100", "10.0.0.1"), host("b", "10.0.0.2")
	a, b := r.on(r.a, Partner{Addr: firstB}), r.on(r.b, Partner{Addr: firstA})
	a.SetSources(map[netip.Addr][]netip.Addr{firstB: {firstA}})
	a.beat(firstB, Message{Version: "1"}, 5*time.Millisecond)
	b.hears("from its own address", overPath(firstA))

	a.SetSources(map[netip.Addr][]netip.Addr{firstB: {netip.MustParseAddr("10.0.0.77")}})
	a.awaitPath("from an address that it does not have", 0, func(p PathStatus) bool { return p.Err == nil && !p.Sent.IsZero() })
}
