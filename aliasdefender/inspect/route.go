package inspect

import (
	"fmt"
	"net/netip"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// The findings here are about routes that this host keeps as a router.

// RouteSettings are the kernel's settings that routes need, read into Sysctls.
var RouteSettings = map[host.Family]struct{ Forwarding, Hash string }{
	host.IPv4: {"net/ipv4/ip_forward", "net/ipv4/fib_multipath_hash_policy"},
	host.IPv6: {"net/ipv6/conf/all/forwarding", "net/ipv6/fib_multipath_hash_policy"},
}

// Tables are what was read of this host's routing tables.
type Tables struct {
	Routes []host.TableRoute         // those that are ours, in whatever table, or have the prefix of a [[route]] in its table
	Ruled  map[host.FamilyTable]bool // the tables that some rule looks up
	VRF    bool                      // a rule looks up those of VRFs too
}

// route is the About of a [[route]].
func (s *Subject) route(r config.Route) string { return fmt.Sprintf("%s:%d", s.Settings, r.Line) }

// routes calls find for each route.
func (s *Subject) routes(find func(config.Route) []Finding) (found []Finding) {
	if s.Config == nil {
		return nil
	}
	for _, r := range s.Config.Routes {
		found = append(found, find(r)...)
	}
	return found
}

// routeHopElsewhere: a next hop is on no network of this host. The network may come later;
// until then nothing is known of that hop.
func routeHopElsewhere(s *Subject) []Finding {
	if s.Host == nil {
		return nil
	}
	return s.routes(func(r config.Route) (found []Finding) {
		for _, hop := range r.Via {
			switch nic, _, own := s.Host.Find(hop); {
			case own:
				found = append(found, Finding{Warning, s.route(r), fmt.Sprintf("the next hop %s is an address of this host, on %s", hop, nic),
					"the route would lead back here, so this hop is never used", fmt.Sprintf("take %s out of via", hop)})
			case !s.connected(hop):
				found = append(found, Finding{Warning, s.route(r), fmt.Sprintf("the next hop %s is on no network of this host", hop),
					"the kernel cannot reach it: nothing is known of it, and the route never uses it", fmt.Sprintf("give a NIC an address in the subnet of %s, or write another next hop", hop)})
			}
		}
		return found
	})
}

// routeHopWithin: the prefix of one route holds the next hop of another, and comes before the
// network on which that hop is.
func routeHopWithin(s *Subject) []Finding {
	if s.Host == nil {
		return nil
	}
	return s.routes(func(holds config.Route) []Finding {
		if !holds.Install {
			return nil
		}
		for _, r := range s.Config.Routes {
			for _, hop := range r.Via {
				network := s.network(hop)
				if holds.Line == r.Line || network < 0 || holds.Prefix.Bits() <= network || !host.Has(holds.Prefix, hop) {
					continue
				}
				return []Finding{{Warning, s.route(holds), fmt.Sprintf("the prefix %s holds the next hop %s of the route %s", holds.Prefix, hop, r.Name()),
					"the kernel then looks for that hop behind the hops of this route: it refuses the other route, and pings to the hop go astray",
					"give the route a prefix without " + hop.String() + ", or that hop an address outside of it"}}
			}
		}
		return nil
	})
}

// connected tells whether a NIC of this host has an address in the subnet of the hop.
func (s *Subject) connected(hop netip.Addr) bool { return s.network(hop) >= 0 }

// network is the length of the longest prefix of a NIC of this host that has the hop; -1:
// none has.
func (s *Subject) network(hop netip.Addr) (bits int) {
	bits = -1
	for _, n := range s.Host.NICs {
		if config.IsLoopback(n.Name) || hop.Zone() != "" && hop.Zone() != n.Name {
			continue
		}
		for _, a := range n.Addrs {
			if host.Has(a.Prefix, hop) {
				bits = max(bits, a.Prefix.Bits())
			}
		}
	}
	return bits
}

// routeNotForwarded: this host forwards no packets of a route's family.
func routeNotForwarded(s *Subject) (found []Finding) {
	for _, f := range []host.Family{host.IPv4, host.IPv6} {
		setting := RouteSettings[f].Forwarding
		if value, known := s.Sysctls[setting]; !known || value != "0" {
			continue
		}
		for _, r := range s.installed(f) {
			found = append(found, Finding{Warning, s.route(r), setting + "=0, and this host keeps routes of " + f.String(),
				"it forwards nothing to any next hop", "sysctl -w " + setting + "=1, and the same in /etc/sysctl.d"})
			break
		}
	}
	return found
}

// installed are the routes of a family that are put into the kernel.
func (s *Subject) installed(f host.Family) (all []config.Route) {
	s.routes(func(r config.Route) []Finding {
		if r.Install && host.FamilyOf(r.Prefix.Addr()) == f {
			all = append(all, r)
		}
		return nil
	})
	return all
}

// routeHash: the kernel spreads by addresses alone, so all connections of a client, and of
// all clients behind one address, go to one hop.
func routeHash(s *Subject) (found []Finding) {
	for _, f := range []host.Family{host.IPv4, host.IPv6} {
		setting := RouteSettings[f].Hash
		if value, known := s.Sysctls[setting]; !known || value != "0" {
			continue
		}
		for _, r := range s.installed(f) {
			if r.Mode == config.RouteSpread {
				found = append(found, Finding{Note, s.route(r), setting + "=0, and the route spreads",
					"the kernel spreads by addresses alone: all connections of one client to one address go to one next hop", "sysctl -w " + setting + "=1 spreads by ports too; each change of it moves connections that live"})
				break
			}
		}
	}
	return found
}

// routeForeign: a route that is not ours has the place of one, or comes before it.
func routeForeign(s *Subject) []Finding {
	if s.Tables == nil {
		return nil
	}
	return s.routes(func(r config.Route) (found []Finding) {
		metric := host.Metric(r.Prefix, r.Metric)
		for _, other := range s.Tables.Routes {
			if !r.Install || other.Ours || other.Prefix != r.Prefix || other.Table != r.Table || other.Metric > metric {
				continue
			}
			same, why := "and a better metric", "ours is not used while it is there"
			if other.Metric == metric {
				same, why = "and the same metric", "ours is not added while it is there, or not used"
			}
			return []Finding{{Warning, s.route(r), fmt.Sprintf("a route that no Monitor made has the prefix %s, table %d, %s", r.Prefix, r.Table, same), why,
				"find out which program made it ('ip route show " + r.Prefix.String() + "'), and remove that route, or give one of the two another metric"}}
		}
		return nil
	})
}

// routeTable: no rule looks up the table of a route.
func routeTable(s *Subject) []Finding {
	if s.Tables == nil || s.Tables.VRF {
		return nil
	}
	said := map[host.FamilyTable]bool{}
	return s.routes(func(r config.Route) []Finding {
		table := host.FamilyTable{Family: host.FamilyOf(r.Prefix.Addr()), Table: r.Table}
		if !r.Install || said[table] || s.Tables.Ruled[table] {
			return nil
		}
		said[table] = true
		six := ""
		if table.Family == host.IPv6 {
			six = "-6 "
		}
		return []Finding{{Warning, s.route(r), fmt.Sprintf("no rule of %s looks up table %d", table.Family, r.Table), "its routes are kept, but nothing uses them", fmt.Sprintf("ip %srule add lookup %d, with what is to be routed by it", six, r.Table)}}
	})
}

// routeLeftOver: a Monitor made a route, and no [[route]] has it, or not to install.
func routeLeftOver(s *Subject) (found []Finding) {
	if s.Tables == nil {
		return nil
	}
	installs := map[host.RouteKey]bool{} // of each row
	s.routes(func(r config.Route) []Finding {
		installs[host.RouteKey{Prefix: r.Prefix, Table: r.Table, Metric: host.Metric(r.Prefix, r.Metric)}] = r.Install
		return nil
	})
	for _, r := range s.Tables.Routes {
		install, has := installs[r.Key()]
		if !r.Ours || install {
			continue
		}
		if len(found) == mostLeftOver {
			found = append(found, Finding{Warning, s.Settings, "Monitors made more routes, which no [[route]] has or whose [[route]] says install = false",
				"they keep leading where they lead, whether the next hop lives or not", fmt.Sprintf("'ip route show table all proto %d', and the same with 'ip -6 route', lists all that Monitors have made", host.RouteProtocol)})
			break
		}
		one := Finding{Warning, s.Settings, fmt.Sprintf("a Monitor made the route %s in table %d, and no [[route]] has it", r.Prefix, r.Table),
			"it keeps leading where it leads, whether the next hop lives or not", "write it again, if the file has lost it; or, if no Monitor with another file runs here: " + r.Removal()}
		if has {
			one.What = fmt.Sprintf("a Monitor made the route %s in table %d, and its [[route]] says install = false", r.Prefix, r.Table)
			one.Mend = "if no Monitor with another file runs here: " + r.Removal()
		}
		found = append(found, one)
	}
	return found
}

// mostLeftOver is how many routes that are left over are named.
const mostLeftOver = 5
