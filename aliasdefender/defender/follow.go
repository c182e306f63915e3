package defender

import (
	"errors"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
)

// follow does what follows from changed facts: it marks the aliases to decide again, and
// notes what a holder has to know. What is asked because of a change is in package
// detect, with the asking.
func (l *loop) follow() {
	for changes := l.asks.Changes(); len(changes) > 0; changes = l.asks.Changes() {
		for _, c := range changes {
			if c.What == detect.Cannot {
				if errors.Is(c.Err, detect.ErrForNobody[c.Target.Side().Family]) {
					l.answeredForNobody(c.Target)
					continue
				}
				l.event("cannot_ask").WithField("address", c.Target.Addr.String()).WithError(c.Err).Warn("cannot ask")
				continue
			}
			for owner := range c.Target.For {
				if a := owner.(*alias); !a.gone { // the alias that took its place is marked when it is tied
					l.follows(a, c)
				}
			}
		}
	}
}

// answeredForNobody warns of a segment on which questions are answered for others.
func (l *loop) answeredForNobody(t *detect.Target) {
	for owner := range t.For {
		if a := owner.(*alias); a.alias == t {
			a.log(l, "answered_for_nobody").WithField("hw", t.HW().String()).Warn(detect.ErrForNobody[a.family()].Error())
		}
	}
}

// follows is what one change brings for one alias.
func (l *loop) follows(a *alias, c detect.Change) {
	t := c.Target
	switch c.What {
	case detect.Newer:
		// An alias that is settled without this fact is not decided again, nor is one
		// with an errand under way, whose end decides. It is decided when the older fact
		// would have become too old.
		if a.errand.stage != working && !a.settled() && (t == a.alias || !a.awaitsItself(t)) {
			l.mark(a)
		}
	case detect.Missed:
		if t == a.alias || t == a.partner {
			l.mark(a)
		}
	case detect.Other:
		l.mark(a)
		if t == a.partner {
			l.findPings(t)
		}
	case detect.Back:
		if t == a.partner {
			a.state.PartnerIsBack(l.now) // package detect asks what has to be asked because of it
		}
	}
}

// sighted takes in one frame of ARP or neighbour discovery.
func (l *loop) sighted(s host.Sighting) {
	if l.net.state.Owns(s.HW) {
		return // another NIC of ours on the same segment
	}
	l.asks.Sighted(l.now, s)
	a := l.aliases[host.Zoned(s.Target, s.NIC)]
	if a == nil || !a.state.Holding || s.Sender == s.Target || a.cfg.NIC != s.NIC {
		return
	}
	a.known = a.known || s.Reply && s.Sender == a.verifier()
	if s.Sender.IsUnspecified() && l.now.Sub(a.announced) >= time.Second {
		// Somebody doubts that it is served: tell the whole segment where it is.
		a.state.ProbedFor(l.now)
		l.mark(a)
	}
}
