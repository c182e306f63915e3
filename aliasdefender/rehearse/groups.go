package rehearse

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"alias-defender/aliasdefender/config"
)

// Groups are rehearsed if the daemons talk. A group whose members are on more than one NIC
// gets a scenario of its own: the holder loses the cable of one of them.

// spread is the NIC whose cable the holder of a group loses: that of the last member of the
// first group that is on more than one NIC. Empty: there is no such group.
func spread(cfg *config.Config) string {
	for _, g := range cfg.Groups {
		nics := nicsOf(cfg.Aliases, g)
		if last := nics[len(nics)-1]; slices.ContainsFunc(nics, func(nic string) bool { return nic != last }) {
			return last
		}
	}
	return ""
}

// nicsOf are the NICs of a group's members, in their order.
func nicsOf(aliases []config.Alias, g config.Group) (nics []string) {
	for _, member := range g.Aliases {
		for _, a := range aliases {
			if a.Addr == member {
				nics = append(nics, a.NIC)
			}
		}
	}
	return nics
}

// goneWith are the aliases that go with a NIC: those on it, and the groups of these.
func goneWith(cfg *config.Config, nic string) map[netip.Addr]bool {
	gone := map[netip.Addr]bool{}
	for _, a := range cfg.Aliases {
		gone[bare(a.Addr)] = a.NIC == nic
	}
	for _, g := range cfg.Groups {
		if slices.Contains(nicsOf(cfg.Aliases, g), nic) {
			for _, member := range g.Aliases {
				gone[bare(member)] = true
			}
		}
	}
	return gone
}

// served are the aliases in a group of which some member has a check: where that one goes
// for its service, the others go too.
func served(cfg *config.Config) map[netip.Addr]bool {
	with := map[netip.Addr]bool{}
	for _, g := range cfg.Groups {
		for _, a := range cfg.Aliases {
			if len(a.Checks) == 0 || !slices.Contains(g.Aliases, a.Addr) {
				continue
			}
			for _, member := range g.Aliases {
				with[bare(member)] = true
			}
		}
	}
	return with
}

// groupsText is the groups in the settings of a machine. A link-local member has the
// machine's own NIC as its zone.
func groupsText(groups []config.Group, aliases []config.Alias) string {
	var b strings.Builder
	for _, g := range groups {
		var members []string
		for _, member := range g.Aliases {
			for _, a := range aliases {
				if bare(a.Addr) == bare(member) {
					members = append(members, fmt.Sprintf("%q", a.Addr))
				}
			}
		}
		if len(members) == len(g.Aliases) {
			fmt.Fprintf(&b, "\n[group.%s]\naliases = [%s]\nwhen_split = %q\n", g.Name, strings.Join(members, ", "), g.WhenSplit)
		}
	}
	return b.String()
}

// groupmate is the partner's name of another member of the alias's group: the partners of a
// group are one host.
func (p *planner) groupmate(a config.Alias) string {
	for _, g := range p.groupsOf {
		if !slices.Contains(g.Aliases, a.Addr) {
			continue
		}
		for _, b := range p.aliases {
			if slices.Contains(g.Aliases, b.Addr) && p.hosts[b.Partner.Name] != "" {
				return b.Partner.Name
			}
		}
	}
	return ""
}

// nicLost: of the aliases that go with the NIC, those on it are taken when they are missed,
// and the others are handed over.
func (s situation) nicLost() expectation {
	switch {
	case !s.holderHit() || !s.Gone[bare(s.Addr)]:
		return s.still(7)
	case s.NIC == s.Spread:
		return s.moves(takeover(s.Rhythm))
	}
	return s.handed()
}
