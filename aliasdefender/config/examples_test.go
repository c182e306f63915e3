package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestEveryExampleLoads(t *testing.T) {
	a := loadExample(t, "host-a.hostname.alias", "")
	if fast := loadExample(t, "host-a.hostname.alias", "fast.aliasdefender.toml").Aliases[0]; fast.Detect().String() != "175ms" {
		t.Errorf("fast: %s", fast.Detect())
	}
	back := loadExample(t, "host-a.hostname.alias", "failback.aliasdefender.toml")
	if !back.Aliases[0].Failback || back.Aliases[1].Failback {
		t.Errorf("failback: %+v", back.Aliases)
	}
	talk := loadExample(t, "host-a.hostname.alias", "channel.aliasdefender.toml")
	if talk.Settings.OnExit != ExitHandover || len(talk.Settings.Peer.Paths) != 1 {
		t.Errorf("channel: %+v", talk.Settings)
	}

	// The mirror: the same aliases, and one primary for each.
	b := loadExample(t, "host-b.hostname.alias", "")
	if len(a.Aliases) != len(b.Aliases) {
		t.Fatalf("%d aliases and %d", len(a.Aliases), len(b.Aliases))
	}
	for i := range a.Aliases {
		if a, b := a.Aliases[i], b.Aliases[i]; a.Prefix != b.Prefix || a.Label != b.Label || a.Primary == b.Primary || a.Partner == b.Partner {
			t.Errorf("no mirror:\n%s\n%s", a.Row(), b.Row())
		}
	}

	files, err := filepath.Glob(filepath.Join(etc, "examples", "*.*"))
	if err != nil || len(files) != 5 {
		t.Errorf("%d examples, and this test loads 5 (%v)", len(files), err)
	}
}

// TestTheDualStackExampleIsAPair: the same aliases, one primary for each, and a link-local
// one with its NIC.
func TestTheDualStackExampleIsAPair(t *testing.T) {
	hosts := loadPair(t, "dual-stack")
	a := hosts[0].Aliases
	for i, judges := range []string{"[172.16.1.253]", "[2001:db8:1::fd]", "[]"} {
		if !a[i].Primary {
			t.Errorf("A is not the primary of %s", a[i].Addr)
		}
		if got := fmt.Sprint(a[i].Witnesses); got != judges {
			t.Errorf("%s is judged by %s, want %s", a[i].Addr, got, judges)
		}
	}
	if gate := a[2]; len(a) != 3 || gate.Addr.String() != "fe80::1%eth1" || gate.Partner.Name != "fe80::5%eth1" || gate.Router.String() != "2001:db8:2::10" {
		t.Errorf("%d aliases, the last %+v", len(a), gate)
	}
}

// TestTheMutualExampleIsAPair: each host is the primary of one alias, and both give back.
func TestTheMutualExampleIsAPair(t *testing.T) {
	for _, host := range loadPair(t, "mutual") {
		for _, a := range host.Aliases {
			if a.Failback != a.Primary {
				t.Errorf("%s: primary %t, failback %t", a.Addr, a.Primary, a.Failback)
			}
		}
		if host.Aliases[0].Primary == host.Aliases[1].Primary {
			t.Error("a host is at home to both, or to none")
		}
	}
}

// TestTheDNSPairExampleIsAPair: one resolver in each family, and both are judged by the
// router of theirs.
func TestTheDNSPairExampleIsAPair(t *testing.T) {
	for i, host := range loadPair(t, "dns-pair") {
		a := host.Aliases
		if len(a) != 2 || a[0].Addr.Is6() || !a[1].Addr.Is6() || a[0].Primary != (i == 0) || a[1].Primary != (i == 0) {
			t.Fatalf("%+v", a)
		}
		if a[0].Router.IsValid() || a[1].Router.String() != "fd53:1:2:3::1" {
			t.Errorf("judged by %s and %s", a[0].Router, a[1].Router)
		}
	}
}

// TestTheExampleOfALoopbackInterfaceIsWhatItsDocumentSays: the same files on every host.
func TestTheExampleOfALoopbackInterfaceIsWhatItsDocumentSays(t *testing.T) {
	dir := filepath.Join(etc, "examples", "loopback")
	cfg, err := Load(filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml"), true)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Aliases) != 3 || len(cfg.Pairs()) != 0 {
		t.Errorf("%d rows, %d of pairs", len(cfg.Aliases), len(cfg.Pairs()))
	}
	for _, a := range cfg.Aliases {
		if a.Partner.Name != NoPartner || a.OnServiceFailure != ServiceRelease || len(a.Checks) != 1 {
			t.Errorf("%+v", a)
		}
	}
	// "within 2.5 s of its death"
	if c := cfg.Checks[0]; time.Duration(c.Fall)*c.Interval+c.Timeout != 2500*time.Millisecond {
		t.Errorf("%+v", c)
	}
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
		t.Error(err)
	}
}

// TestTheExampleOfALastHopIsWhatItsDocumentSays: four subnets, each with another server first,
// and four servers that have an address of each.
func TestTheExampleOfALastHopIsWhatItsDocumentSays(t *testing.T) {
	dir := filepath.Join(etc, "examples", "last-hop")
	router, err := Load(filepath.Join(dir, "router.hostname.alias"), filepath.Join(dir, "aliasdefender.toml"), true)
	if err != nil {
		t.Fatal(err)
	}
	server, err := Load(filepath.Join(dir, "server.hostname.alias"), filepath.Join(dir, "missing.toml"), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(router.Aliases) != 0 || len(router.Routes) != 4 || len(server.Aliases) != 4 || len(router.Hops()) != 4 {
		t.Fatalf("%d rows and %d routes on the router, %d rows on a server, %d checks", len(router.Aliases), len(router.Routes), len(server.Aliases), len(router.Hops()))
	}
	for i, r := range router.Routes {
		if r.Prefix != server.Aliases[i].Prefix.Masked() || len(r.Via) != 4 || r.Via[0] != router.Routes[0].Via[i] || r.Check != "web" {
			t.Errorf("route %d: %+v, and the servers have %s", i, r, server.Aliases[i].Prefix)
		}
	}
	// "noticed within 2.5 s"
	if c := router.Checks[0]; time.Duration(c.Fall)*c.Interval+c.Timeout != 2500*time.Millisecond {
		t.Errorf("%+v", c)
	}
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
		t.Error(err)
	}
}

// TestTheExamplesWithHooksArePairs: each has the program that its settings name, for the
// hooks that it is for.
func TestTheExamplesWithHooksArePairs(t *testing.T) {
	for example, hooks := range map[string][]HookName{
		"cold-standby":  {HookTake, HookRelease, HookReassert},
		"floating-ip":   {HookTake, HookReassert},
		"mail-on-alarm": {HookAlarm, HookRecovered},
	} {
		for _, host := range loadPair(t, example) {
			programs := host.Aliases[0].Hooks.Programs
			if len(host.Settings.Peer.KeyFiles) != 1 || len(programs) != len(hooks) {
				t.Errorf("%s: %+v", example, host)
			}
			for _, h := range hooks {
				if p := programs[h]; len(p) == 0 || filepath.Base(p[0]) != example {
					t.Errorf("%s: %s is %q", example, h, p)
				}
			}
		}
	}
}

// TestTheFirewallPairExampleIsAPair: both aliases are in one group, of one primary, and
// judged by somebody who is there whatever the default route says.
func TestTheFirewallPairExampleIsAPair(t *testing.T) {
	for i, host := range loadPair(t, "firewall-pair") {
		a := host.Aliases
		if g := host.GroupOf(a[0].Addr); len(a) != 2 || g == nil || g != host.GroupOf(a[1].Addr) || g.Aliases[0] != a[0].Addr {
			t.Fatalf("%+v", host.Groups)
		}
		if a[0].Primary != (i == 0) || a[1].Primary != (i == 0) || !a[0].Router.IsValid() || len(a[1].Witnesses) == 0 || len(a[0].Hooks.Programs[HookTake]) == 0 {
			t.Errorf("%+v", a)
		}
	}
}

// TestTheColdStandbyExampleAsksWhereTheAliasIs, after as long as its service needs.
func TestTheColdStandbyExampleAsksWhereTheAliasIs(t *testing.T) {
	for _, host := range loadPair(t, "cold-standby") {
		if c := host.Checks; len(c) != 1 || !c[0].Holding || c[0].Settle == 0 {
			t.Errorf("%+v", c)
		}
	}
}

// installed is where READMEs have programs put.
const installed = "/usr/local/lib/aliasdefender/"

// exampleSettings is the path of an example's settings, or of a copy in which the programs
// of the example are where they can be looked at. No text is changed beside their paths.
func exampleSettings(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "aliasdefender.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), installed) {
		return path
	}
	there := t.TempDir()
	for _, m := range regexp.MustCompile(regexp.QuoteMeta(installed)+`([^"]+)`).FindAllStringSubmatch(string(text), -1) {
		program, err := os.ReadFile(filepath.Join(dir, m[1]))
		if err == nil {
			err = os.WriteFile(filepath.Join(there, m[1]), program, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(there, "aliasdefender.toml")
	if err := os.WriteFile(copied, []byte(strings.ReplaceAll(string(text), installed, there+"/")), 0o644); err != nil {
		t.Fatal(err)
	}
	return copied
}

// loadPair loads both hosts' files of an example that is a pair. They must be mirrors: the
// same aliases, one primary for each, and one settings file; and each folder has a README.
func loadPair(t *testing.T, example string) (hosts [2]*Config) {
	t.Helper()
	dir := filepath.Join(etc, "examples", example)
	settings := exampleSettings(t, dir)
	for i, name := range []string{"host-a.hostname.alias", "host-b.hostname.alias"} {
		cfg, err := Load(filepath.Join(dir, name), settings, true)
		if err != nil {
			t.Fatal(err)
		}
		hosts[i] = cfg
	}
	a, b := hosts[0].Aliases, hosts[1].Aliases
	if len(a) != len(b) {
		t.Fatalf("%d aliases and %d", len(a), len(b))
	}
	for i := range a {
		if a[i].Prefix != b[i].Prefix || a[i].Label != b[i].Label || a[i].Primary == b[i].Primary || a[i].Partner == b[i].Partner {
			t.Errorf("no mirror:\n%s\n%s", a[i].Row(), b[i].Row())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
		t.Error(err)
	}
	return hosts
}

func loadExample(t *testing.T, aliases, settings string) *Config {
	t.Helper()
	dir := filepath.Join(etc, "examples")
	path := filepath.Join(dir, settings)
	if settings == "" {
		path = filepath.Join(etc, "aliasdefender.toml")
	}
	cfg, err := Load(filepath.Join(dir, aliases), path, true)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
