package rehearse

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
)

// The sample that is rehearsed if there are no files: that of the article (Sys Admin,
// October 2000), at a rhythm that one can watch.
const (
	sampleRow      = "eth0:1 | 172.16.1.2 | 255.255.255.0 | 172.16.1.5 | true\n"
	sampleSettings = `interval = "1s"` + "\n"
)

// sample returns the article's files and the network that they are meant for.
func sample() (*config.Config, surroundings, error) {
	aliases, err := config.ParseAliases(strings.NewReader(sampleRow), "the sample")
	if err != nil {
		return nil, surroundings{}, err
	}
	settings, err := config.ParseSettings(strings.NewReader(sampleSettings), "the sample")
	if err != nil {
		return nil, surroundings{}, err
	}
	cfg, err := config.Join(aliases, settings)
	return cfg, surroundings{NICs: map[string]seenNIC{"eth0": {
		Own:     []netip.Prefix{netip.MustParsePrefix("172.16.1.4/24")},
		Gateway: families{IPv4: netip.MustParseAddr("172.16.1.254")},
	}}}, err
}

// The bounds of Request.Interval: the settings have the same.
const minRehearsed, maxRehearsed = 10 * time.Millisecond, time.Hour

// minChecked is the shortest interval of a check.
const minChecked = 100 * time.Millisecond

// retime gives every alias another interval, and the timeout that belongs to it, and asks
// each check as often. Times
// that are set in intervals stay so many intervals: waits that suit the user's rhythm
// would outlast a quick rehearsal.
func retime(cfg *config.Config, interval time.Duration) *config.Config {
	c := *cfg
	c.Aliases = nil
	for _, a := range cfg.Aliases {
		was := a.Interval
		a.Interval, a.Timeout = interval, config.DefaultTimeout(interval)
		// The settings allow a doubt of four intervals.
		a.Misses = max(2, min(a.Misses, int(4*interval/a.Timeout)))
		scaled := func(d time.Duration) time.Duration {
			return min(time.Duration(float64(d)*float64(interval)/float64(was)), 24*time.Hour)
		}
		a.IsolatedAfter = max(scaled(a.IsolatedAfter), a.Detect())
		a.FailbackAfter = max(scaled(a.FailbackAfter), minRehearsed)
		if a.Lease > 0 {
			a.Lease = config.DefaultLease(interval)
		}
		c.Aliases = append(c.Aliases, a)
	}
	c.Checks = nil
	for _, k := range cfg.Checks {
		k.Interval = max(interval, minChecked)
		k.Timeout = min(k.Timeout, k.Interval)
		c.Checks = append(c.Checks, k)
	}
	c.Routes = nil
	for _, r := range cfg.Routes {
		r.Interval, r.Timeout = interval, config.DefaultTimeout(interval)
		r.Misses = max(2, min(r.Misses, int(4*interval/r.Timeout)))
		c.Routes = append(c.Routes, r)
	}
	return &c
}

// aliasesText is the hostname.alias of a machine.
func aliasesText(aliases []config.Alias) string {
	var b strings.Builder
	for _, a := range aliases {
		fmt.Fprintln(&b, a.Row())
	}
	return b.String()
}

// daemons is what the user has set for the daemon as a whole, as far as it is rehearsed.
type daemons struct {
	OnExit  config.OnExit
	Keyed   bool   // they talk to each other
	Port    uint16 // on this port
	Service service

	Groups []config.Group
	Spread string              // the NIC that the holder of a group loses; empty: no group is on more than one
	Gone   map[netip.Addr]bool // the aliases that go with it, without zones
	Served map[netip.Addr]bool // those in a group of which some member has a check
	Route  *routePlan          // the route that is played; nil: there is none
}

// daemonsOf takes this from the settings. The key itself is never read.
func daemonsOf(cfg *config.Config) daemons {
	s := cfg.Settings
	d := daemons{OnExit: s.OnExit, Keyed: len(s.Peer.KeyFiles) > 0, Port: s.Peer.Port, Service: serviceOf(cfg), Groups: cfg.Groups, Served: served(cfg)}
	d.Route = routePlayed(cfg)
	if d.Spread = spread(cfg); d.Spread != "" {
		d.Gone = goneWith(cfg, d.Spread)
	}
	return d
}

// notes is what the user has to know about the channel and the service.
func (d daemons) notes(cfg *config.Config, some bool) (all []string) {
	s := cfg.Settings
	switch {
	case len(cfg.Aliases) == 0 && d.Route != nil:
		return d.routeNotes(cfg) // no alias is played
	case d.Keyed:
		all = append(all, "the daemons talk to each other with a key made for this rehearsal; yours is not read")
	case !some:
		all = append(all, "hand-over, maintenance and a dead daemon are left out: they need the channel, and the settings have no key ([peer] key_file)")
	}
	if len(s.Peer.Paths) > 0 {
		all = append(all, "the further paths of [peer.paths] are not rehearsed: the daemons talk over the networks of the aliases")
	}
	all = append(all, d.routeNotes(cfg)...)
	return append(all, d.Service.notes(cfg, some)...)
}

// keyFile is the name of the key in a machine's directory.
const keyFile = "key"

// settingsText is the aliasdefender.toml of a machine: everything that the user has set
// for the aliases, written out in full, and nothing that reaches outside dir. It names
// none of the user's programs, and no service of his: the carrier of the interface nic is
// the service. A machine that others know by an address talks from that address.
func settingsText(d daemons, known netip.Addr, aliases []config.Alias, nic, dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "on_exit = %q\n[control]\nsocket = %q\n[state]\ndir = %q\n[log]\nto = \"stderr\"\nlevel = \"info\"\n",
		d.OnExit, filepath.Join(dir, "sock"), filepath.Join(dir, "state"))
	if d.Keyed {
		fmt.Fprintf(&b, "[peer]\nkey_file = %q\nport = %d\n", filepath.Join(dir, keyFile), d.Port)
		if known.IsValid() {
			fmt.Fprintf(&b, "listen = %q\n", known)
		}
	}
	if v := d.Service; v.played() {
		fmt.Fprintf(&b, "[check.%s]\nlink = %q\ninterval = %q\ntimeout = %q\nrise = %d\nfall = %d\n", serviceName, nic, v.Interval, v.Timeout, v.Rise, v.Fall)
	}
	for _, a := range aliases {
		fmt.Fprintf(&b, "\n[alias.%q]\ninterval = %q\ntimeout = %q\nmisses = %d\n", a.Addr, a.Interval, a.Timeout, a.Misses)
		if a.Router.IsValid() {
			fmt.Fprintf(&b, "router = %q\n", a.Router)
		}
		witnesses := make([]string, len(a.Witnesses))
		for i, w := range a.Witnesses {
			witnesses[i] = fmt.Sprintf("%q", w)
		}
		fmt.Fprintf(&b, "witnesses = [%s]\n", strings.Join(witnesses, ", "))
		fmt.Fprintf(&b, "on_isolation = %q\nisolated_after = %q\nmax_takes = %d\nlease = %q\n", a.OnIsolation, a.IsolatedAfter, a.MaxTakes, a.Lease)
		if len(a.Checks) > 0 && d.Service.played() {
			fmt.Fprintf(&b, "checks = [%q]\non_service_failure = %q\n", serviceName, a.OnServiceFailure)
		}
		if a.Primary {
			fmt.Fprintf(&b, "failback = %t\nfailback_after = %q\n", a.Failback, a.FailbackAfter)
		}
	}
	if d.Keyed {
		b.WriteString(groupsText(d.Groups, aliases))
	}
	return b.String()
}
