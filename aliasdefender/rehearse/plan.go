package rehearse

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// The machines of a rehearsal that are not hosts of the file. A host's name cannot have a
// space, so they cannot be mistaken for one.
const (
	thisHostName = "this host"
	routerName   = "the router"
	beyond       = "behind the router" // the network of what lies off every subnet
)

// plan is the network in which a rehearsal is played: the user's files, turned into
// machines. Making it touches nothing.
type plan struct {
	Networks []string // a switch for each NIC of the file, by its name, and some more
	Machines []machine
	Parts    []part
	Notes    []string // what differs from the files or from this host, for the user
}

// machine is a host, router, witness or client.
type machine struct {
	Name    string
	NICs    []machineNIC
	Gateway families
	Router  bool
	Aliases []config.Alias // its hostname.alias; none: it runs no Monitor
}

// via is an address as the machine has to write it: a link-local one with the first of its
// NICs in that subnet, or with its first NIC, where the kernel has put an address of its
// own.
func (m machine) via(addr netip.Addr) netip.Addr {
	if addr.Zone() != "" {
		return addr
	}
	for _, n := range m.NICs {
		for _, own := range n.Addrs {
			if own.Contains(addr) {
				return host.Zoned(addr, n.Name)
			}
		}
	}
	return host.Zoned(addr, m.NICs[0].Name)
}

// machineNIC is a NIC and where it is plugged in.
type machineNIC struct {
	Name    string
	Network string
	Addrs   []netip.Prefix // host bits included; the first is its own
}

// families is one address of each family, the zero Addr where there is none.
type families struct {
	IPv4, IPv6 netip.Addr
}

// of is the address of the family of another one.
func (f families) of(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		return f.IPv6
	}
	return f.IPv4
}

// add takes an address in, without its zone, if it is the first of its family.
func (f *families) add(addr netip.Addr) {
	addr = addr.WithZone("")
	switch {
	case addr.Is6() && !f.IPv6.IsValid():
		f.IPv6 = addr
	case addr.Is4() && !f.IPv4.IsValid():
		f.IPv4 = addr
	}
}

// both are the valid ones.
func (f families) both() (all []netip.Addr) {
	for _, addr := range []netip.Addr{f.IPv4, f.IPv6} {
		if addr.IsValid() {
			all = append(all, addr)
		}
	}
	return all
}

// bare is an address without its zone: in a plan the NIC tells link-local ones apart.
func bare(addr netip.Addr) netip.Addr { return addr.WithZone("") }

// part is one alias and who plays in it.
type part struct {
	config.Alias
	Host    string     // always this host
	Partner string     // the other one; hides the partner's address on purpose
	Client  string     // who asks it
	Control netip.Addr // what that client asks besides the alias: it never moves
}

// other is the host of the pair that is not the one given.
func (p part) other(host string) string {
	if host == p.Host {
		return p.Partner
	}
	return p.Host
}

// primary is the primary of the pair.
func (p part) primary() string {
	if p.Primary {
		return p.Host
	}
	return p.Partner
}

// machine returns the machine of that name.
func (p *plan) machine(name string) *machine {
	for i := range p.Machines {
		if p.Machines[i].Name == name {
			return &p.Machines[i]
		}
	}
	return nil
}

// knownAs is the address by which others know a partner, if it is but one. This host is
// known by the address that its routes choose.
func (p *plan) knownAs(name string) (addr netip.Addr) {
	for _, a := range p.Parts {
		its := a.Alias.Partner.Addr
		if a.Partner != name || its == addr {
			continue
		}
		if addr.IsValid() || its.IsLinkLocalUnicast() {
			return netip.Addr{}
		}
		addr = its
	}
	return addr
}

// rehearsedTakes is maxTakes in the files of a rehearsal: it moves an alias more often in
// a minute than flapping should allow in an hour.
const rehearsedTakes = 1000

// makePlan turns the files into a network. An error says why they cannot be
// rehearsed.
func makePlan(cfg *config.Config, seen surroundings) (*plan, error) {
	p := &planner{plan: &plan{}, seen: seen, used: map[netip.Addr]bool{}, fixed: map[netip.Addr]bool{}, hosts: map[string]string{}}
	p.aliases, p.groupsOf = cfg.Pairs(), cfg.Groups
	switch shared := len(cfg.Aliases) - len(p.aliases); {
	case len(p.aliases) == 0:
		return nil, errors.New("there is nothing to rehearse: each row is of a loopback interface, and no alias there moves from host to host")
	case shared > 0:
		p.note("%d of the rows are of a loopback interface and not rehearsed: no alias there moves from host to host", shared)
	}
	p.reserve()
	for _, step := range []func() error{p.segments, p.ourselves, p.partners, p.router, p.outside, p.clients, p.files} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return p.plan, nil
}

// planner is a plan in the making.
type planner struct {
	*plan
	aliases  []config.Alias
	groupsOf []config.Group
	seen     surroundings
	used     map[netip.Addr]bool // addresses that are taken
	fixed    map[netip.Addr]bool // addresses in the files, which are not this host's own
	lans     []*segment
	hosts    map[string]string // machine of a partner, by the partner's name
	far      []farAddr         // addresses outside every subnet
}

// segment is the network of one NIC.
type segment struct {
	nic     string
	subnets []netip.Prefix // masked
	own     []netip.Prefix // this host's, one in each subnet
	router  families       // the default routes out of it
}

// farAddr is an address behind the router, and the machine that has it, unless it gets a
// machine of its own.
type farAddr struct {
	addr    netip.Addr
	machine string
}

func (p *planner) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(p.Notes, n) {
		p.Notes = append(p.Notes, n)
	}
}

// lan returns the segment of a NIC.
func (p *planner) lan(nic string) *segment {
	for _, s := range p.lans {
		if s.nic == nic {
			return s
		}
	}
	return nil
}

// subnet returns the subnet of the segment that an address lies in.
func (s *segment) subnet(addr netip.Addr) (netip.Prefix, bool) {
	for _, sub := range s.subnets {
		if sub.Contains(bare(addr)) {
			return sub, true
		}
	}
	return netip.Prefix{}, false
}

// partnerAddr is the address of an alias's partner, if that is known.
func (p *planner) partnerAddr(a config.Alias) (netip.Addr, bool) {
	if a.Partner.Addr.IsValid() {
		return bare(a.Partner.Addr), true
	}
	addr := bare(p.seen.Names[a.Partner.Name].of(a.Addr))
	if p.isAlias(addr) {
		return netip.Addr{}, false // an alias moves: the partner cannot be there
	}
	return addr, addr.IsValid()
}

func (p *planner) isAlias(addr netip.Addr) bool {
	return slices.ContainsFunc(p.aliases, func(a config.Alias) bool { return bare(a.Addr) == addr })
}

// segments gives each NIC its network, with the subnet of each of its aliases.
func (p *planner) segments() error {
	for _, a := range p.aliases {
		s := p.lan(a.NIC)
		if s == nil {
			s = &segment{nic: a.NIC}
			p.lans = append(p.lans, s)
			p.Networks = append(p.Networks, a.NIC)
		}
		for _, sub := range p.subnetsOf(a) {
			if !slices.Contains(s.subnets, sub) {
				s.subnets = append(s.subnets, sub)
			}
		}
	}
	return nil
}

// linkLocal is the subnet in which every NIC has an address (RFC 4291, section 2.5.6).
var linkLocal = netip.MustParsePrefix("fe80::/64")

// roomy tells whether a subnet has room for others beside the alias.
func roomy(sub netip.Prefix) bool { return sub.Addr().BitLen()-sub.Bits() >= 2 }

// subnetsOf returns the subnets that an alias lives in: that of its mask or, if this has
// no room for others, that of the real NIC or the partner; and where its router or a
// witness is in another subnet of the NIC, the link-local one included, that too.
func (p *planner) subnetsOf(a config.Alias) []netip.Prefix {
	all := p.aroundOf(a)
	third := append(slices.Clone(a.Witnesses), a.Router)
	if gateway := p.seen.NICs[a.NIC].Gateway.IPv6; !a.Router.IsValid() && gateway.IsLinkLocalUnicast() {
		third = append(third, gateway)
	}
	for _, own := range append(slices.Clone(p.seen.NICs[a.NIC].Own), linkLocal) {
		near := slices.ContainsFunc(third, func(addr netip.Addr) bool { return own.Contains(bare(addr)) })
		if sub := own.Masked(); near && roomy(own) && own.Addr().Is6() == a.Addr.Is6() && !slices.Contains(all, sub) {
			all = append(all, sub)
		}
	}
	if !a.Addr.IsLinkLocalUnicast() {
		return all
	}
	// A link-local alias says nothing of the segment's other subnets.
	for _, addr := range third {
		if addr = bare(addr); addr.IsValid() && !slices.ContainsFunc(all, func(sub netip.Prefix) bool { return sub.Contains(addr) }) {
			all = append(all, around(addr))
		}
	}
	return all
}

// around is the subnet that an address is probably in.
func around(addr netip.Addr) netip.Prefix {
	if addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked()
	}
	return netip.PrefixFrom(addr, 24).Masked()
}

func (p *planner) aroundOf(a config.Alias) []netip.Prefix {
	addr := bare(a.Addr)
	partner, known := p.partnerAddr(a)
	for _, own := range p.seen.NICs[a.NIC].Own {
		if roomy(own) && own.Contains(addr) && (!known || own.Contains(partner)) {
			return []netip.Prefix{own.Masked()}
		}
	}
	if roomy(a.Prefix) {
		return []netip.Prefix{a.Prefix.Masked()}
	}
	if !known || around(partner).Contains(addr) {
		return []netip.Prefix{around(addr)}
	}
	for _, own := range p.seen.NICs[a.NIC].Own {
		if roomy(own) && own.Contains(partner) {
			return []netip.Prefix{own.Masked(), around(addr)}
		}
	}
	return []netip.Prefix{around(partner), around(addr)}
}
