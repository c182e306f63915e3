package defender

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/rules"
)

var errEnded = errors.New("the daemon has ended")

// lastWords bounds how long an exit waits for the kernel to be told that the
// aliases stay.
const lastWords = 500 * time.Millisecond

// releaseWithin bounds how long an exit waits for the kernel to take the
// aliases off.
const releaseWithin = 2 * time.Second

// eventsPerTurn bounds how many events are taken in before the loop asks and
// decides again: a flood on the wire must not keep it from its work.
const eventsPerTurn = 512

// questionsPerTurn bounds likewise how many questions are put before the loop
// looks for events: a thousand addresses are asked in bursts.
const questionsPerTurn = 256

// loop is all state. Only the goroutine of Run touches it.
type loop struct {
	d   *Defender
	o   *Options
	log logrus.FieldLogger
	ctx context.Context // ends the work beside the loop
	wg  sync.WaitGroup  // that work

	cfg         *config.Config
	aliases     map[netip.Addr]*alias
	order       []*alias // as in the file
	asks        *detect.Set
	wishes      []detect.Wish // that it has, as in order
	agenda      agenda.Agenda
	frames      int // and pings in this turn
	judge       rules.Judge
	marked      []*alias      // to be decided
	deciding    []*alias      // in this turn
	every       time.Duration // the shortest interval of all
	nics        map[string]*nic
	names       map[string]*name    // partners' names
	parked      map[netip.Addr]bool // what operators took off this host; kept for rows that come back
	maintenance bool                // and all is, until that ends
	untidy      bool                // a row has gone in this turn, and its targets may have too

	turns uint64        // counted from 1
	now   time.Time     // of this turn
	epoch time.Time     // where the grids of all rhythms begin
	boot  time.Duration // CLOCK_BOOTTIME at the same moment
	plan  time.Time     // when the loop meant to wake

	channel  Channel // nil: none
	hangUp   context.CancelFunc
	openAt   time.Time // when it may be opened again
	openErr  string
	opening  agenda.Entry
	talks    map[netip.Addr]*talk
	partners []peer.Partner // that the channel knows
	number   uint32         // of the last hand-over that we began

	state       host.State
	paths       []path    // of state
	spare       []path    // for the next reading
	readAt      time.Time // when the newest reading was begun
	readErr     string
	reading     bool // one is under way
	readAgain   bool // and another is wanted after it
	nextRead    time.Time
	work        []job // for the worker, in order
	working     bool
	batch       int                                 // how much work it may be given in one go
	gathered    time.Time                           // until when takes may wait for others; zero: none waits
	results     []result                            // of work that is done
	verifying   int                                 // how many aliases the router is asked from
	interesting atomic.Pointer[map[netip.Addr]bool] // addresses that the ears listen for

	stopping  bool
	releasing bool      // and every alias goes
	giving    bool      // and every alias is handed over, if the partner takes it
	deadline  time.Time // of stopping
	lasting   bool      // what stays has been told to
	done      bool
}

// Run runs the loop until Stop, or until ctx ends, which keeps every alias.
// It returns when all work beside the loop has ended.
func (d *Defender) Run(ctx context.Context) error {
	d.started = time.Now()
	work, cancel := context.WithCancel(ctx)
	l := &loop{
		d: d, o: &d.o, log: d.log, ctx: work,
		aliases: map[netip.Addr]*alias{}, asks: detect.New(time.Now(), d.o.Listen != nil),
		nics: map[string]*nic{}, names: map[string]*name{}, parked: map[netip.Addr]bool{}, talks: map[netip.Addr]*talk{},
		number: rand.Uint32(),
		batch:  1, turns: 1,
		now: time.Now(), epoch: time.Now(), boot: d.o.Boottime(), plan: time.Now(),
	}
	if d.o.Watch != nil {
		l.beside(func() {
			if err := d.o.Watch(work, d.changed); err != nil && work.Err() == nil {
				d.post(func(l *loop) { l.log.WithError(err).Warn("the kernel does not tell of changes; it is read each round") })
			}
		})
	}
	for _, addr := range d.o.Kept.Parked {
		l.parked[addr] = true
	}
	l.maintenance = d.o.Kept.Maintenance
	l.opening.Do = l.open
	l.reload(d.o.Config)
	l.run(ctx)
	cancel()
	close(d.over) // from here on nobody waits for the loop
	for _, n := range l.nics {
		n.close(l)
	}
	return l.wait()
}

// wait waits for the work beside the loop. A kernel or a name server that does
// not answer does not keep the process from ending.
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
		return errors.New("ended without waiting any longer for a call that does not return")
	}
}

// run is the loop itself.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !l.done {
		select {
		case e := <-l.d.events:
			l.awake()
			e(l)
		case <-l.d.changes:
			l.awake()
			l.told()
		case <-timer.C:
			l.awake()
		case <-ctx.Done():
			return
		}
		for range eventsPerTurn {
			select {
			case e := <-l.d.events:
				e(l)
				continue
			default:
			}
			break
		}
		l.turn()
		timer.Reset(time.Until(l.plan)) // the turn has taken its time
	}
}

// echo is for how long what the kernel tells is taken for our own doing while we
// work on it.
const echo = 50 * time.Millisecond

// told takes in that something on this host has changed. It is read at once,
// unless it is we who are changing it: a reading for each of a thousand
// addresses would hold up the rest of them.
func (l *loop) told() {
	soon := l.now.Add(echo)
	switch {
	case !l.working:
		l.read()
	case l.nextRead.After(soon):
		l.nextRead = soon
	}
}

// changed notes that something on this host has changed. However often that
// is, one reading follows: a flood does not fill the queue of events.
func (d *Defender) changed() {
	select {
	case d.changes <- struct{}{}:
	default:
	}
}

// beside runs f outside the loop; Run waits for it.
func (l *loop) beside(f func()) {
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		f()
	}()
}

// awake notes the time, and whether the process itself was away: what it did
// not hear meanwhile says nothing about the others. It was if it wakes later
// than planned (stopped, starved), and if the host's clock that goes on in a
// sleep has run ahead of the one that does not (suspended). Longer than the
// detection time, and nothing known counts; shorter, and a window of questions
// that it fell into begins anew.
func (l *loop) awake() {
	now, boot := time.Now(), l.o.Boottime()
	passed := boot - l.boot
	planned := max(l.plan.Sub(l.now), 0)
	away := max(passed-planned, passed-now.Sub(l.now))
	l.now, l.boot = now, boot
	if away <= l.asks.Brisk() {
		return
	}
	for _, t := range l.talks {
		if !t.heard.IsZero() {
			t.heard = t.heard.Add(min(away, l.now.Sub(t.heard))) // nobody listened meanwhile
		}
	}
	forgotten := map[*alias]bool{}
	for _, k := range l.asks.Away(l.now, away) {
		if a := l.aliases[k.Addr]; a != nil {
			forgotten[a] = true
		}
	}
	if len(forgotten) == 0 {
		return
	}
	l.log.WithField("pause", away.Round(time.Millisecond).String()).Warn("this process was away: nothing known before counts any more")
	for a := range forgotten {
		l.mark(a)
		a.kernel = rules.Fact{}
		a.state.Awoke(l.now)
		a.peer.Forget(l.now)
	}
	for _, t := range l.talks {
		if !t.heard.IsZero() {
			t.heard, t.boot = l.now, l.now // it has the whole time anew before it counts as silent, on any alias
		}
	}
	l.read()
}

// turn does what is due and finds out when to wake next.
func (l *loop) turn() {
	l.awake() // once more: the events may have been taken in on either side of a pause
	if !l.now.Before(l.nextRead) {
		l.read()
	}
	l.resolve()
	l.flush() // the kernel goes on while what it has done is noted and announced
	l.collect()
	l.asks.Turn(l.now, questionsPerTurn)
	for e := l.agenda.Take(l.now); e != nil; e = l.agenda.Take(l.now) {
		e.Do()
	}
	l.put()
	l.follow()
	// What is marked while these are decided has its turn at once after.
	l.deciding, l.marked = l.marked, l.deciding[:0]
	l.frames = 0
	for i, a := range l.deciding {
		if l.frames >= questionsPerTurn { // announcements, which cost as much as questions
			l.marked = append(l.marked, l.deciding[i:]...)
			break
		}
		l.decide(a)
	}
	l.turns++
	l.flush()
	if l.untidy {
		l.untidy = false
		l.relink()
	}
	l.put()
	l.follow()
	l.tell()
	l.settle()
	l.plan = l.next()
	if l.o.Beat != nil {
		l.o.Beat()
	}
}

// settle ends the loop once there is nothing left to hand over or to release.
// What stays is told to stay: it outlives its daemon, as the original's did.
func (l *loop) settle() {
	if !l.stopping || l.done {
		return
	}
	late := !l.now.Before(l.deadline)
	if l.releasing && l.readAt.IsZero() && l.readErr == "" && !late {
		return // what a Monitor before us left here is released too
	}
	if !late && (l.working || len(l.work) > 0 || len(l.results) > 0) {
		return
	}
	if l.giving && !late && slices.ContainsFunc(l.order, (*alias).leaves) {
		return
	}
	if !late && slices.ContainsFunc(l.order, (*alias).between) {
		return // who of the two has it in the end is not told yet
	}
	l.giving = false
	for _, a := range l.order {
		if a.state.Holding && a.state.Leaving && !late {
			return
		}
	}
	if !l.lasting {
		l.lasting, l.deadline = true, l.now.Add(lastWords)
		for _, a := range l.order {
			if a.state.Holding && !a.state.Lease.IsZero() && a.phase == idle && !a.doubtful(l.now) {
				l.start(a, job{kind: lasting})
			}
		}
		l.flush()
		if l.working {
			return
		}
	}
	l.done = true
}

// between tells whether the alias is here and in the midst of a hand-over.
func (a *alias) between() bool {
	return a.state.Holding && (a.state.Handover.Side == rules.Giving || a.state.Handover.Side == rules.Getting)
}

// doubtful tells whether the partner may have it as well when we end: it has not
// heard from us that it can let go, or has begun to take what we offer, or may be
// about to: it lives, and has not answered yet. Were it to stay without us, both
// hosts would have it for good; so it goes with its lease, and a partner that has
// not taken it takes it then.
func (a *alias) doubtful(now time.Time) bool {
	h, w := a.state.Handover, a.peer.Word
	switch {
	case h.Side == rules.Getting:
		return h.Verified != rules.Yes
	case h.Side == rules.Giving, h.Failure == rules.NoAnswer && now.Sub(h.Ended) <= a.policy.ChannelSilent():
		takes := w.Number == h.Number && w.Step == rules.Takes
		return takes || a.talk != nil && now.Sub(a.talk.heard) <= a.talk.heartbeat()+a.cfg.Timeout
	}
	return false
}

// leaves tells whether the alias may still be handed over at the end.
func (a *alias) leaves() bool {
	h := a.state.Handover
	return a.state.Holding && a.state.Give && (h.Side != rules.NoSide || a.talk != nil && h.Failure == rules.NoRow && a.decision.Reason != rules.WouldNot)
}

// next is when time alone gives the loop something to do.
func (l *loop) next() time.Time {
	n := l.nextRead
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(n) {
			n = t
		}
	}
	if len(l.marked) > 0 || len(l.results) > 0 {
		return l.now
	}
	sooner(l.agenda.Next())
	sooner(l.asks.Next())
	if len(l.work) > 0 && !l.working {
		sooner(l.gathered)
	}
	for _, p := range l.names {
		if !p.busy {
			sooner(p.next)
		}
	}
	if l.stopping {
		sooner(l.deadline)
	}
	if l.o.BeatEvery > 0 {
		sooner(l.now.Add(l.o.BeatEvery))
	}
	return n
}

func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// stop begins the end.
func (l *loop) stop(e Exit) {
	if l.stopping {
		return
	}
	l.stopping, l.deadline = true, l.now.Add(releaseWithin)
	for _, a := range l.order {
		a.state.Ending = a.phase != working // what is being taken comes yet
		l.mark(a)
	}
	switch {
	case e == ExitKeep || l.cfg.Settings.OnExit == config.ExitKeep:
		l.log.Info("ending; the aliases stay on this host")
		return
	case l.cfg.Settings.OnExit == config.ExitHandover:
		l.log.Info("ending; handing the aliases over")
		l.giving = true
		for _, a := range l.order {
			a.state.Give = a.state.Holding
			a.state.TryAgain()
			l.mark(a)
		}
		return
	}
	l.log.Info("ending; releasing the aliases")
	l.releasing = true
	for _, a := range l.order {
		a.state.Leaving = true
		l.mark(a)
	}
}
