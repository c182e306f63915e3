package defender

import (
	"net/netip"
	"slices"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
)

// listens tells whether the channel speaks a family. One that is open listens on what it
// was opened with, whatever the file says now.
func (l *loop) listens(f host.Family) bool {
	on := l.channel.listen
	if l.channel.up == nil {
		on = l.cfg.Settings.Peer.Listen
	}
	return len(on) == 0 || slices.ContainsFunc(on, func(a netip.Addr) bool { return host.FamilyOf(a) == f })
}

// speaks tells whether the channel can speak to the alias's partner, and says once if it
// cannot: then the rules without a channel apply to the alias.
func (l *loop) speaks(a *alias) bool {
	yes := l.listens(a.family())
	if !yes && !a.unspoken {
		a.log(l, "partner_unspoken").Warnf("no channel to the partner of this alias: listen has no %s address; write one of each family, and restart with USR2", a.family())
	}
	a.unspoken = !yes
	return yes
}

// inBothFamilies are the partners' names that rows of both families have.
func (l *loop) inBothFamilies() map[string]bool {
	both := map[string]bool{}
	if len(l.cfg.Settings.Peer.Paths) == 0 {
		return both
	}
	first := map[string]host.Family{}
	for _, a := range l.list {
		if a.cfg.Loopback() {
			continue // nobody is told of it
		}
		name := a.cfg.Partner.Name
		if f, seen := first[name]; !seen {
			first[name] = a.family()
		} else if f != a.family() {
			both[name] = true
		}
	}
	return both
}

// pathsTo are the further addresses of the alias's partner that the channel speaks. A name
// that stands for an address of each family is two partners to the channel, which can tell
// a path to the one only, and to the same one on both hosts: to that of its own family.
func (l *loop) pathsTo(a *alias, both bool) (paths []netip.Addr) {
	for _, addr := range l.cfg.Settings.Peer.Paths[a.cfg.Partner.Name] {
		if f := host.FamilyOf(addr); l.listens(f) && (!both || f == a.family()) {
			paths = append(paths, addr)
		}
	}
	return paths
}

// led are the addresses of partners that are of one machine because their aliases are in
// one group, each with the address by which the channel knows that machine: that of the
// first member's partner or, where groups have partners in common, the one of these that
// comes first in the file of the aliases. The others are paths to it. Otherwise a NIC that
// dies would take along what is said of the alias there, and nobody would know that it
// cannot be had.
func (l *loop) led() map[netip.Addr]netip.Addr {
	led, rank := map[netip.Addr]netip.Addr{}, map[netip.Addr]int{}
	for i, a := range slices.Backward(l.list) {
		if a.partner != nil {
			rank[a.partner.Addr] = i
		}
	}
	for _, g := range l.groups {
		one := l.partnersIn(g)
		if len(one) == 0 {
			continue
		}
		lead := one[0]
		for _, addr := range one {
			if of, is := led[addr]; is {
				one = append(one, of)
				if rank[of] < rank[lead] {
					lead = of
				}
			}
		}
		for addr, of := range led {
			if slices.Contains(one, of) {
				led[addr] = lead
			}
		}
		for _, addr := range one {
			led[addr] = lead
		}
	}
	return led
}

// partnersIn are the addresses of the partners of a group's members to which the channel
// can speak.
func (l *loop) partnersIn(g *group) (all []netip.Addr) {
	for _, a := range g.members {
		if a.partner != nil && l.listens(a.family()) {
			all = append(all, a.partner.Addr)
		}
	}
	return all
}

// once leaves out each path that is an address of a partner already, as one of a name may
// be: the channel refuses all partners otherwise.
func once(partners []peer.Partner) {
	taken := map[netip.Addr]bool{}
	for _, p := range partners {
		taken[p.Addr] = true
	}
	for i := range partners {
		partners[i].Paths = slices.DeleteFunc(partners[i].Paths, func(addr netip.Addr) bool {
			was := taken[addr]
			taken[addr] = true
			return was
		})
	}
}
