package defender

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// network is this host's network as it was last read.
type network struct {
	nics  map[host.Side]*nic
	state host.State
	paths []path // of state
	spare []path // for the next reading

	readAt    time.Time // when the newest reading began; zero: no reading has come back
	readErr   string
	reading   bool // one is under way
	readAgain bool // and another is wanted after it
	toldAgain bool // the kernel has told of a change since it began
	toldBusy  bool // the kernel has told of one while we were changing it
	next      time.Time
	rested    time.Time // when the kernel's word is followed by a reading at once

	claimants map[claimantKey]*claimant // who claims what we hold
}

// nic is one family's half of an interface that aliases are on.
type nic struct {
	host.Side
	index   int
	up      bool
	carrier bool
	noIPv6  bool           // it has no such half: IPv6 is disabled on it
	own     []netip.Prefix // its own usable addresses of the family, host bits included
	both    []netip.Prefix // and those of both families
	listener
}

// path is an address of this host that is no alias. Addresses in its subnet are reached
// directly.
type path struct {
	nic    string
	prefix netip.Prefix
}

// ready is nil if the NIC can carry questions.
func (n *nic) ready() error {
	switch {
	case n.index == 0:
		return fmt.Errorf("%s does not exist", n.NIC)
	case !n.up:
		return fmt.Errorf("%s is down; "+host.BringUp, n.NIC, n.NIC)
	case !n.carrier:
		return fmt.Errorf("%s has no carrier; look at its cable", n.NIC)
	case n.noIPv6:
		return fmt.Errorf("IPv6 is disabled on %s; 'sysctl -w net/ipv6/conf/%s/disable_ipv6=0' enables it, unless the MTU is below 1280", n.NIC, n.NIC)
	case len(n.own) == 0 && n.Family == host.IPv6:
		return fmt.Errorf("%s has no IPv6 address of its own that it can send from, and an alias must not become its first", n.NIC)
	case len(n.own) == 0:
		return fmt.Errorf("%s has no address of its own, and an alias must not become its first", n.NIC)
	}
	return nil
}

// bare tells whether the NIC lacks nothing but an address of its own.
func (n *nic) bare() bool {
	return n.index != 0 && n.up && n.carrier && !n.noIPv6 && len(n.own) == 0
}

// place finds where the aliases are, and returns all other addresses of this host.
func (l *loop) place() []path {
	for _, a := range l.list {
		a.here, a.other, a.ours, a.leased = false, "", false, 0
		a.place.leads, a.place.renamed, a.place.tentative, a.place.failed, a.place.spoken = false, "", false, false, false
		a.place.covers = netip.Addr{}
	}
	paths := l.net.spare[:0]
	for _, n := range l.net.state.NICs {
		own := l.ownOf(n)
		for i, addr := range n.Addrs {
			switch a := l.aliasAt(n, addr); {
			case a != nil && n.Name == a.cfg.NIC:
				a.here, a.ours, a.leased = true, addr.Ours, addr.Lease
				a.place.tentative, a.place.failed = addr.Tentative && !addr.DADFailed, addr.DADFailed
				a.place.spoken = addr.Prefix.Addr().Is6() && !addr.Deprecated
				a.place.index, a.place.leads = n.Index, own.behind(i, addr.Prefix)
			case a != nil && a.state.Holding && n.Index == a.place.index:
				a.place.renamed = n.Name
			case a != nil:
				a.other = n.Name
			case addr.Usable():
				paths = append(paths, path{n.Name, addr.Prefix})
			}
		}
	}
	l.placeLoopback()
	return paths
}

// leftovers logs the addresses that an earlier Monitor put on this host and that no row
// of the file has any more. They are not removed: the file may have been cut short, and
// another Monitor may run here, with another file.
func (l *loop) leftovers() {
	for _, n := range l.net.state.NICs {
		for _, addr := range n.Addrs {
			if addr.Ours && l.aliasAt(n, addr) == nil {
				stays := "left alone"
				if addr.Lease > 0 {
					stays += ", and goes when its lease ends, in " + addr.Lease.String()
				}
				l.event("left_over").WithField("nic", addr.Label).Warnf("a Monitor put %s here, and no row of the file has it: it is %s. If the file has lost its row, write it again and run Reload; if nothing else needs it, remove it with 'ip address del %s dev %s'",
					addr.Prefix.Addr(), stays, addr.Prefix, n.Name)
			}
		}
	}
}

// readNIC files what the reading says of one half of an interface.
func (l *loop) readNIC(n *nic) {
	was, index := n.ready(), n.index
	now, _ := l.net.state.NIC(n.NIC)
	n.index, n.up, n.carrier, n.noIPv6 = now.Index, now.Up, now.Carrier, now.NoIPv6 && n.Family == host.IPv6
	n.own, n.both = n.own[:0], n.both[:0]
	for _, a := range now.Addrs {
		if a.Ours || !a.Usable() || l.aliasAt(now, a) != nil {
			continue
		}
		n.both = append(n.both, a.Prefix)
		if host.FamilyOf(a.Prefix.Addr()) == n.Family {
			n.own = append(n.own, a.Prefix)
		}
	}
	another := n.wire != nil && (n.index != index || n.wire.HW() != now.HW && !now.HW.IsZero())
	if another {
		n.close(l) // it is another interface of the same name, or has another hardware address
		n.heardOn = 0
	}
	l.listen(n)
	l.link(n)
	if another {
		l.asks.Renew(l.now, n.Side)
	}
	is := n.ready()
	if is != nil || was == nil && n.index == index && !another {
		return
	}
	for _, a := range l.list {
		if a.side() == n.Side {
			a.state.LinkIsUp(l.now)
			a.standby.watch(l.now)
		}
	}
}

// link tells package detect whether and how the NIC can carry questions.
func (l *loop) link(n *nic) {
	l.asks.Link(l.now, detect.Link{Side: n.Side, Index: n.index, Err: n.ready(), Bare: n.bare(), Own: n.own, Hears: n.wire != nil, Deaf: n.err})
}

// readAlias files what the reading says of one alias and its NIC: where it is,
// and whether that is our doing.
func (l *loop) readAlias(a *alias, r reading) {
	n := a.iface
	file := func(f *rules.Fact, v rules.Value) {
		if f.Value != v {
			l.mark(a)
		}
		f.Set(v, r.at, l.now)
	}
	file(&a.nic, rules.Of(n.index != 0 && n.up && !n.noIPv6 && a.place.renamed == ""))
	file(&a.carrier, rules.Of(n.carrier))
	file(&a.own, rules.Of(len(n.own) > 0))
	file(&a.onOther, rules.Of(a.other != ""))
	if l.looks(a, r) {
		l.gateOpened(a)
	}
	if !a.errand.shownBy(r) {
		return
	}
	l.readElsewhere(a)
	l.readOwn(a)
	there := a.inKernel()
	vanished, last := a.state.Holding && a.kernel.Value == rules.Yes && there == rules.No, a.kernel.Asked
	file(&a.kernel, there)
	if vanished {
		l.vanished(a, last)
	}
	file(&a.behind, a.ownBehind(l.net.state))
	if found := (rules.Decision{Action: rules.Adopt, Reason: rules.Adopted}); a.here && there == rules.Yes && a.place.only == "" && a.state.MayAdopt(a.ours) {
		l.done(a, found, rules.Outcome{Begun: r.at, Lifetime: a.leased, Ours: a.ours, Unlike: a.place.spoken})
	}
}

// vanished logs that the kernel has lost an alias that we hold; it was last seen in order at
// that time. Then it has the alias asked for.
func (l *loop) vanished(a *alias, last time.Time) {
	text := "it has vanished from this host, and we did not remove it; it was there %s ago"
	if a.place.failed {
		text = "the kernel no longer answers for it: when it looked for another host with the same address (duplicate address detection), one answered; the alias was in order %s ago"
	}
	a.log(l, "vanished").Warnf(text, l.now.Sub(last).Round(time.Millisecond))
	if a.alias != nil {
		// Whether anybody claims it decides what follows (H5). What is known of that may be
		// older than the return of router or partner, and the next question minutes away.
		// Where pings alone ask, this host asks only for what it has not.
		l.asks.Ask(l.now, a.alias)
	}
}

// inKernel is whether the kernel has the alias, answers for it and sends from it. Of one
// that the kernel still looks into (RFC 4862, 5.4) that is not known yet. One that failed
// there is as good as gone, until it is removed and added again.
func (a *alias) inKernel() rules.Value {
	switch {
	case a.here && a.place.tentative:
		return rules.Unknown
	case a.here && a.place.failed:
		return rules.No
	}
	return rules.Of(a.here || a.place.renamed != "")
}

// readElsewhere says where else on this host the alias is.
func (l *loop) readElsewhere(a *alias) {
	elsewhere := ""
	switch {
	case a.place.covers.IsValid():
		elsewhere = a.coversOwn()
	case a.other != "" && a.here:
		elsewhere = fmt.Sprintf("the alias is on %s of this host too", a.other)
	case a.place.renamed != "":
		elsewhere = fmt.Sprintf("%s was given the name %s, and the alias is on it still", a.cfg.NIC, a.place.renamed)
	case a.other != "":
		elsewhere = fmt.Sprintf("the alias is on %s of this host, not on %s", a.other, a.cfg.NIC)
	}
	if a.elsewhere != elsewhere && elsewhere != "" {
		a.log(l, "elsewhere").Error(elsewhere)
	}
	a.elsewhere = elsewhere
}

// aliasAt is the alias that an address of a NIC is; nil if it is none. The id of a
// link-local alias has the NIC's name, which may have been another one when the alias was
// put there.
func (l *loop) aliasAt(n host.NIC, at host.Address) *alias {
	addr := at.Prefix.Addr()
	if a := l.aliases[host.Zoned(addr, n.Name)]; a != nil || host.Zoned(addr, n.Name) == addr {
		return a
	}
	for _, a := range l.list {
		if a.state.Holding && n.Index == a.place.index && a.cfg.Addr.WithZone("") == addr {
			return a
		}
	}
	return nil
}

// On a system that gives us no ARP (Options.Listen is nil: Solaris, illumos) the loop
// asks by ICMP alone. There the kernel announces its addresses by itself, looks for other
// hosts with the same address, and tells in each reading what it has found.

// deaf tells whether this system lets us neither hear nor send ARP.
func (l *loop) deaf() bool { return l.o.Listen == nil }

// kernelTold files what the kernel says of other hosts in a reading.
func (l *loop) kernelTold(s host.State, r reading) {
	for _, t := range l.asks.Targets() {
		if hw, ok := s.Neighbours[t.Addr]; ok {
			l.asks.Neighbour(l.now, t, hw)
		}
	}
	for _, a := range l.list {
		switch {
		case !l.deaf() || !a.state.Holding || !a.errand.shownBy(r) || a.alias == nil:
		case l.duplicate(a):
			l.asks.Alive(l.now, a.alias, r.at)
		case a.kernel.Value == rules.No && a.alias.Fact().Value == rules.Unknown:
			l.asks.Ask(l.now, a.alias) // until now our own kernel would have answered
		}
	}
}

// duplicate tells that the kernel has taken the alias down because another host has it.
// What is left of it has to be removed, or the kernel would bring it up again some day.
func (l *loop) duplicate(a *alias) bool {
	return slices.Contains(l.net.state.Duplicates, a.cfg.Addr)
}
