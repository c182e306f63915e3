package rehearse

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"alias-defender/aliasdefender/config"
)

// reserve keeps the addresses that the files name from being given to other machines.
func (p *planner) reserve() {
	for _, a := range p.aliases {
		p.fixed[bare(a.Addr)] = true
		if addr, ok := p.partnerAddr(a); ok {
			p.fixed[addr] = true
		}
		if a.Router.IsValid() {
			p.fixed[bare(a.Router)] = true
		}
		for _, w := range a.Witnesses {
			p.fixed[bare(w)] = true
		}
		for _, gw := range p.seen.NICs[a.NIC].Gateway.both() {
			p.fixed[gw] = true
		}
	}
	for addr := range p.fixed {
		p.used[addr] = true
	}
	// This host's own addresses stay its own also where another NIC looks for a free one.
	for _, n := range p.seen.NICs {
		for _, own := range n.Own {
			p.used[own.Addr()] = true
		}
	}
}

// free returns the first address of a subnet that no machine has, and takes it.
func (p *planner) free(sub netip.Prefix, whose string) (netip.Addr, error) {
	first, last := bounds(sub)
	for addr := first; addr.IsValid() && !last.Less(addr); addr = addr.Next() {
		if !p.used[addr] {
			p.used[addr] = true
			return addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%s has no address left for %s: a rehearsal needs the alias, two hosts, a router and a client in it", sub, whose)
}

// bounds are the first and the last address that hosts can have. The first of IPv6 is the
// subnet-router anycast address, and there is no broadcast.
func bounds(sub netip.Prefix) (first, last netip.Addr) {
	first = sub.Masked().Addr()
	b := first.AsSlice()
	for i := sub.Bits(); i < first.BitLen(); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ = netip.AddrFromSlice(b)
	switch {
	case first.BitLen()-sub.Bits() < 2: // RFC 3021, RFC 6164: two hosts and nothing else
		return first, last
	case first.Is6():
		return first.Next(), last
	}
	return first.Next(), last.Prev()
}

// ourselves makes this host: with its real addresses where they fit.
func (p *planner) ourselves() error {
	us := machine{Name: thisHostName}
	for _, s := range p.lans {
		for _, sub := range s.subnets {
			own, err := p.ownIn(s, sub)
			if err != nil {
				return err
			}
			s.own = append(s.own, netip.PrefixFrom(own, sub.Bits()))
		}
		us.NICs = append(us.NICs, machineNIC{Name: s.nic, Network: s.nic, Addrs: s.own})
	}
	p.Machines = append(p.Machines, us)
	return nil
}

// ownIn is this host's own address in a subnet. An address that the files give to another
// machine is not ours, even if this machine has it: the files may have been written for
// another host.
func (p *planner) ownIn(s *segment, sub netip.Prefix) (netip.Addr, error) {
	nic, there := p.seen.NICs[s.nic]
	for _, own := range nic.Own {
		if sub.Contains(own.Addr()) && !p.fixed[own.Addr()] {
			p.fixed[own.Addr()] = true
			return own.Addr(), nil
		}
	}
	addr, err := p.free(sub, thisHostName)
	if err != nil {
		return addr, err
	}
	if there {
		p.note("%s has no address of its own in %s here: %s stands in for it", s.nic, sub, addr)
	} else {
		p.note("this machine has no %s: %s stands in for its address", s.nic, addr)
	}
	return addr, nil
}

// partners makes a host of each partner, with a NIC in each network where it shares an
// alias with us. Two names with one address are one host, and so are the only partner of
// IPv4 on a NIC and the only one of IPv6.
func (p *planner) partners() error {
	byAddr := map[netip.Addr]string{}
	for _, a := range p.aliases {
		name := a.Partner.Name
		if p.hosts[name] != "" {
			continue
		}
		addr, known := p.partnerAddr(a)
		m := byAddr[addr]
		if !known || m == "" {
			m = p.hosts[p.otherFamily(a)]
		}
		if m == "" {
			m = p.hosts[p.groupmate(a)]
		}
		if m == "" {
			m = p.uniqueName(name)
			p.Machines = append(p.Machines, machine{Name: m})
		}
		p.hosts[name] = m
		if known {
			byAddr[addr] = m
		}
	}
	for _, a := range p.aliases {
		if err := p.plugPartner(a); err != nil {
			return err
		}
	}
	return nil
}

// otherFamily is the partner's name of the NIC's aliases of the other family, if they
// have but one partner, and those of this family too.
func (p *planner) otherFamily(a config.Alias) string {
	var same, other []string
	for _, b := range p.aliases {
		list := &same
		if b.Addr.Is6() != a.Addr.Is6() {
			list = &other
		}
		if b.NIC == a.NIC && !slices.Contains(*list, b.Partner.Name) {
			*list = append(*list, b.Partner.Name)
		}
	}
	if len(same) != 1 || len(other) != 1 {
		return ""
	}
	if p.hosts[other[0]] != "" {
		p.note("%s and %s are taken for one host", other[0], same[0])
	}
	return other[0]
}

// maxName is the longest host name that the kernel takes, less some room.
const maxName = 50

func (p *planner) uniqueName(name string) string {
	if len(name) > maxName {
		name = name[:maxName]
	}
	unique := name
	for i := 2; p.machine(unique) != nil; i++ {
		unique = fmt.Sprintf("%s#%d", name, i)
	}
	return unique
}

// plugPartner gives an alias's partner its NIC in the alias's network.
func (p *planner) plugPartner(a config.Alias) error {
	m, s := p.machine(p.hosts[a.Partner.Name]), p.lan(a.NIC)
	at := slices.IndexFunc(m.NICs, func(n machineNIC) bool { return n.Network == a.NIC })
	if at < 0 {
		nic := machineNIC{Name: a.NIC, Network: a.NIC}
		for _, sub := range s.subnets {
			its, err := p.partnerIn(m.Name, a.NIC, sub)
			if err != nil {
				return err
			}
			nic.Addrs = append(nic.Addrs, netip.PrefixFrom(its, sub.Bits()))
		}
		m.NICs, at = append(m.NICs, nic), len(m.NICs)
	}
	nic := m.NICs[at]
	addr, known := p.partnerAddr(a)
	switch {
	case !known:
		sub, _ := s.subnet(a.Addr)
		standsIn := nic.Addrs[slices.Index(s.subnets, sub)].Addr()
		p.note("%s does not resolve here: %s stands in for it", a.Partner.Name, standsIn)
		p.seen.Names = withName(p.seen.Names, a.Partner.Name, standsIn)
	case !p.onLAN(addr):
		if !slices.ContainsFunc(p.far, func(f farAddr) bool { return f.addr == addr }) {
			p.far = append(p.far, farAddr{addr, m.Name})
			p.note("the partner's address %s is in none of the aliases' subnets: the rehearsal puts it behind the router, on a second NIC of that host", addr)
		}
	}
	return nil
}

// partnerIn is the address of a partner's host in a subnet of a NIC's network.
func (p *planner) partnerIn(host, nic string, sub netip.Prefix) (netip.Addr, error) {
	for _, a := range p.aliases {
		if addr, known := p.partnerAddr(a); known && a.NIC == nic && p.hosts[a.Partner.Name] == host && sub.Contains(addr) {
			return addr, nil
		}
	}
	return p.free(sub, host)
}

// withName adds to a copy: the map belongs to the caller.
func withName(names map[string]families, name string, addr netip.Addr) map[string]families {
	all := map[string]families{}
	maps.Copy(all, names)
	its := all[name]
	its.add(addr)
	all[name] = its
	return all
}

// onLAN tells whether an address lies in a subnet of some network.
func (p *planner) onLAN(addr netip.Addr) bool {
	return slices.ContainsFunc(p.lans, func(s *segment) bool { _, ok := s.subnet(addr); return ok })
}

// taken tells whether a machine has the address.
func (p *planner) taken(addr netip.Addr) bool {
	for _, m := range p.Machines {
		for _, n := range m.NICs {
			if slices.ContainsFunc(n.Addrs, func(have netip.Prefix) bool { return have.Addr() == addr }) {
				return true
			}
		}
	}
	return false
}
