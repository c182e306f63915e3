package defender

import (
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/rules"
)

// ask puts one question. Where the target is on a NIC's own subnet the two
// media take turns: a host that filters ICMP is not taken for dead. In doubt it
// is put by both: where three frames of ten are lost each way, nine questions by
// one of the two are all in vain once in 430 times, and these once in 90,000. An alias
// that we hold is asked by ARP only, as our own kernel would answer the rest.
func (t *target) ask(l *loop) {
	n := t.iface
	local := t.nic != "" && l.o.Listen != nil
	onlyARP := local && (t.held() || t.of != nil && n.aliases > mostPinged)
	byARP := onlyARP || local && (t.byARP || t.interval < pingRhythm) == (t.window.put%2 == 0)
	doubt := t.vain+t.blind > 0
	both := local && doubt && !onlyARP
	probing := t.lastLook()
	t.window.put++
	l.put++
	if t.nic != "" && n.ready() != nil {
		return // W2 and H3 tell of it
	}
	if t.unaskable(l) {
		return
	}
	if byARP || both || local && t.hw.IsZero() { // who answers tells the partner from the router and from others
		if n.wire == nil {
			t.say(l, 1, n.err) // asked again as soon as there is an ear
			return
		}
		var err error
		switch {
		case probing:
			err = n.wire.Probe(t.addr)
		case doubt || t.held():
			err = n.wire.Ask(t.addr, n.source(t.addr), host.HW{})
		default: // whoever had it is asked alone, and the segment spared
			err = n.wire.Ask(t.addr, n.source(t.addr), t.hw)
		}
		if err == nil {
			t.window.byARP = l.now
		}
		t.say(l, 1, err)
	}
	if !byARP || both {
		t.ping(l, n)
	}
}

// ping asks by ICMP beside the loop.
func (t *target) ping(l *loop, n *nic) {
	q := probe.Question{Target: t.addr, Timeout: t.timeout}
	if t.nic != "" {
		q.Source = n.source(t.addr)
	}
	t.window.pings++
	t.window.ping = l.now
	asked, begun, k := l.now, t.window.start, t.key
	told := func(err error) {
		l.d.post(func(l *loop) {
			if t := l.targets[k]; t != nil {
				t.pinged(l, asked, begun, err)
			}
		})
	}
	if l.o.Ask != nil && t.interval < askRhythm {
		if err := l.o.Ask(q, func(_ time.Time, err error) { told(err) }); err != nil {
			l.beside(func() { told(err) }) // the loop does not wait for room in its own queue
		}
		return
	}
	l.beside(func() {
		// Silence is told by the window's end.
		if yes, err := l.o.Ping(l.ctx, q); yes || err != nil {
			told(err)
		}
	})
}

// pinged takes in the answer to a ping, or why there can be none.
func (t *target) pinged(l *loop, asked, begun time.Time, err error) {
	switch {
	case l.ctx.Err() != nil:
	case err != nil:
		t.unsent(l, asked, begun)
		t.say(l, 0, err)
	case t.held() && !l.deaf() || t.unaskable(l):
		// An answer to a question put before we took the alias.
	case asked.Before(t.since):
		// Put before all was made unknown.
	case t.of != nil && l.proxied(t):
		if l.deaf() { // else the frame itself has told
			t.byProxy(l)
		}
	default:
		t.byARP = t.of != nil
		t.answered(l, asked)
	}
}

// unsent notes that a ping could not be sent. A window that was closed as one
// in vain before this came to light has proved nothing if ping was all it had.
func (t *target) unsent(l *loop, asked, begun time.Time) {
	local := t.nic != "" && l.o.Listen != nil
	switch {
	case t.window.start.Equal(begun):
		t.window.lost++
		if t.byARP = t.byARP || local; local && t.window.byARP.IsZero() && t.vain+t.blind == 0 {
			t.ask(l) // by the other medium, at once; in doubt it was
			t.plan(l)
		}
	case !local && asked.After(t.fact.Asked.Add(-t.timeout)) && t.fact.Value != rules.Answered || t.vain > 0 && !local:
		t.couldNot(l)
		t.plan(l)
	}
}

// say logs why a medium cannot ask the target.
func (t *target) say(l *loop, medium int, err error) {
	m := &t.trouble[medium]
	since := l.now.Sub(m.at)
	if err == nil || m.text == err.Error() && since < sayAgain || !m.at.IsZero() && since < time.Minute {
		return
	}
	m.text, m.at = err.Error(), l.now
	l.log.WithField("address", t.addr.String()).WithError(err).Warn("cannot ask")
}
