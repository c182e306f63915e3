package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ofBothFamilies is a table of a dual-stack pair, with a link-local alias on two NICs.
func ofBothFamilies() []Alias {
	return []Alias{
		row(1, "eth0:1", "172.16.1.2", 24, "172.16.1.5", true),
		row(2, "eth0:2", "2001:db8::2", 64, "2001:db8::5", true),
		row(3, "eth0:3", "fe80::1", 64, "fe80::5%eth0", true),
		row(4, "eth1:3", "fe80::1", 64, "fe80::5%eth1", true),
	}
}

// judged are router and witnesses of each alias, in a line each.
func judged(t *testing.T, settings string) []string {
	t.Helper()
	f, err := ParseSettings(strings.NewReader(settings), "aliasdefender.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Join(ofBothFamilies(), f)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range cfg.Aliases {
		words := []string{"auto"}
		if a.Router.IsValid() {
			words[0] = a.Router.String()
		}
		for _, w := range a.Witnesses {
			words = append(words, w.String())
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

func TestAnAliasIsJudgedByAddressesOfItsFamilyAndNIC(t *testing.T) {
	for name, c := range map[string]struct {
		settings string
		want     []string
	}{
		"an IPv4 router for all": {`router = "172.16.1.254"`, []string{"172.16.1.254", "auto", "auto", "auto"}},
		"an IPv6 router for all": {`router = "2001:db8::fe"`, []string{"auto", "2001:db8::fe", "2001:db8::fe", "2001:db8::fe"}},
		"a link-local router":    {`router = "fe80::fe"`, []string{"auto", "fe80::fe%eth0", "fe80::fe%eth0", "fe80::fe%eth1"}},
		"the same on one NIC":    {`router = "fe80::fe%eth1"`, []string{"auto", "auto", "auto", "fe80::fe%eth1"}},
		"witnesses of both families": {`witnesses = ["172.16.1.253", "fe80::fd", "2001:db8::fd", "fe80::fc%eth0"]`, []string{
			"auto 172.16.1.253", "auto fe80::fd%eth0 2001:db8::fd fe80::fc%eth0", "auto fe80::fd%eth0 2001:db8::fd fe80::fc%eth0", "auto fe80::fd%eth1 2001:db8::fd"}},
		"one of two link-local aliases has its own": {"router = \"fe80::fe\"\n[alias.\"fe80::1%eth1\"]\nrouter = \"fe80::fd\"\nwitnesses = [\"2001:db8::fd\"]", []string{
			"auto", "fe80::fe%eth0", "fe80::fe%eth0", "fe80::fd%eth1 2001:db8::fd"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, judged(t, c.settings)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSettingsOfALinkLocalAliasAreForOneNIC(t *testing.T) {
	f, err := ParseSettings(strings.NewReader("[alias.\"fe80::1%eth1\"]\nmax_takes = 7"), "aliasdefender.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Join(ofBothFamilies(), f)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{10, 10, 10, 7} {
		if got := cfg.Aliases[i].MaxTakes; got != want {
			t.Errorf("%s: %d takes, want %d", cfg.Aliases[i].Addr, got, want)
		}
	}
}

func TestTheChannelHasAddressesOfBothFamilies(t *testing.T) {
	f, err := ParseSettings(strings.NewReader("[peer]\nlisten = [\"172.16.1.4\", \"2001:db8::4\"]\n[peer.paths]\n\"2001:DB8:0::5\" = [\"10.9.9.5\", \"fe80::9%eth1\"]\n\"fe80::5%eth1\" = [\"2001:db8:9::5\"]"), "aliasdefender.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Join(ofBothFamilies(), f)
	if err != nil {
		t.Fatal(err)
	}
	want := Peer{Port: DefaultPort, Listen: []netip.Addr{netip.MustParseAddr("172.16.1.4"), netip.MustParseAddr("2001:db8::4")}, Paths: map[string][]netip.Addr{
		"2001:db8::5":  {netip.MustParseAddr("10.9.9.5"), netip.MustParseAddr("fe80::9%eth1")},
		"fe80::5%eth1": {netip.MustParseAddr("2001:db8:9::5")},
	}}
	if diff := cmp.Diff(want, cfg.Settings.Peer, compareNetip); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSolarisHasNoRowOfIPv6(t *testing.T) {
	table := readTable(read(strings.NewReader("net0:1 | 172.16.1.2 | 24 | 172.16.1.5 | true\nnet0:2 | fe80::1 | 64 | fe80::5 | true\n"), "hostname.alias"))
	table.checkFamilies()
	err := table.mistakes.err()
	if want := "hostname.alias:2: alias: fe80::1 is an IPv6 address: not supported on Solaris and illumos"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
