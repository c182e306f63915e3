package defender

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// place is how the alias stands among the addresses of its NIC, by the last reading.
type place struct {
	index   int    // of the NIC that it was last seen on
	renamed string // the name that this NIC has now, where it is not the row's; only of an alias that we hold
	leads   bool   // an own address of its subnet stands behind it

	// The kernel looks for another host that has it, or has found one (RFC 4862, 5.4).
	tentative, failed bool

	// It is of IPv6 and has a preferred lifetime, so that the host speaks with it.
	spoken bool

	// On a loopback interface: what of another NIC is in its subnet.
	covers netip.Addr

	only string // it is the NIC's only address, and not by us: what there is to say of that, said once
	mask string // what is to be said of its mask; said once
}

// owned are the NIC's own addresses with their places among all of its addresses.
type owned []ownAddress

type ownAddress struct {
	at     int
	prefix netip.Prefix
}

// ownOf are the addresses that this host alone has: they are no aliases of the file, and
// no Monitor put them there.
func (l *loop) ownOf(n host.NIC) (own owned) {
	for i, a := range n.Addrs {
		if !a.Ours && l.aliasAt(n, a) == nil {
			own = append(own, ownAddress{i, a.Prefix})
		}
	}
	return own
}

// behind tells whether in the same subnet an own address stands behind the address at
// that place, and none before it.
func (o owned) behind(at int, prefix netip.Prefix) bool {
	for _, own := range o {
		if own.prefix.Masked() == prefix.Masked() {
			return own.at > at
		}
	}
	return false
}

// ownBehind is the fact of that name.
func (a *alias) ownBehind(s host.State) rules.Value {
	switch {
	case !s.Ordered || a.cfg.Addr.Is6() || a.cfg.Loopback():
		return rules.Unknown
	case !a.here:
		return rules.No
	}
	return rules.Of(a.place.leads)
}

// speakFrom has the channel written from this host's own address where the system would
// choose an alias that stands before it: the partner knows this host by its own address,
// and ignores whatever comes from an alias.
func (l *loop) speakFrom() {
	c := &l.channel
	if c.up == nil || l.net.readAt.IsZero() {
		return
	}
	from := map[netip.Addr][]netip.Addr{}
	for _, p := range c.partners {
		for _, to := range append([]netip.Addr{p.Addr}, p.Paths...) {
			if host.FamilyOf(to) == host.IPv6 {
				from[to] = l.ownsFor(to)
			} else if own := l.ownFor(to); l.net.state.Ordered && own.IsValid() {
				from[to] = []netip.Addr{own}
			}
		}
	}
	if !maps.EqualFunc(from, c.from, slices.Equal) {
		c.from = from
		c.up.SetSources(from)
	}
}

// ownFor is the own address to speak from where an alias stands before it on the way to
// that address: on the address's own subnet, or on the router's. It is the zero Addr
// where no alias does. It is for IPv4: see ownsFor.
func (l *loop) ownFor(to netip.Addr) netip.Addr {
	own, direct := l.ownOnLink("", to)
	if direct {
		return own
	}
	for _, r := range l.net.state.Routes {
		if host.FamilyOf(r.Gateway) == host.FamilyOf(to) { // the best one
			own, _ = l.ownOnLink(r.NIC, r.Gateway)
			break
		}
	}
	return own
}

// ownsFor are the own addresses of IPv6 to speak from, the best one first: those in the
// address's own subnet or, if there is none, those on the way to the router. The kernel
// would choose a temporary address, or of equal ones the youngest, and the partner may
// know neither (RFC 6724, 5). The one that an administrator put there first is the likeliest
// to stand in its file, and stays longest.
func (l *loop) ownsFor(to netip.Addr) []netip.Addr {
	all := l.ownsOnLink(to.Zone(), to)
	for _, r := range l.net.state.Routes {
		if len(all) == 0 && host.FamilyOf(r.Gateway) == host.IPv6 && to.Zone() == "" {
			all = l.ownsOnLink(r.NIC, netip.Addr{})
		}
	}
	slices.SortStableFunc(all, func(a, b host.Address) int { return cmp.Compare(worth(b, to), worth(a, to)) })
	addrs := make([]netip.Addr, len(all))
	for i, a := range all {
		addrs[i] = a.Prefix.Addr()
	}
	return addrs
}

// worth is how well an own address of IPv6 serves to speak from to a partner's.
func worth(a host.Address, to netip.Addr) int {
	switch {
	case a.Deprecated:
		return 0 // it may be the one that the partner knows
	case a.Prefix.Addr().IsPrivate() != to.IsPrivate():
		return 1 // a unique local address means nothing outside, and is known inside
	case a.Temporary:
		return 2
	case a.Lease > 0:
		return 3 // by router advertisement or DHCP
	}
	return 4
}

// ownsOnLink are the usable own addresses of IPv6, the eldest first, that have the address
// in their subnet, on the named NIC or on any if none is named; if no address is given, all
// that are good beyond the segment.
func (l *loop) ownsOnLink(nic string, to netip.Addr) (all []host.Address) {
	for _, n := range l.net.state.NICs {
		if nic != "" && n.Name != nic {
			continue
		}
		for _, o := range l.ownOf(n) {
			switch a := n.Addrs[o.at]; {
			case !a.Prefix.Addr().Is6() || !a.Usable():
			case a.Prefix.Masked().Contains(to.WithZone("")), !to.IsValid() && a.Prefix.Addr().IsGlobalUnicast():
				all = append(all, a)
			}
		}
	}
	slices.Reverse(all) // the kernel tells the youngest first
	return all
}

// ownOnLink is ownFor for an address in a subnet of the named NIC, or of any NIC if
// none is named; direct tells whether there is such a subnet.
func (l *loop) ownOnLink(nic string, to netip.Addr) (own netip.Addr, direct bool) {
	for _, n := range l.net.state.NICs {
		if nic != "" && n.Name != nic {
			continue
		}
		leads := false
		for _, a := range n.Addrs {
			switch alias := a.Ours || l.aliasAt(n, a) != nil; {
			case !a.Prefix.Masked().Contains(to):
			case !alias && leads:
				return a.Prefix.Addr(), true
			case !alias:
				return netip.Addr{}, true
			default:
				leads, direct = true, true
			}
		}
		if direct {
			return netip.Addr{}, true
		}
	}
	return netip.Addr{}, false
}

// readOwn says how the row fits the NIC's own addresses. Those of a loopback interface have
// nothing to do with it.
func (l *loop) readOwn(a *alias) {
	if a.cfg.Loopback() {
		return
	}
	p := &a.place
	only := ""
	if a.here && !a.ours && len(a.iface.own) == 0 && !a.state.Holding {
		only = fmt.Sprintf("%s is the only %s of %s, and no Monitor put it there: it may be this host's own, and is left alone", a.cfg.Addr, addressOf[a.family()], a.cfg.NIC)
	}
	if only != p.only && only != "" {
		a.log(l, "only_address").Error(only)
	}
	p.only = only
	mask := a.otherMask()
	if mask != p.mask && mask != "" {
		a.log(l, "mask_differs").Warn(mask)
	}
	if mask != "" || len(a.iface.own) > 0 { // an own address that is gone for a moment says nothing
		p.mask = mask
	}
}

// otherMask tells that the row's mask is not that of the NIC's own address in the
// same subnet.
func (a *alias) otherMask() string {
	other := a.cfg.OtherMask(a.iface.own)
	if !other.IsValid() {
		return ""
	}
	return fmt.Sprintf("the mask of this row is /%d, and that of %s on %s is /%d: this makes a second route to the subnet, %s; write /%d",
		a.cfg.Prefix.Bits(), other.Addr(), a.cfg.NIC, other.Bits(), secondRoute[a.family()], other.Bits())
}

// secondRoute is the harm that a second route to the subnet does. In IPv6 the kernel does
// not choose its own address by the route.
var secondRoute = map[host.Family]string{
	host.IPv4: "whose traffic may then come from the alias",
	host.IPv6: "and the two masks disagree about which hosts are on the segment and which behind the router",
}

// switches tells whether an order begins maintenance, or ends it. Where each alias is the
// last address of its NIC all that is ordered is refused: then it begins nothing.
func (l *loop) switches(o control.Order, chosen []*alias) bool {
	switch {
	case o.Maintenance == control.Leave || o.DryRun || len(chosen) == 0:
		return false
	case o.Maintenance == control.Off || o.Force:
		return true
	}
	return slices.ContainsFunc(chosen, func(a *alias) bool { return !a.lastAddress() })
}

// sparesLast refuses to take a NIC's last address off it, unless that is forced. An
// alias that is not ours is then at least not taken on record.
func (l *loop) sparesLast(a *alias, o control.Order, c rules.Command, answer func(control.Outcome)) bool {
	if b := a.spared(); c == rules.RemoveAlias && !o.Force && o.Maintenance != control.On && !a.lastAddress() && b != nil {
		answer(control.Outcome{
			Alias: a.id().String(), Text: fmt.Sprintf("refused: of its group, %s: %s", b.id(), b.lastText()),
			Next: "RemoveAlias --force takes all of the group off nevertheless",
		})
		return true
	}
	if c != rules.RemoveAlias || o.Force || !a.lastAddress() {
		return false
	}
	text := "refused: " + a.lastText()
	switch {
	case o.Maintenance != control.On:
	case !l.maintenance:
		text += "; so this host does not go into maintenance"
	case !a.state.Holding:
		l.then(a, a.state.Obey(c, rules.Facts{Now: l.now}))
	}
	answer(control.Outcome{Alias: a.id().String(), Text: text, Next: "RemoveAlias --force takes it off nevertheless"})
	return true
}

// lastText is why the alias is spared.
func (a *alias) lastText() string {
	return "it is the last " + addressOf[a.family()] + " of " + a.cfg.NIC + ", and with it go the routes of this host there"
}

// addressOf names an address of a family, where the other one needs no mention.
var addressOf = map[host.Family]string{host.IPv4: "address", host.IPv6: "IPv6 address"}

// lastAddress tells whether the alias is the last address of its NIC: without it the NIC
// would lose its routes too.
func (a *alias) lastAddress() bool { return a.here && len(a.iface.own) == 0 && !a.cfg.Loopback() }
