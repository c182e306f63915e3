package defender

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// Kept is what operators ordered that outlives the daemon.
type Kept struct {
	Parked      []netip.Addr // aliases that an operator took off this host
	Maintenance bool         // all were taken off, whatever was ordered for any one of them
}

// order is an operator's order under way for one alias.
type order struct {
	command rules.Command
	stay    string    // what then becomes of an alias that is off this host
	handed  bool      // the partner took it
	had     bool      // the alias was here when the order came
	from    string    // who answered for it then, where the order takes it from that host
	asked   time.Time // when the order put its question; zero: it put none
	answer  func(control.Outcome)

	announced int // how often the alias was announced since the order came
}

// takes tells whether the order wants the alias here.
func (o *order) takes() bool { return o.command == rules.AddAlias || o.command == rules.ForceAlias }

// Order gives an operator's order to the loop and waits until the order is carried out,
// or refused, for each alias. An order that is not carried out by the end of ctx is
// withdrawn, and its outcome says so. Order calls remember outside the loop with all that
// is parked: for one order at a time, in the sequence in which they came. When remember
// returns, it must have synced this to the disk; it may have done so and still return an
// *Anew. Handover leaves nothing to remember.
//
// The error is ErrNoAlias if no alias of that address is in the file.
func (d *Defender) Order(ctx context.Context, o control.Order, remember func(Kept) error) ([]control.Outcome, error) {
	b, err := d.begin(ctx, o, remember)
	if err != nil {
		return nil, err
	}
	got := map[string]control.Outcome{}
	for len(got) < len(b.aliases) {
		select {
		case out := <-b.outcomes:
			got[out.Alias] = out
			continue
		case <-ctx.Done():
		case <-d.over:
			return nil, errEnded
		}
		d.post(func(l *loop) { l.withdraw(b.orders) })
		ctx = context.WithoutCancel(ctx) // the withdrawal answers for the rest
	}
	all := make([]control.Outcome, 0, len(got))
	for _, alias := range b.aliases {
		out := got[alias.String()]
		out.NotRemembered, out.Anew = b.forgotten, b.anew
		all = append(all, out)
	}
	return all, nil
}

// begun is an order that the loop has taken on.
type begun struct {
	outcomes  chan control.Outcome
	aliases   []netip.Addr // one outcome comes for each
	orders    []*order     // those that it put under way: none for a dry run, or where it was refused
	kept      Kept
	forgotten string // why a restart will know nothing of it
	anew      string // what a restart will not know of earlier orders
}

// Anew is what remember returns if the disk now has what remember was given, but what it
// had before could not be read.
type Anew struct{ Text string }

func (a *Anew) Error() string { return a.Text }

// begin gives an order to the loop and has what is parked remembered.
func (d *Defender) begin(ctx context.Context, o control.Order, remember func(Kept) error) (begun, error) {
	// If two orders come at once, the list of the later one must be written last.
	select {
	case d.ordering <- struct{}{}:
		defer func() { <-d.ordering }()
	case <-ctx.Done():
		return begun{}, ctx.Err()
	}
	start := make(chan begun, 1)
	var settled atomic.Bool // true: the loop has the order, or we have given up
	d.post(func(l *loop) {
		if !settled.CompareAndSwap(false, true) {
			return
		}
		chosen, was := l.chosen(o.Alias), l.maintenance
		if l.switches(o, chosen) {
			l.maintenance = o.Maintenance == control.On
			l.memory.switched = true
		}
		b := begun{outcomes: make(chan control.Outcome, len(chosen))}
		stands := l.standsAgainst(o, chosen)
		for _, a := range chosen {
			b.aliases = append(b.aliases, a.id())
			before := a.order
			if stands != "" {
				b.outcomes <- control.Outcome{Alias: a.id().String(), Text: stands, GaveWay: true}
			} else {
				l.obey(a, o, was, func(out control.Outcome) { b.outcomes <- out })
			}
			if a.order != before {
				b.orders = append(b.orders, a.order)
			}
		}
		b.kept = l.kept()
		start <- b
	})
	var b begun
	select {
	case b = <-start:
	case <-d.over:
		return begun{}, errEnded
	case <-ctx.Done():
		if settled.CompareAndSwap(false, true) {
			return begun{}, ctx.Err() // the loop hangs, and will find that we have given up
		}
		b = <-start
	}
	switch {
	case len(b.aliases) == 0:
		return begun{}, ErrNoAlias
	case o.DryRun, o.Give, o.Drill: // they park and unpark nothing
	default:
		// This is done also where nothing changed: the last write may have failed.
		anew := (*Anew)(nil)
		switch err := remember(b.kept); {
		case errors.As(err, &anew):
			b.anew = anew.Text
			d.post((*loop).written)
		case err != nil:
			b.forgotten = err.Error()
		default:
			d.post((*loop).written)
		}
	}
	return b, nil
}

// kept is what outlives the daemon, now.
func (l *loop) kept() Kept {
	return Kept{Parked: slices.SortedFunc(maps.Keys(l.parked), netip.Addr.Compare), Maintenance: l.maintenance}
}

// partnerSays is why the partner would not take the alias.
func (a *alias) partnerSays() string {
	switch w := a.says; {
	case a.talk == nil:
		return "there is no channel to the partner"
	case a.talk.mood != speaking || a.peer.Said.IsZero():
		return "the partner's daemon is not heard on the channel"
	case w.Text != "":
		return "the partner says: " + w.Standing.String() + ": " + inFull(w.Text, rules.ReasonFromWire(w.Why))
	default:
		return "the partner says: " + w.Standing.String()
	}
}

// chosen are the aliases that an order is for: all, or one with its group. An alias that is
// about to leave the file is not among them.
func (l *loop) chosen(alias netip.Addr) (all []*alias) {
	with := l.list
	if alias.IsValid() {
		a := l.aliases[alias]
		if a == nil {
			return nil
		}
		with = l.together(a)
	}
	for _, a := range with {
		if !a.state.Leaving || a.next != nil {
			all = append(all, a)
		}
	}
	return all
}

// commandOf is an order in the rules' words.
func commandOf(o control.Order) rules.Command {
	switch {
	case o.Maintenance == control.Off:
		return rules.UnparkAlias
	case o.Give:
		return rules.HandoverAlias
	case o.Remove || o.Maintenance == control.On:
		return rules.RemoveAlias
	case o.Force:
		return rules.ForceAlias
	}
	return rules.AddAlias
}

// obey begins an order for one alias; answer is called once, now or later. was tells
// whether this host was in maintenance when the order came.
func (l *loop) obey(a *alias, o control.Order, was bool, answer func(control.Outcome)) {
	if o.DryRun {
		answer(l.foretell(a, o))
		return
	}
	c := commandOf(o)
	adds := c == rules.AddAlias || c == rules.ForceAlias
	if l.maintenance && adds {
		answer(control.Outcome{Alias: a.id().String(), Text: "refused: this host is in maintenance; 'Maintenance off' ends it", Next: l.whatNext(a, false)})
		return
	}
	if l.refusesLoopback(a, o, answer) || l.sparesLast(a, o, c, answer) {
		return
	}
	if o.Maintenance == control.Leave && !o.Give && !o.Drill { // maintenance says nothing of what was parked before
		l.memory.ordered[a.id()] = l.now
	}
	if a.order != nil {
		l.answer(a, false, "another order was given meanwhile")
	}
	l.mark(a)
	l.record(a, record.Event{Kind: record.Ordered, Text: l.heedOrder(a, o) + " ordered " + c.String()})
	a.order = &order{command: c, stay: parkedHere, had: a.state.Holding, answer: answer}
	if c == rules.UnparkAlias {
		l.unpark(a, was)
		return
	}
	l.claim(a)
	switch {
	case o.Maintenance == control.On:
		a.order.stay = staysOff
	case c == rules.RemoveAlias:
		l.parked[a.id()] = true
	case adds:
		delete(l.parked, a.id())
	}
	if a.untied() {
		a.state.Obey(c, rules.Facts{Now: l.now})
		return
	}
	if c == rules.ForceAlias && !a.state.Holding && a.alias.Fact().Value == rules.Answered {
		a.order.from = l.rival(a)
	}
	a.order.had = a.state.Holding
	follow := a.state.Obey(c, l.facts(a))
	switch {
	case l.o.Deeds == OrderedDeeds:
		follow.Look = rules.NoLook // the verb has already waited for Looked
	case adds && !a.state.Holding:
		a.order.asked = l.now
	}
	l.then(a, follow)
}

// claim takes on record an alias that is on this host and not ours, because an operator
// has ordered what becomes of it: a parked alias that somebody put here by hand, say.
func (l *loop) claim(a *alias) {
	if a.state.Holding || a.kernel.Value != rules.Yes || a.errand.stage == working {
		return
	}
	l.done(a, rules.Decision{Action: rules.Adopt, Reason: rules.Adopted},
		rules.Outcome{Begun: a.kernel.Asked, Lifetime: a.leased, Ours: true})
}

// unpark ends maintenance for one alias.
func (l *loop) unpark(a *alias, was bool) {
	switch {
	case !was:
		l.answer(a, true, notInMaintenance)
	case l.parked[a.id()]:
		l.answer(a, true, staysParked)
	default:
		a.state.Obey(rules.UnparkAlias, rules.Facts{})
		l.answer(a, true, l.server()+" serves it again if its rules say so")
	}
}

// withdraw ends what is still under way of an order. A newer order for the same alias is
// left alone.
func (l *loop) withdraw(orders []*order) {
	for _, a := range l.list {
		if a.order == nil || !slices.Contains(orders, a.order) {
			continue
		}
		l.then(a, a.state.Obey(rules.WithdrawCommand, rules.Facts{}))
		if a.order.takes() && a.state.Holding {
			l.answerHere(a) // it was taken, and was about to be announced
			continue
		}
		if a.order.command == rules.HandoverAlias && a.state.Handover.Side == rules.Giving {
			l.answer(a, false, "not yet: it is offered to the partner, which may still take it; see Status")
			continue
		}
		l.answer(a, false, "not yet: "+a.why())
	}
}
