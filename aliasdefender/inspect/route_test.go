package inspect

import (
	"net/netip"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// routing is a router on which nothing is in the way.
func routing() *Subject {
	return &Subject{
		Aliases: "hostname.alias", Settings: "aliasdefender.toml",
		Config: &config.Config{Routes: []config.Route{
			{Line: 2, Prefix: netip.MustParsePrefix("192.0.2.32/27"), Via: []netip.Addr{netip.MustParseAddr("10.1.0.2")}, Mode: config.RouteSpread, Table: 254, Install: true},
			{Line: 5, Prefix: netip.MustParsePrefix("2001:db8:1::/48"), Via: []netip.Addr{netip.MustParseAddr("fe80::2%eth1")}, Mode: config.RouteFirst, Table: 100, Install: true},
		}},
		Host: &host.State{NICs: []host.NIC{
			{Name: "lo", Addrs: []host.Address{{Prefix: netip.MustParsePrefix("192.0.2.9/32")}}},
			{Name: "eth1", Addrs: []host.Address{{Prefix: netip.MustParsePrefix("10.1.0.1/24")}, {Prefix: netip.MustParsePrefix("fe80::1/64")}}},
		}},
		Sysctls: map[string]string{
			"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1",
			"net/ipv4/fib_multipath_hash_policy": "1", "net/ipv6/fib_multipath_hash_policy": "0",
		},
		Tables: &Tables{Ruled: map[host.FamilyTable]bool{{Family: host.IPv4, Table: 254}: true, {Family: host.IPv4, Table: 100}: true, {Family: host.IPv6, Table: 100}: true}, Routes: []host.TableRoute{
			{Prefix: netip.MustParsePrefix("192.0.2.32/27"), Table: 254, Ours: true},
			{Prefix: netip.MustParsePrefix("2001:db8:1::/48"), Table: 100, Metric: 2048},
		}},
	}
}

func TestWhatIsInTheWayOfARoute(t *testing.T) {
	for want, spoil := range map[string]func(*Subject){
		"": func(*Subject) {},
		"aliasdefender.toml:2: the next hop 10.1.0.2 is on no network of this host": func(s *Subject) { s.Host.NICs[1].Addrs[0].Prefix = netip.MustParsePrefix("10.2.0.1/24") },
		"aliasdefender.toml:2: the next hop 10.1.0.2 is an address of this host":    func(s *Subject) { s.Host.NICs[1].Addrs[0].Prefix = netip.MustParsePrefix("10.1.0.2/24") },
		"aliasdefender.toml:5: the next hop fe80::2%eth1 is on no network":          func(s *Subject) { s.Host.NICs[1].Name = "eth2" },
		"aliasdefender.toml:2: the prefix 10.1.0.0/28 holds the next hop 10.1.0.2 of the route 203.0.113.0/24": func(s *Subject) {
			s.Config.Routes[0].Prefix, s.Config.Routes[0].Via = netip.MustParsePrefix("10.1.0.0/28"), []netip.Addr{netip.MustParseAddr("10.1.0.99")}
			s.Tables.Routes = nil
			other := s.Config.Routes[0]
			other.Line, other.Prefix, other.Via = 8, netip.MustParsePrefix("203.0.113.0/24"), []netip.Addr{netip.MustParseAddr("10.1.0.2")}
			s.Config.Routes = append(s.Config.Routes, other)
		},
		"aliasdefender.toml:2: net/ipv4/ip_forward=0":                func(s *Subject) { s.Sysctls["net/ipv4/ip_forward"] = "0" },
		"aliasdefender.toml:5: net/ipv6/conf/all/forwarding=0":       func(s *Subject) { s.Sysctls["net/ipv6/conf/all/forwarding"] = "0" },
		"aliasdefender.toml:2: net/ipv4/fib_multipath_hash_policy=0": func(s *Subject) { s.Sysctls["net/ipv4/fib_multipath_hash_policy"] = "0" },
		"aliasdefender.toml:5: a route that no Monitor made":         func(s *Subject) { s.Tables.Routes[1].Metric = 1024 },
		"aliasdefender.toml:5: no rule of IPv6 looks up table 100":   func(s *Subject) { s.Tables.Ruled[host.FamilyTable{Family: host.IPv6, Table: 100}] = false },
		"aliasdefender.toml: a Monitor made the route 192.0.2.32/27": func(s *Subject) { s.Tables.Routes[0].Metric = 7 },
	} {
		s := routing()
		spoil(s)
		found := everything(s)
		got := ""
		for _, f := range found {
			got += f.About + ": " + f.What + "\n"
			if f.Why == "" || f.Mend == "" {
				t.Errorf("%s: neither why nor how to mend it: %+v", want, f)
			}
		}
		if !strings.HasPrefix(got, want) || len(found) > 1 || want == "" && got != "" {
			t.Errorf("want %q, found %q", want, got)
		}
	}
}

func TestRoutesThatAreLeftOverAreNamedUpToALimit(t *testing.T) {
	s := routing()
	s.Config.Routes[0].Install = false
	if found := Inspect(s); len(found) != 1 || !strings.Contains(found[0].What, "says install = false") {
		t.Errorf("%+v", found)
	}
	for table := range 20 {
		s.Tables.Routes = append(s.Tables.Routes, host.TableRoute{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Table: 1 + table, Ours: true})
	}
	if found := Inspect(s); len(found) != mostLeftOver+1 {
		t.Errorf("%d findings: %+v", len(found), found)
	}
}

func TestACheckThatARouteNamesIsUsed(t *testing.T) {
	s := routing()
	s.Config.Checks = []config.Check{{Name: "web"}}
	if found := everything(s); len(found) != 1 {
		t.Errorf("nobody names it: %+v", found)
	}
	s.Config.Routes[0].Check = "web"
	if found := everything(s); len(found) != 0 {
		t.Errorf("a route names it: %+v", found)
	}
}

func TestWhatWasNotReadOfARouterIsNotFound(t *testing.T) {
	s := routing()
	s.Host, s.Tables, s.Sysctls = nil, nil, nil
	if found := everything(s); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	s = routing() // of a route that is not installed, the kernel's tables mean nothing
	for i := range s.Config.Routes {
		s.Config.Routes[i].Install = false
	}
	s.Tables.Ruled, s.Tables.Routes = nil, s.Tables.Routes[1:]
	s.Sysctls["net/ipv4/ip_forward"] = "0"
	if found := everything(s); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}
