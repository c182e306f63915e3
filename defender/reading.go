package defender

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"aliasdefender/host"
	"aliasdefender/rules"
)

var errProxy = errors.New("the router answers for it (proxy ARP): whether anybody serves it is not known")

// readEvery is the most often that the host is read unless it tells of a change.
const readEvery = time.Second

// nic is one interface that aliases are on.
type nic struct {
	name    string
	index   int
	up      bool
	carrier bool
	own     []netip.Prefix // its own addresses, not masked
	held    int            // aliases that we hold on it

	wire    Wire // nil: none
	opening bool
	err     error // why there is none
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

// source is our own address to ask from: one in the target's subnet if there is.
func (n *nic) source(target netip.Addr) netip.Addr {
	for _, p := range n.own {
		if p.Masked().Contains(target) {
			return p.Addr()
		}
	}
	if len(n.own) > 0 {
		return n.own[0].Addr()
	}
	return netip.Addr{}
}

// close closes the ear beside the loop: it waits for its reader, and the
// reader may be waiting for the loop.
func (n *nic) close(l *loop) {
	if w := n.wire; w != nil {
		n.wire = nil
		l.beside(func() { w.Close() })
	}
}

// read has the host's network read beside the loop. One reading at a time:
// a kernel that does not answer is not asked twice.
func (l *loop) read() {
	every := time.Hour
	for _, a := range l.order {
		every = min(every, a.cfg.Interval)
	}
	l.nextRead = l.now.Add(max(every, readEvery))
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
			l.log.WithError(err).Error("the kernel cannot be asked for its addresses")
		}
		return // what was known grows old by itself
	}
	l.readErr = ""
	l.state, l.readAt = s, asked
	aliases := map[netip.Addr]bool{}
	for _, a := range l.order {
		aliases[a.cfg.Addr] = true
	}
	for _, n := range l.nics {
		l.readNIC(n, aliases)
	}
	type place struct {
		nic  string
		ours bool
	}
	where := map[netip.Addr]place{}
	for _, n := range s.NICs {
		for _, a := range n.Addrs {
			if aliases[a.Prefix.Addr()] {
				where[a.Prefix.Addr()] = place{n.Name, a.Ours}
			}
		}
	}
	for _, a := range l.order {
		l.readAlias(a, where[a.cfg.Addr].nic, where[a.cfg.Addr].ours, asked)
	}
	l.relink()
}

// readNIC files what the reading says of one interface.
func (l *loop) readNIC(n *nic, aliases map[netip.Addr]bool) {
	was, index := n.ready(), n.index
	now, _ := l.state.NIC(n.name)
	n.index, n.up, n.carrier, n.own = now.Index, now.Up, now.Carrier, nil
	for _, a := range now.Addrs {
		if !a.Ours && !aliases[a.Prefix.Addr()] {
			n.own = append(n.own, a.Prefix)
		}
	}
	if n.wire != nil && (n.index != index || n.wire.HW() != now.HW && !now.HW.IsZero()) {
		n.close(l) // another interface of the same name, or with another hardware address
		index = -1
	}
	l.listen(n)
	is := n.ready()
	if (was == nil) == (is == nil) && n.index == index {
		return
	}
	for _, t := range l.asked {
		if t.nic == n.name {
			t.forget(l)
		}
	}
	for _, a := range l.order {
		if a.cfg.NIC == n.name && a.state.Holding && is == nil {
			a.state.Reannounce(l.now)
		}
	}
}

// readAlias files what the reading says of one alias and its NIC: where it is,
// and whether that is our doing.
func (l *loop) readAlias(a *alias, where string, ours bool, asked time.Time) {
	n := l.nics[a.cfg.NIC]
	a.nic.Set(rules.Of(n.index != 0 && n.up), asked, l.now)
	a.carrier.Set(rules.Of(n.carrier), asked, l.now)
	a.own.Set(rules.Of(len(n.own) > 0), asked, l.now)
	a.dirty = true
	if a.phase == looking && !asked.Before(a.phaseAt) {
		a.phase, a.looked = idle, true
	}
	if a.phase == working || asked.Before(a.phaseAt) {
		return // the reading is from before our own work on it
	}
	elsewhere := ""
	if where != "" && where != a.cfg.NIC {
		elsewhere = fmt.Sprintf("the alias is on %s of this host, not on %s", where, a.cfg.NIC)
	}
	if a.elsewhere != elsewhere && elsewhere != "" {
		a.log(l).Error(elsewhere)
	}
	a.elsewhere = elsewhere
	a.kernel.Set(rules.Of(where == a.cfg.NIC), asked, l.now)
	// A parked alias that a Monitor before us could not take off any more is
	// adopted to be released; what somebody else put there is his.
	if a.kernel.Value == rules.Yes && !a.state.Holding && !a.state.Leaving && (!a.state.Parked || ours) && !l.stopping || l.releasing && a.kernel.Value == rules.Yes && !a.state.Holding && ours {
		a.state.Adopted(l.now)
		l.count()
		a.transition(l, rules.Decision{Action: rules.Adopt, Reason: rules.Adopted})
	}
}

// listen opens an ear on the NIC if there is none, beside the loop.
func (l *loop) listen(n *nic) {
	if n.wire != nil || n.opening || n.index == 0 || l.o.Listen == nil {
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
				return
			}
			kept = true
			n.wire, n.err = w, nil
			for _, t := range l.asked {
				if t.nic == name {
					t.forget(l)
				}
			}
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
					l.read()
				}
			})
			w.Close()
		case <-l.ctx.Done():
		}
	})
}

// see is called by the ears, outside the loop, for each frame of another host.
func (l *loop) see(s host.Sighting) {
	if m := l.interesting.Load(); m == nil || !(*m)[s.Sender] && !(*m)[s.Target] {
		return
	}
	l.d.post(func(l *loop) { l.sighted(s) })
}
