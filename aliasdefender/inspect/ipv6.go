package inspect

import (
	"fmt"
	"slices"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// What is found here is about IPv6 alone. docs/ipv6.md tells what was measured of it.

// rows6 is rows, for those of IPv6.
func (s *Subject) rows6(find func(config.Alias, host.NIC) []Finding) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		if !a.Addr.Is6() {
			return nil
		}
		return find(a, nic)
	})
}

// nics6 calls find for each NIC that is up and has rows of IPv6.
func (s *Subject) nics6(find func(host.NIC) []Finding) []Finding {
	return s.eachSide(func(nic host.NIC, f host.Family) []Finding {
		if f != host.IPv6 {
			return nil
		}
		return find(nic)
	})
}

// is tells whether a NIC's setting of IPv6 is known and has that value.
func (s *Subject) is(nic, setting, value string) bool {
	v, ok := s.Sysctl(host.IPv6, nic, setting)
	return ok && v == value
}

// linkLocal tells whether an alias is link-local: then the NIC is its zone.
func linkLocal(a config.Alias) bool { return a.Addr.Zone() != "" }

// disabled tells whether IPv6 is switched off on a NIC.
func (s *Subject) disabled(nic host.NIC) bool {
	return nic.NoIPv6 || s.is(nic.Name, "disable_ipv6", "1")
}

// ipv6Disabled: the kernel refuses every address of IPv6 there. Without the setting it has
// taken IPv6 off the NIC, which has an MTU below 1280, or has none at all.
func ipv6Disabled(s *Subject) []Finding {
	return s.nics6(func(nic host.NIC) []Finding {
		if !s.disabled(nic) {
			return nil
		}
		const matters = "no IPv6 alias is taken there, and the kernel has removed those that were there"
		if !s.is(nic.Name, "disable_ipv6", "1") {
			return []Finding{{Fault, nic.Name,
				fmt.Sprintf("the kernel has no IPv6 on %s: the MTU is below 1280, or it was started without IPv6", nic.Name), matters,
				fmt.Sprintf("ip link set mtu 1280 dev %s, and the same in the network's configuration; or start the kernel without ipv6.disable=1", nic.Name)}}
		}
		return []Finding{{Fault, nic.Name,
			fmt.Sprintf("IPv6 is switched off on %s (disable_ipv6)", nic.Name), matters,
			set(host.IPv6, nic.Name, "disable_ipv6", "0") + ", and the same in /etc/sysctl.d"}}
	})
}

// onlyLinkLocal: an address whose scope fits is chosen as the source before one that is
// not deprecated (RFC 6724, 5, rules 2 and 3), so the alias is, where all else is
// link-local.
func onlyLinkLocal(s *Subject) []Finding {
	return s.nics6(func(nic host.NIC) []Finding {
		here := func(a config.Alias) bool { return a.NIC == nic.Name && a.Addr.Is6() && !linkLocal(a) }
		at := slices.IndexFunc(s.Config.Aliases, here)
		if at < 0 || len(s.own(nic, host.IPv6)) == 0 {
			return nil
		}
		for _, n := range s.Host.NICs {
			for _, addr := range n.Addrs {
				ip := addr.Prefix.Addr()
				if ip.Is6() && !ip.IsLinkLocalUnicast() && !ip.IsLoopback() && s.isOwn(n, addr) && addr.Usable() && !addr.Deprecated {
					return nil
				}
			}
		}
		return []Finding{{Warning, nic.Name,
			"this host's own IPv6 addresses are all link-local",
			fmt.Sprintf("what it sends to any other address comes from %s while it holds that, and such connections end when the alias goes", s.Config.Aliases[at].Addr),
			fmt.Sprintf("give it one: ip address add ADDRESS/%d dev %s; and write it into the network's configuration", s.Config.Aliases[at].Prefix.Bits(), nic.Name)}}
	})
}

// dadFailed: another host had the address when it was added (RFC 4862, 5.4.5). The
// Monitor mends that of an alias.
func dadFailed(s *Subject) []Finding {
	return s.nics6(func(nic host.NIC) (found []Finding) {
		for _, addr := range nic.Addrs {
			if !addr.DADFailed || !s.isOwn(nic, addr) {
				continue
			}
			found = append(found, Finding{Warning, nic.Name,
				fmt.Sprintf("%s on %s is a duplicate: another host had it when it was added (dadfailed)", addr.Prefix.Addr(), nic.Name),
				"the kernel neither answers for it nor sends from it, and does not try again by itself",
				fmt.Sprintf("find out who has it; then: ip address del %s dev %s; ip address add %s dev %s", addr.Prefix, nic.Name, addr.Prefix, nic.Name)})
		}
		return found
	})
}

// deafToRouters tells whether the default route that a row relies on would have to come
// by router advertisement, which the kernel ignores: a NIC that forwards takes none
// unless accept_ra is 2, and what it had learnt goes when forwarding is switched on.
func (s *Subject) deafToRouters(a config.Alias) bool {
	auto := !a.Router.IsValid() && len(a.Witnesses) == 0
	return a.Addr.Is6() && auto && !s.defaultRoute(a) && s.carrier(a.NIC) && s.is(a.NIC, "forwarding", "1") && s.is(a.NIC, "accept_ra", "1")
}

// carrier tells whether the NIC has one. Without it the host is read without the default
// routes of IPv6 that go out of it.
func (s *Subject) carrier(nic string) bool {
	n, _ := s.Host.NIC(nic)
	return n.Carrier
}

// advertisementsLost: see deafToRouters.
func advertisementsLost(s *Subject) []Finding {
	return s.rows6(func(a config.Alias, nic host.NIC) []Finding {
		if !s.deafToRouters(a) {
			return nil
		}
		return []Finding{{Warning, s.Row(a),
			fmt.Sprintf("no IPv6 default route goes out of %s: forwarding=1 there, and with that accept_ra=1 ignores router advertisements", nic.Name),
			fmt.Sprintf("%s is not taken here: nothing proves that this host's own network works", a.Addr),
			set(host.IPv6, nic.Name, "accept_ra", "2") + ", and the same in /etc/sysctl.d; or set router or witnesses in " + s.Settings}}
	})
}

// noRouterFlag: a link-local alias is what a pair of routers gives as the default
// gateway. Who announces it without the R flag takes itself off its neighbours' lists of
// routers (RFC 4861, 7.2.5).
func noRouterFlag(s *Subject) []Finding {
	return s.rows6(func(a config.Alias, nic host.NIC) []Finding {
		if !linkLocal(a) || !s.is(nic.Name, "forwarding", "0") {
			return nil
		}
		return []Finding{{Warning, s.Row(a),
			fmt.Sprintf("%s is link-local, as a default router's address is, and forwarding=0 on %s", a.Addr, nic.Name),
			"the alias is announced as that of a host and not of a router: whoever has it as the default router drops that route",
			set(host.IPv6, "all", "forwarding", "1") + ", and the same in /etc/sysctl.d; nothing, if no host routes through the alias"}}
	})
}

// deafToAnnouncements: this host's kernel does not learn that an alias has moved. The
// Monitor hears it all the same.
func deafToAnnouncements(s *Subject) []Finding {
	return s.nics6(func(nic host.NIC) []Finding {
		if !s.is(nic.Name, "drop_unsolicited_na", "1") {
			return nil
		}
		return []Finding{{Warning, nic.Name,
			fmt.Sprintf("drop_unsolicited_na is set on %s", nic.Name),
			"when the partner takes an alias, this host goes on sending to the old holder, until the entry of its neighbour table has aged; so does whoever is routed through this host",
			set(host.IPv6, nic.Name, "drop_unsolicited_na", "0") + ", and the same in /etc/sysctl.d"}}
	})
}

// announcesByItself: an alias that stays on a NIC which is set down is announced by the
// kernel as soon as the NIC is set up again. A leased one goes when the NIC is set down.
func announcesByItself(s *Subject) []Finding {
	return s.rows6(func(a config.Alias, nic host.NIC) []Finding {
		set6 := func(setting string) bool { return s.is(nic.Name, setting, "1") || s.is("all", setting, "1") }
		leased := a.Lease > 0 && (!a.Primary || len(s.Config.Settings.Peer.KeyFiles) > 0)
		if leased || linkLocal(a) || !set6("ndisc_notify") || !set6("keep_addr_on_down") {
			return nil
		}
		return []Finding{{Warning, s.Row(a),
			fmt.Sprintf("%s has ndisc_notify=1 and keep_addr_on_down=1, and %s has no lease", nic.Name, a.Addr),
			"when the NIC is set down and up again, it announces the alias before the Monitor has asked whether the partner has it now",
			set(host.IPv6, nic.Name, "keep_addr_on_down", "0") + " and the same for all; or a key on both hosts: a leased alias goes when its NIC is set down"}}
	})
}

// unitWithoutIPv6: the unit that starts the Monitor forbids it sockets of IPv6.
func unitWithoutIPv6(s *Subject) []Finding {
	u := s.judged()
	if u == nil || !slices.ContainsFunc(s.Config.Aliases, func(a config.Alias) bool { return a.Addr.Is6() }) {
		return nil
	}
	words := u.words("RestrictAddressFamilies")
	if len(words) == 0 || words[0][0] == '~' || slices.Contains(words, "AF_INET6") {
		return nil
	}
	return []Finding{{Warning, u.Name,
		fmt.Sprintf("%s of this host keeps the Monitor from using IPv6 (RestrictAddressFamilies)", u.Name),
		"it cannot ping IPv6 routers, partners and aliases, and takes no IPv6 alias",
		edit("RestrictAddressFamilies=AF_INET6")}}
}
