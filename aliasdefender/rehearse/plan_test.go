package rehearse

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/config"
)

func filesOf(t *testing.T, aliases, settings string) *config.Config {
	t.Helper()
	rows, err := config.ParseAliases(strings.NewReader(aliases), "hostname.alias")
	isNil(t, err)
	set, err := config.ParseSettings(strings.NewReader(settings), "aliasdefender.toml")
	isNil(t, err)
	cfg, err := config.Join(rows, set)
	isNil(t, err)
	return cfg
}

func planOf(t *testing.T, cfg *config.Config, seen surroundings) *plan {
	t.Helper()
	p, err := makePlan(cfg, seen)
	isNil(t, err)
	filesAreGood(t, p)
	return p
}

// filesAreGood reads every host's files as its Monitor will.
func filesAreGood(t *testing.T, p *plan) {
	t.Helper()
	for _, m := range p.Machines {
		if len(m.Aliases) > 0 {
			filesOf(t, aliasesText(m.Aliases), settingsText(daemons{OnExit: config.ExitHandover, Keyed: true, Port: config.DefaultPort}, p.knownAs(m.Name), m.Aliases, p.serviceNIC(), "/tmp/x"))
		}
	}
}

// drawn is a plan in a form that one can read: a line for each machine and
// each row of a file.
func drawn(p *plan) (lines []string) {
	for _, m := range p.Machines {
		line := m.Name
		for _, n := range m.NICs {
			line += " | " + n.Name + " in " + n.Network
			for _, a := range n.Addrs {
				line += " " + a.String()
			}
		}
		for _, gateway := range m.Gateway.both() {
			line += " | via " + gateway.String()
		}
		lines = append(lines, line)
		for _, a := range m.Aliases {
			row := "  " + a.Row()
			if a.Router.IsValid() {
				row += " router " + a.Router.String()
			}
			lines = append(lines, row)
		}
	}
	return lines
}

const threeAliases = `eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true
eth0:2 | 172.16.1.3 | /24 | 172.16.1.6 | false
eth1:1 | 10.9.0.100 | 255.255.0.0 | web2 | true
`

func TestThreeAliasesOnTwoNICsWithThreePartnersBecomeTwoNetworks(t *testing.T) {
	seen := surroundings{
		NICs: map[string]seenNIC{
			"eth0": {Own: []netip.Prefix{netip.MustParsePrefix("172.16.1.4/24")}, Gateway: families{IPv4: netip.MustParseAddr("172.16.1.254")}},
			"eth1": {},
		},
		Names: map[string]families{"web2": {IPv4: netip.MustParseAddr("10.9.0.7")}},
	}
	p := planOf(t, filesOf(t, threeAliases, ""), seen)
	want := []string{
		"this host | eth0 in eth0 172.16.1.4/24 | eth1 in eth1 10.9.0.1/16 | via 172.16.1.254",
		"  eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true",
		"  eth0:2 | 172.16.1.3 | /24 | 172.16.1.6 | false",
		"  eth1:1 | 10.9.0.100 | /16 | 10.9.0.7 | true router 10.9.0.2",
		"172.16.1.5 | eth0 in eth0 172.16.1.5/24 | via 172.16.1.254",
		"  eth0:1 | 172.16.1.2 | /24 | 172.16.1.4 | false",
		"172.16.1.6 | eth0 in eth0 172.16.1.6/24 | via 172.16.1.254",
		"  eth0:2 | 172.16.1.3 | /24 | 172.16.1.4 | true",
		"web2 | eth1 in eth1 10.9.0.7/16 | via 10.9.0.2",
		"  eth1:1 | 10.9.0.100 | /16 | 10.9.0.1 | false",
		"the router | eth0 in eth0 172.16.1.254/24 | eth1 in eth1 10.9.0.2/16",
		"client on eth0 | eth0 in eth0 172.16.1.1/24 | via 172.16.1.254",
		"client on eth1 | eth0 in eth1 10.9.0.3/16 | via 10.9.0.2",
	}
	if diff := cmp.Diff(want, drawn(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	notes := []string{
		"eth1 has no address of its own in 10.9.0.0/16 here: 10.9.0.1 stands in for it",
		"no default route goes out of eth1 here: 10.9.0.2 stands in for the router. A Monitor on this machine would take nothing there (W8): set router for these aliases",
	}
	if diff := cmp.Diff(notes, p.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

func TestPlansOfOddFiles(t *testing.T) {
	for _, tt := range []struct {
		name, aliases, settings string
		seen                    surroundings
		want                    []string // lines that are there
		note                    string
	}{
		{
			name:    "a partner's name that does not resolve gets an address",
			aliases: "eth0:1 | 192.0.2.10 | /24 | web2 | true\neth0:2 | 192.0.2.11 | /24 | web2 | false\n",
			want: []string{
				"this host | eth0 in eth0 192.0.2.1/24 | via 192.0.2.3",
				"web2 | eth0 in eth0 192.0.2.2/24 | via 192.0.2.3",
				"  eth0:1 | 192.0.2.10 | /24 | 192.0.2.2 | true",
				"  eth0:2 | 192.0.2.11 | /24 | 192.0.2.1 | true",
			},
			note: "web2 does not resolve here: 192.0.2.2 stands in for it",
		},
		{
			name:    "a partner and a witness off the subnet are behind the router",
			aliases: "eth0 | 192.0.2.10 | /24 | 198.51.100.8 | true\n", settings: `witnesses = ["203.0.113.1", "192.0.2.77"]`,
			want: []string{
				"198.51.100.8 | eth0 in eth0 192.0.2.2/24 | far0 in behind the router 198.51.100.8/31 | via 192.0.2.3",
				"the router | eth0 in eth0 192.0.2.3/24 | far0 in behind the router 198.51.100.9/31 203.0.113.0/31",
				"witness 203.0.113.1 | far0 in behind the router 203.0.113.1/31 | via 203.0.113.0",
				"witness 192.0.2.77 | eth0 in eth0 192.0.2.77/24 | via 192.0.2.3",
				"  eth0 | 192.0.2.10 | /24 | 192.0.2.1 | false",
			},
			note: "the partner's address 198.51.100.8 is in none of the aliases' subnets: the rehearsal puts it behind the router, on a second NIC of that host",
		},
		{
			name:    "files of another host: its partner's address is not ours",
			aliases: "eth0 | 192.0.2.10 | /24 | 192.0.2.5 | false\n",
			seen:    surroundings{NICs: map[string]seenNIC{"eth0": {Own: []netip.Prefix{netip.MustParsePrefix("192.0.2.5/24")}}}},
			want:    []string{"this host | eth0 in eth0 192.0.2.1/24 | via 192.0.2.2", "192.0.2.5 | eth0 in eth0 192.0.2.5/24 | via 192.0.2.2"},
		},
		{
			name:    "an alias with a mask of its own lives in the NIC's subnet",
			aliases: "bond0.7 | 192.0.2.10 | /32 | 192.0.2.5 | true\n", settings: `router = "192.0.2.129"`,
			seen: surroundings{NICs: map[string]seenNIC{"bond0.7": {Own: []netip.Prefix{netip.MustParsePrefix("192.0.2.130/24")}}}},
			want: []string{
				"this host | bond0.7 in bond0.7 192.0.2.130/24 | via 192.0.2.129",
				"  bond0.7 | 192.0.2.10 | /32 | 192.0.2.5 | true router 192.0.2.129",
			},
		},
		{
			name:    "aliases of both families, with a partner each, are on one pair of hosts",
			aliases: "eth0:1 | 192.0.2.10 | /24 | 192.0.2.5 | true\neth0:2 | 2001:db8::10 | /64 | 2001:db8::5 | true\n",
			seen: surroundings{NICs: map[string]seenNIC{"eth0": {
				Own:     []netip.Prefix{netip.MustParsePrefix("192.0.2.4/24"), netip.MustParsePrefix("2001:db8::4/64"), netip.MustParsePrefix("fe80::4/64")},
				Gateway: families{IPv4: netip.MustParseAddr("192.0.2.254"), IPv6: netip.MustParseAddr("fe80::254")},
			}}},
			want: []string{
				"this host | eth0 in eth0 192.0.2.4/24 2001:db8::4/64 fe80::4/64 | via 192.0.2.254 | via fe80::254%eth0",
				"  eth0:2 | 2001:db8::10 | /64 | 2001:db8::5 | true",
				"192.0.2.5 | eth0 in eth0 192.0.2.5/24 2001:db8::5/64 fe80::1/64 | via 192.0.2.254 | via fe80::254%eth0",
				"  eth0:1 | 192.0.2.10 | /24 | 192.0.2.4 | false",
				"  eth0:2 | 2001:db8::10 | /64 | 2001:db8::4 | false",
				"the router | eth0 in eth0 192.0.2.254/24 2001:db8::1/64 fe80::254/64",
				"client on eth0 | eth0 in eth0 192.0.2.1/24 2001:db8::2/64 fe80::2/64 | via 192.0.2.254 | via fe80::254",
			},
			note: "192.0.2.5 and 2001:db8::5 are taken for one host",
		},
		{
			name:    "a name has an address of each family",
			aliases: "eth0:1 | 192.0.2.10 | /24 | web2 | true\neth0:2 | 2001:db8::10 | /64 | web2 | true\n",
			seen:    surroundings{Names: map[string]families{"web2": {IPv4: netip.MustParseAddr("192.0.2.5"), IPv6: netip.MustParseAddr("2001:db8::5")}}},
			want: []string{
				"this host | eth0 in eth0 192.0.2.1/24 2001:db8::1/64 | via 192.0.2.2 | via 2001:db8::2",
				"web2 | eth0 in eth0 192.0.2.5/24 2001:db8::5/64 | via 192.0.2.2 | via 2001:db8::2",
			},
		},
		{
			name:    "a link-local alias is told apart by its NIC",
			aliases: "eth0 | fe80::1 | 64 | fe80::5 | true\neth1 | fe80::1 | 64 | fe80::7 | false\n",
			want: []string{
				"this host | eth0 in eth0 fe80::2/64 | eth1 in eth1 fe80::3/64 | via fe80::4%eth0",
				"  eth0 | fe80::1 | /64 | fe80::5 | true",
				"  eth1 | fe80::1 | /64 | fe80::7 | false router fe80::6%eth1",
				"fe80::5%eth0 | eth0 in eth0 fe80::5/64 | via fe80::4%eth0",
			},
		},
		{
			name:    "what judges a link-local alias is on its segment",
			aliases: "eth0 | fe80::1 | 64 | fe80::5 | true\n", settings: `router = "2001:db8::10"
witnesses = ["2001:db8::11"]`,
			want: []string{
				"this host | eth0 in eth0 fe80::2/64 2001:db8::1/64 | via fe80::3%eth0",
				"  eth0 | fe80::1 | /64 | fe80::5 | true router 2001:db8::10",
				"fe80::5%eth0 | eth0 in eth0 fe80::5/64 2001:db8::2/64 | via fe80::3%eth0",
				"the router | eth0 in eth0 fe80::3/64 2001:db8::10/64",
				"witness 2001:db8::11 | eth0 in eth0 2001:db8::11/64 | via fe80::3",
			},
		},
		{
			name:    "an alias of IPv6 with a mask of its own, and a witness far away",
			aliases: "eth0 | 2001:db8::10 | 128 | 2001:db8::5 | true\n", settings: `witnesses = ["2001:db8:9::1"]`,
			want: []string{
				"this host | eth0 in eth0 2001:db8::1/64 | via 2001:db8::2",
				"the router | eth0 in eth0 2001:db8::2/64 | far0 in behind the router 2001:db8:9::/127",
				"witness 2001:db8:9::1 | far0 in behind the router 2001:db8:9::1/127 | via 2001:db8:9::",
			},
		},
		{
			name:    "two names of one address are one host",
			aliases: "eth0:1 | 192.0.2.10 | /24 | web2 | true\neth0:2 | 192.0.2.11 | /24 | 192.0.2.5 | true\n",
			seen:    surroundings{Names: map[string]families{"web2": {IPv4: netip.MustParseAddr("192.0.2.5")}}},
			want:    []string{"web2 | eth0 in eth0 192.0.2.5/24 | via 192.0.2.2"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, filesOf(t, tt.aliases, tt.settings), tt.seen)
			got := "\n" + strings.Join(drawn(p), "\n") + "\n"
			for _, line := range tt.want {
				if !strings.Contains(got, "\n"+line+"\n") {
					t.Errorf("%q is not in the plan:%s", line, got)
				}
			}
			if tt.note != "" && !strings.Contains(strings.Join(p.Notes, "\n"), tt.note) {
				t.Errorf("%q is not among the notes:\n%s", tt.note, strings.Join(p.Notes, "\n"))
			}
			noAddressTwice(t, p)
		})
	}
}

func noAddressTwice(t *testing.T, p *plan) {
	t.Helper()
	whose := map[netip.Addr]string{}
	for _, m := range p.Machines {
		for _, n := range m.NICs {
			for _, a := range n.Addrs {
				if other := whose[a.Addr()]; other != "" {
					t.Errorf("%s is on %s and on %s", a.Addr(), other, m.Name)
				}
				whose[a.Addr()] = m.Name
			}
		}
	}
	for _, a := range p.Parts {
		if m := whose[a.Addr]; m != "" {
			t.Errorf("the alias %s is on %s", a.Addr, m)
		}
	}
}

func TestWhatCannotBePlannedIsSaid(t *testing.T) {
	for _, tt := range []struct{ aliases, want string }{
		{"lo:1 | 192.0.2.10 | /24 | 192.0.2.5 | true\n", "each row is of a loopback interface"},
		{"eth0 | 192.0.2.9 | /30 | 192.0.2.10 | true\n", "192.0.2.8/30 has no address left"},
	} {
		if _, err := makePlan(filesOf(t, tt.aliases, ""), surroundings{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.aliases, err, tt.want)
		}
	}
}

func TestAnotherIntervalBringsItsOwnTimeoutAndScalesTheWaits(t *testing.T) {
	cfg := filesOf(t, threeAliases, "interval = \"20s\"\ntimeout = \"2s\"\nmisses = 40\nfailback = true\nfailback_after = \"40s\"\nisolated_after = \"2m\"\n")
	for _, interval := range []time.Duration{minRehearsed, 100 * time.Millisecond, time.Second, maxRehearsed} {
		fast := retime(cfg, interval)
		a := fast.Aliases[0]
		if a.Interval != interval || a.Timeout != config.DefaultTimeout(interval) {
			t.Errorf("%s: rhythm %+v", interval, a.Rhythm)
		}
		if want := min(2*interval, 24*time.Hour); a.FailbackAfter != want {
			t.Errorf("%s: failback after %s, want %s", interval, a.FailbackAfter, want)
		}
		planOf(t, fast, surroundings{})
	}
	if cfg.Aliases[0].Interval != 20*time.Second {
		t.Error("the user's own files were changed")
	}
}

func TestUsersSettingsReachTheFilesAndHisPlacesDoNot(t *testing.T) {
	cfg := filesOf(t, threeAliases, `on_exit = "release"
on_isolation = "release"
isolated_after = "90s"
[control]
socket = "/users/socket"
[state]
dir = "/users/state"
[log]
to = "syslog"
[alias."172.16.1.2"]
interval = "2s"
failback = true
`)
	p := planOf(t, cfg, surroundings{})
	text := settingsText(daemonsOf(cfg), netip.Addr{}, p.machine(thisHostName).Aliases, "service", "/tmp/x")
	for _, want := range []string{`on_exit = "release"`, `isolated_after = "1m30s"`, `interval = "2s"`, "failback = true", `socket = "/tmp/x/sock"`, `to = "stderr"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "/users") || strings.Contains(text, "syslog") {
		t.Errorf("the user's own places are named:\n%s", text)
	}
}

func TestTheSampleTakesLessThanAMinute(t *testing.T) {
	cfg, seen, err := sample()
	isNil(t, err)
	all, err := playable(scenarios, daemonsOf(cfg), false)
	isNil(t, err)
	if d := planOf(t, cfg, seen).duration(all, daemonsOf(cfg)); d < 20*time.Second || d > 55*time.Second {
		t.Errorf("expected to take %s", d)
	}
}

func TestOnlyNamesScenarios(t *testing.T) {
	for _, tt := range []struct{ only, want string }{
		{"crash,cable", "crash cable"},
		{"heal, RETURN", "crash partition"},
		{"cut", "cut cut"},
	} {
		all, err := chosen(strings.Split(tt.only, ","))
		isNil(t, err)
		var keys []string
		for _, s := range all {
			keys = append(keys, s.Key)
		}
		if got := strings.Join(keys, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.only, got, tt.want)
		}
	}
	if _, err := chosen([]string{"flood"}); err == nil || !strings.Contains(err.Error(), "crash, return, cable") {
		t.Errorf("%v", err)
	}
}

func TestWhatNeedsAKeyIsNotPlayedWithoutOne(t *testing.T) {
	keyless, keyed := daemons{}, daemons{Keyed: true}
	all, err := playable(scenarios, keyed, false)
	isNil(t, err)
	few, err := playable(scenarios, keyless, false)
	isNil(t, err)
	var left []string
	for _, s := range all[len(few):] {
		left = append(left, s.Key)
	}
	if got := strings.Join(left, " "); got != "handover maintenance kill" {
		t.Errorf("with a key there is also %s", got)
	}
	if _, err := playable(all, keyless, true); err == nil || !strings.Contains(err.Error(), "handover needs the channel") {
		t.Errorf("%v", err)
	}
	const key = "/no/such/file/for/this"
	cfg := filesOf(t, threeAliases, "[peer]\nkey_file = \""+key+"\"\n[peer.paths]\nweb2 = [\"10.10.0.2\"]\n")
	d := daemonsOf(cfg)
	for _, want := range []string{"a key made for this rehearsal", "[peer.paths] are not rehearsed"} {
		if notes := strings.Join(d.notes(cfg, false), "\n"); !strings.Contains(notes, want) {
			t.Errorf("%q is not said: %s", want, notes)
		}
	}
	if notes := strings.Join(keyless.notes(&config.Config{}, false), "\n"); !strings.Contains(notes, "the settings have no key") {
		t.Errorf("why some is not played is not said: %s", notes)
	}
	if text := settingsText(d, netip.Addr{}, cfg.Aliases, "service", "/tmp/x"); strings.Contains(text, key) || !strings.Contains(text, `key_file = "/tmp/x/key"`) {
		t.Errorf("not with a key of its own:\n%s", text)
	}
}

func isNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
