package inspect

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// TestWhatIsFoundOfIPv6: one thing about a good host with an alias of IPv6 is changed,
// and exactly its findings come.
func TestWhatIsFoundOfIPv6(t *testing.T) {
	sysctl := func(nic string, settings ...string) func(*Subject) {
		return func(s *Subject) {
			for _, setting := range settings {
				name, value, _ := strings.Cut(setting, "=")
				s.Sysctls[SysctlName(host.IPv6, nic, name)] = value
			}
		}
	}
	addrs := func(p ...string) func(*Subject) { return func(s *Subject) { has(s, "eth0", p...) } }
	state := func(at int, change func(*host.Address)) func(*Subject) {
		return func(s *Subject) { change(&s.Host.NICs[0].Addrs[at]) }
	}
	row := func(change func(*config.Alias)) func(*Subject) {
		return func(s *Subject) { change(&s.Config.Aliases[0]) }
	}
	local := row(func(a *config.Alias) {
		a.Addr, a.Prefix = netip.MustParseAddr("fe80::1%eth0"), netip.MustParsePrefix("fe80::1/64")
		a.Partner = config.Partner{Name: "fe80::5%eth0", Addr: netip.MustParseAddr("fe80::5%eth0")}
	})
	noRoute := func(s *Subject) { s.Host.Routes = nil }
	lease := row(func(a *config.Alias) { a.Lease = 10 * time.Second })
	key := func(s *Subject) { s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"} }
	named := func(addrs ...string) func(*Subject) {
		return func(s *Subject) {
			s.Config.Aliases[0].Partner = config.Partner{Name: "b.example"}
			s.Names = map[string][]netip.Addr{}
			for _, a := range addrs {
				s.Names["b.example"] = append(s.Names["b.example"], netip.MustParseAddr(a))
			}
		}
	}
	for name, c := range map[string]struct {
		change []func(*Subject)
		want   []string
	}{
		"a good host":                  {nil, nil},
		"nothing known of its NIC":     {[]func(*Subject){func(s *Subject) { s.Sysctls = nil }}, nil},
		"IPv6 is off, says the kernel": {[]func(*Subject){func(s *Subject) { s.Host.NICs[0].NoIPv6 = true }}, []string{"fault eth0 the kernel has no IPv6 on eth0: the MTU is below 1280"}},
		"IPv6 is off by its setting": {[]func(*Subject){sysctl("eth0", "disable_ipv6=1"), func(s *Subject) { s.Host.NICs[0].NoIPv6 = true }},
			[]string{"fault eth0 IPv6 is switched off on eth0"}},
		"IPv6 is off, and nothing is there": {[]func(*Subject){sysctl("eth0", "disable_ipv6=1"), addrs("172.16.1.4/24")}, []string{"fault eth0 IPv6 is switched off on eth0"}},
		"IPv6 is off, and no row is of it": {[]func(*Subject){sysctl("eth0", "disable_ipv6=1"), row(func(a *config.Alias) {
			a.Addr, a.Prefix, a.Router = netip.MustParseAddr("172.16.1.2"), netip.MustParsePrefix("172.16.1.2/24"), netip.MustParseAddr("172.16.1.1")
		})}, nil},
		"an address of IPv4 alone":     {[]func(*Subject){addrs("172.16.1.4/24")}, []string{"fault eth0 eth0 has no IPv6 address of its own"}},
		"the own ones are link-local":  {[]func(*Subject){addrs("172.16.1.4/24", "fe80::4/64")}, []string{"warning eth0 this host's own IPv6 addresses are all link-local"}},
		"another NIC has a global one": {[]func(*Subject){addrs("fe80::4/64"), func(s *Subject) { has(s, "eth1", "2001:db8:1::4/64") }}, nil},
		"link-local, as the alias":     {[]func(*Subject){addrs("fe80::4/64"), local, sysctl("eth0", "forwarding=1")}, nil},
		"the own one is tentative": {[]func(*Subject){addrs("2001:db8::4/64"), state(0, func(a *host.Address) { a.Tentative = true })},
			[]string{"fault eth0 eth0 has no IPv6 address of its own"}},
		"the own one is a duplicate": {[]func(*Subject){state(1, func(a *host.Address) { a.DADFailed = true })}, []string{
			"warning eth0 this host's own IPv6 addresses are all link-local", "warning eth0 2001:db8::4 on eth0 is a duplicate"}},
		"the alias is a duplicate": {[]func(*Subject){addrs("2001:db8::4/64", "2001:db8::2/64*"), state(1, func(a *host.Address) { a.DADFailed = true })}, nil},
		"the alias before the own": {[]func(*Subject){addrs("2001:db8::2/64*", "2001:db8::4/64")}, nil},
		"the only address is written as an alias": {[]func(*Subject){addrs("172.16.1.4/24", "2001:db8::2/64")},
			[]string{"mistake hostname.alias:3 2001:db8::2 is an address of this host itself: eth0 has no other"}},
		"another mask":          {[]func(*Subject){addrs("2001:db8::4/56")}, []string{"warning hostname.alias:3 the mask is /64, and that of 2001:db8::4 on eth0 is /56"}},
		"a mask of one address": {[]func(*Subject){addrs("2001:db8::4/128")}, nil},
		"a default route of IPv4": {[]func(*Subject){func(s *Subject) { s.Host.Routes[0].Gateway = netip.MustParseAddr("172.16.1.1") }},
			[]string{"fault hostname.alias:3 no IPv6 default route goes out of eth0, and neither router nor witnesses are set"}},
		"no carrier, and so no route": {[]func(*Subject){noRoute, sysctl("eth0", "forwarding=1"), func(s *Subject) { s.Host.NICs[0].Carrier = false }},
			[]string{"fault eth0 eth0 has no carrier"}},
		"advertisements are lost": {[]func(*Subject){noRoute, sysctl("eth0", "forwarding=1")},
			[]string{"warning hostname.alias:3 no IPv6 default route goes out of eth0: forwarding=1 there"}},
		"advertisements are taken": {[]func(*Subject){noRoute, sysctl("eth0", "forwarding=1", "accept_ra=2")},
			[]string{"fault hostname.alias:3 no IPv6 default route goes out of eth0, and neither"}},
		"it forwards, and has a route":                        {[]func(*Subject){sysctl("eth0", "forwarding=1")}, nil},
		"it forwards, and a router is set":                    {[]func(*Subject){noRoute, sysctl("eth0", "forwarding=1"), row(func(a *config.Alias) { a.Router = netip.MustParseAddr("2001:db8::fe") })}, nil},
		"a router that does not forward":                      {[]func(*Subject){local}, []string{"warning hostname.alias:3 fe80::1%eth0 is link-local, as a default router's address is, and forwarding=0"}},
		"a router that forwards":                              {[]func(*Subject){local, sysctl("eth0", "forwarding=1")}, nil},
		"deaf to announcements":                               {[]func(*Subject){sysctl("eth0", "drop_unsolicited_na=1")}, []string{"warning eth0 drop_unsolicited_na is set on eth0"}},
		"the kernel announces":                                {[]func(*Subject){sysctl("eth0", "ndisc_notify=1"), sysctl("all", "keep_addr_on_down=1")}, []string{"warning hostname.alias:3 eth0 has ndisc_notify=1 and keep_addr_on_down=1"}},
		"the kernel announces what it kept, which is nothing": {[]func(*Subject){sysctl("eth0", "ndisc_notify=1")}, nil},
		"a leased alias goes":                                 {[]func(*Subject){sysctl("eth0", "ndisc_notify=1", "keep_addr_on_down=1"), lease}, nil},
		"a primary without a key has no lease":                {[]func(*Subject){sysctl("eth0", "ndisc_notify=1", "keep_addr_on_down=1"), lease, row(func(a *config.Alias) { a.Primary = true })}, []string{"warning hostname.alias:3 eth0 has ndisc_notify=1"}},
		"a primary with a key has one":                        {[]func(*Subject){sysctl("eth0", "ndisc_notify=1", "keep_addr_on_down=1"), lease, key, row(func(a *config.Alias) { a.Primary = true })}, nil},
		"the partner's name is good":                          {[]func(*Subject){named("172.16.1.5", "2001:db8::5")}, nil},
		"the partner's name has no IPv6 address":              {[]func(*Subject){named("172.16.1.5")}, []string{"warning hostname.alias:3 the partner's name b.example has no IPv6 address that another host can have: 172.16.1.5"}},
		"the default route leads through a link-local alias": {[]func(*Subject){func(s *Subject) {
			s.Config.Aliases = append(s.Config.Aliases, s.Config.Aliases[0])
			local(s)
			s.Host.Routes = []host.Route{{NIC: "eth0", Gateway: netip.MustParseAddr("172.16.1.1")}, {NIC: "eth0", Gateway: netip.MustParseAddr("fe80::1%eth0")}}
			s.Config.Aliases[0].Router = netip.MustParseAddr("2001:db8::fe")
		}, sysctl("eth0", "forwarding=1")}, []string{"warning hostname.alias:3 the default route out of eth0 leads through fe80::1%eth0, which is an alias"}},
		"settings of IPv4": {[]func(*Subject){func(s *Subject) {
			s.Sysctls[SysctlName(host.IPv4, "eth0", "proxy_arp_pvlan")] = "1"
			s.Sysctls[SysctlName(host.IPv4, "all", "rp_filter")], s.Sysctls[SysctlName(host.IPv4, "eth0", "rp_filter")] = "1", "1"
			has(s, "eth1", "2001:db8::40/64")
		}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := good6()
			for _, change := range c.change {
				change(s)
			}
			expect(t, everything(s), c.want...)
		})
	}
}

func TestAUnitThatForbidsIPv6IsFound(t *testing.T) {
	for dropIn, want := range map[string][]string{
		"": nil,
		"[Service]\nRestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX AF_INET AF_NETLINK AF_PACKET\n": {"warning aliasdefender.service aliasdefender.service of this host keeps the Monitor from using IPv6"},
		"[Service]\nRestrictAddressFamilies=\nRestrictAddressFamilies=~AF_BLUETOOTH\n":                        nil,
	} {
		s := installed(t, dropIn)
		six := good6()
		s.Config.Aliases, s.Host, s.Sysctls = six.Config.Aliases, six.Host, six.Sysctls
		expect(t, everything(s), want...)
	}
}
