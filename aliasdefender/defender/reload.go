package defender

import (
	"net/netip"
	"reflect"
	"slices"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/rules"
)

// reload compares the new configuration with what runs and applies the
// difference. An alias that moves to another NIC or mask is released or handed
// over first and taken again after, so that it never stands in two places.
func (l *loop) reload(c *config.Config) {
	if l.stopping {
		return
	}
	l.cfg = c
	seen := map[netip.Addr]bool{}
	order := make([]*alias, 0, len(c.Aliases))
	for _, row := range c.Aliases {
		seen[row.Addr] = true
		a := l.aliases[row.Addr]
		switch {
		case a == nil:
			a = l.newAlias(row)
			a.state.Parked = l.parked[row.Addr] || l.maintenance
			l.aliases[row.Addr] = a
		case sameConfig(a.cfg, row) && a.next == nil && !a.state.Leaving:
		case samePlace(a.cfg, row):
			a.set(row)
			l.mark(a)
			a.next, a.state.Leaving = nil, false
		default:
			r := row
			a.next, a.state.Leaving = &r, true
			l.mark(a)
		}
		order = append(order, a)
	}
	for _, a := range l.order {
		if !seen[a.cfg.Addr] {
			a.next, a.state.Leaving = nil, true
			l.mark(a)
			order = append(order, a)
		}
	}
	l.order = order
	for _, a := range append([]*alias(nil), l.order...) {
		if a.state.Leaving && !a.state.Holding && a.phase != working {
			l.replace(a)
		}
	}
	l.relink()
	l.open()
	l.introduce()
	l.read()
}

func sameConfig(a, b config.Alias) bool {
	a.Line, b.Line = 0, 0
	return reflect.DeepEqual(a, b)
}

func samePlace(a, b config.Alias) bool {
	return a.NIC == b.NIC && a.Label == b.Label && a.Prefix == b.Prefix
}

// replace ends an alias that was released because its row changed or went.
func (l *loop) replace(a *alias) {
	a.answer(l, false, "its row was changed or went from the file meanwhile")
	a.gone = true
	l.agenda.Set(&a.task, time.Time{})
	addr := a.cfg.Addr
	i := 0
	for ; i < len(l.order) && l.order[i] != a; i++ {
	}
	if a.next == nil {
		delete(l.aliases, addr)
		l.untidy = true
		l.order = append(l.order[:i:i], l.order[i+1:]...)
	} else {
		n := l.newAlias(*a.next)
		n.journal = a.journal
		n.state.Parked = a.state.Parked
		n.state.OursLast = a.state.OursLast || a.decision.Action == rules.Release && a.decision.Row == "H2"
		n.phaseAt = l.now // a reading that is under way may have it still
		l.aliases[addr], l.order[i] = n, n
	}
	l.relink()
	l.read()
}

// relink works out anew which addresses the aliases depend on, and forgets the
// NICs and names that nobody depends on any more.
func (l *loop) relink() {
	names, nics := map[string]bool{}, map[string]bool{}
	wishes := make([]detect.Wish, 0, len(l.order))
	l.every = time.Hour
	for _, a := range l.order {
		if nics[a.cfg.NIC] = true; l.nics[a.cfg.NIC] == nil {
			l.nics[a.cfg.NIC] = &nic{name: a.cfg.NIC}
		}
		if !a.cfg.Partner.Addr.IsValid() {
			names[a.cfg.Partner.Name] = true
			if l.names[a.cfg.Partner.Name] == nil {
				l.names[a.cfg.Partner.Name] = &name{next: l.now}
			}
		}
		a.iface = l.nics[a.cfg.NIC]
		l.every = min(l.every, a.cfg.Interval)
		wishes = append(wishes, l.wish(a))
	}
	for s := range l.names {
		if !names[s] {
			delete(l.names, s)
		}
	}
	if !slices.EqualFunc(wishes, l.wishes, sameWish) {
		l.wishes = wishes
		l.arrange()
	}
	for s, n := range l.nics {
		if !nics[s] {
			n.close(l)
			delete(l.nics, s)
		}
	}
}

// arrange has the wishes asked, and ties every alias to its targets.
func (l *loop) arrange() {
	l.asks.Want(l.now, l.wishes)
	for _, n := range l.nics {
		l.link(n)
	}
	for i, a := range l.order {
		w := l.wishes[i]
		witnesses := make([]*detect.Target, len(w.Witnesses))
		for i, k := range w.Witnesses {
			witnesses[i] = l.asks.At(k)
		}
		was := *a
		a.alias, a.partner, a.router, a.witnesses = l.asks.At(w.Alias), l.asks.At(w.Partner), l.asks.At(w.Router), witnesses
		if was.alias != a.alias || was.partner != a.partner || was.router != a.router || !slices.Equal(was.witnesses, witnesses) {
			l.mark(a)
		}
	}
	addrs := l.asks.Addrs()
	l.interesting.Store(&addrs)
	l.introduce()
}

// sameWish tells whether two wishes are for the same; who stands how to an alias is
// the alias's.
func sameWish(a, b detect.Wish) bool {
	return a.Alias == b.Alias && a.Partner == b.Partner && a.Router == b.Router && a.Rhythm == b.Rhythm && slices.Equal(a.Witnesses, b.Witnesses)
}

// wish is what the alias wants to have asked.
func (l *loop) wish(a *alias) detect.Wish {
	partner := a.cfg.Partner.Addr
	if !partner.IsValid() {
		partner = l.names[a.cfg.Partner.Name].addr
	}
	if wrong := l.notAHost(partner); partner.IsValid() && wrong != nil {
		// Also where the file has the address: both hosts with one file, say.
		if partner != a.wrong {
			a.log(l).WithField("partner", a.cfg.Partner.Name).WithError(wrong).Error("this cannot be the partner; whether it lives is not known")
		}
		a.wrong, partner = partner, netip.Addr{}
	} else {
		a.wrong = netip.Addr{}
	}
	router := a.cfg.Router
	for _, r := range l.state.Routes {
		if router.IsValid() {
			break
		}
		if r.NIC == a.cfg.NIC {
			router = r.Gateway
		}
	}
	w := detect.Wish{
		Alias: a.key(), Partner: l.place(a, partner), Router: l.place(a, router),
		Rhythm: detect.Rhythm{Interval: a.cfg.Interval, Timeout: a.cfg.Timeout, Misses: a.cfg.Misses},
		Here:   a.standing,
	}
	for _, addr := range a.cfg.Witnesses {
		w.Witnesses = append(w.Witnesses, l.place(a, addr))
	}
	return w
}

// key is the alias as an address to ask.
func (a *alias) key() detect.Key { return detect.Key{NIC: a.cfg.NIC, Addr: a.cfg.Addr} }

// place is the key of an address that the alias depends on: on its NIC where
// that reaches it directly, else wherever the kernel routes to it. The zero Key is
// that of no address.
func (l *loop) place(a *alias, addr netip.Addr) detect.Key {
	if !addr.IsValid() {
		return detect.Key{}
	}
	if a.cfg.Prefix.Masked().Contains(addr) {
		return detect.Key{NIC: a.cfg.NIC, Addr: addr}
	}
	for _, p := range a.iface.own {
		if p.Masked().Contains(addr) {
			return detect.Key{NIC: a.cfg.NIC, Addr: addr}
		}
	}
	return detect.Key{Addr: addr}
}
