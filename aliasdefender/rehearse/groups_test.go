package rehearse

import (
	"net/netip"
	"strings"
	"testing"
)

// grouped are the files of a firewall, and two aliases beside its group.
func grouped(t *testing.T) (*plan, daemons) {
	t.Helper()
	cfg := filesOf(t, `eth0:1 | 192.0.2.1 | /24 | 192.0.2.3 | true
eth1:1 | 10.0.0.1  | /24 | 10.0.0.3  | true
eth0:2 | 192.0.2.9 | /24 | 192.0.2.3 | true
eth1:2 | 10.0.0.9  | /24 | 10.0.0.3  | true
`, `[peer]
key_file = "/no/such/file"
[group.fw]
aliases = ["192.0.2.1", "10.0.0.1"]
when_split = "release"
`)
	return planOf(t, cfg, surroundings{}), daemonsOf(cfg)
}

func TestThePartnersOfAGroupAreOneHostWithTheGroup(t *testing.T) {
	p, d := grouped(t)
	if p.Parts[0].Partner != p.Parts[1].Partner || len(p.machine(p.Parts[0].Partner).Aliases) != 4 {
		t.Errorf("partners %s and %s", p.Parts[0].Partner, p.Parts[1].Partner)
	}
	for _, name := range []string{thisHostName, p.Parts[0].Partner} {
		text := settingsText(d, netip.Addr{}, p.machine(name).Aliases, "service", "/tmp/x")
		want := "\n[group.fw]\naliases = [\"192.0.2.1\", \"10.0.0.1\"]\nwhen_split = \"release\"\n"
		if !strings.Contains(text, want) {
			t.Errorf("%s has not the group:\n%s", name, text)
		}
	}
}

// TestWhatGoesWithACableOfAGroup: the group, and what else is on that NIC.
func TestWhatGoesWithACableOfAGroup(t *testing.T) {
	p, d := grouped(t)
	for i, want := range []struct {
		holders string
		taken   bool // and not handed over
	}{{"partner", false}, {"partner", true}, {"us", false}, {"partner", true}} {
		s := situation{part: p.Parts[i], daemons: d, Holder: thisHostName, Now: []string{thisHostName}, Hit: []string{thisHostName}}
		e := s.nicLost()
		names := map[string]string{"us": s.Host, "partner": s.Partner}
		if len(e.Holders) != 1 || e.Holders[0][0] != names[want.holders] || e.Still != (want.holders == "us") || e.Gap == takeover(s.Rhythm) != want.taken {
			t.Errorf("%s: %+v, want %+v", s.Addr, e, want)
		}
	}
	d.Service = service{Fall: 3}
	d.Served = map[netip.Addr]bool{netip.MustParseAddr("10.0.0.1"): true}
	for i, goes := range []bool{false, true, false, false} { // for the service of another member
		s := situation{part: p.Parts[i], daemons: d, Holder: thisHostName, Now: []string{thisHostName}, Hit: []string{thisHostName}}
		if e := s.unserved(); e.Still == goes {
			t.Errorf("%s: %+v", s.Addr, e)
		}
	}
	d.Service = service{}
	all, err := playable(scenarios, d, false)
	isNil(t, err)
	if last := all[len(all)-1]; last.Key != "group" {
		t.Errorf("the last scenario is %s", last.Key)
	}
	few, err := playable(scenarios, daemons{Keyed: true}, false)
	isNil(t, err)
	if len(few) != len(all)-1 {
		t.Errorf("without a group %d scenarios, with one %d", len(few), len(all))
	}
	if _, err := playable(all, daemons{Keyed: true}, true); err == nil || !strings.Contains(err.Error(), "needs a group") {
		t.Errorf("%v", err)
	}
}
