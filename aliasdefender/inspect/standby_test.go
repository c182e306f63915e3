package inspect

import (
	"net/netip"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// TestWhatMakesAStandbyUnreadyIsFound before the holder fails.
func TestWhatMakesAStandbyUnreadyIsFound(t *testing.T) {
	addr := netip.MustParseAddr
	through := func(gateway string) func(*Subject) {
		return func(s *Subject) { s.Host.Routes[0].Gateway = addr(gateway) }
	}
	named := func(addrs ...string) func(*Subject) {
		return func(s *Subject) {
			s.Config.Aliases[0].Partner = config.Partner{Name: "b.example"}
			s.Names = map[string][]netip.Addr{}
			for _, a := range addrs {
				s.Names["b.example"] = append(s.Names["b.example"], addr(a))
			}
		}
	}
	lo := func(s *Subject) {
		s.Host.NICs = append(s.Host.NICs, host.NIC{Name: "lo", Index: 1, Up: true, Carrier: true, Addrs: []host.Address{{Prefix: netip.MustParsePrefix("172.16.1.2/32")}}})
	}
	pvlan := func(value string) func(*Subject) {
		return func(s *Subject) {
			s.Sysctls = map[string]string{SysctlName(host.IPv4, "eth0", "proxy_arp_pvlan"): value}
		}
	}
	for name, c := range map[string]struct {
		change func(*Subject)
		want   []string
	}{
		"the default route leads through the alias":   {through("172.16.1.2"), []string{"warning hostname.alias:3 the default route out of eth0 leads through 172.16.1.2, which is an alias"}},
		"the default route leads through the partner": {through("172.16.1.5"), []string{"warning hostname.alias:3 the default route out of eth0 leads through 172.16.1.5, which is the partner"}},
		"another address of the partner's": {func(s *Subject) {
			through("172.16.1.15")(s)
			s.Config.Settings.Peer.Paths = map[string][]netip.Addr{"172.16.1.5": {addr("172.16.1.15")}}
		}, []string{"warning hostname.alias:3 the default route out of eth0 leads through 172.16.1.15, which is the partner"}},
		"a second default route does": {func(s *Subject) {
			through("172.16.1.5")(s)
			s.Host.Routes = append(s.Host.Routes, host.Route{NIC: "eth0", Gateway: addr("172.16.1.1")})
		}, nil},
		"only the default route of another NIC does": {func(s *Subject) {
			s.Host.Routes = []host.Route{{NIC: "eth1", Gateway: addr("172.16.1.5")}}
		}, []string{"fault hostname.alias:3 no default route goes out of eth0"}},
		"a router is set": {func(s *Subject) {
			through("172.16.1.5")(s)
			s.Config.Aliases[0].Router = addr("172.16.1.1")
		}, nil},
		"the partner's name is good":             {named("172.16.1.5"), nil},
		"the partner's name has the alias first": {named("172.16.1.2", "172.16.1.5"), nil},
		"the partner's name does not resolve":    {named(), []string{"warning hostname.alias:3 the partner's name b.example does not resolve"}},
		"the partner's name is the alias's":      {named("172.16.1.2"), []string{"warning hostname.alias:3 the partner's name b.example has no address that another host can have: 172.16.1.2"}},
		"the partner's name is this host's":      {named("127.0.1.1", "172.16.1.4"), []string{"warning hostname.alias:3 the partner's name b.example has no address"}},
		"its names were not asked for":           {func(s *Subject) { named()(s); s.Names = nil }, nil},
		"the alias is on lo":                     {lo, []string{"fault hostname.alias:3 lo has 172.16.1.2, not eth0"}},
		"proxy ARP for a private VLAN":           {pvlan("1"), []string{"warning eth0 proxy_arp_pvlan is set on eth0"}},
		"no proxy ARP":                           {pvlan("0"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			c.change(s)
			expect(t, everything(s), c.want...)
		})
	}
}
