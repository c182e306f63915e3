package defender

import (
	"net/netip"
	"sync"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
)

// listener is the listener of one half of a NIC, and what became of it: it hears ARP, or
// neighbour discovery.
type listener struct {
	wire     Wire // nil: there is none
	ear      ear
	opening  bool
	opened   time.Time    // when the last one was opened,
	heardOn  int          // and on which NIC index
	wanted   []netip.Addr // the addresses that it should hear of,
	narrowed bool         // and whether it was told so since
	err      error        // why there is none; nil: opening one was not tried yet
	stops    hearing.Stops
}

// hears is what a listener of a family hears.
var hears = map[host.Family]string{host.IPv4: "ARP", host.IPv6: "NDP"}

// listenerOf names the listener of one half of a NIC.
func listenerOf(s host.Side) string { return "the " + hears[s.Family] + " listener on " + s.NIC }

// close closes the listener beside the loop: closing waits for the listener's reader, and
// the reader may be waiting for the loop.
func (n *nic) close(l *loop) {
	if w := n.wire; w != nil {
		n.wire = nil
		l.unhears(n)
		l.beside(func() { w.Close() })
	}
}

// listen opens a listener on the NIC if there is none, beside the loop. A listener
// that stops as soon as it is opened is reopened once a second.
func (l *loop) listen(n *nic) {
	if n.wire != nil || n.opening || n.index == 0 || l.deaf() || config.IsLoopback(n.NIC) {
		return
	}
	if again := n.opened.Add(readEvery); n.index == n.heardOn && l.now.Before(again) {
		if again.Before(l.net.next) {
			l.net.next = again
		}
		return
	}
	n.opening = true
	index := n.index
	l.beside(func() {
		w, err := l.o.Listen(n.NIC, n.Family, l.see)
		if err != nil {
			l.d.post(func(l *loop) { l.notListening(n, index, err) })
			return
		}
		if !l.accepts(n, index, w) {
			w.Close()
			return
		}
		select {
		case <-w.Done():
			l.d.post(func(l *loop) { l.stoppedListening(n, w) })
			w.Close()
		case <-l.ctx.Done():
		}
	})
}

// accepts hands a listener to the loop and tells whether the loop has taken it. It is
// called outside the loop.
func (l *loop) accepts(n *nic, index int, w Wire) (kept bool) {
	done := make(chan struct{})
	l.d.post(func(l *loop) {
		defer close(done)
		n.opening = false
		if l.net.nics[n.Side] != n || n.index != index || l.ctx.Err() != nil {
			return
		}
		kept = true
		n.wire, n.err = w, nil
		n.opened, n.heardOn = l.now, index
		n.narrowed, n.ear.counted = false, 0
		l.narrow(n)
		l.link(n)
		l.asks.Renew(l.now, n.Side)
	})
	select {
	case <-done:
	case <-l.d.over:
		select {
		case <-done: // both channels may have been ready
		default:
			return false
		}
	}
	return kept
}

// notListening is called where no listener can be opened on a NIC.
func (l *loop) notListening(n *nic, index int, err error) {
	n.opening = false
	if l.net.nics[n.Side] != n || n.index != index || l.ctx.Err() != nil {
		return
	}
	if n.err == nil || n.err.Error() != err.Error() {
		l.event("no_arp").WithField("nic", n.NIC).WithError(err).Error("no " + hears[n.Family] + " listener on this NIC: it is not known which hosts claim an alias there")
	}
	n.err = err
	l.link(n)
}

// stoppedListening is called when a listener has stopped by itself.
func (l *loop) stoppedListening(n *nic, w Wire) {
	if n.wire != w {
		return
	}
	n.wire = nil
	l.unhears(n)
	l.link(n)
	if err := w.Err(); err != nil {
		l.stopped(n, err)
	}
	l.read()
}

// stopped says why the listener of one half of a NIC has stopped.
func (l *loop) stopped(n *nic, why error) {
	if n.stops.Say(why, l.now) {
		l.event("arp_listener_stopped").WithField("nic", n.NIC).WithError(why).Warnf("%s listener on %s stopped; reopening", hears[n.Family], n.NIC)
	}
}

// sightings holds lists for reuse, so that a thousand frames a second make no garbage.
var sightings = sync.Pool{New: func() any { return new([]host.Sighting) }}

// see is called by the listeners, outside the loop, with frames of other hosts. The
// frames are only lent. Those that come together are one event.
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
