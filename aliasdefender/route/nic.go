package route

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
)

// listenAgain is when a listener is opened again that stopped, or could not be opened.
const listenAgain = time.Second

// nic is one family's half of an interface that next hops are on.
type nic struct {
	host.Side
	index   int
	err     error // why it carries no questions
	bare    bool  // all that it lacks is an address of its own
	own     []netip.Prefix
	wire    Wire // its listener; nil: there is none
	opening bool
	opened  time.Time
	heardOn int
	lost    uint64 // frames, as the listener counted last
	deaf    error  // why there is no listener
	stops   hearing.Stops
	wanted  []netip.Addr
	told    bool // the listener was told what is wanted
}

// readNIC files what the last reading says of it.
func (l *loop) readNIC(n *nic) {
	now, there := l.state.NIC(n.NIC)
	index := n.index
	n.index, n.err, n.bare, n.own = now.Index, nil, false, n.own[:0]
	for _, a := range now.Addrs {
		if !a.Ours && a.Usable() && host.FamilyOf(a.Prefix.Addr()) == n.Family {
			n.own = append(n.own, a.Prefix)
		}
	}
	switch {
	case !there:
		n.err = fmt.Errorf("%s does not exist", n.NIC)
	case !now.Up:
		n.err = fmt.Errorf("%s is down", n.NIC)
	case !now.Carrier:
		n.err = fmt.Errorf("%s has no carrier", n.NIC)
	case len(n.own) == 0:
		n.err, n.bare = fmt.Errorf("%s has no address of its own", n.NIC), true
	}
	another := n.wire != nil && (n.index != index || n.wire.HW() != now.HW && !now.HW.IsZero())
	if another {
		n.close(l)
		n.heardOn = 0
	}
	l.listen(n)
	l.link(n)
	if another {
		l.asks.Renew(l.now, n.Side)
	}
}

// link tells package detect what became of it.
func (l *loop) link(n *nic) {
	l.asks.Link(l.now, detect.Link{Side: n.Side, Index: n.index, Err: n.err, Bare: n.bare, Own: n.own, Hears: n.wire != nil, Deaf: n.deaf})
}

// close closes the listener beside the loop: closing waits for its reader, which may wait
// for the loop.
func (n *nic) close(l *loop) {
	if w := n.wire; w != nil {
		n.wire = nil
		l.wg.Go(func() { w.Close() })
	}
}

// listen opens a listener if there is none, beside the loop.
func (l *loop) listen(n *nic) {
	if n.wire != nil || n.opening || n.index == 0 || l.o.Listen == nil {
		return
	}
	if again := n.opened.Add(listenAgain); n.index == n.heardOn && l.now.Before(again) {
		l.soon(again)
		return
	}
	n.opening = true
	n.opened, n.heardOn = l.now, n.index
	index := n.index
	l.wg.Go(func() {
		w, err := l.o.Listen(n.NIC, n.Family, l.see)
		if err != nil {
			l.k.post(func(l *loop) { l.notListening(n, err) })
			return
		}
		kept := make(chan bool, 1)
		l.k.post(func(l *loop) { kept <- l.accepts(n, index, w) })
		select {
		case yes := <-kept:
			if !yes {
				w.Close()
				return
			}
		case <-l.ctx.Done():
			w.Close()
			return
		}
		select {
		case <-w.Done():
			l.k.post(func(l *loop) { l.stoppedListening(n, w) })
			w.Close()
		case <-l.ctx.Done():
		}
	})
}

// accepts takes a listener, if it is still of use.
func (l *loop) accepts(n *nic, index int, w Wire) bool {
	n.opening = false
	if l.nics[n.Side] != n || n.index != index || l.ctx.Err() != nil {
		return false
	}
	n.wire, n.deaf, n.lost, n.told = w, nil, 0, false
	l.narrow(n)
	l.link(n)
	l.asks.Renew(l.now, n.Side)
	return true
}

// notListening is called where no listener can be opened.
func (l *loop) notListening(n *nic, err error) {
	n.opening = false
	if n.deaf == nil || n.deaf.Error() != err.Error() {
		l.o.Log.WithField("event", "no_arp").WithField("nic", n.NIC).WithError(err).Warn("no listener on this NIC: its next hops are only pinged")
	}
	n.deaf = err
	if l.nics[n.Side] == n {
		l.link(n)
		l.soon(l.now.Add(listenAgain))
	}
}

// stoppedListening is called when a listener has stopped by itself.
func (l *loop) stoppedListening(n *nic, w Wire) {
	if n.wire != w {
		return
	}
	n.wire = nil
	if err := w.Err(); err != nil {
		l.stopped(n, err)
	}
	l.link(n)
	l.soon(l.now.Add(listenAgain))
}

// stopped says why the listener of one half of a NIC has stopped.
func (l *loop) stopped(n *nic, why error) {
	if n.stops.Say(why, l.now) {
		l.o.Log.WithField("event", "arp_listener_stopped").WithField("nic", n.NIC).WithError(why).Warn("the listener for next hops stopped; reopening")
	}
}

// narrow has the listener hear only frames that speak of the hops.
func (l *loop) narrow(n *nic) {
	if n.wire == nil {
		return
	}
	wanted := l.asks.On(n.Side)
	if n.told && slices.Equal(wanted, n.wanted) {
		return
	}
	n.told, n.wanted = true, wanted
	if err := n.wire.Want(wanted); err != nil {
		l.stopped(n, err)
		n.close(l)
		l.link(n)
		l.soon(l.now.Add(listenAgain))
	}
}

// see is called by the listeners, outside the loop, with frames of other hosts, which are
// only lent.
func (l *loop) see(all []host.Sighting) {
	hops := l.k.hops.Load()
	if hops == nil {
		return
	}
	var ours []host.Sighting
	for _, s := range all {
		if (*hops)[s.Sender] {
			ours = append(ours, s)
		}
	}
	if len(ours) == 0 {
		return
	}
	l.k.post(func(l *loop) {
		for _, s := range ours {
			if !l.state.Owns(s.HW) {
				l.asks.Sighted(l.now, s)
			}
		}
	})
}

// arp asks by a frame of ARP, or of neighbour discovery.
func (l *loop) arp(q detect.Question) error {
	switch n := l.nics[q.Side()]; {
	case n == nil || n.wire == nil:
		return fmt.Errorf("there is no listener on %s", q.NIC)
	case q.Probe:
		return n.wire.Probe(q.Addr)
	default:
		return n.wire.Ask(q.Addr, q.Source, q.To)
	}
}

// gauge asks all sockets how well they hear, before the events that came meanwhile are
// taken in: what was not heard is no silence.
func (l *loop) gauge() {
	for _, n := range l.nics {
		if n.wire != nil {
			r := n.wire.Hearing()
			l.asks.Heard(l.now, detect.ARP, n.Side, r.Lost > n.lost, max(r.Late, l.backlog.Behind(l.now)))
			n.lost = r.Lost
		}
	}
	if l.o.Hearing != nil {
		r := l.o.Hearing()
		lost := r.Lost + l.k.dropped.Load()
		l.asks.Heard(l.now, detect.ICMP, host.Side{}, lost > l.pings, max(r.Late, l.backlog.Behind(l.now)))
		l.pings = lost
	}
}

// tookIn notes whether all events that waited at the last gauge were taken in. An answer
// that still waits is no silence.
func (l *loop) tookIn(all bool) {
	if l.backlog.TookIn(all, l.now) {
		l.gauge()
	}
}
