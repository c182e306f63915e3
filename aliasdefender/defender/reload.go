package defender

import (
	"net/netip"
	"reflect"
	"time"

	"alias-defender/aliasdefender/config"
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
	l.agenda.set(&a.task, time.Time{})
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

// relink ties every alias to the addresses that it depends on, and forgets the
// addresses and NICs that nobody depends on any more.
func (l *loop) relink() {
	changed := false
	names := map[string]bool{}
	for _, a := range l.order {
		if l.nics[a.cfg.NIC] == nil {
			l.nics[a.cfg.NIC] = &nic{name: a.cfg.NIC}
		}
		if !a.cfg.Partner.Addr.IsValid() {
			names[a.cfg.Partner.Name] = true
			if l.names[a.cfg.Partner.Name] == nil {
				l.names[a.cfg.Partner.Name] = &name{next: l.now}
			}
		}
		a.iface = l.nics[a.cfg.NIC]
		changed = l.link(a) || changed
	}
	for s := range l.names {
		if !names[s] {
			delete(l.names, s)
		}
	}
	if changed || len(l.aliases) == 0 || l.stray() {
		l.arrange()
	}
}

// arrange works out anew who depends on whom.
func (l *loop) arrange() {
	l.untidy = false
	l.tidy()
	l.introduce()
}

// link finds the targets of one alias; true if any is another than before.
func (l *loop) link(a *alias) bool {
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
	changed := false
	tie := func(p **target, addr netip.Addr) {
		var t *target
		if addr.IsValid() {
			t = l.target(l.place(a, addr), a)
		}
		changed = changed || t != *p
		*p = t
	}
	tie(&a.alias, a.cfg.Addr)
	tie(&a.partner, partner)
	tie(&a.router, router)
	if len(a.witnesses) != len(a.cfg.Witnesses) {
		a.witnesses = make([]*target, len(a.cfg.Witnesses))
		changed = true
	}
	for i, w := range a.cfg.Witnesses {
		tie(&a.witnesses[i], w)
	}
	if changed {
		l.mark(a)
	}
	return changed
}

// place is the key of an address that the alias depends on: on its NIC where
// that reaches it directly, else wherever the kernel routes to it.
func (l *loop) place(a *alias, addr netip.Addr) key {
	if a.cfg.Prefix.Masked().Contains(addr) {
		return key{a.cfg.NIC, addr}
	}
	for _, p := range a.iface.own {
		if p.Masked().Contains(addr) {
			return key{a.cfg.NIC, addr}
		}
	}
	return key{"", addr}
}

// target is the target of that key, made if there is none.
func (l *loop) target(k key, a *alias) *target {
	t := l.targets[k]
	if t == nil {
		t = &target{key: k, iface: l.nics[k.nic], interval: a.cfg.Interval, timeout: a.cfg.Timeout, misses: a.cfg.Misses, next: l.now}
		t.task.do = func() { t.turn(l) }
		t.plan(l)
		l.targets[k] = t
		l.asked = append(l.asked, t)
	}
	return t
}

// stray tells whether a rhythm differs from what its users want; it does after
// a reload that changed nothing else.
func (l *loop) stray() bool {
	for _, a := range l.order {
		if a.alias.strays(a) {
			return true
		}
		for t := range a.others() {
			if t.strays(a) {
				return true
			}
		}
	}
	return len(l.nics) > len(l.order)
}

// strays tells whether the target's rhythm is not the one that a wants.
func (t *target) strays(a *alias) bool {
	return t.interval > a.cfg.Interval || t.timeout > a.cfg.Timeout ||
		len(t.users) == 1 && (t.interval != a.cfg.Interval || t.timeout != a.cfg.Timeout || t.misses != a.cfg.Misses)
}

// tidy works out from the aliases alone who uses which target in what rhythm.
func (l *loop) tidy() {
	for _, t := range l.asked {
		t.users, t.of = nil, nil
	}
	used := map[string]bool{}
	l.every = time.Hour
	for _, a := range l.order {
		used[a.cfg.NIC] = true
		l.every = min(l.every, a.cfg.Interval)
		a.alias.of = a
		if len(a.alias.users) == 0 && a.alias.fact.Asked.IsZero() {
			a.alias.byARP = true
		}
		a.alias.serve(l, a)
		for t := range a.others() {
			t.serve(l, a)
		}
	}
	kept := l.asked[:0]
	interesting := map[netip.Addr]bool{}
	l.brisk = time.Hour
	for _, t := range l.asked {
		if len(t.users) == 0 {
			delete(l.targets, t.key)
			l.agenda.set(&t.task, time.Time{})
			continue
		}
		kept = append(kept, t)
		interesting[t.addr] = true
		l.brisk = min(l.brisk, t.timeout)
	}
	clear(l.asked[len(kept):])
	l.asked = kept
	l.interesting.Store(&interesting)
	for s, n := range l.nics {
		if !used[s] {
			n.close(l)
			delete(l.nics, s)
		}
	}
	l.count()
}

// serve adds a to those who depend on the target, whose rhythm is the fastest
// that any of them wants.
func (t *target) serve(l *loop, a *alias) {
	if len(t.users) == 0 || a.cfg.Interval < t.interval {
		t.interval = a.cfg.Interval
	}
	if len(t.users) == 0 || a.cfg.Timeout < t.timeout {
		t.timeout = a.cfg.Timeout
	}
	if len(t.users) == 0 || a.cfg.Misses > t.misses {
		t.misses = a.cfg.Misses
	}
	if n := len(t.users); n == 0 || t.users[n-1] != a {
		t.users = append(t.users, a)
	}
	if t.next.After(l.now.Add(t.interval)) {
		t.next = l.grid(t.interval)
	}
	t.plan(l)
}

// count works out how many aliases are on each NIC, and held there.
func (l *loop) count() {
	for _, n := range l.nics {
		n.aliases, n.held = 0, 0
	}
	for _, a := range l.order {
		if a.iface == nil {
			continue
		}
		a.iface.aliases++
		if a.state.Holding {
			a.iface.held++
		}
	}
}
