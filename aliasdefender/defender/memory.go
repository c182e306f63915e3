package defender

import (
	"net/netip"
	"time"

	"alias-defender/aliasdefender/rules"
)

// Memory tells how far Kept can be relied on.
type Memory uint8

// The states of the memory.
const (
	Remembered Memory = iota // all that operators ordered is known
	NotReadYet               // the disk has not answered yet: Defender.Kept follows
	Damaged                  // the file cannot be read: there may be more than Kept has
)

// known is the fact of that name.
func (m Memory) known() rules.Value {
	switch m {
	case Remembered:
		return rules.Yes
	case Damaged:
		return rules.No
	}
	return rules.Unknown
}

// Kept hands the loop what was read from the disk after the loop's start. If an order for
// an alias was given meanwhile, that order counts and not the disk. now is what the disk
// should have from now on. ok is false if the loop has ended.
func (d *Defender) Kept(k Kept, m Memory) (now Kept, ok bool) {
	merged := make(chan Kept, 1)
	d.post(func(l *loop) { merged <- l.remembers(k, m) })
	select {
	case now = <-merged:
		return now, true
	case <-d.over:
		return Kept{}, false
	}
}

// WhatIsKept returns what the disk should have now; false: the loop has ended.
func (d *Defender) WhatIsKept() (Kept, bool) {
	kept := make(chan Kept, 1)
	d.post(func(l *loop) { kept <- l.kept() })
	select {
	case k := <-kept:
		return k, true
	case <-d.over:
		return Kept{}, false
	}
}

// remembers takes in what was read from the disk.
func (l *loop) remembers(k Kept, m Memory) Kept {
	if l.memory.state == Remembered {
		return l.kept() // an order has already written the file anew
	}
	l.memory.set(m, l.now)
	if k.Maintenance && !l.memory.switched {
		l.maintenance = true
	}
	for _, id := range k.Parked {
		if !l.memory.knows(id) {
			l.parked[id] = true
		}
	}
	for _, a := range l.list {
		l.mark(a)
		if !a.state.Parked && !l.memory.knows(a.id()) && (l.parked[a.id()] || l.maintenance) {
			a.state.Obey(rules.RemoveAlias, rules.Facts{})
		}
	}
	return l.kept()
}

// written is called when an order has been remembered: from then on the disk has all that
// the loop knows.
func (l *loop) written() {
	if l.memory.state == Remembered {
		return
	}
	l.memory.set(Remembered, l.now)
	for _, a := range l.list {
		l.mark(a)
	}
}

// memory is how much the loop knows of what operators ordered before our start.
type memory struct {
	state    Memory
	fact     rules.Fact
	ordered  map[netip.Addr]time.Time // aliases of which an operator has ordered something since, and when
	switched bool                     // and maintenance was
}

func (m *memory) set(to Memory, now time.Time) {
	m.state = to
	m.fact.Set(to.known(), now, now)
}

// knows tells whether an operator's order since our start says what is parked of that
// alias, whatever the disk has.
func (m *memory) knows(id netip.Addr) bool { return !m.ordered[id].IsZero() }

// ask is the fact for one alias: what is in memory does not grow old. An order since our
// start counts although the disk did not take it: it holds until the next start.
func (m *memory) ask(id netip.Addr, now time.Time) rules.Fact {
	f := m.fact
	if m.knows(id) && f.Value != rules.Yes {
		f.Value, f.Since = rules.Yes, m.ordered[id]
	}
	f.Asked = now
	return f
}
