package config

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// twoAliases are those of the table that the settings below are joined with.
func twoAliases() []Alias {
	return []Alias{
		row(1, "eth0:1", "172.16.1.2", 24, "172.16.1.5", true),
		row(2, "eth0:2", "172.16.1.3", 24, "172.16.1.5", false),
	}
}

// joined parses settings and joins them with twoAliases.
func joined(t *testing.T, settings string) *Config {
	t.Helper()
	f, err := ParseSettings(strings.NewReader(settings), "aliasdefender.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Join(twoAliases(), f)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// defaults are written out, not computed: they are what users were promised.
func defaults() *Config {
	cfg := &Config{
		Settings: Settings{
			OnExit:   ExitKeep,
			Socket:   "/run/aliasdefender/control.sock",
			StateDir: "/var/lib/aliasdefender",
			Events:   Events{Size: 10 * 1024 * 1024},
			LogTo:    LogAuto,
			LogLevel: "info",
			Peer:     Peer{Port: 6940},
		},
		Aliases: twoAliases(),
	}
	for i := range cfg.Aliases {
		a := &cfg.Aliases[i]
		a.Rhythm = Rhythm{Interval: 20 * time.Second, Timeout: time.Second, Misses: 3}
		a.OnIsolation = IsolationKeep
		a.OnServiceFailure = ServiceKeep
		a.IsolatedAfter = 60 * time.Second
		a.MaxTakes = 10
		a.FailbackAfter = 60 * time.Second
		a.Lease = 60 * time.Second
		a.Hooks = Hooks{Timeout: 10 * time.Second, BeforeTimeout: time.Second}
	}
	return cfg
}

func TestSettingsReachTheAliasesTheyAreFor(t *testing.T) {
	witness := netip.MustParseAddr("172.16.1.253")
	router := netip.MustParseAddr("172.16.1.254")
	tests := map[string]struct {
		text   string
		change func(s *Settings, primary, other *Alias)
	}{
		"nothing":       {"", func(*Settings, *Alias, *Alias) {}},
		"only comments": {"\xef\xbb\xbf# nothing\r\n", func(*Settings, *Alias, *Alias) {}},
		"empty tables":  {"[control]\n[state]\n[log]\n[alias]\n[alias.\"172.16.1.2\"]", func(*Settings, *Alias, *Alias) {}},
		"the daemon's own": {
			"on_exit = \"release\"\ncontrol.socket = \"/tmp/s\"\nstate = { dir = \"/tmp/d\" }\nevents.size = \"3GB\"\n[log]\nto = \"stderr\"\nlevel = \"debug\"",
			func(s *Settings, _, _ *Alias) {
				*s = Settings{OnExit: ExitRelease, Socket: "/tmp/s", StateDir: "/tmp/d", Events: Events{Size: 3 << 30}, LogTo: LogStderr, LogLevel: "debug", Peer: s.Peer}
			}},
		"readers, by the name of a group": {"control.readers = \"adm\"", func(s *Settings, _, _ *Alias) { s.Readers = Readers{Group: "adm", Line: 1} }},
		"readers, by its number":          {"[control]\nreaders = 1000", func(s *Settings, _, _ *Alias) { s.Readers = Readers{Group: "1000", Line: 2} }},
		"readers, by its quoted number":   {"[control]\nreaders = \"0\"", func(s *Settings, _, _ *Alias) { s.Readers = Readers{Group: "0", Line: 2} }},
		"no event log":                    {"events.size = 0", func(s *Settings, _, _ *Alias) { s.Events.Size = 0 }},
		"no event log, as a string":       {"events = { size = \"0\" }", func(s *Settings, _, _ *Alias) { s.Events.Size = 0 }},
		"no event log, in kilobytes":      {"events.size = \"0KB\"", func(s *Settings, _, _ *Alias) { s.Events.Size = 0 }},
		"the smallest event log":          {"[events]\nsize = \"65536B\"", func(s *Settings, _, _ *Alias) { s.Events.Size = 64 << 10 }},
		"the largest event log, in small": {"[events]\nsize = \"10gb\"", func(s *Settings, _, _ *Alias) { s.Events.Size = 10 << 30 }},
		"the longest socket": {"control.socket = \"/" + strings.Repeat("x", 106) + "\"", func(s *Settings, _, _ *Alias) {
			s.Socket = "/" + strings.Repeat("x", 106)
		}},
		"everything for all": {
			"interval = \"2s\"\ntimeout = \"100ms\"\nmisses = 5\nrouter = \"172.16.1.254\"\nwitnesses = [\"172.16.1.253\"]\n" +
				"on_isolation = \"release\"\nisolated_after = \"2500ms\"\nmax_takes = 1\nfailback = true\nfailback_after = \"5m\"\nlease = \"4s\"",
			func(_ *Settings, primary, other *Alias) {
				for _, a := range []*Alias{primary, other} {
					a.Rhythm = Rhythm{Interval: 2 * time.Second, Timeout: 100 * time.Millisecond, Misses: 5}
					a.Router, a.Witnesses = router, []netip.Addr{witness}
					a.OnIsolation, a.IsolatedAfter = IsolationRelease, 2500*time.Millisecond
					a.MaxTakes, a.FailbackAfter, a.Lease = 1, 5*time.Minute, 4*time.Second
				}
				primary.Failback = true // and not the other, who is not primary
			}},
		"everything for one": {
			"[alias.\"172.16.1.2\"]\ninterval = \"2s\"\ntimeout = \"100ms\"\nmisses = 5\nrouter = \"172.16.1.254\"\nwitnesses = [\"172.16.1.253\"]\n" +
				"on_isolation = \"release\"\nisolated_after = \"2500ms\"\nmax_takes = 1000\nfailback = true\nfailback_after = \"5m\"\nlease = \"0\"",
			func(_ *Settings, a, _ *Alias) {
				a.Rhythm = Rhythm{Interval: 2 * time.Second, Timeout: 100 * time.Millisecond, Misses: 5}
				a.Router, a.Witnesses = router, []netip.Addr{witness}
				a.OnIsolation, a.IsolatedAfter = IsolationRelease, 2500*time.Millisecond
				a.MaxTakes, a.Failback, a.FailbackAfter, a.Lease = 1000, true, 5*time.Minute, 0
			}},
		"one as the others are by default": {
			"router = \"172.16.1.254\"\nwitnesses = [\"172.16.1.253\"]\non_isolation = \"release\"\nfailback = true\n" +
				"[alias.\"172.16.1.2\"]\nrouter = \"auto\"\nwitnesses = []\non_isolation = \"keep\"\nfailback = false",
			func(_ *Settings, _, other *Alias) {
				other.Router, other.Witnesses, other.OnIsolation = router, []netip.Addr{witness}, IsolationRelease
			}},
		"failback refused to who could not have it": {"alias.\"172.16.1.3\".failback = false", func(*Settings, *Alias, *Alias) {}},
		"the timeout follows the alias's interval": {"[alias.\"172.16.1.3\"]\ninterval = \"100ms\"", func(_ *Settings, _, other *Alias) {
			other.Interval, other.Timeout, other.Lease = 100*time.Millisecond, 25*time.Millisecond, 10*time.Second
		}},
		"a timeout for all stays in force": {"timeout = \"50ms\"\n[alias.\"172.16.1.3\"]\ninterval = \"100ms\"", func(_ *Settings, a, b *Alias) {
			a.Timeout = 50 * time.Millisecond
			b.Interval, b.Timeout, b.Lease = 100*time.Millisecond, 50*time.Millisecond, 10*time.Second
		}},
		"isolation waits for detection": {"interval = \"1h\"", func(_ *Settings, a, b *Alias) {
			a.Interval, a.IsolatedAfter, a.Lease = time.Hour, time.Hour+3*time.Second, 3*time.Hour
			b.Interval, b.IsolatedAfter, b.Lease = time.Hour, time.Hour+3*time.Second, 3*time.Hour
		}},
		"a number in hexadecimal": {"misses = 0x4\nmax_takes = 1_0", func(_ *Settings, a, b *Alias) { a.Misses, b.Misses = 4, 4 }},
		"the fastest": {"interval = \"10ms\"\nmisses = 8", func(_ *Settings, a, b *Alias) {
			a.Rhythm = Rhythm{Interval: 10 * time.Millisecond, Timeout: 5 * time.Millisecond, Misses: 8}
			b.Rhythm = a.Rhythm
			a.Lease, b.Lease = 10*time.Second, 10*time.Second
		}},
		"a lease of three intervals in whole seconds": {"interval = \"3500ms\"", func(_ *Settings, a, b *Alias) {
			for _, a := range []*Alias{a, b} {
				a.Interval, a.Timeout, a.Lease = 3500*time.Millisecond, 875*time.Millisecond, 11*time.Second
			}
		}},
		"the shortest lease": {"lease = \"3s\"\ninterval = \"1500ms\"", func(_ *Settings, a, b *Alias) {
			for _, a := range []*Alias{a, b} {
				a.Interval, a.Timeout, a.Lease = 1500*time.Millisecond, 375*time.Millisecond, 3*time.Second
			}
		}},
		"a key": {"peer.key_file = \"/etc/k\"", func(s *Settings, _, _ *Alias) {
			s.OnExit, s.Peer.KeyFiles = ExitHandover, []string{"/etc/k"}
		}},
		"a key and the aliases kept": {"on_exit = \"keep\"\n[peer]\nkey_file = \"/etc/k\"", func(s *Settings, _, _ *Alias) {
			s.Peer.KeyFiles = []string{"/etc/k"}
		}},
		"no key, said": {"peer = { key_file = [], listen = \"any\" }", func(*Settings, *Alias, *Alias) {}},
		"all of the channel": {"on_exit = \"handover\"\n[peer]\nkey_file = [\"/etc/new\", \"/etc/old\"]\nport = 7000\nlisten = \"10.9.9.4\"\n" +
			"[peer.paths]\n\"172.16.1.5\" = [\"10.9.9.5\", \"10.8.8.5\"]", func(s *Settings, _, _ *Alias) {
			s.OnExit = ExitHandover
			s.Peer = Peer{KeyFiles: []string{"/etc/new", "/etc/old"}, Port: 7000, Listen: []netip.Addr{netip.MustParseAddr("10.9.9.4")},
				Paths: map[string][]netip.Addr{"172.16.1.5": {netip.MustParseAddr("10.9.9.5"), netip.MustParseAddr("10.8.8.5")}}}
		}},
		"isolated no sooner than detected": {"isolated_after = \"23s\"", func(_ *Settings, a, b *Alias) {
			a.IsolatedAfter, b.IsolatedAfter = 23*time.Second, 23*time.Second
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := defaults()
			tt.change(&want.Settings, &want.Aliases[0], &want.Aliases[1])
			if diff := cmp.Diff(want, joined(t, tt.text), compareNetip); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestOneMistakeIsNotReportedAsTwo(t *testing.T) {
	good := exampleRow
	tests := map[string]struct{ aliases, settings, want string }{
		"times built on a refused interval": {good, "interval = \"2h\"\nisolated_after = \"1s\"\ntimeout = \"9s\"",
			"s:1: interval: 2h is out of range: from 10ms to 1h"},
		"an alias that a bad row may have had": {"eth0:1 | 172.16.1.2x | /24 | b | true", "alias.\"172.16.1.2\".misses = 3",
			"a:1: alias: 172.16.1.2x is not an IPv4 address, such as 172.16.1.2"},
		"an alias in a row of four fields": {"eth0:1 | 172.16.1.2 | /24 | true", "alias.\"172.16.1.2\".misses = 3",
			"a:1: 4 fields found, 5 expected: " + fieldNames},
		"failback without a readable Primary": {"eth0:1 | 172.16.1.2 | /24 | b | yes", "alias.\"172.16.1.2\".failback = true",
			"a:1: primary: yes is neither true nor false"},
		"a router for two aliases": {good + "\neth0:2 | 172.16.1.3 | /24 | 172.16.1.5 | true", "router = \"172.16.1.5\"",
			"s:1: router: 172.16.1.5 is the partner (hostname.alias, line 1): a third party is needed to tell who has failed"},
		"times of all under an alias": {good, "isolated_after = \"1s\"\n[alias.\"172.16.1.2\"]\nmax_takes = 3",
			"s:1: isolated_after: isolated_after is 1s, shorter than the 23s that it takes to find anything silent (interval + misses × timeout)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "a", tt.aliases)
			write(t, "s", tt.settings)
			_, err := Load("a", "s", true)
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestJoinLeavesItsInputAlone(t *testing.T) {
	aliases := twoAliases()
	f, err := ParseSettings(strings.NewReader("[alias.\"172.16.1.3\"]\nfailback = true"), "s")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Join(aliases, f)
	if want := "s:2: alias.\"172.16.1.3\".failback: failback is for the primary, and hostname.alias, line 2, says Primary false"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if diff := cmp.Diff(twoAliases(), aliases, compareNetip); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

func TestTheTimeoutIsAQuarterOfTheIntervalWithinBounds(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		10 * time.Millisecond:  5 * time.Millisecond,
		20 * time.Millisecond:  5 * time.Millisecond,
		100 * time.Millisecond: 25 * time.Millisecond,
		4 * time.Second:        time.Second,
		time.Hour:              time.Second,
	} {
		if got := DefaultTimeout(interval); got != want {
			t.Errorf("DefaultTimeout(%s) = %s, want %s", interval, got, want)
		}
	}
	fast := Rhythm{Interval: 100 * time.Millisecond, Timeout: 25 * time.Millisecond, Misses: 3}
	if got, want := fast.Detect(), 175*time.Millisecond; got != want {
		t.Errorf("Detect() = %s, want %s", got, want)
	}
}

// FuzzSettings: whatever is accepted keeps within the bounds that the loop
// relies on.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{
		"", "interval = \"20s\"\nmisses = 3\n[log]\nlevel = \"info\"",
		"alias.\"172.16.1.2\" = { interval = \"1s\", witnesses = [\"10.0.0.1\"] }",
		"[alias.172.16.1.2]\nx = 1\n[[alias]]\n[\"\"]", "router = '''172.16.1.\\\n9'''", "a.b.c.d.e.f.g = [[[{}]]]",
		"witnesses = [[], {a = 1}, 1979-05-27T07:32:00Z, nan, 'x']", "\"\\u001b[2J\" = \"\\u001b\"", "misses = 0b11\nmax_takes = +9_9",
		"events.size = \"0010mB\"", "events = { size = \"9223372036854775807GB\" }", "control.socket = \"/\\u0000\"\non_exit = \"handover\"", "log.level.x = 1\nlog = { to = 1 }", "interval = \"9223372036854775807ns\"",
		"lease = \"0\"\n[peer]\nkey_file = [\"/a\", \"/b\"]\nport = 1\n[peer.paths]\nb = [\"10.0.0.1\"]\n172.16.1.5 = []",
	} {
		f.Add([]byte(seed))
	}
	for _, seed := range []string{
		"router = \"fe80::fe\"\nwitnesses = [\"172.16.1.253\", \"2001:db8::fe\", \"fe80::fe%eth1\"]\n[alias.\"fe80::1%eth1\"]\nrouter = \"fe80::fd\"",
		"[peer]\nlisten = \"2001:db8::4\"\n[peer.paths]\n\"2001:DB8::5\" = [\"fe80::5%eth0\"]\n\"fe80::5%eth1\" = [\"::ffff:10.0.0.1\", \"fe80::7%\\u0001\"]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSettings(bytes.NewReader(text), "aliasdefender.toml")
		if err != nil {
			checkMistakes(t, err)
			return
		}
		if cfg, err := Join(ofBothFamilies(), s); err == nil {
			for _, a := range cfg.Aliases {
				checkFields(t, a)
				checkPolicy(t, a)
			}
		}
		cfg, err := Join(twoAliases(), s)
		if err != nil {
			checkMistakes(t, err)
			return
		}
		if len(cfg.Settings.Socket) > 107 || cfg.Settings.Socket[0] != '/' || cfg.Settings.StateDir[0] != '/' || cfg.Settings.LogLevel == "" ||
			cfg.Settings.OnExit == ExitHandover && len(cfg.Settings.Peer.KeyFiles) == 0 || cfg.Settings.Peer.Port == 0 || len(cfg.Settings.Peer.KeyFiles) > 4 ||
			cfg.Settings.Events.Size != 0 && (cfg.Settings.Events.Size < 64<<10 || cfg.Settings.Events.Size > 10<<30) {
			t.Errorf("%+v", cfg.Settings)
		}
		for _, a := range cfg.Aliases {
			checkFields(t, a)
			checkPolicy(t, a)
		}
	})
}

func checkPolicy(t *testing.T, a Alias) {
	t.Helper()
	for _, addr := range append([]netip.Addr{a.Router}, a.Witnesses...) {
		if addr.IsValid() && (addr.Is6() != a.Addr.Is6() || linkLocal(addr) && addr.Zone() != a.NIC) {
			t.Errorf("%s judges nothing of %+v", addr, a)
		}
	}
	if a.Interval < minInterval || a.Interval > maxInterval || a.Timeout < minTimeout || a.Timeout > a.Interval ||
		a.Misses < 2 || a.Misses > 100 || a.Detect() > 5*a.Interval {
		t.Errorf("rhythm: %+v", a.Rhythm)
	}
	if a.Lease != 0 && (a.Lease < 2*a.Interval || a.Lease < 3*time.Second || a.Lease%time.Second != 0) {
		t.Errorf("lease: %+v", a)
	}
	if a.IsolatedAfter < a.Detect() || a.MaxTakes < 1 || a.FailbackAfter <= 0 || a.Failback && !a.Primary {
		t.Errorf("policy: %+v", a)
	}
	for _, w := range append(a.Witnesses, a.Router) {
		if w.IsValid() && (w == a.Addr || w == a.Partner.Addr) {
			t.Errorf("no third party: %s", w)
		}
	}
	for _, w := range a.Witnesses {
		if !w.IsValid() || w == a.Router {
			t.Errorf("no witness: %s", w)
		}
	}
}
