// Package hook runs the administrator's programs: those that are told of events, and the
// gates, which are asked before an alias is taken or released.
//
// A Runner is a sink of package record, and a gate of package defender. It is told of
// each event and never waited for. From the event and what came before it, it finds out
// which hooks the event is for (heed.go), and puts a job for each into the alias's queue
// (queue.go). The jobs of one alias run one at a time, in the order of events; different
// aliases run side by side, mostRunning programs at most. An alias whose hook hangs holds
// up no other alias; a queue that grows too long behind it drops its oldest jobs, and
// says so.
//
// A gate's job stands in the same queue. Its time is counted from the decision: what has
// not started by then is skipped, and what has not ended by then is no longer waited for
// (gate.go). A program is ended at its timeout, and whatever it has started is ended with
// it (package program).
//
// The package refuses to know why an alias moves, and what a hook does. It decides
// nothing: a gate that says no is a fact for the loop.
package hook

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
)

const (
	// mostRunning is how many programs run at once, of all aliases together.
	mostRunning = 16
	// mostWaiting is how many jobs of one alias may wait.
	mostWaiting = 256
)

// Options are what a Runner is made of. Its functions may be called from several
// goroutines, and must not wait.
type Options struct {
	Record func(record.Event)                                                                // takes what became of each run
	Repeat func(record.Event)                                                                // takes what happened too often to be recorded; nil: it is only counted
	Output func(at Subject, hook config.HookName, line string)                               // takes what programs write, a line at a time
	Acted  func(alias netip.Addr)                                                            // an alias whose exit_after is "take" was taken, and its hook has run
	Told   Told                                                                              // nil: nothing is known of before the start
	run    func(ctx context.Context, p config.Program, env []string, out func(string)) error // nil: programs.run
}

// Told keeps which aliases a take hook was told of since the host booted, over a restart
// of the Monitor. Its methods must not wait.
type Told interface {
	Is(alias netip.Addr) bool
	Set(alias netip.Addr, told bool)
}

// Subject is what a hook was told of.
type Subject struct {
	Alias netip.Addr // zero: a route
	Label string     // of the alias's NIC
	Route string
}

// Result is how a run of a hook ended.
type Result string

// The results.
const (
	Ran     Result = "ran"     // with exit code 0
	Failed  Result = "failed"  // with another one, by a signal, or at its timeout
	Skipped Result = "skipped" // it was not run
)

// Run is the last run of a hook.
type Run struct {
	Hook   config.HookName
	At     time.Time // when it ended
	Took   time.Duration
	Result Result
	Error  string // why it failed, or was skipped
}

// Runner runs the hooks of all aliases. Its methods may be called from anywhere.
type Runner struct {
	o Options

	mu      sync.Mutex
	lanes   map[netip.Addr]*lane // by the aliases' ids
	routes  map[string]*lane     // by the routes' names
	ready   []*lane              // those that have jobs and run none, the longest first
	running int
	stopped bool               // nothing more is begun
	ctx     context.Context    // of all programs
	kill    context.CancelFunc // ends it
	wg      sync.WaitGroup
	idle    chan struct{} // closed when nothing runs or waits; nil: nobody waits for that
	flood   flood
}

// New makes a Runner for these aliases and routes. It starts nothing before the first event.
func New(o Options, aliases []config.Alias, routes ...config.Route) *Runner {
	if o.run == nil {
		o.run = new(programs).run
	}
	r := &Runner{o: o, lanes: map[netip.Addr]*lane{}, routes: map[string]*lane{}}
	r.ctx, r.kill = context.WithCancel(context.Background())
	r.Set(aliases, routes...)
	return r
}

// Set puts a new configuration in force. An alias that is gone keeps its hooks until it
// is released, and a route until it is withdrawn.
func (r *Runner) Set(aliases []config.Alias, routes ...config.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.setRoutes(routes)
	for _, l := range r.lanes {
		l.gone = true
	}
	for _, a := range aliases {
		id := host.Zoned(a.Addr, a.NIC)
		l := r.lanes[id]
		if l == nil {
			l = &lane{id: id, last: map[config.HookName]Run{}}
			r.lanes[id] = l
		}
		l.cfg, l.hooks, l.gone = a, a.Hooks, false
	}
	for _, l := range r.lanes {
		r.tidy(l)
	}
}

// Exits tells whether the Monitor ends after a take of this alias.
func (r *Runner) Exits(alias netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes[alias]
	return l != nil && l.hooks.ExitAfter == config.AfterTake
}

// tidy forgets a lane that is no longer needed. mu is held.
func (r *Runner) tidy(l *lane) {
	if l.gone && !l.holding && !l.running && len(l.queue) == 0 {
		if l.route != "" {
			delete(r.routes, l.route)
		} else {
			delete(r.lanes, l.id)
		}
	}
}

// Put takes an event. Recorder calls it.
func (r *Runner) Put(e record.Event) {
	if !e.Alias.Addr.IsValid() && e.Route == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.laneOf(subject{alias: e.Alias, route: e.Route})
	if l == nil || r.stopped {
		return
	}
	names := []config.HookName(nil)
	if l.route != "" {
		names = l.heedRoute(e)
	} else {
		names = l.heed(e, r.o.Told)
	}
	for _, name := range names {
		if j := l.job(name, e); j != nil {
			r.queue(l, j)
		}
	}
	r.schedule()
	r.tidy(l)
}

// Every tells the Recorder that this sink wants each event, however often it comes.
func (r *Runner) Every() {}

// Last is the last run of each hook of an alias that has run since the start, in the
// order of config.HookNames.
func (r *Runner) Last(alias netip.Addr) (all []Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return lastOf(r.lanes[alias])
}

// LastOfRoute is the same of a route.
func (r *Runner) LastOfRoute(name string) []Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return lastOf(r.routes[name])
}

func lastOf(l *lane) (all []Run) {
	if l == nil {
		return nil
	}
	for _, name := range config.HookNames() {
		if run, ok := l.last[name]; ok {
			all = append(all, run)
		}
	}
	return all
}

// End waits until all that was told has run, or until within has passed. Then it ends what
// still runs, skips the rest and says so, and nothing more is begun.
func (r *Runner) End(within time.Duration) {
	r.mu.Lock()
	idle := make(chan struct{})
	r.idle = idle
	r.rests()
	r.mu.Unlock()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-idle:
	case <-late.C:
	}
	r.mu.Lock()
	r.stopped = true
	var left []*job
	for _, l := range slices.Concat(slices.Collect(maps.Values(r.lanes)), slices.Collect(maps.Values(r.routes))) {
		left = append(left, l.queue...)
		l.queue = nil
	}
	r.mu.Unlock()
	for _, j := range left {
		r.skip(j, "the Monitor ends")
	}
	r.kill()
	r.wg.Wait()
	r.sayCounted(time.Now().Add(time.Minute))
}
