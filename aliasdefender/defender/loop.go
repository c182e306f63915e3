package defender

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/count"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

var errEnded = errors.New("the daemon has ended")

const (
	// eventsPerTurn bounds how many events the loop takes in before it asks and decides
	// again: a flood on the wire must not keep it from its work.
	eventsPerTurn = 512
	// questionsPerTurn bounds how many questions the loop puts before it looks for events
	// again: a thousand addresses are asked in bursts.
	questionsPerTurn = 256
)

// loop is all state. Only the goroutine of Run touches it.
type loop struct {
	d   *Defender
	o   *Options
	log logrus.FieldLogger
	outside
	times
	ears
	roster

	cfg         *config.Config
	asks        *detect.Set
	net         network
	names       map[nameKey]*name // partners' names
	worker      worker
	trades      trades
	channel     channel
	ending      ending
	agenda      agenda.Agenda
	flood       flood
	judge       rules.Judge
	verifying   int                                 // how many aliases are being verified: the router is pinged from them
	interesting atomic.Pointer[map[netip.Addr]bool] // addresses that the listeners listen for
}

// outside is the work beside the loop.
type outside struct {
	ctx context.Context // ends it
	wg  sync.WaitGroup
}

// times are the loop's times.
type times struct {
	now   time.Time       // of this turn
	epoch time.Time       // where the grids of all rhythms begin
	boot  time.Duration   // CLOCK_BOOTTIME at the same moment as now
	plan  time.Time       // when the loop meant to wake
	lag   count.Histogram // how late it woke

	counted ordinal // of what has been counted
	turned  ordinal // the same when this turn began
}

// ordinal tells what came first: readings of the kernel begin, and errands end, and two of
// these may have one time. 0 was before all that is counted.
type ordinal uint64

// count counts something that happens now.
func (l *loop) count() ordinal {
	l.counted++
	return l.counted
}

// roster is the aliases, and those orders of operators that outlive a row.
type roster struct {
	aliases     map[netip.Addr]*alias // by their ids
	list        []*alias              // as in the file
	groups      []*group              // as in the settings
	wishes      []detect.Wish         // what the aliases want to have asked, in the order of list
	marked      []*alias              // to be decided
	deciding    []*alias              // in this turn
	every       time.Duration         // the shortest interval of all
	parked      map[netip.Addr]bool   // what operators took off this host; remembered for rows that come back
	maintenance bool                  // and every alias is parked until maintenance ends
	memory      memory                // whether all of this is known
	untidy      bool                  // a row has gone in this turn
	lookers     []looker              // who waits until the first look is done
}

// Run runs the loop until Stop, or until ctx ends; then every alias stays. It returns
// when all work beside the loop has ended.
func (d *Defender) Run(ctx context.Context) error {
	d.started = time.Now()
	work, cancel := context.WithCancel(ctx)
	l := d.newLoop(work)
	if d.o.Watch != nil {
		l.beside(func() {
			if err := d.o.Watch(work, d.changed); err != nil && work.Err() == nil {
				d.post(func(l *loop) {
					l.event("not_watching").WithError(err).Warn("the kernel does not report changes; reading its state every round instead")
				})
			}
		})
	}
	l.runSources()
	l.reload(d.o.Config)
	l.run(ctx)
	cancel()
	close(d.over) // from here on nobody need wait for the loop
	for _, n := range l.net.nics {
		n.close(l)
	}
	return l.wait()
}

func (d *Defender) newLoop(work context.Context) *loop {
	now := time.Now()
	l := &loop{
		d: d, o: &d.o, log: d.log,
		outside: outside{ctx: work},
		times:   times{now: now, epoch: now, boot: d.o.Boottime(), plan: now},
		roster:  roster{aliases: map[netip.Addr]*alias{}, parked: map[netip.Addr]bool{}, maintenance: d.o.Kept.Maintenance},
		asks:    detect.New(now, d.o.Listen != nil),
		net:     network{nics: map[host.Side]*nic{}, claimants: map[claimantKey]*claimant{}},
		names:   map[nameKey]*name{},
		worker:  worker{batch: 1},
		trades:  tradesOn(d.o.Network),
		channel: channel{talks: map[netip.Addr]*talk{}, number: rand.Uint32()},
	}
	l.memory.ordered = map[netip.Addr]time.Time{}
	l.memory.set(d.o.Memory, now)
	for _, addr := range d.o.Kept.Parked {
		l.parked[addr] = true
	}
	l.channel.opening.Do = l.openChannel
	l.flood.due.Do = l.sayRepeated
	return l
}

// wait waits for the work beside the loop. It does not let a kernel or a name server that
// never answers keep the process from ending.
func (l *loop) wait() error {
	ended := make(chan struct{})
	go func() {
		l.wg.Wait()
		close(ended)
	}()
	late := time.NewTimer(releaseWithin)
	defer late.Stop()
	select {
	case <-ended:
		return nil
	case <-late.C:
		return errors.New("ended without waiting longer for a call that does not return")
	}
}

// run is the loop itself.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for l.ending.stage != over {
		select {
		case e := <-l.d.events:
			l.awake()
			e(l)
		case <-l.d.changes:
			l.awake()
			l.told()
		case <-timer.C:
			due := l.plan
			l.awake()
			l.lag.Add(l.now.Sub(due))
		case <-ctx.Done():
			return
		}
		l.gauge()
		l.tookIn(l.takeIn())
		l.turn()
		timer.Reset(time.Until(l.plan)) // the turn itself took time
	}
}

// takeIn takes in the kernel's word and the events that wait; it tells whether there are no more.
func (l *loop) takeIn() (all bool) {
	select {
	case <-l.d.changes:
		l.told()
	default:
	}
	for range eventsPerTurn {
		select {
		case e := <-l.d.events:
			e(l)
		default:
			return true
		}
	}
	return false
}

// changed notes that something on this host has changed. Many changes lead to one
// reading, so that a flood of them does not fill the queue of events.
func (d *Defender) changed() {
	select {
	case d.changes <- struct{}{}:
	default:
	}
}

// beside runs f outside the loop; Run waits for it.
func (l *loop) beside(f func()) {
	l.wg.Go(f)
}

// awake notes the time, and whether the process itself was away: it heard nothing
// meanwhile, so nothing is known about the others. It was away if it wakes later than
// planned (stopped, starved), or if the clock that goes on while the host sleeps has run
// ahead of the one that does not (suspended). After an absence longer than the detection
// time nothing known counts any more. After a shorter one, the window of questions that
// it fell into begins anew.
func (l *loop) awake() {
	now, boot := time.Now(), l.o.Boottime()
	passed := boot - l.boot
	planned := max(l.plan.Sub(l.now), 0)
	away := max(passed-planned, passed-now.Sub(l.now))
	l.now, l.boot = now, boot
	if away <= l.asks.Brisk() {
		return
	}
	for _, t := range l.channel.talks {
		if !t.heard.IsZero() {
			t.heard = t.heard.Add(min(away, l.now.Sub(t.heard))) // during the absence nobody listened
		}
	}
	forgotten := l.asks.Away(l.now, away)
	if len(forgotten) == 0 {
		return
	}
	l.event("away").WithField("pause", away.Round(time.Millisecond).String()).Warn("this process was away: facts from before no longer count")
	for _, k := range forgotten {
		if a := l.aliases[host.Zoned(k.Addr, k.NIC)]; a != nil {
			l.mark(a)
			a.kernel, a.behind = rules.Fact{}, rules.Fact{}
			a.state.Awoke(l.now)
			a.peer.Forget(l.now)
			a.standby.watch(l.now)
		}
	}
	for _, t := range l.channel.talks {
		if !t.heard.IsZero() {
			t.heard, t.boot = l.now, l.now // on every alias it has its whole time again before it counts as silent
		}
	}
	l.read()
}

// turn does what is due and finds out when to wake next.
func (l *loop) turn() {
	l.turned = l.counted
	l.awake() // once more: there may have been a pause before or after the events were taken in
	if !l.now.Before(l.net.next) {
		l.read()
	}
	l.resolve()
	l.flush() // the kernel works on while we note and announce what it has already done
	l.collect()
	l.asks.Turn(l.now, questionsPerTurn)
	for e := l.agenda.Take(l.now); e != nil; e = l.agenda.Take(l.now) {
		e.Do()
	}
	l.frames = 0
	l.put()
	l.follow()
	l.decideMarked()
	l.flush()
	l.catchUp()
	if l.untidy {
		l.relink()
	}
	l.put()
	l.follow()
	l.sayChanged()
	l.tellLookers()
	l.settle()
	l.plan = l.wakes()
	if l.o.Beat != nil {
		l.o.Beat()
	}
}

// decideMarked decides the aliases that are marked. An alias that is marked meanwhile is
// decided in the next turn, which follows at once.
func (l *loop) decideMarked() {
	l.deciding, l.marked = l.marked, l.deciding[:0]
	l.frames = 0
	for i, a := range l.deciding {
		if l.frames >= questionsPerTurn { // announcements count too: each costs as much as a question
			l.marked = append(l.marked, l.deciding[i:]...)
			break
		}
		l.decide(a)
	}
}

// wakes is when time alone gives the loop something to do.
func (l *loop) wakes() time.Time {
	n := l.net.next
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(n) {
			n = t
		}
	}
	if len(l.marked) > 0 || len(l.worker.results) > 0 {
		return l.now
	}
	sooner(l.agenda.Next())
	sooner(l.asks.Next())
	if l.worker.waiting() && !l.worker.busy {
		sooner(l.worker.gathered)
	}
	for _, p := range l.names {
		if !p.busy {
			sooner(p.next)
		}
	}
	if sooner(l.ending.takes); l.ending.begun() {
		sooner(l.ending.deadline)
	}
	if l.o.BeatEvery > 0 {
		sooner(l.now.Add(l.o.BeatEvery))
	}
	return n
}

func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
