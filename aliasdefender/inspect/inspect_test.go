package inspect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// good is a host on which nothing is found: eth0 is up, has an address of its own
// and the default route.
func good() *Subject {
	return &Subject{
		Aliases:  "hostname.alias",
		Settings: "aliasdefender.toml",
		Config: &config.Config{Aliases: []config.Alias{{
			Line: 3, NIC: "eth0", Label: "eth0:1",
			Addr:    netip.MustParseAddr("172.16.1.2"),
			Prefix:  netip.MustParsePrefix("172.16.1.2/24"),
			Partner: config.Partner{Name: "172.16.1.5", Addr: netip.MustParseAddr("172.16.1.5")},
		}}},
		Host: &host.State{
			NICs: []host.NIC{{Name: "eth0", Index: 2, Up: true, Carrier: true,
				Addrs: []host.Address{{Prefix: netip.MustParsePrefix("172.16.1.4/24"), Label: "eth0"}}}},
			Routes: []host.Route{{NIC: "eth0", Gateway: netip.MustParseAddr("172.16.1.1")}},
		},
	}
}

// TestEachFindingIsFound: one thing about the good host is changed, and exactly its
// findings come. A new rule adds its cases here or in the test of its file.
func TestEachFindingIsFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Subject)
		want   []string // severity, About and the beginning of What
	}{
		{"a good host", func(*Subject) {}, nil},
		{"a host that could not be read", func(s *Subject) { s.Host = nil }, nil},
		{"no such NIC", func(s *Subject) { s.Config.Aliases[0].NIC = "eth9" },
			[]string{"fault hostname.alias:3 this host has no NIC eth9"}},
		{"NIC down", func(s *Subject) { s.Host.NICs[0].Up = false },
			[]string{"fault hostname.alias:3 eth0 is down"}},
		{"no carrier", func(s *Subject) { s.Host.NICs[0].Carrier = false }, []string{"fault eth0 eth0 has no carrier"}},
		{"no address of its own", func(s *Subject) { s.Host.NICs[0].Addrs = nil }, []string{"fault eth0 eth0 has no address of its own"}},
		{"a Monitor's address alone, and two rows", func(s *Subject) {
			s.Host.NICs[0].Addrs = []host.Address{{Prefix: netip.MustParsePrefix("172.16.1.2/24"), Ours: true}}
			s.Config.Aliases = append(s.Config.Aliases, s.Config.Aliases[0])
		}, []string{"fault eth0 eth0 has no address of its own"}},
		{"no default route, in a group", func(s *Subject) {
			s.Host.Routes = nil
			s.Config.Groups = []config.Group{{Name: "fw", Aliases: []netip.Addr{s.Config.Aliases[0].Addr}}}
		}, []string{"fault hostname.alias:3 no default route goes out of eth0"}},
		{"no default route", func(s *Subject) { s.Host.Routes = nil },
			[]string{"fault hostname.alias:3 no default route goes out of eth0"}},
		{"a router in the file", func(s *Subject) {
			s.Host.Routes = nil
			s.Config.Aliases[0].Router = netip.MustParseAddr("172.16.1.1")
		}, nil},
		{"two NICs on the segment, and a reverse path filter", func(s *Subject) { twoNICs(s, "0", "1") },
			[]string{"warning hostname.alias:3 eth0 has rp_filter=1, and eth1 has an address of the same segment (172.16.1.40)"}},
		{"the same by the setting of all NICs", func(s *Subject) { twoNICs(s, "1", "0") },
			[]string{"warning hostname.alias:3 eth0 has rp_filter=1"}},
		{"two NICs on the segment, and a loose filter", func(s *Subject) { twoNICs(s, "1", "2") }, nil},
		{"two NICs on the segment, and a channel", func(s *Subject) {
			twoNICs(s, "1", "1")
			s.Config.Settings.Peer.Keys = []config.Key{{1}}
		}, nil},
		{"two NICs on the segment, and nothing known of the filter", func(s *Subject) {
			twoNICs(s, "1", "1")
			delete(s.Sysctls, SysctlName(host.IPv4, "eth0", "rp_filter"))
		}, nil},
		{"a filter, and the other NIC is elsewhere", func(s *Subject) {
			twoNICs(s, "1", "1")
			s.Host.NICs[1].Addrs[0].Prefix = netip.MustParsePrefix("10.0.0.4/24")
		}, nil},
		{"a primary that releases at its end", func(s *Subject) {
			s.Config.Settings.OnExit, s.Config.Aliases[0].Primary = config.ExitRelease, true
		}, []string{"warning hostname.alias:3 on_exit = \"release\" takes 172.16.1.2 off this host"}},
		{"with a key the partner takes it first", func(s *Subject) {
			s.Config.Settings.OnExit, s.Config.Aliases[0].Primary = config.ExitRelease, true
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
		}, nil},
		{"who is not primary releases at its end", func(s *Subject) { s.Config.Settings.OnExit = config.ExitRelease }, nil},
		{"a group of readers that does not exist", func(s *Subject) {
			s.Config.Settings.Readers = config.Readers{Group: "nagios", Line: 7}
			s.NoReaders = `no group "nagios" in /etc/group`
		}, []string{`mistake aliasdefender.toml:7 control.readers: no group "nagios"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good()
			c.change(s)
			expect(t, everything(s), c.want...)
		})
	}
}

// good6 is such a host with an alias of IPv6.
func good6() *Subject {
	s := good()
	a := &s.Config.Aliases[0]
	a.Addr, a.Prefix = netip.MustParseAddr("2001:db8::2"), netip.MustParsePrefix("2001:db8::2/64")
	a.Partner = config.Partner{Name: "2001:db8::5", Addr: netip.MustParseAddr("2001:db8::5")}
	s.Host.NICs[0].Addrs = []host.Address{
		{Prefix: netip.MustParsePrefix("172.16.1.4/24"), Label: "eth0"},
		{Prefix: netip.MustParsePrefix("2001:db8::4/64"), Label: "eth0"},
		{Prefix: netip.MustParsePrefix("fe80::4/64"), Label: "eth0"},
	}
	s.Host.Routes = []host.Route{{NIC: "eth0", Gateway: netip.MustParseAddr("fe80::fe%eth0")}}
	s.Sysctls = map[string]string{}
	for setting, value := range map[string]string{"accept_ra": "1", "disable_ipv6": "0", "drop_unsolicited_na": "0", "forwarding": "0", "keep_addr_on_down": "0", "ndisc_notify": "0"} {
		s.Sysctls[SysctlName(host.IPv6, "eth0", setting)] = value
		s.Sysctls[SysctlName(host.IPv6, "all", setting)] = "0"
	}
	return s
}

// twoNICs gives the host another NIC on the segment, and the filter of all NICs and of
// the alias's.
func twoNICs(s *Subject, all, eth0 string) {
	s.Host.NICs = append(s.Host.NICs, host.NIC{Name: "eth1", Index: 3, Up: true, Carrier: true,
		Addrs: []host.Address{{Prefix: netip.MustParsePrefix("172.16.1.40/24"), Label: "eth1"}}})
	s.Sysctls = map[string]string{SysctlName(host.IPv4, "all", "rp_filter"): all, SysctlName(host.IPv4, "eth0", "rp_filter"): eth0}
}

// everything are the findings of all rules, the worst first.
func everything(s *Subject) []Finding { return judge(s, slices.Concat(Rules, Standing)) }

// expect says what was found otherwise than as wanted, and which finding lacks what
// its reader needs.
func expect(t *testing.T, found []Finding, want ...string) {
	t.Helper()
	var got []string
	for _, f := range found {
		got = append(got, f.Severity.String()+" "+f.About+" "+f.What)
		if f.Why == "" || f.Mend == "" && f.Severity != Note {
			t.Errorf("without why or mend: %+v", f)
		}
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestTheWorstIsSaidFirst(t *testing.T) {
	old := Rules
	defer func() { Rules = old }()
	of := func(s Severity) func(*Subject) []Finding {
		return func(*Subject) []Finding { return []Finding{{Severity: s}} }
	}
	Rules = []func(*Subject) []Finding{of(Note), of(Mistake), of(Warning)}
	found := Inspect(good())
	if len(found) != 3 || found[0].Severity != Mistake || found[2].Severity != Note {
		t.Errorf("%v", found)
	}
}

// A NIC of a VLAN has a dot in its name, which sysctl takes for a slash unless the name
// of the setting is written with slashes.
func TestWhatMendsASettingNamesANICWithADot(t *testing.T) {
	s := good()
	s.Host.NICs[0].Name, s.Host.Routes[0].NIC, s.Config.Aliases[0].NIC = "eth0.100", "eth0.100", "eth0.100"
	s.Sysctls = map[string]string{SysctlName(host.IPv4, "eth0.100", "proxy_arp_pvlan"): "1"}
	found := everything(s)
	if len(found) != 1 || !strings.HasPrefix(found[0].Mend, "sysctl -w net/ipv4/conf/eth0.100/proxy_arp_pvlan=0,") {
		t.Errorf("%+v", found)
	}
}
