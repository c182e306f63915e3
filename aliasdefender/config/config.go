// Package config reads what the administrator wrote: hostname.alias, the
// original's table of five fields, and the optional aliasdefender.toml. Out
// come typed values with every default filled in, or every mistake at once,
// each with file, line and field.
//
// The package refuses to know the network: it resolves no name, looks at no
// NIC and sends nothing. The verb Check and the daemon find out what only the
// running system can tell.
package config

import (
	"net/netip"
	"slices"
	"time"
)

// Alias is one row of hostname.alias joined with the settings that apply to it.
type Alias struct {
	Line    int          // line in hostname.alias, from 1
	NIC     string       // interface without label: "eth0"
	Label   string       // with its label as written, "eth0:1"; equal to NIC if it has none
	Addr    netip.Addr   // the alias IP, of either family; a link-local one of IPv6 has NIC as its zone
	Prefix  netip.Prefix // Addr without a zone, with the NetMask's length, host bits included: 172.16.1.2/24
	Partner Partner      // on a loopback interface it is asked nothing, and may be NoPartner
	Primary bool         // on a loopback interface it means nothing

	Rhythm
	// The hosts that judge the alias are of its family. If an address of theirs is
	// link-local, its zone is NIC.
	Router    netip.Addr   // the zero Addr means auto: the default route out of NIC
	Witnesses []netip.Addr // further third parties; empty means none

	OnIsolation   OnIsolation
	IsolatedAfter time.Duration
	MaxTakes      int // so many takes within an hour make the alias flap
	Failback      bool
	FailbackAfter time.Duration

	// Lease is how long the alias stays if the daemon does not renew it, in whole seconds;
	// 0: for ever.
	Lease time.Duration

	Hooks            Hooks
	Checks           []string // the names of the checks of the service behind it
	OnServiceFailure OnServiceFailure
	Recover          Recover // of the partner's service
}

// Partner is the other host of an alias: an address, or a name to resolve.
type Partner struct {
	Name string     // as written, or NoPartner; of IPv6 the address in its canonical form, with its zone
	Addr netip.Addr // valid if Name is an address: of the alias's family
}

// Rhythm is how often an address is asked and how long an answer may take.
type Rhythm struct {
	Interval time.Duration // one question to each address per interval
	Timeout  time.Duration // how long one answer may take
	Misses   int           // this many timeouts in vain, in a row, mean silent
}

// OnExit says what happens to the aliases when the daemon is told to end.
type OnExit string

// OnIsolation says what a holder does when it can reach neither router nor partner.
type OnIsolation string

// What the settings on_exit and on_isolation accept.
const (
	ExitKeep     OnExit = "keep"
	ExitRelease  OnExit = "release"
	ExitHandover OnExit = "handover" // as keep where no partner takes over; needs a key

	IsolationKeep    OnIsolation = "keep"
	IsolationRelease OnIsolation = "release"
)

// LogTo names where the log goes.
type LogTo string

// What the setting log.to accepts.
const (
	LogAuto   LogTo = "auto"
	LogSyslog LogTo = "syslog"
	LogStderr LogTo = "stderr"
)

// Settings are the parts of aliasdefender.toml that are about the daemon as a whole; what
// applies to one alias is in Alias.
type Settings struct {
	OnExit   OnExit
	Socket   string // path of the control socket
	Readers  Readers
	StateDir string
	Events   Events
	Status   Status
	LogTo    LogTo
	LogLevel string // a logrus level name
	Peer     Peer
}

// Readers are the users who may ask for Status and Why, and give no orders.
type Readers struct {
	Group string // a name or a number; empty: none
	Line  int    // of the setting; 0 if it is empty
}

// Events is the event log in StateDir.
type Events struct {
	Size int64 // bytes, of all its files together; 0: there is none
}

// Peer is the channel to the partners' daemons. There is one if there is a key.
type Peer struct {
	KeyFiles []string     // the first one's key seals, each opens
	Keys     []Key        // read from KeyFiles; only LoadWithKeys does that
	Port     uint16       // UDP, the same on both hosts
	Listen   []netip.Addr // own addresses, at most one of each family; none means any
	// Paths are further addresses of partners, of either family, by Partner.Name.
	Paths map[string][]netip.Addr
}

// Config is both files together.
type Config struct {
	Settings Settings
	Aliases  []Alias // in the order of the file
	Checks   []Check // in the order of the file; some may be used by no alias
	Groups   []Group // in the order of the file
	Routes   []Route // in the order of the file
}

// Hops returns the checks of the next hops of all routes, one for each hop that a check
// asks.
func (c *Config) Hops() (all []Check) {
	named := map[string]bool{}
	for _, r := range c.Routes {
		i := slices.IndexFunc(c.Checks, func(k Check) bool { return k.Name == r.Check })
		if i < 0 {
			continue
		}
		for _, hop := range r.Via {
			if k := c.Checks[i].Through(hop); !named[k.Name] {
				named[k.Name] = true
				all = append(all, k)
			}
		}
	}
	return all
}

// Used returns the checks that some alias uses, even if only for a recovery.
func (c *Config) Used() []Check {
	return c.checks(func(a Alias) []string { return append(slices.Clone(a.Checks), a.Recover.Check) })
}

// OfServices returns the checks of this host's own services: the checks that some alias
// has in checks.
func (c *Config) OfServices() []Check {
	return c.checks(func(a Alias) []string { return a.Checks })
}

// checks are those that some alias names.
func (c *Config) checks(of func(Alias) []string) []Check {
	named := map[string]bool{}
	for _, a := range c.Aliases {
		for _, name := range of(a) {
			named[name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(c.Checks), func(k Check) bool { return !named[k.Name] })
}
