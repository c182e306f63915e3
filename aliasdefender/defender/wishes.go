package defender

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
)

// relink works out anew which addresses the aliases depend on, and forgets the
// halves of NICs and names that nobody depends on any more.
func (l *loop) relink() {
	l.untidy = false
	l.regroup()
	names, nics := map[nameKey]bool{}, map[host.Side]bool{}
	wishes := make([]detect.Wish, 0, len(l.list))
	l.every = time.Hour
	for _, a := range l.list {
		side := a.side()
		if nics[side] = true; l.net.nics[side] == nil {
			l.net.nics[side] = &nic{Side: side}
		}
		if !a.cfg.Partner.Addr.IsValid() && !a.cfg.Loopback() {
			k := a.partnersName()
			if names[k] = true; l.names[k] == nil {
				l.names[k] = &name{next: l.now}
			}
		}
		a.iface = l.net.nics[side]
		l.every = min(l.every, a.cfg.Interval)
		wishes = append(wishes, l.wish(a))
	}
	for s := range l.names {
		if !names[s] {
			delete(l.names, s)
		}
	}
	if !slices.EqualFunc(wishes, l.wishes, sameWish) || slices.ContainsFunc(l.list, (*alias).untied) {
		l.wishes = wishes
		l.arrange()
	}
	for s, n := range l.net.nics {
		if !nics[s] {
			n.close(l)
			delete(l.net.nics, s)
		}
	}
}

// arrange passes the wishes to package detect, and ties every alias to its targets.
func (l *loop) arrange() {
	l.asks.Want(l.now, asked(l.wishes))
	for _, n := range l.net.nics {
		l.link(n)
		l.narrow(n)
	}
	for i, a := range l.list {
		w := l.wishes[i]
		was := a.targets
		a.alias, a.partner, a.router, a.third = l.asks.At(w.Alias), l.asks.At(w.Partner), nil, make([]*detect.Target, 0, len(w.Routers)+len(w.Witnesses))
		for _, k := range slices.Concat(w.Routers, w.Witnesses) {
			a.third = append(a.third, l.asks.At(k))
		}
		if len(w.Routers) > 0 {
			a.router = a.third[0]
		}
		if was.alias != a.alias || was.partner != a.partner || was.router != a.router || !slices.Equal(was.third, a.third) {
			a.standby.watch(l.now)
			l.mark(a)
		}
	}
	l.wantSources()
	l.keepRing()
	addrs := l.asks.Addrs()
	l.interesting.Store(&addrs)
	l.introduce()
}

// untied tells whether the alias has not been tied to its targets yet. They may be asked
// already, for the alias whose place it takes.
func (a *alias) untied() bool { return a.alias == nil && !a.cfg.Loopback() }

// sameWish tells whether two wishes ask for the same. How a host stands to an alias is
// the alias's matter.
func sameWish(a, b detect.Wish) bool {
	return a.Alias == b.Alias && a.Partner == b.Partner && a.Rhythm == b.Rhythm && a.Pings == b.Pings && slices.Equal(a.Routers, b.Routers) && slices.Equal(a.Witnesses, b.Witnesses)
}

// wish is what the alias wants to have asked: nothing, on a loopback interface.
func (l *loop) wish(a *alias) detect.Wish {
	if a.cfg.Loopback() {
		return detect.Wish{}
	}
	partner, err := l.partnerOf(a)
	if why := fmt.Sprint(err); err == nil {
		a.noPartner = ""
	} else if a.noPartner != why {
		a.noPartner = why
		a.log(l, "no_partner").WithField("partner", a.cfg.Partner.Name).WithError(err).Error("this cannot be the partner: it is not known whether the partner is alive")
	}
	routers, witnesses := l.thirdParties(a, partner)
	w := detect.Wish{
		Alias: a.key(), Partner: l.keyOf(a, partner),
		Rhythm: detect.Rhythm{Interval: a.cfg.Interval, Timeout: a.cfg.Timeout, Misses: a.cfg.Misses},
		Here:   func() detect.Here { return l.stands(a) }, Owner: a, Pings: l.hasChannel(),
	}
	for _, addr := range routers {
		w.Routers = append(w.Routers, l.keyOf(a, addr))
	}
	for _, addr := range witnesses {
		w.Witnesses = append(w.Witnesses, l.keyOf(a, addr))
	}
	return w
}

// key is the alias as an address to ask.
func (a *alias) key() detect.Key { return detect.Key{NIC: a.cfg.NIC, Addr: a.id()} }

// keyOf is the key of an address that the alias depends on: on the alias's NIC where that
// reaches it directly, else wherever the kernel routes to it. The key of no address is
// the zero Key.
func (l *loop) keyOf(a *alias, addr netip.Addr) detect.Key {
	if !addr.IsValid() {
		return detect.Key{}
	}
	on := detect.Key{NIC: a.cfg.NIC, Addr: addr}
	switch {
	case addr.Zone() != "":
		if addr.Zone() == a.cfg.NIC {
			return on
		}
	case host.Has(a.cfg.Prefix, addr), slices.ContainsFunc(a.iface.own, func(p netip.Prefix) bool { return host.Has(p, addr) }):
		return on
	}
	return detect.Key{Addr: addr}
}

// asked are the wishes that ask for something.
func asked(wishes []detect.Wish) []detect.Wish {
	return slices.DeleteFunc(slices.Clone(wishes), func(w detect.Wish) bool { return w.Owner == nil })
}
