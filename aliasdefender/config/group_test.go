package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGroupsAndTheirDefaults(t *testing.T) {
	f, err := ParseSettings(strings.NewReader(`[peer]
key_file = "/etc/aliasdefender.key"
[group.firewall]
aliases = ["2001:DB8::2", "172.16.1.2"]
when_split = "release"
`), "aliasdefender.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Join([]Alias{
		row(1, "eth0:1", "172.16.1.2", 24, "172.16.1.5", true),
		row(2, "eth1:1", "2001:db8::2", 64, "2001:db8::5", true),
	}, f)
	if err != nil {
		t.Fatal(err)
	}
	two := netip.MustParseAddr("172.16.1.2")
	want := []Group{{Name: "firewall", Line: 3, Aliases: []netip.Addr{netip.MustParseAddr("2001:db8::2"), two}, WhenSplit: SplitRelease}}
	if diff := cmp.Diff(want, cfg.Groups, compareNetip); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if g := cfg.GroupOf(two); g == nil || g.Name != "firewall" {
		t.Errorf("%s is in %v", two, g)
	}
	if g := cfg.GroupOf(netip.MustParseAddr("172.16.1.9")); g != nil {
		t.Errorf("a stranger is in %v", g)
	}
}
