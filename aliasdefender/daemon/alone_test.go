package daemon

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/store"
)

// unchanging is a host's network that nothing changes.
type unchanging struct {
	defender.Network
	state host.State
}

func (q unchanging) Read() (host.State, error) { return q.state, nil }

// aloneAt is two aliases with their state in a directory of the test.
func aloneAt(t *testing.T, state string) (Options, string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, store.FileName)
	if err := os.WriteFile(file, []byte(state), 0o644); err != nil {
		t.Fatal(err)
	}
	row := func(addr string) config.Alias {
		ip := netip.MustParseAddr(addr)
		return config.Alias{NIC: "eth0", Label: "eth0:1", Addr: ip, Prefix: netip.PrefixFrom(ip, 24), Partner: config.Partner{Name: "10.77.0.2", Addr: netip.MustParseAddr("10.77.0.2")}}
	}
	cfg := &config.Config{
		Settings: config.Settings{StateDir: dir, Socket: filepath.Join(dir, "sock")},
		Aliases:  []config.Alias{row("10.77.0.100"), row("10.77.0.102")},
	}
	return Options{
		Load: func() (*config.Config, error) { return cfg, nil }, Aliases: "hostname.alias",
		Open: func() (System, error) {
			return System{
				Host:     unchanging{},
				Watch:    func(ctx context.Context, _ func()) error { <-ctx.Done(); return nil },
				Boottime: func() time.Duration { return 0 },
			}, nil
		},
	}, file
}

// TestAloneKeepsTheGoodLinesOfADamagedStateFile: one bad line does not forget what
// the others park.
func TestAloneKeepsTheGoodLinesOfADamagedStateFile(t *testing.T) {
	o, file := aloneAt(t, "maintenance\n10.77.0.1oo\n10.77.0.102\n")
	dry, err := Alone(t.Context(), o, control.Order{Maintenance: control.Off, DryRun: true})
	if err == nil || !strings.Contains(err.Error(), "has what is no address: line 2, ") {
		t.Errorf("a dry run: %+v, %v", dry, err)
	}
	out, err := Alone(t.Context(), o, control.Order{Maintenance: control.Off})
	if err != nil || len(out) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, want := range []string{"the next Monitor serves it again if its rules say so", "it stays parked: an operator also parked it with RemoveAlias"} {
		if !out[i].Done || out[i].Text != want || out[i].NotRemembered != "" || !strings.HasPrefix(out[i].Anew, file+" could not be read and was written anew: ") {
			t.Errorf("%+v", out[i])
		}
	}
	kept, err := store.In(filepath.Dir(file)).Read()
	if want := []netip.Addr{netip.MustParseAddr("10.77.0.102")}; err != nil || kept.Maintenance || !slices.Equal(kept.Parked, want) {
		t.Errorf("kept %+v, %v", kept, err)
	}
}

func TestAloneSaysWhichAliasesThereAre(t *testing.T) {
	o, _ := aloneAt(t, "")
	_, err := Alone(t.Context(), o, control.Order{Alias: netip.MustParseAddr("10.77.0.9"), Remove: true})
	if err == nil || err.Error() != "10.77.0.9 is no alias of hostname.alias, which has 10.77.0.100, 10.77.0.102" {
		t.Error(err)
	}
}

// aloneIn6 is an alias of each family, and a link-local one on each of two NICs; the NICs
// have addresses of their own, and the first has the aliases.
func aloneIn6(t *testing.T, second bool) Options {
	t.Helper()
	o, _ := aloneAt(t, "")
	cfg, _ := o.Load()
	row := func(nic, prefix, partner string) config.Alias {
		p := netip.MustParsePrefix(prefix)
		with := host.Zoned(netip.MustParseAddr(partner), nic)
		return config.Alias{NIC: nic, Label: nic + ":1", Addr: host.Zoned(p.Addr(), nic), Prefix: p, Partner: config.Partner{Name: partner, Addr: with}}
	}
	cfg.Aliases = []config.Alias{cfg.Aliases[0], row("eth0", "2001:db8::100/64", "2001:db8::2"), row("eth0", "fe80::100/64", "fe80::2")}
	if second {
		cfg.Aliases = append(cfg.Aliases, row("eth1", "fe80::100/64", "fe80::2"))
	}
	nic := func(name string, index int, addrs ...string) host.NIC {
		n := host.NIC{Name: name, Index: index, Up: true, Carrier: true}
		for _, a := range addrs {
			n.Addrs = append(n.Addrs, host.Address{Prefix: netip.MustParsePrefix(a)})
		}
		return n
	}
	open := o.Open
	o.Open = func() (System, error) {
		s, err := open()
		s.Host = unchanging{state: host.State{NICs: []host.NIC{
			nic("eth0", 2, "10.77.0.1/24", "10.77.0.100/24", "2001:db8::1/64", "2001:db8::100/64", "fe80::1/64", "fe80::100/64"),
			nic("eth1", 3, "10.78.0.1/24", "fe80::9/64"),
		}}}
		return s, err
	}
	return o
}

// TestAloneTakesOffAliasesOfBothFamilies: a link-local one needs its NIC only where two have it.
func TestAloneTakesOffAliasesOfBothFamilies(t *testing.T) {
	for name, tt := range map[string]struct {
		alias  string
		second bool
		want   string // the alias of the answer; or what the error says
	}{
		"of IPv4":                           {"10.77.0.100", false, "10.77.0.100"},
		"of IPv6":                           {"2001:db8::100", false, "2001:db8::100"},
		"link-local, with its NIC":          {"fe80::100%eth0", true, "fe80::100%eth0"},
		"link-local, without its NIC":       {"fe80::100", false, "fe80::100%eth0"},
		"link-local, and on more than one":  {"fe80::100", true, "fe80::100 is an alias on several NICs in hostname.alias: write one of fe80::100%eth0, fe80::100%eth1"},
		"link-local, on a NIC without such": {"fe80::100%eth2", true, "fe80::100%eth2 is no alias of hostname.alias, which has 10.77.0.100, 2001:db8::100, fe80::100%eth0, fe80::100%eth1"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := Alone(t.Context(), aloneIn6(t, tt.second), control.Order{Alias: netip.MustParseAddr(tt.alias), Remove: true, DryRun: true})
			switch {
			case err != nil && err.Error() != tt.want:
				t.Error(err)
			case err == nil && (len(out) != 1 || out[0].Alias != tt.want || !strings.HasPrefix(out[0].Text, "would be released")):
				t.Errorf("%+v", out)
			}
		})
	}
}

// TestAloneTakesNoOtherAliasForAnAddressOfTheNIC: an alias must never become a NIC's
// first address, and another alias there does not make it the second.
func TestAloneTakesNoOtherAliasForAnAddressOfTheNIC(t *testing.T) {
	o, _ := aloneAt(t, "")
	cfg, _ := o.Load()
	was := host.State{
		NICs:   []host.NIC{{Name: "eth0", Addrs: []host.Address{{Prefix: cfg.Aliases[1].Prefix}, {Prefix: netip.MustParsePrefix("10.77.0.1/24")}}}},
		Routes: []host.Route{{NIC: "eth0", Gateway: netip.MustParseAddr("10.77.0.254")}},
	}
	s, err := narrow{unchanging{state: was}, cfg.Aliases}.Read()
	if err != nil || !s.NICs[0].Addrs[0].Ours || s.NICs[0].Addrs[1].Ours || len(s.Routes) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if was.NICs[0].Addrs[0].Ours {
		t.Error("the reading itself was changed")
	}
}

// TestAloneSparesTheLastAddressOfANIC: where no Monitor runs, what is on the host is
// taken for ours; not so the host's only address.
func TestAloneSparesTheLastAddressOfANIC(t *testing.T) {
	o, file := aloneAt(t, "")
	cfg, _ := o.Load()
	open := o.Open
	o.Open = func() (System, error) {
		s, err := open()
		s.Host = unchanging{state: host.State{NICs: []host.NIC{{Name: "eth0", Index: 2, Up: true, Carrier: true, Addrs: []host.Address{{Prefix: cfg.Aliases[0].Prefix}}}}}}
		return s, err
	}
	order := control.Order{Alias: cfg.Aliases[0].Addr, Remove: true}
	for _, dry := range []bool{true, false} {
		order.DryRun = dry
		out, err := Alone(t.Context(), o, order)
		if err != nil || len(out) != 1 || out[0].Done || !strings.Contains(out[0].Text, "last address of eth0") {
			t.Errorf("dry run %v: %+v, %v", dry, out, err)
		}
	}
	if kept, err := store.In(filepath.Dir(file)).Read(); err != nil || len(kept.Parked) > 0 {
		t.Errorf("refused, and kept %+v, %v", kept, err)
	}
}

// sluggish is a host whose first reading takes its time, as on a Solaris that is busy.
type sluggish struct {
	unchanging
	first func()
}

func (s sluggish) Read() (host.State, error) {
	s.first()
	return s.state, nil
}

// TestAloneAsksTheNetworkHoweverLongTheHostTakesToBeRead: the time for the answers begins
// once there is a reading. A kernel that hangs holds up the order for a while only.
func TestAloneAsksTheNetworkHoweverLongTheHostTakesToBeRead(t *testing.T) {
	for _, tt := range []struct {
		reading time.Duration
		want    string
	}{
		{10 * time.Millisecond, "would be taken: nobody answers for it"},
		{lookWithin + time.Second, "would be taken: nobody answers for it"},
		{time.Minute, "it is not known whether another host answers for it"},
	} {
		o, _ := aloneAt(t, "")
		cfg, _ := o.Load()
		synctest.Test(t, func(t *testing.T) {
			system, _ := o.Open()
			system.Host = sluggish{
				unchanging{state: host.State{NICs: []host.NIC{{Name: "eth0", Index: 2, Up: true, Carrier: true, Addrs: []host.Address{{Prefix: netip.MustParsePrefix("10.77.0.1/24")}}}}}},
				sync.OnceFunc(func() { time.Sleep(tt.reading) }),
			}
			order := control.Order{DryRun: true}
			options := system.aloneOptions(cfg, cfg.Aliases[:1], "", order)
			options.Ping = func(ctx context.Context, q probe.Question) (bool, error) {
				select {
				case <-time.After(q.Timeout):
				case <-ctx.Done():
				}
				return false, ctx.Err()
			}
			began := time.Now()
			out, err := giveAlone(t.Context(), defender.New(options), order, nil)
			if err != nil || len(out) != 1 || out[0].Text != tt.want {
				t.Errorf("a reading of %v: %+v, %v, want %q", tt.reading, out, err, tt.want)
			}
			if d, most := time.Since(began), readWithin+lookWithin+15*time.Second; d > most { // and the end of what hangs
				t.Errorf("a reading of %v: answered after %v, want %v at most", tt.reading, d, most)
			}
			time.Sleep(tt.reading) // what hangs ends with the bubble
		})
	}
}
