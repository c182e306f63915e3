package inspect

import (
	"fmt"
	"net/netip"
	"slices"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// own are the NIC's addresses that are not aliases of the table and that no Monitor
// put there, in the kernel's order.
func (s *Subject) own(nic host.NIC) (own []netip.Prefix) {
	for _, addr := range nic.Addrs {
		if !addr.Ours && !s.isAlias(addr.Prefix.Addr()) {
			own = append(own, addr.Prefix)
		}
	}
	return own
}

// onlyAliases tells whether a NIC's only addresses are aliases that no Monitor put
// there.
func (s *Subject) onlyAliases(nic host.NIC) bool {
	ours := slices.ContainsFunc(nic.Addrs, func(x host.Address) bool { return x.Ours })
	return len(nic.Addrs) > 0 && !ours && len(s.own(nic)) == 0
}

func (s *Subject) isAlias(addr netip.Addr) bool {
	return slices.ContainsFunc(s.Config.Aliases, func(a config.Alias) bool { return a.Addr == addr })
}

// ownIsAlias: the only address of a NIC is written as an alias, and no Monitor put it
// there.
func ownIsAlias(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		here := slices.ContainsFunc(nic.Addrs, func(x host.Address) bool { return x.Prefix.Addr() == a.Addr })
		if !here || !s.onlyAliases(nic) {
			return nil
		}
		return []Finding{{Mistake, s.Row(a),
			fmt.Sprintf("%s is an address of this host itself: %s has no other", a.Addr, nic.Name),
			fmt.Sprintf("the Monitor leaves it alone, and takes no alias on %s: to let it go would be to take this host off its network", nic.Name),
			fmt.Sprintf("write the address that is to move; or give the NIC one of its own: ip address add ADDRESS/%d dev %s", a.Prefix.Bits(), nic.Name)}}
	})
}

// maskDiffers: the row's mask is not that of the NIC's own address in that subnet.
func maskDiffers(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		other := a.OtherMask(s.own(nic))
		if !other.IsValid() {
			return nil
		}
		return []Finding{{Warning, s.Row(a),
			fmt.Sprintf("the mask is /%d, and that of %s on %s is /%d", a.Prefix.Bits(), other.Addr(), nic.Name, other.Bits()),
			"the alias makes a second route to the subnet, and what this host sends by it comes from the alias",
			fmt.Sprintf("write /%d", other.Bits())}}
	})
}

// ownBehind: the alias stands before the host's own address of its subnet.
func ownBehind(s *Subject) []Finding {
	if s.Host == nil || !s.Host.Ordered {
		return nil
	}
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		at := slices.IndexFunc(nic.Addrs, func(x host.Address) bool { return x.Prefix == a.Prefix })
		if at < 0 {
			return nil
		}
		for i, x := range nic.Addrs {
			if x.Prefix.Masked() != a.Prefix.Masked() || x.Ours || s.isAlias(x.Prefix.Addr()) {
				continue
			}
			if i < at {
				return nil
			}
			mend := fmt.Sprintf("ip address del %s dev %s; ip address add %s dev %s", a.Prefix, nic.Name, a.Prefix, nic.Name)
			if !s.promotes(nic.Name) { // otherwise the own address would go with the alias
				mend = set(nic.Name, "promote_secondaries", "1") + "; " + mend
			}
			return []Finding{{Warning, s.Row(a),
				fmt.Sprintf("%s stands before %s on %s", a.Addr, x.Prefix.Addr(), nic.Name),
				"this host speaks with the alias, and its connections end when the alias goes; a running Monitor puts that in order",
				mend}}
		}
		return nil
	})
}

// promotes tells whether a NIC keeps the other addresses of a subnet when the first
// one goes.
func (s *Subject) promotes(nic string) bool {
	for _, at := range []string{"all", nic} {
		if v, _ := s.Sysctl(at, "promote_secondaries"); v == "1" {
			return true
		}
	}
	return false
}
