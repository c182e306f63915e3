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
	if l.ending.begun() {
		return
	}
	l.cfg = c
	seen := map[netip.Addr]bool{}
	order := make([]*alias, 0, len(c.Aliases))
	for _, row := range c.Aliases {
		id := idOf(row.Addr, row.NIC)
		seen[id] = true
		a := l.aliases[id]
		switch {
		case a == nil:
			a = l.newAlias(row)
			if l.parked[id] || l.maintenance {
				a.state.Obey(rules.RemoveAlias, rules.Facts{})
			}
			l.aliases[id] = a
		case sameConfig(a.cfg, row) && a.next == nil && !a.state.Leaving:
		case samePlace(a.cfg, row):
			a.set(row)
			a.standby.watch(l.now)
			a.next = nil
			l.then(a, a.state.Obey(rules.RowStays, rules.Facts{}))
		default:
			r := row
			a.next = &r
			l.then(a, a.state.Obey(rules.RowLeaves, rules.Facts{}))
		}
		order = append(order, a)
	}
	for _, a := range l.list {
		if !seen[a.id()] {
			a.next = nil
			l.then(a, a.state.Obey(rules.RowLeaves, rules.Facts{}))
			order = append(order, a)
		}
	}
	l.list = order
	for _, a := range append([]*alias(nil), l.list...) {
		if a.state.Leaving && !a.state.Holding && a.errand.stage != working {
			l.replace(a)
		}
	}
	l.relink()
	l.openChannel()
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
	l.answer(a, false, "its row was changed or removed meanwhile")
	a.gone = true
	l.agenda.Set(&a.due, time.Time{})
	l.agenda.Set(&a.standby.due, time.Time{})
	id := a.id()
	i := 0
	for ; i < len(l.list) && l.list[i] != a; i++ {
	}
	if a.next == nil {
		delete(l.aliases, id)
		l.list = append(l.list[:i:i], l.list[i+1:]...)
		l.untidy = true // a thousand rows that go in one turn are looked through once
	} else {
		n := l.newAlias(*a.next)
		n.state = a.state.Successor(a.decision)
		n.errand.at = l.now // a reading that is under way may have it still
		l.aliases[id], l.list[i] = n, n
		l.d.ring.Move(a.recorded(), n.recorded())
		l.relink()
	}
	l.read()
}
