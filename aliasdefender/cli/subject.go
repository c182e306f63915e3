package cli

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/inspect"
)

// namesWithin is how long Check waits for the resolver, for all names together.
const namesWithin = 3 * time.Second

// subject reads this host for Check. What cannot be read stays unknown.
func (a *app) subject(ctx context.Context, cfg *config.Config) *inspect.Subject {
	s := &inspect.Subject{Aliases: a.aliases, Settings: a.settings, Config: cfg, Sysctls: map[string]string{}, Names: map[string][]netip.Addr{}}
	if system, err := a.open(); err == nil {
		if state, err := system.Host.Read(); err == nil {
			s.Host = &state
		}
	}
	if g := cfg.Settings.Readers.Group; g != "" {
		if _, err := control.GroupID(g); err != nil {
			s.NoReaders = err.Error()
		}
	}
	s.Unit = installedUnit(unitDirs)
	for _, name := range append([]string{a.aliases, a.settings}, cfg.Settings.Peer.KeyFiles...) {
		if f, err := lookAt(name); err == nil {
			s.Files = append(s.Files, f)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, namesWithin)
	defer cancel()
	readNIC(s, "all")
	for _, alias := range cfg.Aliases {
		readNIC(s, alias.NIC)
		if name := alias.Partner.Name; !alias.Partner.Addr.IsValid() && s.Names[name] == nil {
			if found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name); err == nil {
				s.Names[name] = found
			}
		}
	}
	return s
}

// readNIC reads the kernel's settings of a NIC.
func readNIC(s *inspect.Subject, nic string) {
	for _, setting := range inspect.NICSettings {
		name := inspect.SysctlName(nic, setting)
		if text, err := os.ReadFile("/proc/sys/" + name); err == nil {
			s.Sysctls[name] = strings.TrimSpace(string(text))
		}
	}
}
