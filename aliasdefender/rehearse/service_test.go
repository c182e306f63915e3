package rehearse

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
)

const twoChecks = `
checks = ["quick"]
[check.quick]
tcp = "127.0.0.1:1"
interval = "200ms"
timeout = "100ms"
[check.slow]
command = ["/bin/false", "the user's"]
interval = "2s"
timeout = "1s"
rise = 4
when = "holding"
[check.unused]
tcp = "127.0.0.1:2"
interval = "1h"
`

// TestTheUsersChecksBecomeASwitch: one with the rhythm of the slowest that is used, on an
// interface that no alias is on; nothing of the user's is in the files.
func TestTheUsersChecksBecomeASwitch(t *testing.T) {
	const rows = "eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true\nservice:1 | 10.1.1.2 | /24 | 10.1.1.5 | true\nservice:2 | 10.1.1.3 | /24 | 10.1.1.5 | true\n"
	cfg := filesOf(t, rows, twoChecks+"[alias.\"10.1.1.2\"]\nchecks = [\"slow\"]\non_service_failure = \"release\"\n[alias.\"172.16.1.2\"]\nchecks = []\n")
	d := daemonsOf(cfg)
	if want := (service{2 * time.Second, time.Second, 4, 3}); d.Service != want {
		t.Errorf("%+v, want %+v", d.Service, want)
	}
	p := planOf(t, cfg, surroundings{})
	text := settingsText(d, netip.Addr{}, p.machine(thisHostName).Aliases, p.serviceNIC(), "/tmp/x")
	if !strings.Contains(text, "[check.service]\nlink = \"service2\"\ninterval = \"2s\"\ntimeout = \"1s\"\nrise = 4\nfall = 3\n") || strings.Contains(text, "the user's") {
		t.Error(text)
	}
	back := filesOf(t, aliasesText(p.machine(thisHostName).Aliases), text)
	if a := back.Aliases; len(a[0].Checks) != 0 || len(a[1].Checks) != 1 || a[1].OnServiceFailure != config.ServiceRelease {
		t.Errorf("%+v", a)
	}
	for _, want := range []string{"asked each 2s, failing after 3 answers and good after 4", `when = "holding" are not`} {
		if notes := strings.Join(d.notes(cfg, false), "\n"); !strings.Contains(notes, want) {
			t.Errorf("%q is not said: %s", want, notes)
		}
	}
	if quick := serviceOf(retime(cfg, 50*time.Millisecond)); quick.Interval != 100*time.Millisecond || quick.Timeout != 100*time.Millisecond {
		t.Errorf("with another interval: %+v", quick)
	}
}

// TestADeadServiceIsNotPlayedWithoutAnyCheck, and that is said.
func TestADeadServiceIsNotPlayedWithoutAnyCheck(t *testing.T) {
	cfg, _, err := sample()
	isNil(t, err)
	without, with := daemonsOf(cfg), daemons{Service: service{Interval: time.Second, Fall: 3}}
	if notes := strings.Join(without.notes(cfg, false), "\n"); !strings.Contains(notes, "no alias has a check") {
		t.Errorf("it is not said: %s", notes)
	}
	few, err := playable(scenarios, without, false)
	isNil(t, err)
	more, err := playable(scenarios, with, false)
	isNil(t, err)
	if len(more) != len(few)+1 || more[len(few)].Key != "service" {
		t.Errorf("%v and %v", few, more)
	}
	only, err := chosen([]string{"service"})
	isNil(t, err)
	if _, err := playable(only, without, true); err == nil || !strings.Contains(err.Error(), "service needs a check") {
		t.Errorf("%v", err)
	}
	if text := settingsText(without, netip.Addr{}, cfg.Aliases, "service", "/tmp/x"); strings.Contains(text, "check") {
		t.Error(text)
	}
}

// TestARecoveryIsNotRehearsed, which is said: its check and its programs ask the partner.
func TestARecoveryIsNotRehearsed(t *testing.T) {
	cfg := filesOf(t, "eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | false\n", "[check.there]\nhttp = \"http://172.16.1.2/\"\n[alias.\"172.16.1.2\".recover]\ncheck = \"there\"\nfence = [\"/bin/false\", \"the user's\"]\n")
	d := daemonsOf(cfg)
	if d.Service.played() {
		t.Error("the check of the partner's service is taken for one of this host's")
	}
	if notes := strings.Join(d.notes(cfg, false), "\n"); !strings.Contains(notes, "recovery of a partner's service is not rehearsed") {
		t.Errorf("it is not said: %s", notes)
	}
	if text := settingsText(d, netip.Addr{}, cfg.Aliases, "service", "/tmp/x"); strings.Contains(text, "recover") || strings.Contains(text, "the user's") {
		t.Error(text)
	}
}
