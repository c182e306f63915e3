package inspect

import (
	"fmt"
	"net/netip"
	"slices"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// The findings here are about a standby that could not take over: it looks well until
// the holder fails. A running Monitor says the same about itself (Status, STANDBY).

// partners are the addresses of a row's partner, as far as they are known.
func (s *Subject) partners(a config.Alias) []netip.Addr {
	if a.Partner.Addr.IsValid() {
		return append([]netip.Addr{a.Partner.Addr}, s.Config.Settings.Peer.Paths[a.Partner.Name]...)
	}
	return append(slices.Clone(s.Names[a.Partner.Name]), s.Config.Settings.Peer.Paths[a.Partner.Name]...)
}

// routeThroughParty: router = "auto", and the default route leads through an alias or
// the partner, whose answer proves nothing.
func routeThroughParty(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		if a.Router.IsValid() || len(a.Witnesses) > 0 {
			return nil
		}
		what := ""
		for _, r := range s.Host.Routes {
			switch {
			case r.NIC != a.NIC || host.FamilyOf(r.Gateway) != host.FamilyOf(a.Addr):
			case s.isAlias(r.Gateway):
				what = fmt.Sprintf("the default route out of %s leads through %s, which is an alias", nic.Name, r.Gateway)
			case slices.Contains(s.partners(a), r.Gateway):
				what = fmt.Sprintf("the default route out of %s leads through %s, which is the partner", nic.Name, r.Gateway)
			default:
				return nil // the router is another host
			}
		}
		if what == "" {
			return nil
		}
		return []Finding{{Warning, s.Row(a), what,
			fmt.Sprintf("%s is not taken here when the partner fails: the router falls silent with it", a.Addr),
			fmt.Sprintf("in %s, below [alias.%q]: router = \"an address of a third host that always answers on %s\"", s.Settings, a.Addr, nic.Name)}}
	})
}

// partnerName: none of the addresses of the partner's name can be the partner's.
func partnerName(s *Subject) (found []Finding) {
	if s.Names == nil {
		return nil
	}
	for _, a := range s.Config.Pairs() {
		if a.Partner.Addr.IsValid() {
			continue
		}
		addrs := s.Names[a.Partner.Name]
		usable := func(addr netip.Addr) bool { return s.canBePartner(a, addr) }
		what := ""
		switch {
		case len(addrs) == 0:
			what = fmt.Sprintf("the partner's name %s does not resolve", a.Partner.Name)
		case !slices.ContainsFunc(addrs, usable):
			what = fmt.Sprintf("the partner's name %s has no %s that another host can have: %s", a.Partner.Name, address(host.FamilyOf(a.Addr)), addrs[0])
		case s.Live == nil:
			continue
		default:
			found = append(found, Finding{Severity: Good, About: onAlias(a, 0), What: fmt.Sprintf("the partner's name %s resolves to %s", a.Partner.Name, s.partner(a))})
			continue
		}
		found = append(found, Finding{Warning, s.Row(a), what,
			fmt.Sprintf("nobody can ask whether the partner is alive, and without knowing that a host that is not primary does not take %s", a.Addr),
			"write the partner's address instead, or mend its name in DNS or /etc/hosts"})
	}
	return found
}

// partnerIsHere: the row names this host itself as the partner, as it does where the other
// host's table was copied as it is.
func partnerIsHere(s *Subject) []Finding {
	return s.rows(func(a config.Alias, _ host.NIC) []Finding {
		nic, _, ours := s.Host.Find(a.Partner.Addr)
		if !ours {
			return nil
		}
		return []Finding{{Mistake, s.Row(a),
			fmt.Sprintf("the partner %s is an address of this host itself, on %s", a.Partner.Addr, nic),
			fmt.Sprintf("nobody asks the other host whether it is alive, and a host that is not primary does not take %s", a.Addr),
			"write the address that the other host always has: each host's table names the other host"}}
	})
}

// canBePartner tells whether an address of the partner's name can be the partner's.
func (s *Subject) canBePartner(a config.Alias, addr netip.Addr) bool {
	if s.Host != nil {
		if _, _, ours := s.Host.Find(addr); ours {
			return false
		}
	}
	return host.FamilyOf(addr) == host.FamilyOf(a.Addr) && !addr.IsLoopback() && !s.isAlias(addr)
}

// aliasElsewhere: another NIC of this host has the alias, for example lo.
func aliasElsewhere(s *Subject) (found []Finding) {
	if s.Host == nil {
		return nil
	}
	for _, a := range s.Config.Aliases {
		row := "W2"
		if a.Loopback() {
			row = "L2"
		}
		for _, nic := range s.Host.NICs {
			at := slices.IndexFunc(nic.Addrs, func(x host.Address) bool { return x.Prefix.Addr() == a.Addr })
			if nic.Name == a.NIC || a.Addr.Zone() != "" || at < 0 {
				continue
			}
			found = append(found, Finding{Fault, s.Row(a),
				fmt.Sprintf("%s has %s, not %s", nic.Name, a.Addr, a.NIC),
				fmt.Sprintf("%s is not taken here (%s): this host's own kernel answers for it", a.Addr, row),
				fmt.Sprintf("ip address del %s dev %s", nic.Addrs[at].Prefix, nic.Name)})
		}
	}
	return found
}

// answersForOthers: the NIC answers ARP for other hosts on its own segment, even for
// dead ones.
func answersForOthers(s *Subject) []Finding {
	var seen []string
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		if on, _ := s.Sysctl(host.IPv4, nic.Name, "proxy_arp_pvlan"); a.Addr.Is6() || on != "1" || slices.Contains(seen, nic.Name) {
			return nil
		}
		seen = append(seen, nic.Name)
		return []Finding{{Warning, nic.Name,
			fmt.Sprintf("proxy_arp_pvlan is set on %s", nic.Name),
			"this host answers ARP for every address of the segment, even for an alias that nobody has: without a channel its partner takes none of them",
			set(host.IPv4, nic.Name, "proxy_arp_pvlan", "0") + ", and the same in /etc/sysctl.d"}}
	})
}
