package inspect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// withLoopback is the good host with one more row, of an alias on lo.
func withLoopback(prefix string, primary bool) *Subject {
	s := good()
	p := netip.MustParsePrefix(prefix)
	s.Config.Aliases = append(s.Config.Aliases, config.Alias{
		Line: 4, NIC: "lo", Label: "lo:1", Addr: p.Addr(), Prefix: p, Primary: primary,
		Partner: config.Partner{Name: config.NoPartner}, OnServiceFailure: config.ServiceRelease,
	})
	s.Host.NICs = append(s.Host.NICs, host.NIC{Name: "lo", Index: 1, Up: true, Carrier: true})
	s.Names = map[string][]netip.Addr{}
	s.arp("1", "2")
	return s
}

func (s *Subject) arp(ignore, announce string) {
	s.Sysctls = map[string]string{}
	for _, nic := range []string{"all", "lo"} {
		s.Sysctls[SysctlName(host.IPv4, nic, "arp_ignore")] = "0"
		s.Sysctls[SysctlName(host.IPv4, nic, "arp_announce")] = "0"
	}
	s.Sysctls[SysctlName(host.IPv4, "eth0", "arp_ignore")] = ignore
	s.Sysctls[SysctlName(host.IPv4, "eth0", "arp_announce")] = announce
}

func TestWhatIsFoundOfAliasesOnALoopbackInterface(t *testing.T) {
	for name, tt := range map[string]struct {
		s      *Subject
		change func(*Subject)
		want   []string
	}{
		"routed to this host":                     {withLoopback("192.0.2.33/32", false), func(s *Subject) { s.arp("0", "0") }, nil},
		"a subnet, routed to this host":           {withLoopback("192.0.2.32/27", false), nil, nil},
		"of the segment, and quiet":               {withLoopback("172.16.1.9/32", false), nil, nil},
		"of the segment, and quiet by all":        {withLoopback("172.16.1.9/32", false), func(s *Subject) { s.arp("0", "2"); s.Sysctls["net/ipv4/conf/all/arp_ignore"] = "2" }, nil},
		"of the segment, and it answers":          {withLoopback("172.16.1.9/32", false), func(s *Subject) { s.arp("0", "2") }, []string{"warning hostname.alias:4 eth0 has arp_ignore=0, and 172.16.1.9 is on lo"}},
		"of the segment, and it asks in its name": {withLoopback("172.16.1.9/32", false), func(s *Subject) { s.arp("1", "1") }, []string{"warning hostname.alias:4 eth0 has arp_announce=1"}},
		"of the segment, and nothing is known":    {withLoopback("172.16.1.9/32", false), func(s *Subject) { s.Sysctls = nil }, nil},
		"IPv6 answers where it has the address": {withLoopback("2001:db8::9/128", false), func(s *Subject) {
			s.arp("0", "0")
			s.Host.NICs[0].Addrs = append(s.Host.NICs[0].Addrs, host.Address{Prefix: netip.MustParsePrefix("2001:db8::4/64")})
		}, nil},
		"the segment's whole subnet": {withLoopback("172.16.1.9/24", false), nil, []string{"warning hostname.alias:4 the subnet of 172.16.1.9/24 has 172.16.1.4, which is on eth0"}},
		"the router's subnet":        {withLoopback("172.16.1.0/31", false), nil, []string{"warning hostname.alias:4 the subnet of 172.16.1.0/31 has the default router 172.16.1.1"}},
		"a primary":                  {withLoopback("192.0.2.33/32", true), nil, []string{"note hostname.alias:4 Primary true means nothing for 192.0.2.33"}},
		"no lo": {withLoopback("192.0.2.33/32", false), func(s *Subject) { s.Host.NICs = s.Host.NICs[:1] },
			[]string{"fault hostname.alias:4 this host has no NIC lo"}},
		"on another NIC": {withLoopback("192.0.2.33/32", false), func(s *Subject) {
			s.Host.NICs[0].Addrs = append(s.Host.NICs[0].Addrs, host.Address{Prefix: netip.MustParsePrefix("192.0.2.33/32"), Label: "eth0"})
		}, []string{"fault hostname.alias:4 eth0 has 192.0.2.33, not lo"}},
		"released at the end, and primary": {withLoopback("192.0.2.33/32", true), func(s *Subject) { s.Config.Settings.OnExit = config.ExitRelease },
			[]string{"note hostname.alias:4 Primary true"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.change != nil {
				tt.change(tt.s)
			}
			var got []string
			for _, f := range everything(tt.s) {
				got = append(got, strings.Join([]string{f.Severity.String(), f.About, f.What}, " "))
			}
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}
