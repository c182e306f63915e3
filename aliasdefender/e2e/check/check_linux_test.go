package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// found is what Check says in its JSON.
type found struct{ Severity, About, What, Why, Mend string }

func (f found) String() string { return f.Severity + " " + f.About + ": " + f.What }

// checked runs Check on a host, and returns what it found and its exit code.
func checked(t *testing.T, p *pair.Pair, h *lab.Host) (all []found, code int) {
	t.Helper()
	out, errs, code := p.Run(stage.Patiently(t), h, "Check", "--json")
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	return all, code
}

// again asks until it is so: a busy machine keeps Monitors from hearing in time, which they
// say, and hosts from answering.
func again(t *testing.T, ask func() (so bool, instead string)) {
	t.Helper()
	ctx, tick := stage.Patiently(t), time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		so, instead := ask()
		if so {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(instead)
		}
	}
}

// finds waits until Check on a host finds something that begins so, and exits with a code.
func finds(t *testing.T, p *pair.Pair, h *lab.Host, want string, code int) {
	t.Helper()
	again(t, func() (bool, string) {
		all, got := checked(t, p, h)
		i := slices.IndexFunc(all, func(f found) bool { return strings.HasPrefix(f.String(), want) })
		if i >= 0 && (all[i].Why == "" || all[i].Mend == "" && all[i].Severity != "note") {
			t.Errorf("without why or mend: %+v", all[i])
		}
		return i >= 0 && got == code, fmt.Sprintf("Check exits with %d and finds %q; want %d and %q", got, all, code, want)
	})
}

// silent waits until Check on a host finds nothing at all.
func silent(t *testing.T, p *pair.Pair, h *lab.Host) {
	t.Helper()
	again(t, func() (bool, string) {
		all, code := checked(t, p, h)
		return len(all) == 0 && code == stage.Done, fmt.Sprintf("on %s Check exits with %d, and finds %q", h.Name, code, all)
	})
}

// says waits until what Check prints has these words.
func says(t *testing.T, p *pair.Pair, h *lab.Host, words ...string) {
	t.Helper()
	again(t, func() (bool, string) {
		out, errs, _ := p.Run(stage.Patiently(t), h, "Check")
		missing := slices.IndexFunc(words, func(w string) bool { return !strings.Contains(out, w) })
		return missing < 0, fmt.Sprintf("Check does not say all of %q:\n%s%s", words, out, errs)
	})
}

// sysctl sets a setting of a host's kernel, by its path below /proc/sys.
func sysctl(t *testing.T, h *lab.Host, path, value string) {
	t.Helper()
	stage.Must(t, h.Do(func() error { return os.WriteFile("/proc/sys/"+path, []byte(value), 0o644) }))
}

// run runs a program on a host, which must succeed.
func run(t *testing.T, h *lab.Host, argv ...string) {
	t.Helper()
	if _, errs, code := h.Run(stage.Patiently(t), argv...); code != 0 {
		t.Fatalf("%q exits with %d: %s", argv, code, errs)
	}
}

// good is a pair on which nothing is wrong: the primary serves, each hears the other, and
// the standby is ready.
func good(t *testing.T, six bool) *pair.Pair {
	t.Helper()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, IPv6: six, Settings: stage.Rhythm(500 * time.Millisecond), Keys: []string{stage.NewKey()}})
	for _, h := range []*lab.Host{p.A, p.B} {
		sysctl(t, h, "net/ipv4/conf/all/promote_secondaries", "1")
	}
	stage.Begin(t, p)
	for _, h := range []*lab.Host{p.A, p.B} {
		stage.Until(t, p, h, "a standby that is ready", func(_ control.Snapshot, a control.Alias) bool {
			return a.Standby != nil && a.Standby.Ready == "yes" && a.Standby.HandOver == "yes"
		})
	}
	return p
}

func TestCheckIsSilentOnAGoodPair(t *testing.T) {
	t.Parallel()
	for _, six := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4", true: "IPv6"}[six], func(t *testing.T) {
			t.Parallel()
			p := good(t, six)
			for _, h := range []*lab.Host{p.A, p.B} {
				silent(t, p, h)
			}
			by := map[bool]string{false: "ARP", true: "NDP"}[six]
			says(t, p, p.B,
				"alias "+p.Alias.String()+" on eth0: partner "+p.OwnA.Addr().String()+" answers ICMP in ", " and "+by+" in ",
				"alias "+p.Alias.String()+" on eth0: partner "+p.OwnA.Addr().String()+" has it ("+p.A.NIC("eth0").MAC.String()+")",
				"router "+p.RouterAt.Addr().String()+" answers ICMP in ",
				"the partner's Monitor is heard, version test", "this host stands by for it, and is ready")
		})
	}
}

// TestCheckFindsWhatIsWrong: one thing about a good pair is changed, and Check finds it. While
// that is a fault, no drill is begun.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	alias := "alias " + pair.Alias.String() + " on eth0: "
	for _, tt := range []struct {
		name string
		do   func(*testing.T, *pair.Pair)
		on   string // "a", the holder; otherwise the standby
		want string
		code int
	}{
		{name: "the partner's cable is out", do: func(t *testing.T, p *pair.Pair) { stage.Must(t, p.A.NIC("eth0").SetUp(false)) },
			want: "fault " + alias + "partner 10.77.0.1 answers neither ICMP nor ARP", code: stage.Failed},
		{name: "the router is down", do: func(t *testing.T, p *pair.Pair) { stage.Must(t, p.Router.Crash()) },
			want: "fault " + alias + "router 10.77.0.254 answers neither ICMP nor ARP", code: stage.Failed},
		{name: "the router filters ICMP", do: func(t *testing.T, p *pair.Pair) { sysctl(t, p.Router, "net/ipv4/icmp_echo_ignore_all", "1") },
			want: "note " + alias + "router 10.77.0.254 answers ARP but no pings: it filters ICMP", code: stage.Done},
		{name: "the partner filters ICMP", do: func(t *testing.T, p *pair.Pair) { sysctl(t, p.A, "net/ipv4/icmp_echo_ignore_all", "1") },
			want: "note " + alias + "partner 10.77.0.1 answers ARP but no pings: it filters ICMP", code: stage.Done},
		{name: "a third host has the alias", do: func(t *testing.T, p *pair.Pair) {
			stage.Must(t, p.User.NIC("eth0").AddAddr(netip.PrefixFrom(pair.Alias, 24)))
		}, want: "fault " + alias + "02:", code: stage.Failed},
		{name: "two hosts have it", on: "a", do: func(t *testing.T, p *pair.Pair) {
			stage.Must(t, p.Monitor(p.B).Freeze())
			stage.Must(t, p.B.NIC("eth0").AddAddr(netip.PrefixFrom(pair.Alias, 24)))
		}, want: "fault " + alias + "this host and partner 10.77.0.2 (", code: stage.Failed},
		{name: "a third host passes for the partner", do: func(t *testing.T, p *pair.Pair) { lies(t, p, pair.Alias, p.OwnA.Addr()) },
			want: "fault " + alias + "02:ad:00:00:66:00 has it: neither this host nor partner 10.77.0.1", code: stage.Failed},
		{name: "a third host passes for partner and router", do: func(t *testing.T, p *pair.Pair) {
			lies(t, p, pair.Alias, p.OwnA.Addr(), p.RouterAt.Addr())
		}, want: "fault " + alias + "02:ad:00:00:66:00 has it: neither this host nor partner 10.77.0.1", code: stage.Failed},
		{name: "the NIC is down", do: func(t *testing.T, p *pair.Pair) { stage.Must(t, p.B.NIC("eth0").SetUp(false)) },
			want: "fault " + "hostname.alias:1: eth0 is down", code: stage.Failed},
		{name: "the NIC has no carrier", do: func(t *testing.T, p *pair.Pair) { stage.Must(t, p.B.Port().Down()) },
			want: "fault eth0: eth0 has no carrier", code: stage.Failed},
		{name: "no address of its own", do: func(t *testing.T, p *pair.Pair) { stage.Must(t, p.B.NIC("eth0").DelAddr(p.OwnB.Addr())) },
			want: "fault eth0: eth0 has no address of its own", code: stage.Failed},
		{name: "the own address behind the alias", on: "a", do: func(t *testing.T, p *pair.Pair) {
			stage.Must(t, p.Monitor(p.A).Freeze())
			stage.Must(t, p.A.NIC("eth0").DelAddr(p.OwnA.Addr()))
			stage.Must(t, p.A.NIC("eth0").AddAddr(p.OwnA))
		}, want: "warning hostname.alias:1: 10.77.0.100 stands before 10.77.0.1 on eth0", code: stage.Failed},
		{name: "no default route", do: func(t *testing.T, p *pair.Pair) { stage.Must(t, p.B.DelDefaultRoute()) },
			want: "fault hostname.alias:1: no default route goes out of eth0", code: stage.Failed},
		{name: "the partner's Monitor is dead", do: func(t *testing.T, p *pair.Pair) { stage.Must(t, p.Monitor(p.A).Kill()) },
			want: "fault channel to 10.77.0.1: the partner's Monitor is not heard: fallen silent", code: stage.Failed},
		{name: "no Monitor runs here", do: func(t *testing.T, p *pair.Pair) { stage.Killed(t, p.Monitor(p.B)) },
			want: "unknown Monitor: it could not be asked: no Monitor is running", code: stage.Done},
		{name: "a key that differs", do: func(t *testing.T, p *pair.Pair) {
			p.SetKeys(p.B, stage.NewKey())
			stage.Must(t, p.Write(p.B, p.OwnA.Addr(), false, stage.Rhythm(500*time.Millisecond)))
			stage.Obeyed(t, p, p.B, "Reload")
		}, want: "warning Monitor: the packets of the partner 10.77.0.1 cannot be read: different keys?", code: stage.Failed},
		{name: "two primaries", do: func(t *testing.T, p *pair.Pair) {
			stage.Must(t, p.Write(p.B, p.OwnA.Addr(), true, stage.Rhythm(500*time.Millisecond)))
			stage.Obeyed(t, p, p.B, "Reload")
		}, want: "fault " + alias + "the two hosts do not fit: both hosts' files say primary", code: stage.Failed},
		{name: "a table that the Monitor has not read", do: func(t *testing.T, p *pair.Pair) {
			stage.Place(t, p.File(p.B, "hostname.alias"), stage.Read(t, p.File(p.B, "hostname.alias"))+"eth0:2 | 10.77.0.101 | /24 | 10.77.0.1 | false\n")
		}, want: "warning hostname.alias: the running Monitor's table is not that of the file: 10.77.0.101 is not in the Monitor's", code: stage.Failed},
		{name: "parked", on: "a", do: func(t *testing.T, p *pair.Pair) { stage.Obeyed(t, p, p.B, "RemoveAlias", pair.Alias.String()) },
			want: "note " + alias + "the partner does not stand by for it: it is parked", code: stage.Done},
		{name: "the standby has no router", on: "a", do: func(t *testing.T, p *pair.Pair) { stage.Must(t, p.B.DelDefaultRoute()) },
			want: "fault " + alias + "the partner is not ready to take it", code: stage.Failed},
		{name: "the router does not answer the alias", on: "a", do: func(t *testing.T, p *pair.Pair) {
			run(t, p.Router, "ip", "route", "add", "blackhole", pair.Alias.String()+"/32")
		}, want: "fault " + alias + "the router answers this host's pings, but not those from the alias", code: stage.Failed},
		{name: "another Monitor with the same alias", do: func(t *testing.T, p *pair.Pair) {
			program := filepath.Join(t.TempDir(), "aliasdefender")
			stage.Must(t, os.Symlink(lab.Self(), program))
			other := t.TempDir()
			stage.Place(t, other+"/a.toml", stage.Usual()+"\n[control]\nsocket = \""+other+"/s\"\n[state]\ndir = \""+other+"\"\n")
			_, err := p.B.StartCommand(lab.Command{Name: "other", Argv: []string{program, "Monitor", "--observe", "--aliases", p.File(p.B, "hostname.alias"), "--settings", other + "/a.toml"}})
			stage.Must(t, err)
		}, want: "fault hostname.alias:1: another Monitor runs on this host with the same alias: PID ", code: stage.Failed},
		{name: "keepalived with the same address", do: func(t *testing.T, p *pair.Pair) {
			stage.Wanted(t, "keepalived", "keepalived")
			dir := t.TempDir()
			stage.Place(t, dir+"/k.conf", "vrrp_instance a {\n state BACKUP\n interface eth0\n virtual_router_id 7\n priority 1\n virtual_ipaddress {\n  10.77.0.100/24\n }\n}\n")
			_, err := p.B.Start("keepalived", "keepalived", "--dont-fork", "--log-console", "--use-file="+dir+"/k.conf", "--pid="+dir+"/p", "--vrrp_pid="+dir+"/v")
			stage.Must(t, err)
		}, want: "fault hostname.alias:1: keepalived (PID ", code: stage.Failed},
		{name: "no promote_secondaries", do: func(t *testing.T, p *pair.Pair) {
			sysctl(t, p.B, "net/ipv4/conf/all/promote_secondaries", "0")
			sysctl(t, p.B, "net/ipv4/conf/eth0/promote_secondaries", "0")
		}, want: "note eth0: promote_secondaries is not set on eth0", code: stage.Done},
		{name: "a leased address", do: func(t *testing.T, p *pair.Pair) {
			run(t, p.B, "ip", "address", "change", p.OwnB.String(), "dev", "eth0", "valid_lft", "3600", "preferred_lft", "3600")
		}, want: "note eth0: a DHCP client (10.77.0.2 is leased) gives it its own address", code: stage.Done},
		{name: "a rule for the own address alone", do: func(t *testing.T, p *pair.Pair) {
			run(t, p.B, "ip", "rule", "add", "from", p.OwnB.Addr().String(), "lookup", "100")
		}, want: "warning hostname.alias:1: a rule sends what comes from 10.77.0.2 to table 100, and no rule does so for 10.77.0.100", code: stage.Failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := good(t, false)
			tt.do(t, p)
			h := p.B
			if tt.on == "a" {
				h = p.A
			}
			want := strings.ReplaceAll(tt.want, "hostname.alias", p.File(h, "hostname.alias"))
			finds(t, p, h, want, tt.code)
			if strings.HasPrefix(tt.want, "fault ") {
				refusesDrill(t, p, h)
			}
		})
	}
}

// lies has a third host answer b, asked or not, that it has these addresses.
func lies(t *testing.T, p *pair.Pair, addrs ...netip.Addr) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	liar := net.HardwareAddr{2, 0xad, 0, 0, 0x66, 0}
	var frames []lab.Frame
	for _, addr := range addrs {
		frames = append(frames, lab.Frame{EthSrc: liar, EthDst: p.B.NIC("eth0").MAC, Op: lab.Reply,
			SenderHW: liar, SenderIP: addr, TargetHW: p.B.NIC("eth0").MAC, TargetIP: p.OwnB.Addr()})
	}
	ended := make(chan error, 1)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			for _, f := range frames {
				if err := p.User.NIC("eth0").Send(f); err != nil {
					ended <- err
					return
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				ended <- nil
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the liar: %v", err)
		}
	})
}

// refusesDrill waits until a drill on a host is refused because of what Check finds. Where a
// busy machine has kept Check from finding it the drill begins: the alias may have stayed on
// the other host then, and this one would have nothing to drill.
func refusesDrill(t *testing.T, p *pair.Pair, h *lab.Host) {
	t.Helper()
	again(t, func() (bool, string) {
		_, errs, code := p.Run(stage.Patiently(t), h, "Drill", p.Alias.String())
		refused := code == stage.Failed && strings.Contains(errs, "refused: Check finds ")
		if !refused && h == p.A {
			_, _, _ = p.Run(stage.Patiently(t), h, "AddAlias", pair.Alias.String())
		}
		return refused, fmt.Sprintf("Drill exits with %d: %s", code, errs)
	})
}

// TestCheckFindsTwoNICsThatBothAnswer: the standby has a second NIC on the alias's segment.
func TestCheckFindsTwoNICsThatBothAnswer(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Usual(), Keys: []string{stage.NewKey()}, Host: func(s *lab.HostSpec) {
		if s.Name == "b" {
			s.NICs = append(s.NICs, lab.NICSpec{Name: "eth1", Switch: s.NICs[0].Switch, Addrs: stage.Prefixes("10.77.0.3/24")})
		}
	}})
	for _, setting := range []string{"arp_ignore", "arp_announce"} {
		want := "warning " + p.File(p.B, "hostname.alias") + ":1: eth1 is on the segment of 10.77.0.100 too, and has " + setting + "=0"
		if all, _ := checked(t, p, p.B); !slices.ContainsFunc(all, func(f found) bool { return f.String() == want }) {
			t.Errorf("Check finds %q; want %q", all, want)
		}
	}
	sysctl(t, p.B, "net/ipv4/conf/eth1/arp_ignore", "1")
	sysctl(t, p.B, "net/ipv4/conf/eth1/arp_announce", "2")
	if all, _ := checked(t, p, p.B); slices.ContainsFunc(all, func(f found) bool { return strings.Contains(f.What, "=0") }) {
		t.Errorf("the settings are as they should be, and Check finds %q", all)
	}
}

// TestCheckKnowsAMonitorInAPIDNamespace: it shows another PID of itself than this host does,
// and is not its own rival.
func TestCheckKnowsAMonitorInAPIDNamespace(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "unshare", "util-linux")
	p := good(t, false)
	stage.Killed(t, p.Monitor(p.B))
	self, err := os.Executable() // not lab.Self, which would be unshare
	stage.Must(t, err)
	program := filepath.Join(t.TempDir(), "aliasdefender") // so that the kernel calls it that
	stage.Must(t, os.Symlink(self, program))
	_, err = p.B.StartCommand(lab.Command{Name: "contained", Argv: []string{"unshare", "--pid", "--fork", "--kill-child", program, "Monitor",
		"--aliases", p.File(p.B, "hostname.alias"), "--settings", p.File(p.B, "aliasdefender.toml")}})
	stage.Must(t, err)
	says(t, p, p.B, "this host stands by for it, and is ready")
	silent(t, p, p.B)
}

// TestCheckSaysWhatItMayNotLookAt: what cannot be asked is neither good nor bad.
func TestCheckSaysWhatItMayNotLookAt(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "setpriv", "util-linux")
	p := good(t, false)
	self, err := os.Executable() // not lab.Self, which would be setpriv
	stage.Must(t, err)
	p.SetProgram(p.B, "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", self)
	finds(t, p, p.B, "unknown network: nobody was asked: host: missing CAP_NET_RAW", stage.Failed)
	finds(t, p, p.B, "fault capabilities: host: missing CAP_NET_RAW", stage.Failed)
}

// TestCheckAsksNextHops: of a host that keeps a route to two hops one is dead.
func TestCheckAsksNextHops(t *testing.T) {
	t.Parallel()
	p := good(t, false)
	settings := p.File(p.B, "aliasdefender.toml")
	stage.Place(t, settings, stage.Read(t, settings)+"\n[[route]]\nprefix = \"192.0.2.32/27\"\nvia = [\"10.77.0.1\", \"10.77.0.77\"]\ninstall = false\n[hooks]\nroute = [\"/bin/true\"]\n")
	finds(t, p, p.B, "warning "+settings, stage.Failed)
	says(t, p, p.B, "next hop 10.77.0.1 of 192.0.2.32/27 answers ICMP in ", "warning: next hop 10.77.0.77 of 192.0.2.32/27 answers neither ICMP nor ARP")
}

// TestCheckFindsWhatIsWrongInIPv6: likewise, by neighbour discovery.
func TestCheckFindsWhatIsWrongInIPv6(t *testing.T) {
	t.Parallel()
	alias := "alias " + pair.IPv6.Alias.String() + " on eth0: "
	for _, tt := range []struct {
		name string
		do   func(*testing.T, *pair.Pair)
		want string
	}{
		{"the partner's cable is out", func(t *testing.T, p *pair.Pair) { stage.Must(t, p.A.NIC("eth0").SetUp(false)) },
			"fault " + alias + "partner 2001:db8:77::1 answers neither ICMP nor NDP"},
		{"the router is down", func(t *testing.T, p *pair.Pair) { stage.Must(t, p.Router.Crash()) },
			"fault " + alias + "router 2001:db8:77::fe answers neither ICMP nor NDP"},
		{"a third host has the alias", func(t *testing.T, p *pair.Pair) {
			run(t, p.User, "ip", "address", "add", pair.IPv6.Alias.String()+"/64", "dev", "eth0", "nodad")
		}, "fault " + alias + "02:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := good(t, true)
			tt.do(t, p)
			finds(t, p, p.B, tt.want, stage.Failed)
		})
	}
}
