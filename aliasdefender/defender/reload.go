package defender

import (
	"context"
	"net/netip"
	"reflect"
	"sync/atomic"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// reload compares the new configuration with what runs and applies the difference. An
// alias that moves to another NIC or mask is first released or handed over, and then
// taken again, so that it is never in two places.
func (l *loop) reload(c *config.Config) {
	if l.ending.begun() {
		return
	}
	l.cfg = c
	seen := map[netip.Addr]bool{}
	order := make([]*alias, 0, len(c.Aliases))
	for _, row := range c.Aliases {
		id := host.Zoned(row.Addr, row.NIC)
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

// ReloadUnless is Reload, but it refuses a configuration that no longer has a row for an
// alias that this host holds. Then nothing is changed, and dropped has the present rows
// of these aliases, in their order. A file that was cut short between two rows is such a
// configuration. A row that moves its alias to another NIC does not count as gone.
//
// The error is ctx's, or that the loop has ended; then nothing is changed.
func (d *Defender) ReloadUnless(ctx context.Context, c *config.Config) (dropped []config.Alias, err error) {
	answer := make(chan []config.Alias, 1)
	var settled atomic.Bool // true: the loop has it, or we have given up
	d.post(func(l *loop) {
		if !settled.CompareAndSwap(false, true) {
			return
		}
		dropped := l.drops(c)
		if len(dropped) == 0 {
			l.reload(c)
		}
		answer <- dropped
	})
	select {
	case dropped = <-answer:
		return dropped, nil
	case <-d.over:
		return nil, errEnded
	case <-ctx.Done():
	}
	if settled.CompareAndSwap(false, true) {
		return nil, ctx.Err()
	}
	return <-answer, nil
}

// Drops returns the rows for which ReloadUnless would refuse a configuration. It changes
// nothing.
func (d *Defender) Drops(ctx context.Context, c *config.Config) (dropped []config.Alias, err error) {
	answer := make(chan []config.Alias, 1)
	d.post(func(l *loop) { answer <- l.drops(c) })
	select {
	case dropped = <-answer:
		return dropped, nil
	case <-d.over:
		return nil, errEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// drops are the present rows, of aliases that this host holds, that the configuration no
// longer has.
func (l *loop) drops(c *config.Config) (dropped []config.Alias) {
	has, comes := map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for _, row := range c.Aliases {
		id := host.Zoned(row.Addr, row.NIC)
		has[id] = true
		if l.aliases[id] == nil {
			comes[row.Addr.WithZone("")] = true // on another NIC, if it was on one before
		}
	}
	for _, a := range l.list {
		if a.state.Holding && !a.state.Leaving && !has[a.id()] && !comes[a.cfg.Addr.WithZone("")] {
			dropped = append(dropped, a.cfg)
		}
	}
	return dropped
}

func sameConfig(a, b config.Alias) bool {
	a.Line, b.Line = 0, 0
	return reflect.DeepEqual(a, b)
}

// samePlace tells whether the kernel has the alias of the one row as that of the other. It
// has no labels in IPv6: there a label only names the row.
func samePlace(a, b config.Alias) bool {
	return a.NIC == b.NIC && a.Prefix == b.Prefix && (a.Label == b.Label || a.Addr.Is6())
}

// replace ends an alias that was released because its row changed or went.
func (l *loop) replace(a *alias) {
	l.answer(a, false, "its row was changed or removed meanwhile")
	a.gone = true
	l.tellHolds(a) // whoever takes its place has told nothing yet
	l.leaveGate(a)
	l.agenda.Set(&a.due, time.Time{})
	l.agenda.Set(&a.standby.due, time.Time{})
	l.agenda.Set(&a.sightDue, time.Time{})
	id := a.id()
	i := 0
	for ; i < len(l.list) && l.list[i] != a; i++ {
	}
	if a.next == nil {
		delete(l.aliases, id)
		l.list = append(l.list[:i:i], l.list[i+1:]...)
		l.untidy = true // if a thousand rows go in one turn, they are looked through once
	} else {
		n := l.newAlias(*a.next)
		n.state = a.state.Successor(a.decision)
		n.errand.ended = l.count() // a reading that is under way may still show it
		l.aliases[id], l.list[i] = n, n
		l.d.ring.Move(a.recorded(), n.recorded())
		l.relink()
	}
	l.read()
}
