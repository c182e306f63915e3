package peer

import (
	"net/netip"
	"strings"
	"testing"
)

func prefixesOf(t *testing.T, text string) (all []netip.Prefix) {
	t.Helper()
	for _, s := range strings.Fields(text) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestTheLinkIsWhatBothHostsHaveThere(t *testing.T) {
	for _, tt := range []struct{ alias, own, link string }{
		{"10.0.0.100", "10.0.0.1/24 fe80::a/64", ""},
		{"2001:db8::1", "2001:db8::a/64", ""},
		{"fe80::1", "fe80::a/64 2001:db8:10::a/64", "2001:db8:10::/64"},
		{"fe80::1", "2001:db8:10::a/64 10.0.9.1/24 10.0.8.1/24 fe80::a/64", "10.0.8.0/24"},
		{"fe80::1", "fe80::b/64 fe80::a/64", "fe80::a/128"},
		{"fe80::1", "::ffff:10.0.8.1/120", "10.0.8.0/24"},
		{"169.254.0.1", "169.254.7.7/16 10.0.8.1/24", "10.0.8.0/24"},
		{"fe80::1", "", ""},
	} {
		var want netip.Prefix
		if tt.link != "" {
			want = netip.MustParsePrefix(tt.link)
		}
		if got := LinkOf(netip.MustParseAddr(tt.alias), prefixesOf(t, tt.own)); got != want {
			t.Errorf("%s beside %s: %v, want %v", tt.alias, tt.own, got, want)
		}
	}
	invalid := []netip.Prefix{{}, netip.MustParsePrefix("10.0.8.1/24")}
	if got := LinkOf(netip.MustParseAddr("fe80::1"), invalid); got != netip.MustParsePrefix("10.0.8.0/24") {
		t.Errorf("%v", got)
	}
}

// The same link-local alias on two NICs of both hosts, whose NICs may be VLANs with
// one hardware address, and have other names on the other host.
func TestAWordIsAboutTheNICOnItsLink(t *testing.T) {
	for name, tt := range map[string]struct {
		theirs, own, other string // own addresses: of the partner's NIC, of ours on the same segment, and of ours elsewhere
		partner, elsewhere string
	}{
		"networks":        {"2001:db8:10::b/64 fe80::b/64", "fe80::a/64 2001:db8:10::a/64", "fe80::a/64 2001:db8:20::a/64", "10.0.0.2", "10.0.0.2"},
		"of IPv4":         {"10.0.10.2/24 fe80::b/64", "10.0.10.1/24", "10.0.20.1/24", "10.0.0.2", "10.0.0.2"},
		"link-local only": {"fe80::b/64", "fe80::a/64", "fe80::a/64", "fe80::b%eth0", "fe80::c%eth1"},
	} {
		w := Word{Alias: netip.MustParseAddr("fe80::1")}
		w.Link = LinkOf(w.Alias, prefixesOf(t, tt.theirs))
		if !w.On(prefixesOf(t, tt.own), netip.MustParseAddr(tt.partner)) {
			t.Errorf("%s: %v is not on the segment", name, w.Link)
		}
		if w.On(prefixesOf(t, tt.other), netip.MustParseAddr(tt.elsewhere)) {
			t.Errorf("%s: %v is on another segment too", name, w.Link)
		}
	}
	plain := Word{Alias: netip.MustParseAddr("10.0.0.100")}
	if !plain.On(nil, netip.Addr{}) {
		t.Error("a word without a Link is about none")
	}
}
