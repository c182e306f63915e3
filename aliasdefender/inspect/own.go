package inspect

import (
	"fmt"
	"net/netip"
	"slices"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// own are the NIC's usable addresses of one family that are not aliases of the table and
// that no Monitor put there, in the kernel's order.
func (s *Subject) own(nic host.NIC, f host.Family) (own []netip.Prefix) {
	for _, addr := range nic.Addrs {
		if s.isOwn(nic, addr) && addr.Usable() && host.FamilyOf(addr.Prefix.Addr()) == f {
			own = append(own, addr.Prefix)
		}
	}
	return own
}

// isOwn tells whether an address of the NIC is no alias, and no Monitor put it there.
func (s *Subject) isOwn(nic host.NIC, addr host.Address) bool {
	return !addr.Ours && !s.isAlias(host.Zoned(addr.Prefix.Addr(), nic.Name))
}

// onlyAliases tells whether a NIC's only addresses of one family are aliases that no
// Monitor put there.
func (s *Subject) onlyAliases(nic host.NIC, f host.Family) (only bool) {
	for _, addr := range nic.Addrs {
		switch {
		case host.FamilyOf(addr.Prefix.Addr()) != f:
		case addr.Ours || s.isOwn(nic, addr):
			return false
		default:
			only = true
		}
	}
	return only
}

func (s *Subject) isAlias(addr netip.Addr) bool {
	return slices.ContainsFunc(s.Config.Aliases, func(a config.Alias) bool { return a.Addr == addr })
}

// ownIsAlias: the only address of a NIC is written as an alias, and no Monitor put it
// there.
func ownIsAlias(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		f := host.FamilyOf(a.Addr)
		if !s.Host.On(nic.Name, a.Addr) || !s.onlyAliases(nic, f) {
			return nil
		}
		return []Finding{{Mistake, s.Row(a),
			fmt.Sprintf("%s is an address of this host itself: %s has no other", a.Addr, nic.Name),
			fmt.Sprintf("the Monitor leaves it alone, and takes no alias on %s: releasing it would take this host off its network", nic.Name),
			fmt.Sprintf("write the address that is to move; or give the NIC one of its own: ip address add ADDRESS/%d dev %s", a.Prefix.Bits(), nic.Name)}}
	})
}

// maskDiffers: the row's mask is not that of the NIC's own address in that subnet.
func maskDiffers(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		f := host.FamilyOf(a.Addr)
		other := a.OtherMask(s.own(nic, f))
		if !other.IsValid() {
			return nil
		}
		comes := "the alias makes a second route to the subnet, and what this host sends by that route comes from the alias"
		if f == host.IPv6 { // whose kernel chooses the source by the address's own life time
			comes = "the alias makes a second route to the subnet: the two masks disagree about which hosts are on the segment and which are behind the router"
		}
		return []Finding{{Warning, s.Row(a),
			fmt.Sprintf("the mask is /%d, and that of %s on %s is /%d", a.Prefix.Bits(), other.Addr(), nic.Name, other.Bits()),
			comes,
			fmt.Sprintf("write /%d", other.Bits())}}
	})
}

// subnetElsewhere: another NIC than the row's has an address in the alias's subnet, so the
// row perhaps names the wrong one.
func subnetElsewhere(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		in := func(p netip.Prefix) bool { return host.Has(a.Prefix, p.Addr()) }
		f := host.FamilyOf(a.Addr)
		if linkLocal(a) || slices.ContainsFunc(s.own(nic, f), in) {
			return nil
		}
		for _, other := range s.Host.NICs {
			if other.Name == nic.Name || config.IsLoopback(other.Name) {
				continue
			}
			own := s.own(other, f)
			if at := slices.IndexFunc(own, in); at >= 0 {
				return []Finding{{Warning, s.Row(a),
					fmt.Sprintf("%s has no address in the alias's subnet %s, but %s has one: %s", nic.Name, a.Prefix.Masked(), other.Name, own[at].Addr()),
					fmt.Sprintf("the alias is taken and announced on the segment of %s, and clients on that of %s do not find it there", nic.Name, other.Name),
					fmt.Sprintf("write %s as Nic, unless %s is meant", other.Name, nic.Name)}}
			}
		}
		return nil
	})
}

// ownBehind: the alias stands before the host's own address of its subnet.
func ownBehind(s *Subject) []Finding {
	if s.Host == nil || !s.Host.Ordered {
		return nil
	}
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		at := slices.IndexFunc(nic.Addrs, func(x host.Address) bool { return x.Prefix == a.Prefix })
		if at < 0 || a.Addr.Is6() { // the order of addresses decides in IPv4 alone
			return nil
		}
		for i, x := range nic.Addrs {
			if x.Prefix.Masked() != a.Prefix.Masked() || !s.isOwn(nic, x) {
				continue
			}
			if i < at {
				return nil
			}
			mend := fmt.Sprintf("ip address del %s dev %s; ip address add %s dev %s", a.Prefix, nic.Name, a.Prefix, nic.Name)
			if !s.promotes(nic.Name) { // otherwise the own address would go with the alias
				mend = set(host.IPv4, nic.Name, "promote_secondaries", "1") + "; " + mend
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
		if v, _ := s.Sysctl(host.IPv4, at, "promote_secondaries"); v == "1" {
			return true
		}
	}
	return false
}
