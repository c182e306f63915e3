// Package recovery recovers a service on the partner that has failed while the partner
// itself lives and answers for the alias. It has the service restarted. If that does not
// help, it has the partner fenced, which means cut off, so that the rules may take the
// alias. The administrator's programs do both: typically ssh, with a key of its own and a
// forced command.
//
//	idle ── the check fails, and all that rules.Recover asks for is so
//	  └─ process   is the service's process there? It is told to restart, and changes nothing
//	       └─ restart
//	            └─ settle   the service has time to start
//	                 └─ check   the check is asked anew
//	                      ├─ good: recovered
//	                      └─ failing ── fence ── exit code 0: fenced, a fact for the rules
//
// A step whose program is not set is left out. Each step is an event. A step is on disk
// before its program runs, with the times of all recoveries of the last hour: so a Monitor
// that is started anew goes on where the last one was, and has the same budget. Where the
// disk cannot be written nothing is done.
//
// Only one recovery at a time is under way on this host, for whatever alias: one partner
// may have many addresses. What it depends on is checked before each step; when that no
// longer holds the recovery ends, except while the fence itself runs, which has to cut
// the partner off.
//
// Two hosts that each serve an alias, and have no channel, could fence each other at the
// same moment. So a host that holds an alias, except on lo, fences its partner only if
// its own hardware address is known to be the lower one.
//
// The package refuses to know how a service is restarted and how a host is fenced. It
// takes no alias: that the partner is fenced is a fact like others, which it posts as a
// source of package defender, and the rules decide.
package recovery

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/store"
)

// Step is how far a recovery has come. Its text is on disk, and never changes.
type Step = string

// The steps.
const (
	Idle    Step = "idle"
	Process Step = "process"
	Restart Step = "restart"
	Settle  Step = "settle"
	Check   Step = "check"
	Fence   Step = "fence"
)

const (
	// stepWithin is how long a program may take.
	stepWithin = 30 * time.Second
	// grace is how long it has between TERM and KILL.
	grace = 500 * time.Millisecond
	// resumeWithin is how long a recovery of an earlier Monitor may wait until enough is
	// known to go on with it.
	resumeWithin = 5 * time.Minute
	// window is the time that a budget is for.
	window = time.Hour
	// fenceLives is for how long a fence counts if nothing ends it.
	fenceLives = 10 * 365 * 24 * time.Hour
)

// Job is one run of a program.
type Job struct {
	Alias netip.Addr
	Label string
	Step  Step
	Argv  config.Program
	Env   []string
}

// Options are what a Worker is made of. Record and Output must not wait.
type Options struct {
	Record func(record.Event)
	Output func(j Job, line string)         // takes what programs write
	Load   func() ([]store.Recovery, error) // what an earlier Monitor has left; it may wait for the disk
	Keep   func([]store.Recovery) error     // writes what outlives this Monitor, and waits for the disk no longer than is sane

	Run func(ctx context.Context, j Job, out func(line string)) error // runs a program; nil: programs.run
}

// Worker recovers, one after the other. It is a source of package defender. Its methods
// may be called from anywhere, and none but Run waits.
type Worker struct {
	o    Options
	wake chan struct{} // one place: there may be something to do

	mu      sync.Mutex
	each    map[netip.Addr]*one
	order   []netip.Addr               // as in the file
	sights  map[netip.Addr]rules.Sight // as the loop has told, perhaps before Use
	dropped []netip.Addr               // were fenced, and have no recovery any more: the loop does not know yet
	holds   map[netip.Addr]bool
	shared  map[netip.Addr]bool // on a loopback interface, and so on many hosts by design
	busy    *one                // is being recovered; nil: none
	running *one                // whose program runs; nil: none
	changed bool                // what is kept is not on the disk yet
	unkept  bool                // the disk did not take it, which was said

	loaded  time.Time // when the disk had told what an earlier Monitor has left; zero: it has not
	unknown error     // why it is not known what that is; nil: it is known
	said    bool      // unknown, in the log
	blocked time.Time // nothing begins before: it is not known how much of the budget is left
}

// one is an alias with a recovery.
type one struct {
	id netip.Addr
	config.Alias
	store.Recovery // what outlives this Monitor
	sight          rules.Sight
	report         check.Report

	from          time.Time // answers to questions from before do not count
	asked         time.Time // the newest one that was counted
	good, failing int       // answers in a row, since from

	used bool // since it was Fenced the alias was here: the fence does not outlive this Monitor

	process string // what its program has said
	resumed bool   // an earlier Monitor began it, and it was not gone on with yet
	fence   bool   // the earlier Monitor may have ended while the fence ran

	waits  bool      // a restart has not helped, and the fence had to wait
	posted time.Time // of Fenced, as the loop knows it
	told   bool      // the loop knows it
	held   string    // why nothing begins, as it was said last
	last   outcome
}

// outcome is how something ended, for Status.
type outcome struct {
	text  string
	level rules.Level
	at    time.Time
}

// alarming tells whether the last recovery has not helped, and nothing has since.
func (r *one) alarming() bool { return r.last.level >= rules.Error }

// New makes a Worker. It starts nothing before Run.
func New(o Options, rows []config.Alias) *Worker {
	if o.Run == nil {
		o.Run = new(programs).run
	}
	w := &Worker{o: o, wake: make(chan struct{}, 1), each: map[netip.Addr]*one{}, holds: map[netip.Addr]bool{}, sights: map[netip.Addr]rules.Sight{}}
	w.Use(rows)
	return w
}

// String is the source's name in the log.
func (w *Worker) String() string { return "recovery" }

// Use puts the rows of a configuration in force. A recovery whose settings have changed
// ends.
func (w *Worker) Use(rows []config.Alias) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.each
	w.each, w.order, w.shared = map[netip.Addr]*one{}, nil, map[netip.Addr]bool{}
	for _, a := range rows {
		if a.Loopback() {
			w.shared[host.Zoned(a.Addr, a.NIC)] = true
		}
		if !a.Recover.Any() {
			continue
		}
		id := host.Zoned(a.Addr, a.NIC)
		r := was[id]
		switch {
		case r == nil:
			r = &one{id: id, Alias: a, Recovery: store.Recovery{Alias: id, Step: Idle}, told: true, sight: w.sights[id]}
		case !same(r.Recover, a.Recover):
			w.end(r, rules.Warning, "the recovery has ended: its settings have changed")
			r.Alias, r.report, r.held, r.waits = a, check.Report{}, "", false
		default:
			r.Alias = a
		}
		w.each[id], w.order = r, append(w.order, id)
		delete(was, id)
	}
	for _, r := range was {
		w.drop(r)
		if !r.posted.IsZero() {
			w.dropped = append(w.dropped, r.id)
		}
	}
	w.poke()
}

// drop ends a recovery whose alias has none any more. Nobody would be left to take its alarm
// back.
func (w *Worker) drop(r *one) {
	const text = "the recovery has ended: the settings no longer have a recovery for the alias"
	switch {
	case !r.alarming():
		w.end(r, rules.Warning, text)
	case w.busy == r:
		w.end(r, rules.Info, text)
	default:
		w.over(r, text)
	}
	w.changed = true
}

func (w *Worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Want is called by the loop when its aliases have changed: it has to be told what is
// known.
func (w *Worker) Want(aliases []netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for alias := range w.sights {
		if !slices.Contains(aliases, alias) {
			delete(w.sights, alias)
		}
	}
	for _, r := range w.each {
		r.told = r.Fenced.IsZero() && r.posted.IsZero()
	}
	w.poke()
}

// serves tells whether this host has an alias that a partner might fence it for.
func (w *Worker) serves() bool {
	for alias := range w.holds {
		if !w.shared[alias] {
			return true
		}
	}
	return false
}

// Holds notes that this host has an alias, or no longer.
func (w *Worker) Holds(alias netip.Addr, yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(w.holds, alias); yes {
		w.holds[alias] = true
	}
	w.use(w.each[alias])
	w.poke()
}

// use notes that a fence has done its work once the alias is here. After a restart it would
// be one of long ago: whoever serves the alias by then was not fenced. r may be nil.
func (w *Worker) use(r *one) {
	if r != nil && w.holds[r.id] && !r.Fenced.IsZero() && !r.used {
		r.used, w.changed = true, true
	}
}

// Sees notes what the rules allow for an alias. The loop calls it when that changes.
func (w *Worker) Sees(alias netip.Addr, is rules.Sight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sights[alias] = is
	if r := w.each[alias]; r != nil && r.sight != is {
		r.sight = is
		w.poke()
	}
}

// Heard takes in what is known of a check.
func (w *Worker) Heard(is check.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.each {
		if r.Recover.Check == is.Check.Name {
			r.heard(is)
			w.poke()
		}
	}
}

// heard counts an answer.
func (r *one) heard(is check.Report) {
	r.report = is
	switch {
	case is.Last == check.Unknown || !is.Asked.After(r.asked) || is.Asked.Before(r.from):
		return
	case is.Last == check.Good:
		r.good, r.failing = r.good+1, 0
	default:
		r.good, r.failing = 0, r.failing+1
	}
	r.asked = is.Asked
}

// anew: only answers to questions from now on count.
func (r *one) anew(now time.Time) {
	r.from, r.good, r.failing = now, 0, 0
}
