package defender

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/rules"
)

// job is work on the kernel's addresses. It is done beside the loop, one after
// the other in the order of the decisions.
type job struct {
	a      *alias
	kind   kind
	order  host.Order
	policy rules.Policy // that the order's lease is of
	d      rules.Decision
	begun  time.Time
}

// kind is what a job does with its address.
type kind uint8

const (
	adding kind = iota
	removing
	refreshing // its lease
	lasting    // it stays without us, at the end
)

// carry starts what the decision asks for. While something is under way for
// the alias nothing else is begun; its end decides again.
func (l *loop) carry(a *alias, d rules.Decision) {
	if a.phase != idle || !a.retry.IsZero() && d.Action == a.failing {
		return
	}
	looked := a.looked
	a.looked = false
	switch d.Action {
	case rules.Take:
		switch {
		case l.stopping:
		case looked: // and decided again since: the alias may come
			l.start(a, job{d: d})
		default:
			a.phase, a.phaseAt = looking, l.now
			l.read()
		}
	case rules.Restore:
		l.start(a, job{d: d})
	case rules.Release:
		l.start(a, job{d: d, kind: removing})
	case rules.Announce:
		l.announce(a, d)
	case rules.HandOver, rules.AskHandover:
		l.openHandover(a, d)
	case rules.Refresh:
		if !l.lasting { // what was told to stay without us stays so
			l.start(a, job{d: d, kind: refreshing})
		}
	case rules.Forget:
		if l.duplicate(a) {
			l.start(a, job{d: d, kind: removing})
			return
		}
		a.state.LetGo(d.Reason)
		a.transition(l, d)
	}
}

func (l *loop) start(a *alias, j job) {
	j.a, j.policy = a, a.policy
	j.order = host.Order{NIC: a.cfg.NIC, Label: a.cfg.Label, Prefix: a.cfg.Prefix}
	if j.kind != lasting {
		j.order.Lease = a.policy.Lifetime()
	}
	a.phase, a.phaseAt = working, l.now
	l.work = append(l.work, j)
	if j.d.Action == rules.Take {
		l.asks.Rest(l.now, a.alias)
	}
}

const (
	// batchSize is how many addresses are put to the kernel in one go at most.
	batchSize = 1024
	// swift is how long a kernel may take that is to be trusted with so many.
	swift = 100 * time.Millisecond
)

// flush hands the next jobs of one kind to the worker. One batch at a time:
// what waits behind a slow one is decided again before it is done. The first
// is of one address, and only if that goes swiftly the next has all: a kernel
// that hangs has not got a thousand decisions that grow old.
func (l *loop) flush() {
	switch {
	case l.working:
		return
	case len(l.work) == 0:
		l.batch, l.gathered = 1, time.Time{}
		return
	case l.batch == 1 && l.gathers():
		return
	}
	for !l.working && len(l.work) > 0 {
		var batch []job
		for len(l.work) > 0 && len(batch) < l.batch && (len(batch) == 0 || l.work[0].kind == batch[0].kind) {
			j := l.work[0]
			l.work = l.work[1:]
			if j.kind == lasting || l.again(j).Action == j.d.Action {
				j.begun = time.Now()
				batch = append(batch, j)
				continue
			}
			j.a.phase, j.a.phaseAt = idle, l.now
			j.a.state.Ending = l.stopping
			l.asks.Ask(l.now, j.a.alias)
			l.mark(j.a)
			if j.a.state.Leaving && !j.a.state.Holding && !l.stopping {
				l.replace(j.a) // its row went while it waited
			}
		}
		if len(batch) > 0 {
			l.working = true
			l.beside(func() { l.do(batch) })
		}
	}
}

const (
	// gatherFor is how long takes wait at most for others to join them.
	gatherFor = 25 * time.Millisecond
	// crowd is how many others are worth waiting for: fewer cost the kernel less
	// than that.
	crowd = 32
)

// gathers tells whether takes wait a moment for many others that are about to
// be decided. A thousand questions need some time to leave, and their silences
// come as far apart; while one batch is put on, the next would wait for all of it.
func (l *loop) gathers() bool {
	if l.work[0].d.Action != rules.Take {
		return false
	}
	if l.gathered.IsZero() {
		l.gathered = l.now.Add(min(gatherFor, l.asks.Brisk()))
	}
	if !l.now.Before(l.gathered) {
		return false
	}
	n := 0
	for _, a := range l.order {
		if !a.state.Holding && (a.phase == looking || a.phase == idle && a.alias.Doubted(l.now, l.gathered)) {
			n++
		}
	}
	return n > crowd
}

// do does a batch of jobs, outside the loop.
func (l *loop) do(batch []job) {
	orders := make([]host.Order, len(batch))
	for i, j := range batch {
		orders[i] = j.order
	}
	carryOut := l.o.Network.Add
	switch batch[0].kind {
	case removing:
		carryOut = l.o.Network.Remove
	case refreshing, lasting:
		carryOut = l.o.Network.Refresh
	}
	begun := time.Now()
	errs := carryOut(orders)
	took := time.Since(begun)
	l.d.post(func(l *loop) {
		l.working = false
		l.batch = 1
		if took <= swift {
			l.batch = batchSize
		}
		for i, j := range batch {
			l.results = append(l.results, result{j, errs[i]})
		}
	})
}

// result is a job that is done.
type result struct {
	job
	err error
}

// resultsPerTurn bounds how many ends of jobs are noted, logged and announced
// before the loop looks for events.
const resultsPerTurn = 64

// collect notes the jobs that have ended.
func (l *loop) collect() {
	n := min(len(l.results), resultsPerTurn)
	for _, r := range l.results[:n] {
		l.finished(r.job, r.err)
	}
	if l.results = l.results[n:]; len(l.results) == 0 {
		l.results = nil
	}
}

// again decides about a job once more, just before it is done.
func (l *loop) again(j job) rules.Decision {
	if l.stopping && j.d.Action == rules.Take {
		return rules.Decision{Action: rules.Wait}
	}
	return l.judge.Decide(j.a.policy, j.a.state, l.facts(j.a))
}

// finished notes the end of a job.
func (l *loop) finished(j job, err error) {
	a := j.a
	a.phase, a.phaseAt = idle, l.now
	l.mark(a)
	switch {
	case j.kind == lasting:
		if err != nil && !errors.Is(err, host.ErrNotThere) {
			a.log(l).WithError(err).Warn("the kernel could not be told to keep the alias: it goes when its lease ends")
		}
		return
	case j.kind == refreshing && errors.Is(err, host.ErrNotThere):
		a.state.NotLeased(l.now.Add(a.pause()))
		l.read() // gone, or with another mask: the rules decide by what is read
		return
	case j.kind == refreshing && err != nil:
		a.state.NotLeased(l.now.Add(a.pause()))
		a.failed(l, j.d.Action, "the alias's lease could not be renewed", err)
		return
	case j.kind == refreshing:
		a.done()
		a.state.Leased(j.policy, j.begun)
		return
	case err != nil && j.kind == removing:
		a.failed(l, j.d.Action, "the alias could not be removed", err)
		return
	case err != nil:
		a.failed(l, j.d.Action, "the alias could not be added", err)
		if !errors.Is(err, host.ErrNoAnswer) { // else it may be done yet
			was := a.state.Handover
			a.state.NotTaken(l.now)
			a.handed(l, was)
		}
		l.asks.Forget(l.now, a.alias) // a silence from before says nothing when it is tried again
		if errors.Is(err, host.ErrDuplicate) {
			l.asks.Alive(l.now, a.alias, l.now)
		}
		if a.state.Leaving && !a.state.Holding && !l.stopping {
			l.replace(a)
		}
		l.read()
		return
	case j.kind == removing:
		l.released(a, j.d)
		return
	}
	a.done()
	a.kernel.Set(rules.Yes, l.now, l.now)
	if j.d.Action == rules.Restore {
		a.state.Reannounce(l.now)
	} else {
		a.state.Took(a.policy, j.d.Reason, l.now)
		a.state.Give = l.giving // begun before we were told to end
		if a.alias.Fact().Value != rules.Silent {
			l.asks.Forget(l.now, a.alias) // what served it until now is a rival only if heard again
		} else {
			l.asks.Look(l.now, a.alias) // again for a rival
		}
	}
	a.state.Leased(j.policy, j.begun)
	a.transition(l, j.d)
	l.decide(a) // announces
	l.verify(a)
}

// released notes that the alias is off this host.
func (l *loop) released(a *alias, d rules.Decision) {
	rival := a.alias.HW()
	a.done()
	if a.order != nil {
		a.order.handed = d.Reason == rules.HandedOver
	}
	a.kernel.Set(rules.No, l.now, l.now)
	a.state.LetGo(d.Reason)
	a.transition(l, d)
	switch d.Reason {
	case rules.RivalPartner, rules.TwoPrimaries, rules.FailbackRefused:
		l.point(a, rival)
	default:
		l.asks.Forget(l.now, a.alias)
	}
	if a.next != nil || a.state.Leaving && !l.stopping {
		l.replace(a)
	}
}

// point tells the segment where the alias is now, and asks the wire once, so
// that the host which keeps it hears of us and announces.
func (l *loop) point(a *alias, rival host.HW) {
	n := a.iface
	if n.wire == nil {
		return
	}
	if !rival.IsZero() {
		if err := n.wire.Announce(a.cfg.Addr, rival); err != nil {
			a.log(l).WithError(err).Warn("the segment could not be told where the alias is")
		}
	}
	l.asks.AskByARP(l.now, a.alias)
}

// announce says on the wire that the alias is here.
func (l *loop) announce(a *alias, d rules.Decision) {
	n := a.iface
	if l.deaf() { // the kernel announces by itself
		a.state.Announce(d, l.now)
		l.mark(a)
		return
	}
	if n.wire == nil {
		a.failing, a.retry = rules.Announce, l.now.Add(a.cfg.Timeout)
		return
	}
	if err := n.wire.Announce(a.cfg.Addr, host.HW{}); err != nil {
		a.failed(l, d.Action, "the alias could not be announced", err)
		return
	}
	if a.failing == rules.Announce {
		a.done()
	}
	l.frames += 2 // frames
	a.announced = l.now
	a.state.Announce(d, l.now)
	if d.Row == "H7" {
		l.asks.Ask(l.now, a.alias) // does it claim still?
	}
	l.mark(a)
}

// verifications is how many may be under way. Of a thousand aliases taken at
// once these few tell whether the router listens to us, and a router with
// little room for neighbours is not made to learn all of them in a moment.
const verifications = 32

// verifier is the router, or a witness where that one answers and the router
// does not.
func (a *alias) verifier() (addr netip.Addr) {
	for t := range a.third() {
		if t.Fact().Value == rules.Answered {
			return t.Addr
		}
		if !addr.IsValid() {
			addr = t.Addr
		}
	}
	return addr
}

// verify asks the router from the alias. An answer proves that the router
// knows us; none is no reason to release, but for what was handed over to us:
// the giver has it still.
func (l *loop) verify(a *alias) {
	getting := a.state.Handover.Side == rules.Getting
	router := a.verifier()
	if !router.IsValid() || l.verifying >= verifications && !getting {
		return
	}
	l.verifying++
	q := probe.Question{Target: router, Source: a.cfg.Addr, Timeout: a.cfg.Timeout}
	addr, tries := a.cfg.Addr, 1
	if getting {
		tries = a.cfg.Misses
		q.Timeout = min(q.Timeout, a.policy.GiveWithin()/time.Duration(2*tries)) // the giver has to hear of it in time
	}
	own := l.asks.Source(a.cfg.NIC, router)
	if a.known = false; getting && a.iface.wire != nil {
		_ = a.iface.wire.Ask(router, addr, host.HW{})
	}
	l.beside(func() {
		var yes, pings bool
		var err error
		for range tries {
			if yes, err = l.o.Ping(l.ctx, q); yes || l.ctx.Err() != nil {
				break
			}
		}
		if getting && !yes {
			q.Source = own
			pings, _ = l.o.Ping(l.ctx, q)
		}
		l.d.post(func(l *loop) {
			l.verifying--
			a := l.aliases[addr]
			if a == nil || !a.state.Holding {
				return
			}
			yes = yes || getting && !pings && a.known // a router that answers no pings has answered the alias by ARP
			a.state.Verified(yes)
			l.mark(a)
			if yes {
				return
			}
			e := a.log(l).WithField("router", q.Target.String())
			if err != nil {
				e.WithError(err).Warn("whether the router knows the alias here cannot be asked")
				return
			}
			e.Warn("the router does not answer the alias yet; announcing again")
			a.state.Reannounce(l.now)
		})
	})
}

// resolveEvery is how long a partner's name is believed.
const resolveEvery = 5 * time.Minute

// resolve has the partners' names looked up that are due.
func (l *loop) resolve() {
	for s, n := range l.names {
		if n.busy || l.now.Before(n.next) {
			continue
		}
		n.busy, n.next = true, l.now.Add(resolveEvery)
		l.beside(func() {
			ctx, cancel := context.WithTimeout(l.ctx, resolveEvery/2)
			defer cancel()
			addr, err := l.o.Resolve(ctx, s)
			l.d.post(func(l *loop) { l.resolved(s, addr, err) })
		})
	}
}

// notAHost refuses an address that cannot be the partner's: its answers would
// be our own, or the alias's.
func (l *loop) notAHost(addr netip.Addr) error {
	if l.aliases[addr] != nil {
		return fmt.Errorf("%s is an alias", addr)
	}
	if _, a, mine := l.state.Find(addr); mine && !a.Ours {
		return fmt.Errorf("%s is an address of this host", addr)
	}
	return nil
}

// resolved takes in the address of a partner's name; the last good one is kept.
func (l *loop) resolved(s string, addr netip.Addr, err error) {
	n := l.names[s]
	if n == nil {
		return
	}
	n.busy = false
	if err == nil {
		err = l.notAHost(addr)
	}
	if err != nil {
		n.next = l.now.Add(30 * time.Second)
		if n.err != err.Error() {
			n.err = err.Error()
			l.log.WithField("partner", s).WithError(err).Error("the partner's name does not resolve")
		}
		return
	}
	if n.err = ""; n.addr != addr {
		n.addr = addr
		l.relink()
	}
}
