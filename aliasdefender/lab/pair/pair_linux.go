// Package pair puts two hosts that run Alias Defender, their router and a
// client on one switch of a lab: the stage of the demo and of the end-to-end
// tests. It writes the two hosts' files and starts the Monitors; its caller decides
// what happens to them then.
package pair

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"alias-defender/aliasdefender/lab"
)

// Addresses are those on the stage, of one family.
type Addresses struct {
	Alias            netip.Addr
	OwnA, OwnB       netip.Prefix
	RouterAt         netip.Prefix
	Mask             string       // of the row, as the file has it
	Foreign          netip.Prefix // of a host that a test adds
	client           netip.Prefix
	secondA, secondB netip.Prefix // on the second switch
}

// The addresses of each family.
var (
	IPv4 = Addresses{
		Alias: netip.MustParseAddr("10.77.0.100"), Mask: "255.255.255.0",
		OwnA: netip.MustParsePrefix("10.77.0.1/24"), OwnB: netip.MustParsePrefix("10.77.0.2/24"),
		RouterAt: netip.MustParsePrefix("10.77.0.254/24"), client: netip.MustParsePrefix("10.77.0.50/24"),
		secondA: netip.MustParsePrefix("10.78.0.1/24"), secondB: netip.MustParsePrefix("10.78.0.2/24"),
		Foreign: netip.MustParsePrefix("10.77.0.66/24"),
	}
	IPv6 = Addresses{
		Alias: netip.MustParseAddr("2001:db8:77::100"), Mask: "64",
		OwnA: netip.MustParsePrefix("2001:db8:77::1/64"), OwnB: netip.MustParsePrefix("2001:db8:77::2/64"),
		RouterAt: netip.MustParsePrefix("2001:db8:77::fe/64"), client: netip.MustParsePrefix("2001:db8:77::50/64"),
		secondA: netip.MustParsePrefix("2001:db8:78::1/64"), secondB: netip.MustParsePrefix("2001:db8:78::2/64"),
		Foreign: netip.MustParsePrefix("2001:db8:77::66/64"),
	}
)

// The addresses of IPv4, by short names.
var (
	Alias  = IPv4.Alias
	OwnA   = IPv4.OwnA
	OwnB   = IPv4.OwnB
	Router = IPv4.RouterAt
)

// Spec says what the two run.
type Spec struct {
	Program  []string // its command line up to the verb
	Env      []string
	Dir      string // for files and sockets; short, as a socket's path must be
	Settings string // further lines at the head of both aliasdefender.toml
	PrimaryA bool
	PrimaryB bool

	// Keys are what stands in the key files of both hosts, the one that seals
	// first; none: they have no channel. SetKeys gives a host others.
	Keys []string

	// Every is the rhythm of the clients' questions; 0: 1 ms. Slower ones leave more of
	// the machine to others.
	Every time.Duration

	// SecondCable has both hosts on a second switch too, where nobody else is,
	// as a further path of their channel.
	SecondCable bool

	IPv6 bool // the family of all addresses, rather than IPv4

	// Dual has an alias of IPv6 beside that of IPv4, on hosts that have addresses of both.
	Dual bool

	// Host, if set, changes what a host is to be before it is booted.
	Host func(*lab.HostSpec)
}

// Pair is the stage.
type Pair struct {
	Addresses

	Lab                *lab.Lab
	Switch             *lab.Switch
	A, B, Router, User *lab.Host
	Asker              *lab.Client // asks the alias, each millisecond if Spec does not say otherwise
	Control            *lab.Client // asks the router: what it misses too is the machine's noise
	Holders            *lab.Watch

	spec     Spec
	keys     map[*lab.Host][]string
	programs map[*lab.Host][]string
	monitors map[*lab.Host]*lab.Process
}

// New builds the stage. No Monitor runs yet.
func New(l *lab.Lab, spec Spec) (*Pair, error) {
	p := &Pair{Addresses: IPv4, Lab: l, spec: spec, keys: map[*lab.Host][]string{}, programs: map[*lab.Host][]string{}, monitors: map[*lab.Host]*lab.Process{}}
	if spec.IPv6 {
		p.Addresses = IPv6
	}
	var err error
	if p.Switch, err = l.Switch("lan"); err != nil {
		return nil, err
	}
	var second *lab.Switch
	if spec.SecondCable {
		if second, err = l.Switch("second"); err != nil {
			return nil, err
		}
	}
	for _, h := range []struct {
		host **lab.Host
		name string
		own  netip.Prefix
		fwd  bool
	}{
		{&p.A, "a", p.OwnA, false}, {&p.B, "b", p.OwnB, false}, {&p.Router, "router", p.RouterAt, true}, {&p.User, "client", p.client, false},
	} {
		s := lab.HostSpec{Name: h.name, Forward: h.fwd, NICs: []lab.NICSpec{{Name: "eth0", Switch: p.Switch, Addrs: []netip.Prefix{h.own}}}}
		if spec.Dual {
			s.NICs[0].Addrs = append(s.NICs[0].Addrs, inIPv6(h.own))
			if !h.fwd {
				s.Gateway6 = IPv6.RouterAt.Addr()
			}
		}
		if own, ok := p.onSecond(h.own.Addr()); ok && spec.SecondCable {
			s.NICs = append(s.NICs, lab.NICSpec{Name: "eth1", Switch: second, Addrs: []netip.Prefix{own}})
		}
		if !h.fwd {
			s.Gateway = p.RouterAt.Addr()
		}
		if spec.Host != nil {
			spec.Host(&s)
		}
		if *h.host, err = l.Host(s); err != nil {
			return nil, err
		}
	}
	p.SetKeys(p.A, spec.Keys...)
	p.SetKeys(p.B, spec.Keys...)
	if err := p.Write(p.A, p.OwnB.Addr(), spec.PrimaryA, spec.Settings); err != nil {
		return nil, err
	}
	if err := p.Write(p.B, p.OwnA.Addr(), spec.PrimaryB, spec.Settings); err != nil {
		return nil, err
	}
	if p.Holders, err = l.Watch(p.Alias); err != nil {
		return nil, err
	}
	if p.Asker, err = p.User.Client(lab.ClientSpec{Target: p.Alias, Every: spec.Every}); err != nil {
		return nil, err
	}
	p.Control, err = p.User.Client(lab.ClientSpec{Target: p.RouterAt.Addr(), Every: spec.Every})
	return p, err
}

// onSecond is a host's address on the second switch, by its address on the first.
func (a Addresses) onSecond(own netip.Addr) (netip.Prefix, bool) {
	switch own {
	case a.OwnA.Addr():
		return a.secondA, true
	case a.OwnB.Addr():
		return a.secondB, true
	}
	return netip.Prefix{}, false
}

// inIPv6 is the address of IPv6 of the one who has this one of IPv4.
func inIPv6(own netip.Prefix) netip.Prefix {
	switch own {
	case IPv4.OwnA:
		return IPv6.OwnA
	case IPv4.OwnB:
		return IPv6.OwnB
	case IPv4.RouterAt:
		return IPv6.RouterAt
	}
	return IPv6.client
}

// SetKeys says what the host's key files are to be; Write writes them.
func (p *Pair) SetKeys(h *lab.Host, keys ...string) { p.keys[h] = keys }

// Write writes both files of a host, and its key files. The settings must not
// have the tables that it writes itself: control, state, log, and peer where the
// host has a key.
func (p *Pair) Write(h *lab.Host, partner netip.Addr, primary bool, settings string) error {
	dir := filepath.Join(p.spec.Dir, h.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	row := fmt.Sprintf("eth0:1 | %s | %s | %s | %t\n", p.Alias, p.Mask, partner, primary)
	if p.spec.Dual {
		row += fmt.Sprintf("eth0:2 | %s | %s | %s | %t\n", IPv6.Alias, IPv6.Mask, inIPv6(netip.PrefixFrom(partner, p.OwnA.Bits())).Addr(), primary)
	}
	toml := fmt.Sprintf("%s\n[control]\nsocket = %q\n[state]\ndir = %q\n[log]\nto = \"stderr\"\n",
		strings.TrimSpace(settings), filepath.Join(dir, "sock"), filepath.Join(dir, "state"))
	var files []string
	for i, key := range p.keys[h] {
		file := filepath.Join(dir, fmt.Sprintf("key%d", i))
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			return err
		}
		files = append(files, fmt.Sprintf("%q", file))
	}
	if len(files) > 0 {
		toml += fmt.Sprintf("[peer]\nkey_file = [%s]\n", strings.Join(files, ", "))
	}
	if other, ok := p.onSecond(partner); ok && len(files) > 0 && p.spec.SecondCable {
		toml += fmt.Sprintf("[peer.paths]\n%q = [%q]\n", partner, other.Addr())
	}
	if err := os.WriteFile(filepath.Join(dir, "hostname.alias"), []byte(row), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "aliasdefender.toml"), []byte(toml), 0o644)
}

// SetProgram has a host run another program than Spec's from its next start on:
// the command line up to the verb.
func (p *Pair) SetProgram(h *lab.Host, program ...string) { p.programs[h] = program }

// File is the path of one of a host's files.
func (p *Pair) File(h *lab.Host, name string) string { return filepath.Join(p.spec.Dir, h.Name, name) }

// Command is the command line of a verb with the host's files.
func (p *Pair) Command(h *lab.Host, verb string, args ...string) []string {
	dir := filepath.Join(p.spec.Dir, h.Name)
	all := append([]string(nil), p.spec.Program...)
	if program := p.programs[h]; program != nil {
		all = append([]string(nil), program...)
	}
	all = append(all, verb, "--aliases", filepath.Join(dir, "hostname.alias"), "--settings", filepath.Join(dir, "aliasdefender.toml"))
	return append(all, args...)
}

// Start starts the Monitor of a host.
func (p *Pair) Start(h *lab.Host) (*lab.Process, error) {
	m, err := h.StartCommand(lab.Command{Name: "Monitor", Argv: p.Command(h, "Monitor"), Env: p.spec.Env})
	if err == nil {
		p.monitors[h] = m
	}
	return m, err
}

// Monitor is the host's Monitor that was started last.
func (p *Pair) Monitor(h *lab.Host) *lab.Process { return p.monitors[h] }

// Run runs a verb on a host.
func (p *Pair) Run(ctx context.Context, h *lab.Host, verb string, args ...string) (stdout, stderr string, code int) {
	return h.RunCommand(ctx, lab.Command{Argv: p.Command(h, verb, args...), Env: p.spec.Env})
}

// Boot boots a host that crashed and starts its Monitor.
func (p *Pair) Boot(h *lab.Host) error {
	if err := h.Boot(); err != nil {
		return err
	}
	_, err := p.Start(h)
	return err
}

// Begin starts both Monitors and waits until the client is served.
func (p *Pair) Begin(within time.Duration) error {
	for _, h := range []*lab.Host{p.A, p.B} {
		if _, err := p.Start(h); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return p.Asker.WaitAnswer(ctx, "")
}
