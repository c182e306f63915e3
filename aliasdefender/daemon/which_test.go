package daemon

import (
	"net/netip"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

func TestALinkLocalAliasMayBeNamedWithoutItsNICWhereOneHasIt(t *testing.T) {
	aliases := []string{"10.77.0.100", "2001:db8::2", "fe80::1%eth0", "fe80::1%eth1", "fe80::2%eth1"}
	for named, want := range map[string]string{
		"10.77.0.100":      "10.77.0.100",
		"2001:DB8:0::2":    "2001:db8::2",
		"fe80::1%eth1":     "fe80::1%eth1",
		"fe80::2":          "fe80::2%eth1",
		"fe80::1":          "fe80::1 is an alias on several NICs in hostname.alias: write one of fe80::1%eth0, fe80::1%eth1",
		"fe80::2%eth0":     "fe80::2%eth0 is no alias of hostname.alias, which has 10.77.0.100, 2001:db8::2, fe80::1%eth0, fe80::1%eth1, fe80::2%eth1",
		"fe80::3":          "fe80::3 is no alias of hostname.alias, which has 10.77.0.100, 2001:db8::2, fe80::1%eth0, fe80::1%eth1, fe80::2%eth1",
		"2001:db8::2%eth0": "2001:db8::2%eth0 is no alias of hostname.alias, which has 10.77.0.100, 2001:db8::2, fe80::1%eth0, fe80::1%eth1, fe80::2%eth1",
	} {
		got, err := Which(netip.MustParseAddr(named), "hostname.alias", aliases)
		if err != nil && err.Error() != want || err == nil && got.String() != want {
			t.Errorf("%s: %s, %v; want %s", named, got, err, want)
		}
	}
	if got, err := Which(netip.Addr{}, "hostname.alias", aliases); got.IsValid() || err != nil {
		t.Errorf("all: %s, %v", got, err)
	}
}

// ofBothFamilies is a table with one link-local alias on two NICs.
func ofBothFamilies(t *testing.T) []config.Alias {
	t.Helper()
	rows, err := config.ParseAliases(strings.NewReader(`eth0:1 | 10.77.0.100 | 24 | 10.77.0.2 | true
eth0:2 | fe80::1 | 64 | fe80::5 | true
eth1:2 | fe80::1 | 64 | fe80::5 | true
eth1:3 | fe80::2 | 64 | fe80::5 | true`), "hostname.alias")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestAloneActsOnTheLinkLocalAliasOfOneNIC(t *testing.T) {
	cfg := &config.Config{Aliases: ofBothFamilies(t)}
	o := Options{Aliases: "hostname.alias"}
	for named, want := range map[string]string{"fe80::1%eth1": "eth1:2", "fe80::1%eth0": "eth0:2", "fe80::2": "eth1:3"} {
		if rows, err := o.rowsFor(cfg, netip.MustParseAddr(named)); err != nil || len(rows) != 1 || rows[0].Label != want {
			t.Errorf("%s: %+v, %v", named, rows, err)
		}
	}
	cfg.Groups = []config.Group{{Name: "two", Aliases: []netip.Addr{netip.MustParseAddr("fe80::1%eth1"), netip.MustParseAddr("fe80::2%eth1")}}}
	if rows, err := o.rowsFor(cfg, netip.MustParseAddr("fe80::2")); err != nil || len(rows) != 2 || rows[0].Label != "eth1:2" {
		t.Errorf("an order for one of a group is for all: %+v, %v", rows, err)
	}
	if rows, err := o.rowsFor(cfg, netip.MustParseAddr("fe80::1")); err == nil {
		t.Errorf("fe80::1: %+v", rows)
	}
}

func TestAloneTellsLinkLocalAddressesApartByTheirNIC(t *testing.T) {
	local := netip.MustParsePrefix("fe80::2/64")
	was := host.State{NICs: []host.NIC{{Name: "eth0", Addrs: []host.Address{{Prefix: local}}}, {Name: "eth1", Addrs: []host.Address{{Prefix: local}}}}}
	s, err := narrow{unchanging{state: was}, ofBothFamilies(t)}.Read()
	if err != nil || s.NICs[0].Addrs[0].Ours || !s.NICs[1].Addrs[0].Ours {
		t.Errorf("%+v, %v", s.NICs, err)
	}
}
