// Package route keeps the routes of a router: it has each lead to the first of its next
// hops that lives, or to all that live.
//
// It stands beside package defender, and is built in the same way. One goroutine owns all
// state ([loop]). Everything reaches it as events: answers of next hops (packages detect
// and probe, or check where a check asks through the hop), readings of the kernel's
// tables and interfaces, and the results of its own changes. When a fact about a hop
// changes, the loop decides again about the routes that have that hop
// (rules.DecideRoute). It carries the decisions out beside the loop, all in one go,
// because a thousand routes may share one hop. The loop never waits.
//
//	answers ──> hop ──> its routes ──> rules.DecideRoute ──> batch ──> kernel
//	tables, interfaces ──┘                                     └──> event ──> log, hooks
//
// A route whose install is false is kept in memory only: its hooks are told as if it were
// in the kernel.
//
// The package refuses to know what an alias is, and why a rule is as it is.
package route

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/record"
)

// Tables is this host's network and its routing tables, as package host provides them. Each
// method returns its errors in the order of its argument.
type Tables interface {
	Read() (host.State, error)
	ReadRoutes(tables []int, of func(netip.Prefix) bool) ([]host.TableRoute, error)
	OurRoutes() ([]host.TableRoute, error)   // whatever table they are in
	AddRoutes([]host.TableRoute) []error     // the error is host.ErrRouteThere where another has its place
	ReplaceRoutes([]host.TableRoute) []error // never a moment without; only what is ours
	RemoveRoutes([]host.TableRoute) []error  // no error if it is not there; only what is ours
}

// Wire is ARP on one NIC, or neighbour discovery. Nothing it does waits.
type Wire interface {
	Ask(target, from netip.Addr, to host.HW) error
	Probe(target netip.Addr) error
	Want(addrs []netip.Addr) error // it hears only frames that speak of these
	Hearing() hearing.Report
	HW() host.HW
	Done() <-chan struct{}
	Err() error
	Close() error
}

// Options are what a Keeper is made of.
//
// fields: each is one thing that the daemon hands in by name; a test names only those
// that it is about.
type Options struct {
	Config   *config.Config
	Tables   Tables
	Watch    func(ctx context.Context, matters func(netip.Prefix) bool, wake func()) error // nil: the host is only polled
	Listen   func(nic string, f host.Family, see func([]host.Sighting)) (Wire, error)      // nil: hops are only pinged; what is seen is lent
	Ping     func(context.Context, probe.Question) (bool, error)                           //
	Ask      func(probe.Question, func(at time.Time, err error)) error                     // does not wait; nil: Ping asks
	Hearing  func() hearing.Report                                                         // how well the answers to Ask are heard; nil: unknown
	Check    check.Asker                                                                   // asks a service through a hop
	Boottime func() time.Duration                                                          // goes on while the host sleeps
	Record   func(record.Event)                                                            // must not wait
	Repeat   func(record.Event)                                                            // takes what happens so often that it is only counted; nil: nobody does
	Journal  func(route string) []control.Entry                                            // what Why shows of a route; nil: nothing
	Keep     func(routes []string)                                                         // is told which routes there are; nil: nobody is
	Observe  bool                                                                          // decide, and do nothing
	Log      logrus.FieldLogger                                                            // must not wait
}

// Keeper keeps the routes. Its methods may be called from anywhere.
type Keeper struct {
	o       Options
	events  chan func(*loop)
	changes chan struct{} // one place: this host has changed
	over    chan struct{} // closed when Run has returned
	checks  *check.Set
	dropped atomic.Uint64 // events for which the loop had no room

	prefixes atomic.Pointer[map[netip.Prefix]bool] // of the routes
	hops     atomic.Pointer[map[netip.Addr]bool]   // what the listeners listen for
}

// New makes a Keeper. It starts nothing.
func New(o Options) *Keeper {
	k := &Keeper{o: o, events: make(chan func(*loop), 1024), changes: make(chan struct{}, 1), over: make(chan struct{})}
	k.checks = check.New(o.Check, func(r check.Report) { k.post(func(l *loop) { l.checked(r.Check.Name) }) })
	return k
}

var errEnded = errors.New("the daemon has ended")

// Run keeps the routes until End, or until ctx ends, which leaves them as they are.
func (k *Keeper) Run(ctx context.Context) error {
	defer close(k.over)
	return newLoop(k).run(ctx)
}

// End ends Run, and returns when it has ended. With withdraw the routes are removed before;
// a kernel that does not answer is not waited for.
func (k *Keeper) End(withdraw bool) {
	k.post(func(l *loop) { l.end(withdraw) })
	<-k.over
}

// Reload puts a new configuration in force. A route that did not change is not touched, and
// one that is gone is withdrawn.
func (k *Keeper) Reload(c *config.Config) {
	k.post(func(l *loop) { l.reload(c) })
}

// Drops are the names of the routes that are kept now and that the configuration no longer
// has.
func (k *Keeper) Drops(ctx context.Context, c *config.Config) ([]string, error) {
	return ask(ctx, k, func(l *loop) []string { return l.drops(c) })
}

// Snapshot tells what the loop knows; with journal, also what was decided before. Problems
// are those of the routes as a whole.
func (k *Keeper) Snapshot(ctx context.Context, journal bool) (routes []control.Route, problems []string, err error) {
	type both struct {
		routes   []control.Route
		problems []string
	}
	b, err := ask(ctx, k, func(l *loop) both { return both{l.snapshot(journal), l.problems()} })
	return b.routes, b.problems, err
}

// Tally counts the routes, and what Status shows as problems of them.
func (k *Keeper) Tally(ctx context.Context) (control.Tally, error) { return ask(ctx, k, (*loop).tally) }

// ask has the loop answer.
func ask[T any](ctx context.Context, k *Keeper, f func(*loop) T) (v T, err error) {
	answer := make(chan T, 1)
	k.post(func(l *loop) { answer <- f(l) })
	select {
	case v = <-answer:
		return v, nil
	case <-k.over:
		return v, errEnded
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// post hands an event to the loop. It waits only while the loop has no room for more
// events, and never after the loop's end.
func (k *Keeper) post(e func(*loop)) {
	select {
	case k.events <- e:
	case <-k.over:
	}
}

// offer hands an event to the loop if it has room for it. What is dropped is counted: the
// loop takes it for an answer that it could not hear.
func (k *Keeper) offer(e func(*loop)) {
	select {
	case k.events <- e:
	default:
		k.dropped.Add(1)
	}
}

// changed notes that something on this host has changed. Many changes lead to one reading.
func (k *Keeper) changed() {
	select {
	case k.changes <- struct{}{}:
	default:
	}
}

// matters tells whether a route of that prefix may be in the way of one of ours.
func (k *Keeper) matters(p netip.Prefix) bool {
	m := k.prefixes.Load()
	return m != nil && (*m)[p]
}
