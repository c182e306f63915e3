package inspect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

func TestFindingsAboutChecks(t *testing.T) {
	set := func(s *Subject, c config.Check, names ...string) {
		c.Name, c.Line = "web", 9
		s.Config.Checks = []config.Check{c}
		s.Config.Aliases[0].Checks = names
	}
	page := func(url string, fall int) config.Check {
		return config.Check{Kind: config.CheckHTTP, HTTP: config.HTTP{URL: url}, Fall: fall}
	}
	for name, tt := range map[string]struct {
		change func(*Subject)
		want   []string // what the findings begin with, the worst first
	}{
		"none": {func(*Subject) {}, nil},
		"with a channel, on this host": {func(s *Subject) {
			set(s, page("http://127.0.0.1/", 3), "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
		}, nil},
		"without a channel": {func(s *Subject) { set(s, page("http://127.0.0.1/", 3), "web") },
			[]string{"warning: the service of 172.16.1.2 is checked, and there is no channel"}},
		"released": {func(s *Subject) {
			set(s, page("http://127.0.0.1/", 3), "web")
			s.Config.Aliases[0].OnServiceFailure = config.ServiceRelease
		}, []string{"note: 172.16.1.2 is released when its service is failing"}},
		"over the segment": {func(s *Subject) {
			set(s, page("http://172.16.1.77/", 3), "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
		}, []string{"warning: the check web asks 172.16.1.77, which is another host, and its fall is 3"}},
		"over the segment, with patience": {func(s *Subject) {
			set(s, config.Check{Kind: config.CheckTCP, Address: "172.16.1.77:80", Fall: 5}, "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
		}, nil},
		"an own address": {func(s *Subject) {
			set(s, config.Check{Kind: config.CheckTCP, Address: "172.16.1.9:80", Fall: 3}, "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
		}, nil},
		"a page by name": {func(s *Subject) {
			set(s, page("http://www.example.org:8080/", 3), "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
		}, []string{"note: the check web asks www.example.org by its name"}},
		"of a recovery, over the segment": {func(s *Subject) {
			set(s, config.Check{Kind: config.CheckTCP, Address: "172.16.1.77:80", Fall: 3})
			s.Config.Aliases[0].Recover.Check = "web"
		}, []string{"warning: the check web asks 172.16.1.77, which is another host, and its fall is 3"}},
		"of a recovery, by name": {func(s *Subject) {
			set(s, config.Check{Kind: config.CheckTCP, Address: "db.example.org:5432", Fall: 5})
			s.Config.Aliases[0].Recover.Check = "web"
		}, nil},
		"by name": {func(s *Subject) {
			set(s, config.Check{Kind: config.CheckTCP, Address: "db.example.org:5432", Fall: 3}, "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
		}, []string{"note: the check web asks db.example.org by its name"}},
		"by the name that is always this host's": {func(s *Subject) {
			set(s, config.Check{Kind: config.CheckTCP, Address: "localhost:5432", Fall: 3}, "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
		}, nil},
		"unused": {func(s *Subject) { set(s, page("http://127.0.0.1/", 3)) },
			[]string{"warning: no alias names the check web"}},
		"a process that the unit hides": {func(s *Subject) {
			set(s, config.Check{Kind: config.CheckProcess, Process: "haproxy"}, "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
			s.Unit = ParseUnit("[Service]\nProtectProc=invisible\n")
		}, []string{"warning: the check web looks for a process, and aliasdefender.service has ProtectProc=invisible"}},
		"a process that a drop-in shows": {func(s *Subject) {
			set(s, config.Check{Kind: config.CheckProcess, Process: "haproxy"}, "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
			s.Unit = ParseUnit("[Service]\nProtectProc=invisible\n", "[Service]\nProtectProc=default\n")
		}, nil},
		"while holding": {func(s *Subject) {
			c := page("http://127.0.0.1/", 3)
			c.Holding = true
			set(s, c, "web")
			s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
		}, []string{"note: the check web is asked only while an alias is here"}},
	} {
		s := &Subject{Settings: "s", Config: &config.Config{Aliases: []config.Alias{{Addr: netip.MustParseAddr("172.16.1.2"), NIC: "eth0"}}},
			Host: &host.State{NICs: []host.NIC{{Name: "eth0", Addrs: []host.Address{{Prefix: netip.MustParsePrefix("172.16.1.9/24")}}}}}}
		tt.change(s)
		var got []string
		for _, rule := range []func(*Subject) []Finding{checksWithoutChannel, checkOverSegment, checkByName, checkHiddenProcess, checkUnused, checkWhileHolding} {
			for _, f := range rule(s) {
				got = append(got, f.Severity.String()+": "+f.What)
				if f.Why == "" || f.About == "" || f.Severity == Warning && f.Mend == "" {
					t.Errorf("%s: unfinished: %+v", name, f)
				}
			}
		}
		if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestCheckFindsProgramsOfChecksThatTheUnitHides: to Check they are there.
func TestCheckFindsProgramsOfChecksThatTheUnitHides(t *testing.T) {
	for _, c := range []struct {
		program, dropIn string
		want            []string
	}{
		{"/usr/local/lib/own", "", nil},
		{"/root/own", "", []string{"mistake /etc/aliasdefender.toml:9 check.own.command aliasdefender.service of this host hides /root/own from the Monitor: ProtectHome"}},
		{"/home/a/own", "", []string{"mistake /etc/aliasdefender.toml:9 check.own.command aliasdefender.service of this host hides /home/a/own from the Monitor: ProtectHome"}},
		{"/tmp/own", "", []string{"mistake /etc/aliasdefender.toml:9 check.own.command aliasdefender.service of this host hides /tmp/own from the Monitor: PrivateTmp"}},
		{"/root/own", "[Service]\nProtectHome=no\n", nil},
	} {
		s := installed(t, c.dropIn)
		unused := "warning /etc/aliasdefender.toml:9 no alias names the check own"
		s.Config.Checks = []config.Check{{Name: "own", Line: 9, Kind: config.CheckCommand, Command: []string{c.program, "x"}}}
		expect(t, everything(s), append(c.want, unused)...)
	}
}
