package defender

import (
	"errors"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
)

// put puts the questions that are due on the wire. A question that cannot be put may lead
// to another one, by the other medium.
func (l *loop) put() {
	for q := l.asks.Questions(); len(q) > 0; q = l.asks.Questions() {
		for _, one := range q {
			l.frames++
			if one.Medium == detect.ICMP {
				l.ping(one)
			} else if err := l.arp(one); err != nil {
				l.asks.CouldNot(l.now, one, err)
			}
		}
	}
}

// arp asks by a frame of ARP, or of neighbour discovery.
func (l *loop) arp(q detect.Question) error {
	switch n := l.net.nics[q.Side()]; {
	case n == nil || n.wire == nil:
		return errNoListener[q.Side().Family]
	case q.Probe:
		return n.wire.Probe(q.Addr)
	default:
		return n.wire.Ask(q.Addr, q.Source, q.To)
	}
}

// ping asks by ICMP beside the loop.
func (l *loop) ping(q detect.Question) {
	ask := probe.Question{Target: q.Addr, Source: q.Source, Timeout: q.Timeout}
	told := func(at time.Time, err error) { l.d.post(func(l *loop) { l.pinged(q, at, err) }) }
	if l.o.Ask != nil && q.Shared {
		if err := l.o.Ask(ask, told); err != nil {
			l.beside(func() { told(time.Time{}, err) }) // the loop does not wait for room in its own queue
		}
		return
	}
	l.beside(func() {
		// silence needs no event: the window's end tells it
		if yes, err := l.o.Ping(l.ctx, ask); yes || err != nil {
			told(time.Now(), err)
		}
	})
}

// pinged takes in the answer to a ping that came at that time, or why there can be none.
func (l *loop) pinged(q detect.Question, at time.Time, err error) {
	switch {
	case l.ctx.Err() != nil:
	case err != nil:
		l.asks.CouldNot(l.now, q, err)
	default:
		l.asks.Took(at.Sub(q.Put))
		l.asks.Answered(l.now, q)
	}
}

// errNoListener is for a question whose listener was closed before it could be put.
var errNoListener = map[host.Family]error{
	host.IPv4: errors.New("there is no ARP listener"),
	host.IPv6: errors.New("there is no NDP listener"),
}
