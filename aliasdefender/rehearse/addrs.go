package rehearse

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"alias-defender/aliasdefender/config"
)

// reserve keeps the addresses that the files name from being given to other machines.
func (p *planner) reserve() {
	for _, a := range p.aliases {
		p.fixed[a.Addr] = true
		if addr, ok := p.partnerAddr(a); ok {
			p.fixed[addr] = true
		}
		if a.Router.IsValid() {
			p.fixed[a.Router] = true
		}
		for _, w := range a.Witnesses {
			p.fixed[w] = true
		}
		if gw := p.seen.NICs[a.NIC].Gateway; gw.IsValid() {
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

// bounds are the first and the last address that hosts can have.
func bounds(sub netip.Prefix) (first, last netip.Addr) {
	first = sub.Masked().Addr()
	b := first.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|(1<<(32-sub.Bits())-1))
	last = netip.AddrFrom4(b)
	if sub.Bits() < 31 { // RFC 3021: a /31 has two hosts and nothing else
		return first.Next(), last.Prev()
	}
	return first, last
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
// alias with us. Two names with one address are one host.
func (p *planner) partners() error {
	byAddr := map[netip.Addr]string{}
	for _, a := range p.aliases {
		name := a.Partner.Name
		if p.hosts[name] != "" {
			continue
		}
		addr, known := p.partnerAddr(a)
		if m := byAddr[addr]; known && m != "" {
			p.hosts[name] = m
			continue
		}
		m := p.uniqueName(name)
		p.hosts[name] = m
		if known {
			byAddr[addr] = m
		}
		p.Machines = append(p.Machines, machine{Name: m})
	}
	for _, a := range p.aliases {
		if err := p.plugPartner(a); err != nil {
			return err
		}
	}
	return nil
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
	if slices.ContainsFunc(m.NICs, func(n machineNIC) bool { return n.Network == a.NIC }) {
		return nil
	}
	addr, known := p.partnerAddr(a)
	nic := machineNIC{Name: a.NIC, Network: a.NIC}
	for _, sub := range s.subnets {
		its := addr
		if !known || !sub.Contains(addr) {
			var err error
			if its, err = p.free(sub, m.Name); err != nil {
				return err
			}
		}
		nic.Addrs = append(nic.Addrs, netip.PrefixFrom(its, sub.Bits()))
	}
	m.NICs = append(m.NICs, nic)
	switch {
	case !known:
		sub, _ := s.subnet(a.Addr)
		at := slices.Index(s.subnets, sub)
		p.note("%s does not resolve here: %s stands in for it", a.Partner.Name, nic.Addrs[at].Addr())
		p.seen.Names = withName(p.seen.Names, a.Partner.Name, nic.Addrs[at].Addr())
	case !p.onLAN(addr):
		if !slices.ContainsFunc(p.far, func(f farAddr) bool { return f.addr == addr }) {
			p.far = append(p.far, farAddr{addr, m.Name})
			p.note("the partner's address %s is in none of the aliases' subnets: the rehearsal puts it behind the router, on a second NIC of that host", addr)
		}
	}
	return nil
}

// withName adds to a copy: the map belongs to the caller.
func withName(names map[string]netip.Addr, name string, addr netip.Addr) map[string]netip.Addr {
	all := map[string]netip.Addr{name: addr}
	for n, a := range names {
		all[n] = a
	}
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
