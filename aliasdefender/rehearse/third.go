package rehearse

import (
	"fmt"
	"net/netip"
	"slices"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// router makes the one router of all networks. It has every router's address that the
// files or this host name.
func (p *planner) router() error {
	r := machine{Name: routerName, Router: true}
	for i, s := range p.lans {
		nic := machineNIC{Name: fmt.Sprintf("eth%d", i), Network: s.nic}
		for _, sub := range s.subnets {
			addrs, err := p.routersIn(s, sub)
			if err != nil {
				return err
			}
			for _, a := range addrs {
				nic.Addrs = append(nic.Addrs, netip.PrefixFrom(a, sub.Bits()))
			}
		}
		for _, a := range nic.Addrs {
			s.router.add(a.Addr())
		}
		r.NICs = append(r.NICs, nic)
	}
	p.Machines = append(p.Machines, r)
	return nil
}

// routersIn returns the router's addresses in a subnet: the real default route and those
// that are set, otherwise a free one.
func (p *planner) routersIn(s *segment, sub netip.Prefix) (addrs []netip.Addr, err error) {
	nic, there := p.seen.NICs[s.nic]
	gateway := nic.Gateway.of(sub.Addr())
	if sub.Contains(gateway) && !p.taken(gateway) {
		addrs = append(addrs, gateway)
		if gateway.Is6() {
			s.router.IPv6 = gateway // also where an address in another subnet came first
		} else {
			s.router.IPv4 = gateway
		}
	}
	auto := false
	for _, a := range p.aliases {
		set := bare(a.Router)
		switch {
		case a.NIC == s.nic && !a.Router.IsValid():
			auto = auto || sub.Contains(bare(a.Addr))
		case a.NIC == s.nic && sub.Contains(set) && !slices.Contains(addrs, set) && !p.taken(set):
			addrs = append(addrs, set)
		}
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	free, err := p.free(sub, routerName)
	if err != nil {
		return nil, err
	}
	switch {
	case auto && there && gateway.IsLinkLocalUnicast(): // it is in a subnet of its own
	case auto && there && gateway.IsValid():
		p.note("the default route out of %s, %s, is not in %s: %s stands in for it", s.nic, gateway, sub, free)
	case auto && there:
		p.note("no default route goes out of %s here: %s stands in for the router. A Monitor on this machine would take nothing there (W8): set router for these aliases", s.nic, free)
	case auto:
		p.note("%s stands in for the router of %s", free, s.nic)
	}
	return []netip.Addr{free}, nil
}

// outside makes the witnesses, and puts addresses outside every subnet behind the router.
func (p *planner) outside() error {
	for _, a := range p.aliases {
		third := a.Witnesses
		if a.Router.IsValid() {
			third = append(slices.Clone(third), a.Router)
		}
		for _, w := range third {
			p.addWitness(bare(w))
		}
	}
	if len(p.far) == 0 {
		return nil
	}
	p.Networks = append(p.Networks, beyond)
	r := p.machine(routerName)
	nic := machineNIC{Name: "far0", Network: beyond}
	for _, f := range p.far {
		its, router, err := p.pairOf(f.addr)
		if err != nil {
			return err
		}
		nic.Addrs = append(nic.Addrs, router)
		farNIC := machineNIC{Name: "far0", Network: beyond, Addrs: []netip.Prefix{its}}
		if f.machine != "" {
			m := p.machine(f.machine)
			m.NICs = append(m.NICs, farNIC)
			continue
		}
		w := machine{Name: "witness " + f.addr.String(), NICs: []machineNIC{farNIC}}
		w.Gateway.add(router.Addr())
		p.Machines = append(p.Machines, w)
		r = p.machine(routerName) // the append may have moved it
	}
	r.NICs = append(r.NICs, nic)
	return nil
}

// addWitness gives a third party a machine, if no other machine has its address.
func (p *planner) addWitness(w netip.Addr) {
	if p.taken(w) || slices.ContainsFunc(p.far, func(f farAddr) bool { return f.addr == w }) {
		return
	}
	for _, s := range p.lans {
		if sub, ok := s.subnet(w); ok {
			m := machine{
				Name: "witness " + w.String(),
				NICs: []machineNIC{{Name: "eth0", Network: s.nic, Addrs: []netip.Prefix{netip.PrefixFrom(w, sub.Bits())}}},
			}
			m.Gateway.add(s.router.of(w))
			p.Machines = append(p.Machines, m)
			return
		}
	}
	p.far = append(p.far, farAddr{addr: w})
}

// pairOf returns the smallest subnet in which the router can meet an address outside
// every subnet: the prefixes of both.
func (p *planner) pairOf(addr netip.Addr) (its, router netip.Prefix, err error) {
	for bits := addr.BitLen() - 1; bits >= addr.BitLen()-8; bits-- {
		sub := netip.PrefixFrom(addr, bits).Masked()
		if first, last := bounds(sub); addr.Less(first) || last.Less(addr) {
			continue // it would be a network or broadcast address
		}
		if free, err := p.free(sub, routerName); err == nil {
			return netip.PrefixFrom(addr, bits), netip.PrefixFrom(free, bits), nil
		}
	}
	return its, router, fmt.Errorf("%s cannot be put behind the router: no address is left beside it", addr)
}

// clients puts one client into each network.
func (p *planner) clients() error {
	for _, s := range p.lans {
		c := machine{Name: clientOf(s.nic), Gateway: s.router}
		nic := machineNIC{Name: "eth0", Network: s.nic}
		for _, sub := range s.subnets {
			addr, err := p.free(sub, "the client")
			if err != nil {
				return err
			}
			nic.Addrs = append(nic.Addrs, netip.PrefixFrom(addr, sub.Bits()))
		}
		c.NICs = []machineNIC{nic}
		p.Machines = append(p.Machines, c)
	}
	return nil
}

func clientOf(nic string) string { return "client on " + nic }

// files writes the hosts' tables. Ours stays as it is, except names, which cannot be
// resolved inside; each partner's is the mirror of it.
func (p *planner) files() error {
	for _, m := range p.Machines {
		if m.Name == thisHostName || slices.Contains(hostsOf(p.hosts), m.Name) {
			p.machine(m.Name).Gateway = p.gatewayOf(m)
		}
	}
	for _, a := range p.aliases {
		s := p.lan(a.NIC)
		addr, _ := p.partnerAddr(a)
		us, it := p.machine(thisHostName), p.machine(p.hosts[a.Partner.Name])

		ours := p.rehearsed(a, us, addr)
		us.Aliases = append(us.Aliases, ours)
		mirror := p.rehearsed(a, it, p.ownFacing(s, a, addr))
		mirror.Primary, mirror.Failback = !a.Primary, false
		it.Aliases = append(it.Aliases, mirror)

		control := a.Router
		if _, ok := s.subnet(control); !ok {
			control = s.router.of(a.Addr)
		}
		p.Parts = append(p.Parts, part{
			Alias: ours, Host: us.Name, Partner: it.Name, Client: clientOf(a.NIC), Control: bare(control),
		})
	}
	return nil
}

func hostsOf(byName map[string]string) (all []string) {
	for _, m := range byName {
		all = append(all, m)
	}
	return all
}

// gatewayOf is, of each family, the router on the NIC that has the real default route, or
// on the first. A link-local one has that NIC as its zone.
func (p *planner) gatewayOf(m machine) (all families) {
	fill := func(fits func(*segment, netip.Addr) bool) {
		for _, n := range m.NICs {
			s := p.lan(n.Network)
			if s == nil {
				continue
			}
			if !all.IPv4.IsValid() && fits(s, s.router.IPv4) {
				all.IPv4 = s.router.IPv4
			}
			if !all.IPv6.IsValid() && fits(s, s.router.IPv6) {
				all.IPv6 = host.Zoned(s.router.IPv6, n.Name)
			}
		}
	}
	fill(func(s *segment, router netip.Addr) bool {
		return router.IsValid() && router == p.seen.NICs[s.nic].Gateway.of(router)
	})
	fill(func(_ *segment, router netip.Addr) bool { return router.IsValid() })
	return all
}

// ownFacing is the address at which a partner knows us: the one in its own subnet,
// otherwise the one in the alias's.
func (p *planner) ownFacing(s *segment, a config.Alias, partner netip.Addr) netip.Addr {
	for _, lan := range append([]*segment{s}, p.lans...) {
		for i, sub := range lan.subnets {
			if sub.Contains(partner) {
				return lan.own[i].Addr()
			}
		}
	}
	sub, _ := s.subnet(a.Addr)
	return s.own[slices.Index(s.subnets, sub)].Addr()
}

// rehearsed is an alias as a machine's file has it.
func (p *planner) rehearsed(a config.Alias, on *machine, partner netip.Addr) config.Alias {
	a.Partner = config.Partner{Name: partner.String(), Addr: host.Zoned(partner, a.NIC)}
	a.MaxTakes = rehearsedTakes
	// A machine has one default route of each family here. If that does not leave by the
	// alias's NIC, the router has to be named.
	if router := host.Zoned(p.lan(a.NIC).router.of(a.Addr), a.NIC); !a.Router.IsValid() && router != on.Gateway.of(a.Addr) {
		a.Router = router
	}
	return a
}
