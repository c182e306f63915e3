package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"alias-defender/aliasdefender/lab"
)

// contender knows how one of the programs is set up and started.
type contender interface {
	// command writes the host's files into dir and returns what to start.
	command(s setup, host *lab.Host, dir string) (lab.Command, error)
	// pause is what the program writes when it finds that the machine did not let it
	// run.
	pause() string
}

// setup is what both hosts are told.
type setup struct {
	entry
	rate    rate
	aliases []netip.Prefix
}

// primary tells whether a host is the primary one.
func (s setup) primary(h *lab.Host) bool { return (h.Name == hostA) != s.StandbyPrimary }

// peer is keepalived: one VRRP instance with all aliases, multicast, and the defaults
// for everything else.
type peer struct{ program string }

func (k peer) command(s setup, h *lab.Host, dir string) (lab.Command, error) {
	file := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(vrrpConfig(s, s.primary(h), h.Name)), 0o644); err != nil {
		return lab.Command{}, err
	}
	return lab.Command{Name: keepalived, Argv: []string{
		k.program, "--use-file", file, "--dont-fork", "--log-console", "--no-syslog", "--vrrp",
		"--pid", filepath.Join(dir, "pid"), "--vrrp_pid", filepath.Join(dir, "vrrp.pid"),
	}}, nil
}

func (peer) pause() string { return "A thread timer expired" }

// vrrpConfig is a host's keepalived.conf. Version 3 has intervals below 1 s.
func vrrpConfig(s setup, primary bool, host string) string {
	state, priority := "BACKUP", 100
	if primary {
		state, priority = "MASTER", 150
	}
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n\trouter_id %s\n\tvrrp_version 3\n}\n\n", host)
	fmt.Fprintf(&b, "vrrp_instance bench {\n\tstate %s\n\tinterface %s\n\tvirtual_router_id 77\n\tpriority %d\n\tadvert_int %g\n",
		state, nic, priority, s.rate.Interval.Seconds())
	b.WriteString("\tvirtual_ipaddress {\n")
	for _, a := range s.aliases {
		fmt.Fprintf(&b, "\t\t%s dev %s\n", a, nic)
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// defender is Alias Defender, with the defaults for everything that is not said here.
type defender struct{ program string }

func (d defender) command(s setup, h *lab.Host, dir string) (lab.Command, error) {
	partner := ownB
	if h.Name == hostB {
		partner = ownA
	}
	aliases, settings := filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")
	if err := os.WriteFile(aliases, []byte(aliasFile(s, partner.Addr(), s.primary(h))), 0o644); err != nil {
		return lab.Command{}, err
	}
	if err := os.WriteFile(settings, []byte(settingsFile(s, dir)), 0o644); err != nil {
		return lab.Command{}, err
	}
	return lab.Command{Name: ours, Argv: []string{d.program, "Monitor", "--aliases", aliases, "--settings", settings}}, nil
}

func (defender) pause() string { return "this process was away" }

func aliasFile(s setup, partner netip.Addr, primary bool) string {
	var b strings.Builder
	for i, a := range s.aliases {
		fmt.Fprintf(&b, "%s:%d | %s | /%d | %s | %t\n", nic, i+1, a.Addr(), a.Bits(), partner, primary)
	}
	return b.String()
}

func settingsFile(s setup, dir string) string {
	interval := ""
	if s.rate != defaultRate {
		interval = fmt.Sprintf("interval = %q\n", s.rate.Interval)
	}
	return fmt.Sprintf("%s%s\n[control]\nsocket = %q\n[state]\ndir = %q\n[log]\nto = \"stderr\"\n",
		interval, s.Settings, filepath.Join(dir, "sock"), filepath.Join(dir, "state"))
}
