package defender

import (
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// then carries out what has to follow a deed, a command or an observation about the
// alias. The record has it already: these are the parts that need a wire, a kernel or a
// log.
func (l *loop) then(a *alias, f rules.Follow) {
	if f.Ended {
		l.handoverEnded(a)
	}
	if f.Point {
		l.point(a)
	}
	switch {
	case a.alias == nil:
	case f.Point:
		l.asks.AskByARP(l.now, a.alias)
	case f.Look == rules.LookAgain:
		l.asks.Ask(l.now, a.alias)
	case f.Look == rules.LookAnew:
		l.asks.Forget(l.now, a.alias)
	}
	if f.Answered && a.alias != nil {
		l.asks.Alive(l.now, a.alias, l.now)
	}
	if f.Read {
		l.read()
	}
	if f.Gone {
		l.replace(a)
	}
	l.mark(a)
}

// point tells the segment that the alias is at the partner that keeps it, where that is
// proven. A claim alone proves nothing: we would repeat what an attacker says.
func (l *loop) point(a *alias) {
	rival := l.keeper(a)
	if a.iface.wire == nil || rival.IsZero() {
		return
	}
	if err := a.iface.wire.Announce(a.id(), rival); err != nil {
		a.log(l, "not_pointed").WithError(err).Warn("could not tell the segment where the alias is")
	}
}

// announce says on the wire that the alias is here.
func (l *loop) announce(a *alias, d rules.Decision) {
	o := rules.Outcome{}
	switch n := a.iface; {
	case l.deaf(): // the kernel announces by itself
	case n.wire == nil:
		o.Result = rules.NoMeans
	default:
		if err := n.wire.Announce(a.id(), host.HW{}); err != nil {
			o.Result = rules.Failed
			l.failed(a, d.Action, "the alias could not be announced", err)
			break
		}
		l.frames += 2
		a.announcements++
		l.introduceTo(a)
		a.announced = l.now
		if a.order != nil {
			a.order.announced++
		}
	}
	follow := a.state.Done(a.policy, d, o, l.now)
	switch f := &a.errand.failure; {
	case o.Result != rules.Succeeded:
		f.action, f.retry = d.Action, follow.Retry
	case f.action == rules.Announce:
		a.mended()
	}
	l.then(a, follow)
}

// introduceTo asks the router, and the witnesses, from an alias of IPv6. A solicitation has
// the asked host note its sender at once (RFC 4861, 7.2.3), also where that host has no
// entry for the alias or ignores advertisements that it did not ask for. A host that
// forwards to others is worth that frame.
func (l *loop) introduceTo(a *alias) {
	if a.family() != host.IPv6 {
		return // an announcement by ARP does the same
	}
	for _, t := range a.third {
		if t.NIC == a.cfg.NIC {
			l.frames++
			_ = a.iface.wire.Ask(t.Addr, a.id(), host.HW{})
		}
	}
}

// openHandover begins the hand-over that d asks for.
func (l *loop) openHandover(a *alias, d rules.Decision) {
	c := &l.channel
	number := c.number + 1
	if number == 0 {
		number++
	}
	follow := a.state.Done(a.policy, d, rules.Outcome{Number: number, Word: a.peer.Word}, l.now)
	if follow.Tell {
		c.number = number
		l.moved(a, record.HandoverBegun, d)
		l.then(a, follow)
	}
}

// handoverEnded records why a hand-over has ended without moving the alias.
func (l *loop) handoverEnded(a *alias) {
	why := a.state.Handover.Failure
	if why == rules.NoRow {
		return
	}
	l.record(a, record.Event{
		Kind: record.HandoverEnded, Level: rules.Warning,
		Decision: record.Decision{Reason: why.String(), Why: why.Text()},
		Text:     "the hand-over ended where it was: " + why.Text(),
	})
}
