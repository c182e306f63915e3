package defender

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// readEvery is the most often that the host is read unless it tells of a change.
const readEvery = time.Second

// nic is one interface that aliases are on.
type nic struct {
	name    string
	index   int
	up      bool
	carrier bool
	own     []netip.Prefix // its own addresses, not masked

	wire    Wire // nil: none
	opening bool
	opened  time.Time // when the last one was,
	heardOn int       // and on which index
	ended   string    // why the last one ended by itself,
	endedAt time.Time // and when that was said
	err     error     // why there is none
}

// ready is nil if the NIC can carry questions.
func (n *nic) ready() error {
	switch {
	case n.index == 0:
		return fmt.Errorf("%s does not exist", n.name)
	case !n.up:
		return fmt.Errorf("%s is down", n.name)
	case !n.carrier:
		return fmt.Errorf("%s has no carrier", n.name)
	case len(n.own) == 0:
		return fmt.Errorf("%s has no address of its own", n.name)
	}
	return nil
}

// close closes the ear beside the loop: it waits for its reader, and the
// reader may be waiting for the loop.
func (n *nic) close(l *loop) {
	if w := n.wire; w != nil {
		n.wire = nil
		l.beside(func() { w.Close() })
	}
}

// link tells what is asked of the NIC.
func (l *loop) link(n *nic) {
	l.asks.Link(l.now, detect.Link{NIC: n.name, Index: n.index, Err: n.ready(), Own: n.own, Hears: n.wire != nil, Deaf: n.err})
}

// read has the host's network read beside the loop. One reading at a time:
// a kernel that does not answer is not asked twice.
func (l *loop) read() {
	l.nextRead = agenda.Grid(l.epoch, l.now, max(l.every, readEvery)) // in one wake with the questions
	if l.reading {
		l.readAgain = true
		return
	}
	l.reading = true
	asked := l.now
	l.beside(func() {
		s, err := l.o.Network.Read()
		l.d.post(func(l *loop) { l.hasRead(s, err, asked) })
	})
}

// hasRead takes in a reading.
func (l *loop) hasRead(s host.State, err error, asked time.Time) {
	l.reading = false
	if l.readAgain {
		l.readAgain = false
		l.read()
	}
	if err != nil {
		if l.readErr != err.Error() {
			l.readErr = err.Error()
			for _, a := range l.order {
				l.mark(a)
			}
			l.log.WithError(err).Error("the kernel cannot be asked for its addresses")
		}
		return // what was known grows old by itself
	}
	first := l.readAt.IsZero()
	l.readErr = ""
	was := l.state
	l.state, l.readAt = s, asked
	for _, n := range l.nics {
		l.readNIC(n)
	}
	for _, a := range l.order {
		a.here, a.other, a.ours, a.leased = false, "", false, 0
	}
	paths := l.spare[:0]
	for _, n := range s.NICs {
		for _, addr := range n.Addrs {
			switch a := l.aliases[addr.Prefix.Addr()]; {
			case a != nil && n.Name == a.cfg.NIC:
				a.here, a.ours, a.leased = true, addr.Ours, addr.Lease
			case a != nil:
				a.other = n.Name
			default:
				paths = append(paths, path{n.Name, addr.Prefix})
			}
		}
	}
	for _, a := range l.order {
		l.readAlias(a, asked)
	}
	if first {
		l.leftovers()
	}
	l.kernelTold(s, asked)
	if first || !slices.Equal(paths, l.paths) || !slices.Equal(was.Routes, s.Routes) {
		l.relink()
	}
	l.paths, l.spare = paths, l.paths
	if first {
		l.asks.Begin(l.now)
	}
}

// leftovers says what a Monitor before us put on this host and no row of the
// file has any more. It is not removed: another Monitor may run here, with
// another file.
func (l *loop) leftovers() {
	for _, n := range l.state.NICs {
		for _, addr := range n.Addrs {
			if addr.Ours && l.aliases[addr.Prefix.Addr()] == nil {
				l.log.WithField("nic", addr.Label).Warnf("%s was put here by a Monitor, and no row of the file has it: if none else needs it, ip address del %s dev %s",
					addr.Prefix.Addr(), addr.Prefix, n.Name)
			}
		}
	}
}

// path is an address of this host that is no alias: what lies in its subnet is
// reached directly.
type path struct {
	nic    string
	prefix netip.Prefix
}

// readNIC files what the reading says of one interface.
func (l *loop) readNIC(n *nic) {
	was, index := n.ready(), n.index
	now, _ := l.state.NIC(n.name)
	n.index, n.up, n.carrier, n.own = now.Index, now.Up, now.Carrier, n.own[:0]
	for _, a := range now.Addrs {
		if !a.Ours && l.aliases[a.Prefix.Addr()] == nil {
			n.own = append(n.own, a.Prefix)
		}
	}
	if n.wire != nil && (n.index != index || n.wire.HW() != now.HW && !now.HW.IsZero()) {
		n.close(l) // another interface of the same name, or with another hardware address
		index, n.heardOn = -1, 0
	}
	l.listen(n)
	l.link(n)
	if index < 0 {
		l.asks.Renew(l.now, n.name)
	}
	is := n.ready()
	if (was == nil) == (is == nil) && n.index == index {
		return
	}
	for _, a := range l.order {
		if a.cfg.NIC == n.name && a.state.Holding && is == nil {
			a.state.Reannounce(l.now)
		}
	}
}

// readAlias files what the reading says of one alias and its NIC: where it is,
// and whether that is our doing.
func (l *loop) readAlias(a *alias, asked time.Time) {
	n := a.iface
	file := func(f *rules.Fact, v rules.Value) {
		if f.Value != v {
			l.mark(a)
		}
		f.Set(v, asked, l.now)
	}
	file(&a.nic, rules.Of(n.index != 0 && n.up))
	file(&a.carrier, rules.Of(n.carrier))
	file(&a.own, rules.Of(len(n.own) > 0))
	if a.phase == looking && !asked.Before(a.phaseAt) {
		a.phase, a.looked = idle, true
		l.mark(a)
	}
	if a.phase == working || asked.Before(a.phaseAt) {
		return // the reading is from before our own work on it
	}
	elsewhere := ""
	switch {
	case a.other != "" && a.here:
		elsewhere = fmt.Sprintf("the alias is on %s of this host too", a.other)
	case a.other != "":
		elsewhere = fmt.Sprintf("the alias is on %s of this host, not on %s", a.other, a.cfg.NIC)
	}
	if a.elsewhere != elsewhere && elsewhere != "" {
		a.log(l).Error(elsewhere)
	}
	a.elsewhere = elsewhere
	if a.state.Holding && a.kernel.Value == rules.Yes && !a.here {
		a.log(l).Warnf("it has vanished from this host, and not by our doing; it was there %s ago", l.now.Sub(a.kernel.Asked).Round(time.Millisecond))
	}
	file(&a.kernel, rules.Of(a.here))
	// A parked alias that a Monitor before us could not take off any more is
	// adopted to be released; what somebody else put there is his.
	if a.kernel.Value == rules.Yes && !a.state.Holding && !a.state.Leaving && (!a.state.Parked || a.ours) && !l.stopping || l.releasing && a.kernel.Value == rules.Yes && !a.state.Holding && a.ours {
		a.state.Adopted(l.now)
		if a.leased > 0 && a.policy.Lifetime() == 0 {
			a.state.Lease = asked.Add(a.leased) // of a Monitor whose settings wanted one
		}
		a.transition(l, rules.Decision{Action: rules.Adopt, Reason: rules.Adopted})
	}
}

// listen opens an ear on the NIC if there is none, beside the loop. Ears that end
// as soon as they are opened are opened once a second.
func (l *loop) listen(n *nic) {
	if n.wire != nil || n.opening || n.index == 0 || l.o.Listen == nil {
		return
	}
	if again := n.opened.Add(readEvery); n.index == n.heardOn && l.now.Before(again) {
		if again.Before(l.nextRead) {
			l.nextRead = again
		}
		return
	}
	n.opening = true
	name, index := n.name, n.index
	l.beside(func() {
		w, err := l.o.Listen(name, l.see)
		kept := false
		done := make(chan struct{})
		l.d.post(func(l *loop) {
			defer close(done)
			n.opening = false
			if l.nics[name] != n || n.index != index || l.ctx.Err() != nil {
				return
			}
			if err != nil {
				if n.err == nil || n.err.Error() != err.Error() {
					l.log.WithField("nic", name).WithError(err).Error("no ARP on this NIC: what is on it is not known")
				}
				n.err = err
				l.link(n)
				return
			}
			kept = true
			n.wire, n.err = w, nil
			n.opened, n.heardOn = l.now, index
			l.link(n)
			l.asks.Renew(l.now, name)
		})
		if err != nil {
			return
		}
		select {
		case <-done:
		case <-l.d.over:
		}
		select {
		case <-done: // both may have been ready
		default:
		}
		if !kept {
			w.Close()
			return
		}
		select {
		case <-w.Done():
			l.d.post(func(l *loop) {
				if n.wire == w {
					n.wire = nil
					l.link(n)
					if err := w.Err(); err != nil && (err.Error() != n.ended || l.now.Sub(n.endedAt) > time.Minute) {
						n.ended, n.endedAt = err.Error(), l.now
						l.log.WithField("nic", name).WithError(err).Warn("the ear has ended, and another is opened")
					}
					l.read()
				}
			})
			w.Close()
		case <-l.ctx.Done():
		}
	})
}

// sightings are lists that have been read: a thousand frames a second make no
// garbage.
var sightings = sync.Pool{New: func() any { return new([]host.Sighting) }}

// see is called by the ears, outside the loop, with frames of other hosts, which
// are only lent. Those that come together are one event.
func (l *loop) see(all []host.Sighting) {
	m := l.interesting.Load()
	if m == nil {
		return
	}
	ours := sightings.Get().(*[]host.Sighting)
	*ours = (*ours)[:0]
	for _, s := range all {
		if (*m)[s.Sender] || (*m)[s.Target] {
			*ours = append(*ours, s)
		}
	}
	if len(*ours) == 0 {
		sightings.Put(ours)
		return
	}
	l.d.post(func(l *loop) {
		for _, s := range *ours {
			l.sighted(s)
		}
		sightings.Put(ours)
	})
}
