package route

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

const (
	// eventsPerTurn bounds how many events the loop takes in before it asks and decides.
	eventsPerTurn = 512
	// questionsPerTurn bounds how many questions it puts before it looks for events again.
	questionsPerTurn = 256
	// checkBrisk is less than the shortest time after which a check's word is too old.
	checkBrisk = time.Second
	// endWithin is how long the loop waits for the kernel at its end.
	endWithin = 2 * time.Second
)

// loop is all state. Only the goroutine of Run touches it.
type loop struct {
	k *Keeper
	o *Options
	outside
	times

	list   []*route // as in the file, and then those that leave
	byKey  map[key]*route
	hops   map[hopKey]*hop
	behind map[string]*hop // by the check that asks through it
	nics   map[host.Side]*nic
	asks   *detect.Set
	agenda agenda.Agenda
	marked []*route
	every  time.Duration // between questions
	pings  uint64        // answers that the kernel or we have lost, as they were counted last

	kernel
	batch
	floods
	tidying bool      // hops that are no longer needed are about to be forgotten
	ending  time.Time // when the loop ends at the latest; zero: it was not told to end
}

// floods bound what is recorded.
type floods struct {
	flood  record.Flood // of each route
	total  record.Flood // of all routes
	repeat agenda.Entry // says how much was not recorded
}

// outside is the work beside the loop.
type outside struct {
	ctx context.Context // ends it
	wg  sync.WaitGroup
}

// times are the loop's times.
type times struct {
	now   time.Time     // of this turn
	epoch time.Time     // where the grids of all rhythms begin
	boot  time.Duration // CLOCK_BOOTTIME at the same moment as now
	plan  time.Time     // when the loop meant to wake

	backlog hearing.Backlog
}

func newLoop(k *Keeper) *loop {
	now := time.Now()
	l := &loop{
		k: k, o: &k.o, times: times{now: now, epoch: now, boot: k.o.Boottime(), plan: now},
		byKey: map[key]*route{}, hops: map[hopKey]*hop{}, nics: map[host.Side]*nic{}, every: time.Hour,
	}
	l.asks = detect.New(now, k.o.Listen != nil)
	l.repeat.Do = l.sayRepeated
	return l
}

// run is the loop itself.
func (l *loop) run(ctx context.Context) error {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	l.ctx = work
	if l.o.Watch != nil {
		l.wg.Go(func() {
			if err := l.o.Watch(work, l.k.matters, l.k.changed); err != nil && work.Err() == nil {
				l.o.Log.WithField("event", "not_watching").WithError(err).Warn("the kernel does not report changes of routes; reading them every round instead")
			}
		})
	}
	l.wg.Go(func() { l.k.checks.Run(work) })
	l.reload(l.o.Config)
	l.turns(ctx)
	l.stayed()
	cancel()
	for _, n := range l.nics {
		n.close(l)
	}
	return l.wait()
}

// turns turns the loop until it is over.
func (l *loop) turns(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !l.over() {
		select {
		case e := <-l.k.events:
			l.awake()
			e(l)
		case <-l.k.changes:
			l.awake()
			l.told()
		case <-timer.C:
			l.awake()
		case <-ctx.Done():
			return
		}
		l.gauge()
		l.tookIn(l.takeIn())
		l.turn()
		timer.Reset(time.Until(l.plan))
	}
}

// wait waits for the work beside the loop, but not for a kernel that never answers.
func (l *loop) wait() error {
	ended := make(chan struct{})
	go func() {
		for { // events that the loop no longer takes in must keep nobody waiting
			select {
			case <-l.k.events:
			case <-ended:
				return
			}
		}
	}()
	go func() {
		l.wg.Wait()
		close(ended)
	}()
	late := time.NewTimer(endWithin)
	defer late.Stop()
	select {
	case <-ended:
		return nil
	case <-late.C:
		return errors.New("ended without waiting longer for a call that does not return")
	}
}

// takeIn takes in the events that wait; it tells whether there are no more.
func (l *loop) takeIn() (all bool) {
	for range eventsPerTurn {
		select {
		case e := <-l.k.events:
			e(l)
		default:
			return true
		}
	}
	return false
}

// awake notes the time, and whether the process itself was away: then it heard nothing, and
// what may have fallen silent meanwhile is unknown.
func (l *loop) awake() {
	now, boot := time.Now(), l.o.Boottime()
	passed := boot - l.boot
	away := max(passed-max(l.plan.Sub(l.now), 0), passed-now.Sub(l.now))
	l.now, l.boot = now, boot
	if away <= min(l.asks.Brisk(), checkBrisk) {
		return
	}
	forgotten := away > l.asks.Brisk() && len(l.asks.Away(l.now, away)) > 0
	deaf := false
	for _, r := range l.list {
		p := r.policy() // what a check has said grows old by itself
		if forgotten || r.cfg.Check != "" && away > p.Interval+time.Duration(p.Misses)*p.Timeout {
			deaf = true
			r.since = l.now
			l.mark(r)
		}
	}
	if deaf {
		l.o.Log.WithField("event", "away").WithField("pause", away.Round(time.Millisecond).String()).Warn("this process was away: what it knew of next hops no longer counts")
		l.read()
	}
}

// turn does what is due and finds out when to wake next.
func (l *loop) turn() {
	if !l.now.Before(l.next) {
		l.read()
	}
	l.asks.Turn(l.now, questionsPerTurn)
	for e := l.agenda.Take(l.now); e != nil; e = l.agenda.Take(l.now) {
		e.Do()
	}
	l.put()
	l.follow()
	for len(l.marked) > 0 {
		marked := l.marked
		l.marked = nil
		for _, r := range marked {
			r.marked = false
			l.decide(r)
		}
	}
	l.flush()
	l.plan = l.wakes()
}

// wakes is when time alone gives the loop something to do.
func (l *loop) wakes() time.Time {
	n := l.next
	for _, t := range []time.Time{l.agenda.Next(), l.asks.Next(), l.ending} {
		if !t.IsZero() && t.Before(n) {
			n = t
		}
	}
	return n
}

// mark has a route decided in this turn.
func (l *loop) mark(r *route) {
	if !r.marked {
		r.marked = true
		l.marked = append(l.marked, r)
	}
}

// end ends the loop once the routes have gone that are to go.
func (l *loop) end(withdraw bool) {
	if l.ending.IsZero() {
		l.ending = l.now.Add(endWithin)
	}
	if !withdraw || l.o.Observe {
		return
	}
	for _, r := range l.list {
		r.state.Leave()
		r.mended()
		l.mark(r)
	}
}

// over tells whether the loop has ended: it was told to, and nothing is left to do.
func (l *loop) over() bool {
	switch {
	case l.ending.IsZero():
		return false
	case !l.now.Before(l.ending):
		return true
	case l.busy || len(l.jobs) > 0 || len(l.marked) > 0:
		return false
	}
	for _, r := range l.list {
		if r.state.Leaving {
			return false // it goes, or was not read yet
		}
	}
	return true
}

// reload puts a configuration in force.
func (l *loop) reload(c *config.Config) {
	if !l.ending.IsZero() {
		return
	}
	has := map[key]bool{}
	heirs, ends := l.heirs(c)
	list := make([]*route, 0, len(c.Routes))
	for _, row := range c.Routes {
		k := keyOf(row)
		has[k] = true
		r := l.byKey[k]
		if r == nil {
			r = &route{key: k, since: l.now}
			r.due.Do = func() { l.mark(r) }
			l.byKey[k] = r
		}
		l.set(r, row)
		list = append(list, r)
	}
	for _, r := range l.list {
		if !has[r.key] {
			r.state.Leave()
			list = append(list, r)
			l.mark(r)
		}
	}
	l.list = list
	l.total.AtOnce, l.total.Later = max(totalAtOnce, totalEach*len(list)), totalLater
	for _, r := range ends {
		r.heir = nil
	}
	for r, k := range heirs {
		r.heir = l.byKey[k]
		if i := r.state.Last - 1; i >= 0 && r.heir.state.Last == 0 {
			r.heir.state.Saw([]rules.Via{{Hop: slices.Index(r.heir.cfg.Via, r.cfg.Via[i]), Weight: 1}})
		}
	}
	l.k.checks.Use(c.Hops())
	l.relink()
	l.read()
}

// set gives a route its row. What was remembered by the number of a hop is renumbered.
func (l *loop) set(r *route, row config.Route) {
	if r.cfg.Line != 0 {
		to := make([]int, len(r.cfg.Via))
		for i, was := range r.cfg.Via {
			to[i] = slices.Index(row.Via, was)
		}
		r.state.Renumber(to)
		for i, v := range r.via {
			if v.Hop >= 0 {
				r.via[i].Hop = to[v.Hop]
			}
		}
		if slices.Index(to, -1) >= 0 || len(row.Via) != len(to) || r.cfg.Rhythm != row.Rhythm || r.cfg.Check != row.Check {
			r.since = l.now // other hops are asked, or in another way
		}
	}
	r.state.Return()
	r.cfg, r.heir = row, nil
	r.sort()
	l.mark(r)
}

// drops are the names of the routes that are kept and that the configuration lacks.
func (l *loop) drops(c *config.Config) (all []string) {
	_, ends := l.heirs(c)
	for _, r := range ends {
		all = append(all, r.cfg.Name())
	}
	return all
}

// heirs finds, for the routes that are kept and that a configuration lacks, the new one that
// takes the place of each: a row that has only another table, metric or install is no loss.
// The others end.
func (l *loop) heirs(c *config.Config) (heirs map[*route]key, ends []*route) {
	has, fresh := map[key]bool{}, map[netip.Prefix][]key{}
	for _, row := range c.Routes {
		k := keyOf(row)
		has[k] = true
		if r := l.byKey[k]; r == nil || r.state.Leaving {
			fresh[k.Prefix] = append(fresh[k.Prefix], k)
		}
	}
	heirs = map[*route]key{}
	for _, r := range l.list {
		settled := r.state.Leaving && (r.heir == nil || has[r.heir.key])
		if has[r.key] || settled || !r.there() {
			continue
		}
		all := fresh[r.key.Prefix]
		if len(all) == 0 {
			ends = append(ends, r)
			continue
		}
		i := max(0, slices.IndexFunc(all, func(k key) bool { return k.Table == r.key.Table }))
		if same := slices.IndexFunc(all, func(k key) bool { return k.RouteKey == r.key.RouteKey }); same >= 0 {
			i = same
		}
		heirs[r] = all[i]
		fresh[r.key.Prefix] = slices.Delete(all, i, i+1)
	}
	return heirs, ends
}
