package route

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

const (
	// readEvery is how often the host is read at most, unless it tells of a change.
	readEvery = time.Second
	// Where it tells of one change after the other, the next reading waits this many times
	// as long as the last one took, at most restMost: a table may be long.
	restsFor = 4
	restMost = 50 * time.Millisecond
)

// kernel is this host as it was last read.
type kernel struct {
	state   host.State
	readAt  time.Time // when the newest reading began; zero: none has come back
	readErr string
	reading bool   // one is under way,
	again   bool   // and another is wanted after it
	begun   uint64 // how many have begun: two things may happen at one time, so numbers tell which was first
	next    time.Time
	rested  time.Time // when the kernel's word is followed by a reading at once
}

// told takes in that something on this host has changed.
func (l *loop) told() {
	switch {
	case l.reading:
		l.again = true
	case l.now.Before(l.rested):
		l.soon(l.rested)
	default:
		l.read()
	}
}

// soon has the host read by then.
func (l *loop) soon(at time.Time) {
	if at.Before(l.next) {
		l.next = at
	}
}

// read has the host read beside the loop, one reading at a time.
func (l *loop) read() {
	l.next = agenda.Grid(l.epoch, l.now, max(l.every, readEvery))
	if len(l.list) == 0 && !l.readAt.IsZero() {
		return // nothing is kept, and what an earlier Monitor has left was looked for
	}
	if l.reading {
		l.again = true
		return
	}
	l.reading = true
	l.begun++
	asked, number := l.now, l.begun
	tables, wanted := []int(nil), map[netip.Prefix]bool{}
	for _, r := range l.list {
		if r.key.install {
			if wanted[r.key.Prefix] = true; !slices.Contains(tables, r.key.Table) {
				tables = append(tables, r.key.Table)
			}
		}
	}
	first := host.KeepsRoutes && l.readAt.IsZero()
	l.wg.Go(func() {
		s, err := l.o.Tables.Read()
		var routes []host.TableRoute
		var cannot error
		if len(wanted) > 0 {
			routes, cannot = l.o.Tables.ReadRoutes(tables, func(p netip.Prefix) bool { return wanted[p] })
			err = errors.Join(err, cannot)
		}
		l.k.post(func(l *loop) { l.hasRead(s, routes, err, asked, number) })
		if !first || err != nil {
			return
		}
		ours, noOurs := l.o.Tables.OurRoutes() // no route waits for that
		l.k.post(func(l *loop) {
			if noOurs != nil {
				l.o.Log.WithField("event", "kernel_unreadable").WithError(noOurs).Warn("cannot read whether routes of an earlier Monitor are left")
				return
			}
			l.leftovers(ours)
		})
	})
}

// hasRead takes in a reading that was begun at asked.
func (l *loop) hasRead(s host.State, routes []host.TableRoute, err error, asked time.Time, number uint64) {
	l.reading = false
	l.rested = l.now.Add(min(restMost, restsFor*l.now.Sub(asked)))
	if l.again {
		l.again = false
		l.soon(l.rested)
	}
	if err != nil { // what was known becomes too old by itself
		if l.readErr != err.Error() {
			l.readErr = err.Error()
			l.o.Log.WithField("event", "kernel_unreadable").WithError(err).Error("cannot read this host's routes from the kernel")
		}
		return
	}
	first := l.readAt.IsZero()
	l.readErr, l.state, l.readAt = "", s, asked
	l.place()
	byPrefix := map[netip.Prefix][]host.TableRoute{}
	for _, r := range routes {
		byPrefix[r.Prefix] = append(byPrefix[r.Prefix], r)
	}
	for _, r := range l.list {
		if r.key.install {
			l.readRoute(r, byPrefix[r.key.Prefix], asked, number)
		} else {
			l.mark(r)
		}
	}
	if first {
		l.asks.Begin(l.now)
	}
}

// batch is the deeds that are carried out together, and those for the next time.
type batch struct {
	busy bool
	jobs []job
}

// job is one deed. A reload may give the hops other numbers while it is under way: so it
// names them.
type job struct {
	r       *route
	d       rules.RouteDecision
	order   host.TableRoute
	attempt string
	to, was string // where the route leads then, and led before, as programs read it
	spelled string // to, for people
	err     error
}

func (l *loop) job(r *route, d rules.RouteDecision) job {
	return job{
		r: r, d: d, order: r.leads(d.Via), attempt: l.attempt(r, d),
		to: r.names(d.Via), was: r.names(r.via), spelled: r.spell(d.Via),
	}
}

// decide asks the rules, and begins what follows.
func (l *loop) decide(r *route) {
	if r.working {
		return // it is decided again when that is done
	}
	d := rules.DecideRoute(r.policy(), r.state, l.facts(r))
	l.agenda.Set(&r.due, d.Again)
	acts := d.Action != rules.RouteRest
	if until := l.waits(r, d); !until.IsZero() {
		if d.Again.IsZero() || until.Before(d.Again) {
			l.agenda.Set(&r.due, until)
		}
		l.note(r, d)
		return
	}
	if d.Action == rules.RouteWithdraw && l.inherits(r) {
		return // it is decided again when something changes with its heir
	}
	l.note(r, d)
	switch {
	case d.Reason == rules.RouteGone, r.state.Leaving && l.o.Observe:
		l.forget(r)
	case !acts || l.o.Observe:
	case !r.key.install:
		l.done(l.job(r, d))
	case l.busy:
		r.waits = true
	default:
		r.working = true
		l.jobs = append(l.jobs, l.job(r, d))
	}
	for _, other := range l.leaving() {
		if other.heir == r {
			l.mark(other)
		}
	}
}

// flush hands the deeds of this turn to the kernel, all in one go: first those that add,
// so that a route whose row has another metric now is not gone for a moment.
func (l *loop) flush() {
	if l.busy || len(l.jobs) == 0 {
		return
	}
	jobs := l.jobs
	l.busy, l.jobs = true, nil
	l.wg.Go(func() {
		for _, trade := range []struct {
			action rules.RouteAction
			do     func([]host.TableRoute) []error
		}{
			{rules.RouteAdd, l.o.Tables.AddRoutes}, {rules.RouteReplace, l.o.Tables.ReplaceRoutes}, {rules.RouteWithdraw, l.o.Tables.RemoveRoutes},
		} {
			var what []host.TableRoute
			var which []int
			for i, j := range jobs {
				if j.d.Action == trade.action {
					what, which = append(what, j.order), append(which, i)
				}
			}
			if len(what) == 0 {
				continue
			}
			for i, err := range trade.do(what) {
				jobs[which[i]].err = err
			}
		}
		l.k.post(func(l *loop) { l.ended(jobs) })
	})
}

// ended takes in what became of a batch.
func (l *loop) ended(jobs []job) {
	l.busy = false
	for _, j := range jobs {
		j.r.working = false
		if j.err != nil {
			l.failed(j)
		} else {
			l.done(j)
		}
	}
	for _, r := range l.list {
		if r.waits {
			r.waits = false
			l.mark(r)
		}
	}
}

// done notes a deed that has succeeded.
func (l *loop) done(j job) {
	r := j.r
	r.mended()
	j.d.Via = r.read(j.order.Hops)
	r.state.Done(j.d)
	r.changed = l.begun // a reading that is under way may not show it
	there := j.d.Action != rules.RouteWithdraw
	r.kernel.Set(rules.Of(there), l.now, l.now)
	r.via = j.d.Via
	l.moved(j)
	l.mark(r)
}

// leaving are the routes that leave: those stand last.
func (l *loop) leaving() []*route {
	n := len(l.list)
	for n > 0 && l.list[n-1].state.Leaving {
		n--
	}
	return l.list[n:]
}

// mended notes that nothing is left that could not be done.
func (r *route) mended() { r.fails.n, r.fails.text, r.fails.pause = 0, "", pause{} }

// failed notes that a deed could not be done; it is tried again, after pauses that double. One
// that had gone when it was to be replaced is no failure: the reading finds it gone, and to
// add it is another deed.
func (l *loop) failed(j job) {
	r := j.r
	r.changed = l.begun
	l.mark(r)
	l.read() // it is no longer as it was known
	if r.fails.n++; r.fails.deed != j.attempt {
		r.fails.n = 1
	}
	r.fails.pause = pause{j.attempt, l.now.Add(doubled(r.fails.n))}
	if errors.Is(j.err, host.ErrNotThere) {
		return
	}
	if text := j.d.Action.String() + ": " + j.err.Error(); r.fails.text != text {
		r.fails.text = text
		l.failedEvent(r, j.d.Action.String(), j.err)
	}
}

// forget drops a route that has gone.
func (l *loop) forget(r *route) {
	l.agenda.Set(&r.due, time.Time{})
	delete(l.byKey, r.key)
	l.list = slices.DeleteFunc(slices.Clone(l.list), func(one *route) bool { return one == r }) // somebody may be going through it
	l.untidy()
}

// untidy has the hops and questions that are no longer needed forgotten, once for many
// routes.
func (l *loop) untidy() {
	if l.tidying {
		return
	}
	l.tidying = true
	l.wg.Go(func() {
		l.k.post(func(l *loop) {
			l.tidying = false
			l.relink()
		})
	})
}
