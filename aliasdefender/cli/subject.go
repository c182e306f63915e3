package cli

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/inspect"
	"alias-defender/aliasdefender/look"
	"alias-defender/aliasdefender/probe"
)

// namesWithin is how long Check waits for the resolver, for all names together.
const namesWithin = 3 * time.Second

// lookFrom asks the network that the Subject was read from.
func lookFrom(ctx context.Context, s *inspect.Subject, system daemon.System) []inspect.Finding {
	if system.Ping != nil {
		defer system.Ping.Close()
	}
	return look.Network(ctx, s, asker(system, s.Config))
}

// asker has the means of a system to ask its network and the Monitor that runs on it.
func asker(system daemon.System, cfg *config.Config) look.Asker {
	a := look.Asker{Ping: probe.Ping, Root: "/", Monitor: func(ctx context.Context) (control.Snapshot, error) {
		return control.Dial(cfg.Settings.Socket).Status(ctx, false)
	}, Process: func(ctx context.Context) (control.Process, error) {
		return control.Dial(cfg.Settings.Socket).Process(ctx)
	}}
	if system.Ping != nil {
		a.Ping = system.Ping.Ping
	} else if err := host.Capable(); err != nil {
		a.Lacking = err.Error()
	}
	if system.Listen != nil {
		a.Listen = func(nic string, f host.Family, see func([]host.Sighting)) (look.Wire, error) {
			return system.Listen(nic, f, see)
		}
	}
	return a
}

// subject reads this host for Check, and returns the network that it was read from. What
// cannot be read stays unknown.
func (a *app) subject(ctx context.Context, cfg *config.Config) (*inspect.Subject, daemon.System) {
	s := &inspect.Subject{Aliases: a.aliases, Settings: a.settings, Config: cfg, Sysctls: map[string]string{}, Names: map[string][]netip.Addr{}}
	system, err := a.open()
	if err == nil {
		if state, err := system.Marked(cfg.Settings.StateDir); err == nil {
			s.Host = &state
		}
		readTables(s, system) // also without routes: an earlier Monitor may have left some
	}
	if g := cfg.Settings.Readers.Group; g != "" {
		if gid, err := control.GroupID(g); err != nil {
			s.NoReaders = err.Error()
		} else {
			s.ReadersGroup = groupNames(gid)
		}
	}
	s.Unit = installedUnit(unitDirs)
	read := append([]string{a.aliases, a.settings}, cfg.Settings.Peer.KeyFiles...)
	for _, c := range cfg.Checks { // the Monitor also reads what checks name that no alias has
		if c.HTTP.CAFile != "" {
			read = append(read, c.HTTP.CAFile)
		}
	}
	for _, name := range read {
		if f, err := lookAt(name); err == nil {
			s.Files = append(s.Files, f)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, namesWithin)
	defer cancel()
	for nic := range nicsToRead(s) {
		readNIC(s, nic)
	}
	for _, f := range []host.Family{host.IPv4, host.IPv6} {
		readSysctl(s, inspect.TableLimit(f))
	}
	if err := host.Capable(); err != nil && os.Geteuid() == 0 {
		s.Lacks = err.Error()
	}
	names := map[string]bool{}
	for _, alias := range cfg.Aliases {
		if !alias.Loopback() && !alias.Partner.Addr.IsValid() {
			names[alias.Partner.Name] = true
		}
	}
	resolve(ctx, names, s.Names)
	return s, system
}

// nicsToRead are the NICs whose settings matter, each once: each NIC of this host answers
// ARP for what is on another.
func nicsToRead(s *inspect.Subject) map[string]bool {
	nics := map[string]bool{"all": true}
	for _, alias := range s.Config.Aliases {
		nics[alias.NIC] = true
	}
	for _, nic := range hostNICs(s) { // each may be on the segment of an alias
		nics[nic] = true
	}
	return nics
}

// groupNames are the names that a group may have: its number, and its name if it has
// one.
func groupNames(gid int) []string {
	names := []string{strconv.Itoa(gid)}
	if g, err := user.LookupGroupId(names[0]); err == nil {
		names = append(names, g.Name)
	}
	return names
}

// resolve asks for all names at once: a name whose server is dead must not use up the
// time of the others.
func resolve(ctx context.Context, names map[string]bool, into map[string][]netip.Addr) {
	var asking sync.WaitGroup
	var mu sync.Mutex
	for name := range names {
		asking.Go(func() {
			found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
			if err != nil {
				return
			}
			for i := range found {
				found[i] = found[i].Unmap()
			}
			mu.Lock()
			defer mu.Unlock()
			into[name] = found
		})
	}
	asking.Wait()
}

// hostNICs are the names of this host's NICs, as far as it could be read.
func hostNICs(s *inspect.Subject) (names []string) {
	if s.Host != nil {
		for _, n := range s.Host.NICs {
			names = append(names, n.Name)
		}
	}
	return names
}

// readNIC reads the kernel's settings of a NIC.
func readNIC(s *inspect.Subject, nic string) {
	for family, settings := range inspect.NICSettings {
		for _, setting := range settings {
			readSysctl(s, inspect.SysctlName(family, nic, setting))
		}
	}
}

// readSysctl reads one of the kernel's settings.
func readSysctl(s *inspect.Subject, name string) {
	if text, err := os.ReadFile("/proc/sys/" + name); err == nil {
		s.Sysctls[name] = strings.TrimSpace(string(text))
	}
}

// readTables reads what routes need to know of this host.
func readTables(s *inspect.Subject, system daemon.System) {
	for _, r := range inspect.RouteSettings {
		readSysctl(s, r.Forwarding)
		readSysctl(s, r.Hash)
	}
	if system.ReadTables == nil {
		return
	}
	prefixes, tables := map[netip.Prefix]bool{}, []int{config.DefaultTable}
	for _, r := range s.Config.Routes {
		if prefixes[r.Prefix] = true; !slices.Contains(tables, r.Table) {
			tables = append(tables, r.Table)
		}
	}
	routes, ruled, vrf, err := system.ReadTables(tables, func(p netip.Prefix) bool { return prefixes[p] })
	if err == nil {
		s.Tables = &inspect.Tables{Routes: routes, Ruled: ruled, VRF: vrf}
	}
}
