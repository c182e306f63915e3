package system

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestCheckOfARealSystem: Check knows which program manages the NIC of a Debian system, and
// is content with one that leaves the alias alone. It finds nothing that is worse than a
// note, but that these machines cannot set promote_secondaries: their /proc/sys is read-only.
func TestCheckOfARealSystem(t *testing.T) {
	sweepDead(t, *systemDir)
	wants := map[string][]string{
		"networkd":                           {"systemd-networkd manages it by /etc/systemd/network/eth0.network, without KeepConfiguration=static"},
		"networkd, KeepConfiguration=static": nil,
		"networkd, DHCP": {"systemd-networkd manages it by /etc/systemd/network/eth0.network, without KeepConfiguration=static",
			"systemd-networkd (DHCP=ipv4) gives it its own address"},
		"NetworkManager":       {"NetworkManager manages it"},
		"NetworkManager, DHCP": {"NetworkManager manages it", "a DHCP client ("},
	}
	for _, m := range managers {
		want, judged := wants[m.name]
		if !judged {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			s := newScene(t, m)
			for _, of := range []*machine{s.a, s.b} {
				out, errs, code := of.in(patiently(t), "aliasdefender", "Check", "--json")
				var all []struct{ Severity, About, What string }
				if err := json.Unmarshal([]byte(out), &all); err != nil || code > 1 {
					t.Fatalf("Check on %s exits with %d, %v: %s%s", of.host.Name, code, err, out, errs)
				}
				var about []string // who manages the NIC
				for _, f := range all {
					switch {
					case strings.HasPrefix(f.What, "promote_secondaries"):
					case f.Severity != "note" && f.Severity != "unknown":
						t.Errorf("Check on %s finds %+v", of.host.Name, f)
					case f.About == "eth0":
						about = append(about, f.What)
					}
				}
				slices.Sort(about)
				slices.Sort(want)
				if !slices.EqualFunc(about, want, strings.HasPrefix) {
					t.Errorf("Check on %s finds %q, want %q", of.host.Name, about, want)
				}
			}
		})
	}
}
