package cli

import (
	"net/netip"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

func TestStatusSaysWhatKeepsAGroupApart(t *testing.T) {
	for want, g := range map[string]control.Group{
		"group fw, led by 192.0.2.1: all of it could be here: yes; at the partner: unknown":                           {Here: "yes", Partner: "unknown"},
		"group fw, led by 192.0.2.1: all of it could be here: no, because of 10.0.0.1 (no link); at the partner: yes": {Here: "no", Partner: "yes", Missing: "10.0.0.1 (no link)"},
		"group fw, led by 192.0.2.1: all of it could be here: no; at the partner: no, because of 192.0.2.1 (parked)":  {Here: "no", Partner: "no", PartnerMissing: "192.0.2.1 (parked)"},
	} {
		g.Name, g.Leads = "fw", "192.0.2.1"
		var out strings.Builder
		printPair(&out, control.Alias{Group: &g}, control.Snapshot{}.Now)
		if got := strings.Join(strings.Fields(out.String()), " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestCheckSaysWhatAGroupMeans(t *testing.T) {
	var out strings.Builder
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")}
	printConfigGroups(&out, &config.Config{Groups: []config.Group{
		{Name: "fw", Aliases: addrs, WhenSplit: config.SplitRelease}, {Name: "two", Aliases: addrs[:2], WhenSplit: config.SplitServe},
	}})
	want := `group fw: 192.0.2.1 leads, with 10.0.0.1, 2001:db8::1; together wherever one host could have all; where neither could: nobody has any
group two: 192.0.2.1 leads, with 10.0.0.1; together wherever one host could have all; where neither could: each is where it can be
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
