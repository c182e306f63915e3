package defender

import (
	"errors"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// crowd is how many other takes are worth waiting for: to add fewer costs the kernel less
// time than the wait.
const crowd = 32

// carry begins what the decision asks for. It begins nothing while something else is
// under way for the alias: the end of that decides again.
func (l *loop) carry(a *alias, d rules.Decision) {
	e := &a.errand
	l.hurries(a, d)
	if l.o.Deeds == NoDeeds && a.state.Holding && a.kernel.Value == rules.No {
		// Whoever does the work here has taken it off.
		l.done(a, rules.Decision{Row: d.Row, Action: rules.Forget, Reason: rules.KernelLost}, rules.Outcome{Begun: l.now})
		return
	}
	if l.o.Deeds == NoDeeds && a.state.Holding {
		l.elsewhereDone(a, d)
		return
	}
	if l.renewed(a, d) {
		return
	}
	if e.stage != idle || !l.mayDo(a, d) || !e.failure.retry.IsZero() && d.Action == e.failure.action && !(e.failure.refused && d.Reason.AtOnce()) {
		return
	}
	opened := 0
	if e.gates.deed == d.Action {
		opened = e.gates.opened
	}
	e.gates = gates{}
	switch d.Action {
	case rules.Take:
		// each gate that opens has the take decided again; the alias is added only after the last
		if a.state.MayBegin(d) && l.gate(a, d, opened) {
			l.take(a, d)
		}
	case rules.Restore:
		l.change(a, d, l.trades.add)
	case rules.Release:
		if d.Reason.AtOnce() || l.gate(a, d, opened) {
			l.change(a, d, l.trades.remove)
		}
	case rules.Announce:
		l.announce(a, d)
	case rules.HandOver, rules.AskHandover:
		l.openHandover(a, d)
	case rules.Refresh:
		if l.ending.stage != lasting { // what was told to stay without us is left so
			l.change(a, d, l.trades.refresh)
		}
	case rules.Reorder:
		l.change(a, d, l.trades.reorder)
	case rules.Forget:
		if l.duplicate(a) {
			l.change(a, d, l.trades.remove)
			return
		}
		l.done(a, d, rules.Outcome{Begun: l.now})
	}
}

// elsewhereDone counts a deed that keeps the alias here as done by whoever does the work
// here. Otherwise it would stay due, and the rows below would not be read.
func (l *loop) elsewhereDone(a *alias, d rules.Decision) {
	switch d.Action {
	case rules.Refresh, rules.Announce, rules.Reorder:
		l.then(a, a.state.Done(a.policy, d, rules.Outcome{Begun: l.now, Lifetime: a.policy.Lifetime()}, l.now))
	}
}

// renewed renews the lease of an alias that a gate keeps from being released, when a third
// of the lease has passed: the gate has said that the alias is to stay.
func (l *loop) renewed(a *alias, d rules.Decision) bool {
	e, lifetime := &a.errand, a.policy.Lifetime()
	refused := e.stage == idle && d.Action == rules.Release && !d.Reason.AtOnce() && e.failure.refused && !e.failure.retry.IsZero()
	if !refused || a.state.Lease.IsZero() || l.ending.stage == lasting || l.now.Before(a.state.Lease.Add(-2*lifetime/3)) {
		return false
	}
	j := l.job(a, rules.Decision{Action: rules.Refresh, Reason: rules.LeaseDue}, l.trades.refresh)
	j.wanted = nil // what is decided is a release
	l.worker.put(j)
	return true
}

// take has the alias put on this host.
func (l *loop) take(a *alias, d rules.Decision) {
	j := l.job(a, d, l.trades.add)
	j.gathers = l.crowded
	l.worker.put(j)
	if a.alias != nil {
		l.asks.Rest(l.now, a.alias)
	}
}

// change has a worker change the kernel as the decision says.
func (l *loop) change(a *alias, d rules.Decision, t *trade) {
	l.worker.put(l.job(a, d, t))
}

// job is work on the alias's address.
func (l *loop) job(a *alias, d rules.Decision, t *trade) job {
	order := host.Placement{NIC: a.cfg.NIC, Label: a.cfg.Label, Prefix: a.cfg.Prefix, Lease: a.policy.Lifetime()}
	if a.place.renamed != "" {
		order.Index = a.place.index
	}
	a.errand.stage = working
	a.state.Begin(d)
	done := func(began time.Time, o rules.Outcome) {
		o.Begun, o.Lifetime, o.Alias = began, order.Lease, a.alias.Fact().Value
		l.endErrand(a)
		l.done(a, d, o)
	}
	return job{
		trade: t, what: order, slow: a.family() == host.IPv6,
		wanted:   func() bool { return l.redecide(a, d).Action == d.Action },
		unwanted: func() { done(l.now, rules.Outcome{Result: rules.Dropped}) },
		done: func(began time.Time, err error) {
			if err != nil {
				l.failedDeed(a, d, err)
			}
			done(began, rules.Outcome{Result: resultOf(err)})
			if err == nil && d.Action == rules.Forget { // what is left of a duplicate: its owner was heard as a rival
				l.asks.Forget(l.now, a.alias)
			}
		},
	}
}

// last tells the kernel for how long the alias stays without us.
func (l *loop) last(a *alias) {
	a.errand.stage = working
	l.worker.put(job{
		trade: l.trades.last, slow: a.family() == host.IPv6, what: host.Placement{NIC: a.cfg.NIC, Label: a.cfg.Label, Prefix: a.cfg.Prefix, Lease: l.stays(a)},
		done: func(_ time.Time, err error) {
			l.endErrand(a)
			if err != nil && !errors.Is(err, host.ErrNotThere) {
				a.log(l, "not_lasting").WithError(err).Warn("could not tell the kernel to keep the alias: it goes when its lease ends")
			}
		},
	})
}

// redecide decides about a job once more, just before it is done.
func (l *loop) redecide(a *alias, d rules.Decision) rules.Decision {
	if !a.state.MayBegin(d) {
		return rules.Decision{Action: rules.Wait}
	}
	if d = l.judge.Decide(a.policy, a.state, l.decisive(a)); !l.mayDo(a, d) {
		return rules.Decision{Action: rules.Wait}
	}
	return d
}

// endErrand notes that nothing is under way for the alias any more.
func (l *loop) endErrand(a *alias) {
	a.errand.stage, a.errand.ended = idle, l.count()
	l.mark(a)
}

// crowded tells whether many aliases are about to be taken.
func (l *loop) crowded() bool {
	n := 0
	for _, a := range l.list {
		if a.alias != nil && !a.state.Holding && (a.errand.stage == gated || a.errand.stage == idle && a.alias.Doubted(l.now, l.worker.gathered)) {
			n++
		}
	}
	return n > crowd
}

// resultOf is what the kernel's answer to a deed means to the rules.
func resultOf(err error) rules.Result {
	switch {
	case err == nil:
		return rules.Succeeded
	case errors.Is(err, host.ErrNoAnswer):
		return rules.NoReply
	case errors.Is(err, host.ErrNotThere):
		return rules.NotThere
	case errors.Is(err, host.ErrDuplicate):
		return rules.Claimed
	}
	return rules.Failed
}

// failedDeed says which deed could not be done.
func (l *loop) failedDeed(a *alias, d rules.Decision, err error) {
	switch d.Action {
	case rules.Refresh:
		if !errors.Is(err, host.ErrNotThere) { // otherwise the next reading tells the rules
			l.failed(a, d.Action, "the alias's lease could not be renewed", err)
		}
	case rules.Release, rules.Forget:
		l.failed(a, d.Action, "the alias could not be removed", err)
	case rules.Reorder:
		l.failed(a, d.Action, "the alias could not be put behind this host's own address", err)
	default:
		l.failed(a, d.Action, "the alias could not be added", err)
	}
}

// done notes the end of a deed on the kernel's addresses.
func (l *loop) done(a *alias, d rules.Decision, o rules.Outcome) {
	follow := a.state.Done(a.policy, d, o, l.now)
	switch {
	case o.Result == rules.Dropped:
	case o.Result != rules.Succeeded:
		a.errand.failure.retry = follow.Retry
	default:
		a.mended()
		l.noteKernel(a, d, o.Begun)
	}
	switch {
	case follow.Tell && d.Action == rules.Reorder:
		l.moved(a, record.Decided, d) // nothing moved: it is where it was
	case follow.Tell:
		l.transition(a, d)
	}
	l.then(a, follow)
	if follow.Verify != rules.NoVerify {
		l.decide(a) // announces
		l.verify(a, follow.Verify)
	}
}

// noteKernel files what a deed has changed in the kernel's addresses.
func (l *loop) noteKernel(a *alias, d rules.Decision, began time.Time) {
	switch d.Action {
	case rules.Take, rules.Restore:
		a.kernel.Set(rules.Yes, began, l.now)
		a.place.index = a.iface.index // by the next reading the NIC may have another name
	case rules.Reorder:
		a.kernel.Set(rules.Yes, began, l.now)
		a.behind.Set(rules.No, began, l.now)
	case rules.Release, rules.Forget:
		a.kernel.Set(rules.No, began, l.now)
		if a.order != nil {
			a.order.handed = d.Reason == rules.HandedOver
		}
	}
}
