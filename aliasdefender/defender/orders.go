package defender

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// Operator is an order of an operator, for one alias or, without, for all.
type Operator struct {
	Alias  netip.Addr // the zero Addr: every alias of the file
	Remove bool       // take it off this host and park it; else put it on and unpark it
	Give   bool       // hand it over to the partner, and keep it if he does not take it
	Force  bool       // put it on though another host answers for it
	DryRun bool       // only tell

	// Maintenance, for every alias: this host hands over all that it holds
	// and stays out until it is told to end that.
	Maintenance Switch
}

// Switch is turned on or off, or left alone.
type Switch uint8

// The ways to turn it.
const (
	Leave Switch = iota
	On
	Off
)

// Kept is what operators ordered that outlives the daemon.
type Kept struct {
	Parked      []netip.Addr // aliases that were taken off this host
	Maintenance bool         // all were, whatever else is said of each
}

// order is an operator's order under way for one alias.
type order struct {
	remove bool
	stay   string // what becomes of one that is off this host then
	give   bool
	handed bool   // the partner took it
	had    bool   // the alias was here when the order came
	from   string // who answered for it then, where it is to be taken from him
	answer func(control.Outcome)
}

// Order gives an operator's order to the loop and waits until it is carried
// out, or refused, for each alias. What is not by the end of ctx is withdrawn
// and told so. remember is called outside the loop with all that is parked,
// for one order at a time and in their order, and must have synced it when it
// returns.
//
// The error is ErrNoAlias if no alias of that address is in the file.
func (d *Defender) Order(ctx context.Context, o Operator, remember func(Kept) error) ([]control.Outcome, error) {
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
		out.NotRemembered = b.forgotten
		all = append(all, out)
	}
	return all, nil
}

// begun is an order that the loop has.
type begun struct {
	outcomes  chan control.Outcome
	aliases   []netip.Addr // one outcome comes for each
	orders    []*order     // in the same order; nil for a dry run
	kept      Kept
	forgotten string // why a restart will not know
}

// begin gives an order to the loop and has what is parked remembered.
func (d *Defender) begin(ctx context.Context, o Operator, remember func(Kept) error) (begun, error) {
	// Of two orders at once the later one's list must be written last.
	select {
	case d.ordering <- struct{}{}:
		defer func() { <-d.ordering }()
	case <-ctx.Done():
		return begun{}, ctx.Err()
	}
	start := make(chan begun, 1)
	var settled atomic.Bool // the loop has it, or we have given it up
	d.post(func(l *loop) {
		if !settled.CompareAndSwap(false, true) {
			return
		}
		chosen := l.chosen(o.Alias)
		if o.Maintenance != Leave && !o.DryRun {
			l.maintenance = o.Maintenance == On
		}
		b := begun{outcomes: make(chan control.Outcome, len(chosen))}
		for _, a := range chosen {
			b.aliases = append(b.aliases, a.cfg.Addr)
			l.obey(a, o, func(out control.Outcome) { b.outcomes <- out })
			b.orders = append(b.orders, a.order)
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
			return begun{}, ctx.Err() // the loop hangs, and will find it settled
		}
		b = <-start
	}
	switch {
	case len(b.aliases) == 0:
		return begun{}, ErrNoAlias
	case o.DryRun:
	default:
		// Also where nothing changed: the last time it may have failed.
		if err := remember(b.kept); err != nil {
			b.forgotten = err.Error()
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
		return "the partner says: " + w.Standing.String() + ": " + w.Text
	default:
		return "the partner says: " + w.Standing.String()
	}
}

// chosen are the aliases that an order is for. One that is on its way out of
// the file is none.
func (l *loop) chosen(alias netip.Addr) (all []*alias) {
	for _, a := range l.order {
		if (!alias.IsValid() || a.cfg.Addr == alias) && (!a.state.Leaving || a.next != nil) {
			all = append(all, a)
		}
	}
	return all
}

// obey begins an order for one alias; answer is called once, now or later.
func (l *loop) obey(a *alias, o Operator, answer func(control.Outcome)) {
	if o.DryRun {
		answer(l.foretell(a, o))
		return
	}
	if l.maintenance && !o.Remove && !o.Give && o.Maintenance == Leave {
		answer(control.Outcome{Alias: a.cfg.Addr.String(), Text: "refused: this host is in maintenance; 'Maintenance off' ends it", Next: l.whatNext(a, false)})
		return
	}
	if a.order != nil {
		a.answer(l, false, "another order was given meanwhile")
	}
	a.order = &order{remove: o.Remove, stay: parkedHere, give: o.Give, had: a.state.Holding, answer: answer}
	a.state.TryAgain()
	if o.Force && !a.state.Holding && a.alias != nil && a.alias.fact.Value == rules.Answered {
		a.order.from = l.rival(a)
	}
	l.mark(a)
	switch {
	case o.Give:
		a.state.Give, a.state.Order = a.state.Holding, rules.NoOrder
		return
	case o.Maintenance == On:
		a.state.Parked, a.state.Order, a.order.remove, a.order.stay = true, rules.NoOrder, true, staysOff
		return
	case o.Maintenance == Off && !a.state.Parked:
		a.answer(l, true, notInMaintenance)
		return
	case o.Maintenance == Off && l.parked[a.cfg.Addr]:
		a.answer(l, true, staysParked)
		return
	case o.Maintenance == Off:
		a.state.Parked = false
		a.answer(l, true, "this host serves it again if its rules say so")
		return
	}
	if !o.Remove {
		a.state.Takes = nil // an operator's word ends the flapping
	}
	switch {
	case o.Remove:
		a.state.Parked, a.state.Order = true, rules.NoOrder
	case a.state.Holding && a.state.Handover.Side == rules.Giving:
		a.state.Parked, a.state.Give, a.state.Order = false, false, rules.OrderTake // it is asked for back
	case a.state.Holding:
		a.state.Parked, a.state.Give = false, false
	case o.Force:
		a.state.Parked, a.state.Order = false, rules.OrderForce
	default:
		a.state.Parked, a.state.Order = false, rules.OrderTake
	}
	if delete(l.parked, a.cfg.Addr); a.state.Parked {
		l.parked[a.cfg.Addr] = true
	}
	a.state.Parked = a.state.Parked || l.maintenance
	if !o.Remove && a.alias != nil && !a.state.Holding {
		a.orderedAt = l.now
		if a.alias.fact.Value == rules.Answered {
			a.alias.askNow(l)
		} else {
			a.alias.forget(l) // what was known may be an interval old
		}
	}
}

// withdraw ends what is still under way of an order. An order given meanwhile
// is somebody else's.
func (l *loop) withdraw(orders []*order) {
	for _, a := range l.order {
		if a.order == nil || !slices.Contains(orders, a.order) {
			continue
		}
		a.state.Order, a.state.Give = rules.NoOrder, false
		l.mark(a)
		if a.order.give && a.state.Handover.Side == rules.Giving {
			a.answer(l, false, "not yet: it is offered to the partner, who may still take it; see Status")
			continue
		}
		a.answer(l, false, "not yet: "+a.why())
	}
}

// why is what keeps the alias as it is.
func (a *alias) why() string {
	if a.failure != "" {
		return a.failure
	}
	return a.decision.Reason.Text()
}

// answer ends the order under way.
func (a *alias) answer(l *loop, done bool, text string) {
	if a.order == nil {
		return
	}
	o := a.order
	a.order = nil
	next := l.whatNext(a, o.handed)
	if o.from != "" && done {
		next = whatNextOfForced(a.cfg.Primary)
	}
	o.answer(control.Outcome{Alias: a.cfg.Addr.String(), Done: done, Text: text, Next: next})
}

// report answers the order under way for an alias if its end can be told now.
func (l *loop) report(a *alias) {
	if a.order == nil || a.phase != idle {
		return
	}
	h := a.state.Handover
	switch {
	case a.order.give && !a.order.had:
		a.answer(l, true, "it is not on this host")
	case a.order.give && !a.state.Holding && !a.order.handed:
		a.answer(l, false, "it left this host meanwhile, and not by a hand-over: "+a.why())
	case a.order.give && !a.state.Holding && a.elsewhere != "":
		a.answer(l, false, "handed over: the partner has it; but "+a.elsewhere+": take it off there by hand")
	case a.order.give && !a.state.Holding:
		a.answer(l, true, "handed over: the partner has it")
	case a.order.give && a.talk == nil:
		a.state.Give = false
		a.answer(l, false, "refused: there is no channel to the partner ([peer] key_file in the settings of both hosts); RemoveAlias here and AddAlias there do it with a gap")
	case a.order.give && h.Side == rules.NoSide && h.Failure != rules.NoRow:
		a.state.Give = false
		a.answer(l, false, "it stays here: "+h.Failure.Text())
	case a.order.give && h.Side == rules.NoSide && a.decision.Reason == rules.WouldNot:
		a.state.Give = false
		a.answer(l, false, "it stays here: "+a.partnerSays())
	case a.order.give:
	case a.order.remove && !a.state.Holding && a.elsewhere != "":
		a.answer(l, false, a.elsewhere+": take it off there by hand; it "+a.order.stay)
	case a.order.remove && !a.state.Holding && !a.order.had:
		a.answer(l, true, "it was not on this host, and "+a.order.stay)
	case a.order.remove && !a.state.Holding && a.order.handed:
		a.answer(l, true, "handed over: the partner has it; here it "+a.order.stay)
	case a.order.remove && !a.state.Holding:
		a.answer(l, true, "released: it is off this host, and "+strings.TrimPrefix(a.order.stay, "is "))
	case a.order.remove:
	case a.between():
		// It leaves, or stays, here or there: then the order is carried out.
	case a.state.Holding && a.order.from != "":
		a.answer(l, true, fmt.Sprintf("taken from %s which answered for it", a.order.from))
	case a.state.Holding && !a.order.had:
		a.answer(l, true, "taken: this host has it")
	case a.state.Holding:
		a.state.Order = rules.NoOrder
		a.answer(l, true, "this host has it")
	case a.alias.fact.Asked.Before(a.orderedAt):
		// The question that the order put is not answered yet.
	case h.Side != rules.NoSide:
		// The partner is being asked, or is handing it over.
	case a.decision.Reason == rules.Served && a.talk != nil && h.Failure != rules.NoRow:
		a.state.Order = rules.NoOrder
		a.answer(l, false, fmt.Sprintf("refused: %s has it, and did not hand it over: %s; --force takes it nevertheless", l.rival(a), h.Failure.Text()))
	case a.decision.Reason == rules.Served:
		a.state.Order = rules.NoOrder
		a.answer(l, false, fmt.Sprintf("refused: %s answers for it; --force takes it nevertheless", l.rival(a)))
	case a.decision.Reason == rules.NoLink:
		a.state.Order = rules.NoOrder
		a.answer(l, false, "refused: "+a.why())
	}
}

// rival names the host that answers for the alias.
func (l *loop) rival(a *alias) string {
	switch f := l.facts(a); {
	case a.alias.hw.IsZero():
		return "another host"
	case f.ByPartner == rules.Yes:
		return fmt.Sprintf("%s, the partner,", a.alias.hw)
	case f.ByPartner == rules.No:
		return fmt.Sprintf("%s, not the partner,", a.alias.hw)
	default:
		return a.alias.hw.String()
	}
}

// What is said of an alias that an order took off this host.
const (
	parkedHere       = "is parked"
	staysOff         = "stays off until 'Maintenance off'"
	staysParked      = "it stays parked: an operator took it off this host by itself"
	notInMaintenance = "this host was not in maintenance"
)

// until is what ends that the alias is kept off this host, and the same as
// something to do here.
func (l *loop) until(a *alias) (end, here string) {
	switch {
	case !l.maintenance:
		return "AddAlias", "run AddAlias here or there"
	case l.parked[a.cfg.Addr]:
		return "'Maintenance off' and AddAlias", "run AddAlias there, or 'Maintenance off' and AddAlias here"
	}
	return "'Maintenance off'", "run AddAlias there, or 'Maintenance off' here"
}

// whatNext says what will become of the alias if nothing else happens; handed
// tells that the partner has just taken it.
func (l *loop) whatNext(a *alias, handed bool) string {
	f := l.facts(a)
	end, here := l.until(a)
	stays := "; this host stays out until " + end
	switch heard := a.talk != nil && a.talk.mood == speaking; {
	case a.state.Holding:
		return "this host keeps it until a rule or an operator says otherwise"
	case a.state.Parked && handed:
		return "the partner keeps it" + stays
	case handed:
		return "the partner keeps it, and this host stands by"
	case a.state.Parked && f.Alias.Value == rules.Answered:
		return fmt.Sprintf("%s serves it", l.rival(a)) + stays
	case a.state.Parked && heard && (a.peer.Word.Standing == rules.SaysParked || a.peer.Word.Standing == rules.SaysCannot):
		return "nobody serves it for now: " + a.partnerSays() + "; " + here
	case a.state.Parked && heard:
		return "the partner, if it is well, takes it within its detection time" + stays
	case a.state.Parked && a.cfg.Primary:
		return "nobody will serve it: the partner is not primary and takes nothing while this host answers its pings (W12); " + here
	case a.state.Parked:
		return "the partner, if it is primary and well, takes it within its detection time" + stays
	case f.Alias.Value == rules.Answered:
		return "this host stands by"
	default:
		return "this host goes on by its rules"
	}
}

// whatNextOfForced says what becomes of an alias that was taken from a host
// which may not have noticed.
func whatNextOfForced(primary bool) string {
	if primary {
		return "this host keeps it: the partner yields as soon as it hears of us (H6); against any other host it is announced again (H7), see Status"
	}
	return "if the partner claims it still, this host yields, not being primary (H6): RemoveAlias there; against any other host it is announced again (H7), see Status"
}

// able tells whether the partner would take the alias, as far as it has said.
func (a *alias) able() bool {
	return a.talk != nil && a.talk.mood == speaking && a.peer.Word.Standing == rules.SaysAble
}

// foretell says what an order would do.
func (l *loop) foretell(a *alias, o Operator) control.Outcome {
	out := control.Outcome{Alias: a.cfg.Addr.String(), Done: true}
	f := l.facts(a)
	parked := "parked"
	if o.Maintenance == On {
		o.Remove, parked = true, "kept off until 'Maintenance off'"
	}
	switch {
	case o.Maintenance == Off && !l.maintenance:
		out.Text = notInMaintenance
	case o.Maintenance == Off && l.parked[a.cfg.Addr]:
		out.Text = staysParked
	case o.Maintenance == Off:
		out.Text = "this host would serve it again if its rules say so"
	case o.Give && !a.state.Holding:
		out.Text = "it is not on this host"
	case o.Give && !a.able():
		out.Done, out.Text = false, "would stay here: "+a.partnerSays()
	case o.Give:
		out.Text = "would be offered to the partner, who says that it would take it"
	case o.Remove && a.state.Holding && a.able():
		out.Text = "would be handed over to the partner, and " + parked
	case o.Remove && a.state.Holding:
		out.Text = "would be released and " + parked
	case o.Remove:
		out.Text = "this host does not have it; it would be " + parked
	case l.maintenance:
		out.Done, out.Text = false, "would be refused: this host is in maintenance"
	case a.state.Holding:
		out.Text = "this host has it already"
	case o.Force:
		out.Text = "would be taken, whoever has it"
	case f.Alias.Value == rules.Answered && a.peer.Word.Standing == rules.SaysHolding:
		out.Text = "the partner, who has it, would be asked to hand it over"
	case f.Alias.Value == rules.Answered:
		out.Done, out.Text = false, fmt.Sprintf("would be refused: %s answers for it", l.rival(a))
	case f.Alias.Value == rules.Unknown:
		out.Done, out.Text = false, "whether another host answers for it is not known"
	default:
		out.Text = "would be taken"
	}
	return out
}
