package inspect

import (
	"fmt"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// rows calls find for each row whose NIC is known to exist. Rows of a loopback interface
// are not among them: no neighbour is asked about those, and none is told.
func (s *Subject) rows(find func(config.Alias, host.NIC) []Finding) (found []Finding) {
	if s.Host == nil {
		return nil
	}
	for _, a := range s.Config.Pairs() {
		if nic, ok := s.Host.NIC(a.NIC); ok {
			found = append(found, find(a, nic)...)
		}
	}
	return found
}

// nicMissing: the table names a NIC that this host does not have.
func nicMissing(s *Subject) (found []Finding) {
	if s.Host == nil {
		return nil
	}
	for _, a := range s.Config.Aliases {
		if _, ok := s.Host.NIC(a.NIC); !ok {
			found = append(found, Finding{Fault, s.Row(a),
				fmt.Sprintf("this host has no NIC %s", a.NIC),
				fmt.Sprintf("%s is not taken here while there is none", a.Addr),
				"ip link: it lists the NICs; write the right one"})
		}
	}
	return found
}

// nicDown: nothing can be taken on a NIC that is down.
func nicDown(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		if nic.Up {
			return nil
		}
		return []Finding{{Fault, s.Row(a),
			fmt.Sprintf("%s is down", nic.Name),
			fmt.Sprintf("%s is not taken here while it is", a.Addr),
			"ip link set " + nic.Name + " up"}}
	})
}

// eachSide calls find for each family of each NIC that the table has aliases of, once and
// if the NIC is up.
func (s *Subject) eachSide(find func(host.NIC, host.Family) []Finding) []Finding {
	seen := map[host.Side]bool{}
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		side := host.Side{NIC: nic.Name, Family: host.FamilyOf(a.Addr)}
		if seen[side] || !nic.Up {
			return nil
		}
		seen[side] = true
		return find(nic, side.Family)
	})
}

// address is what an address of the family is called.
func address(f host.Family) string {
	if f == host.IPv6 {
		return "IPv6 address"
	}
	return "address"
}

// eachNIC calls find for each NIC of the table that is up, once.
func (s *Subject) eachNIC(find func(host.NIC) []Finding) []Finding {
	seen := map[string]bool{}
	return s.rows(func(_ config.Alias, nic host.NIC) []Finding {
		if seen[nic.Name] || !nic.Up {
			return nil
		}
		seen[nic.Name] = true
		return find(nic)
	})
}

// noCarrier: nothing can be taken on a NIC without carrier.
func noCarrier(s *Subject) []Finding {
	return s.eachNIC(func(nic host.NIC) []Finding {
		if nic.Carrier {
			return nil
		}
		return []Finding{{Fault, nic.Name,
			fmt.Sprintf("%s has no carrier", nic.Name),
			"no alias is taken there while it has none (W2)",
			"look at its cable and at the switch port"}}
	})
}

// noOwnAddress: an alias must never become a NIC's first address. If the aliases
// themselves are the host's own addresses, ownIsAlias says so.
func noOwnAddress(s *Subject) []Finding {
	return s.eachSide(func(nic host.NIC, f host.Family) []Finding {
		if len(s.own(nic, f)) > 0 || s.onlyAliases(nic, f) || f == host.IPv6 && s.disabled(nic) {
			return nil
		}
		return []Finding{{Fault, nic.Name,
			fmt.Sprintf("%s has no %s of its own", nic.Name, address(f)),
			"no alias is taken there while it has none (W2)",
			fmt.Sprintf("give it the address that this host always has: ip address add ADDRESS/BITS dev %s; and write it into the network's configuration", nic.Name)}}
	})
}
