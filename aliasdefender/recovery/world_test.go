package recovery

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/store"
)

type addr = netip.Addr

var (
	one1 = netip.MustParseAddr("10.0.0.1")
	two2 = netip.MustParseAddr("10.0.0.2")
	all  = rules.Sight{Restart: true, Fence: true}
)

// row is an alias with a recovery of every step.
func row(addr netip.Addr) config.Alias {
	return config.Alias{Addr: addr, NIC: "eth0", Label: "eth0:1", Partner: config.Partner{Name: "10.0.0.9"}, Recover: config.Recover{
		Check: "there", Process: config.Program{"process"}, Restart: config.Program{"restart"}, Fence: config.Program{"fence"},
		Settle: 5 * time.Second, Budget: 3,
	}}
}

var there = config.Check{Name: "there", Interval: time.Second, Timeout: 500 * time.Millisecond, Rise: 2, Fall: 3}

// world is a partner whose service may be ill, around a Worker.
type world struct {
	t *testing.T

	mu      sync.Mutex
	ill     bool
	silent  bool // nothing answers the check
	ran     []string
	running int
	events  []string
	facts   map[netip.Addr]defender.Observation
	disk    map[netip.Addr]store.Recovery
	full    bool            // the disk takes nothing
	late    time.Duration   // it answers after this, when it is read
	slow    map[Step]func() // what happens while the disk takes a step, which takes it 2 s

	takes time.Duration     // each program
	run   func(j Job) error // nil: exit code 0
}

func newWorld(t *testing.T) *world {
	return &world{t: t, ill: true, facts: map[netip.Addr]defender.Observation{}}
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// start runs a Worker until the function it returns is called.
func (w *world) start(rows ...config.Alias) (*Worker, func()) { return w.startUnknown(nil, rows...) }

// recovers runs a Worker until the test ends. It may do everything about the first alias.
func (w *world) recovers(rows ...config.Alias) *Worker {
	worker, stop := w.start(rows...)
	w.t.Cleanup(stop)
	worker.Sees(one1, all)
	return worker
}

func (w *world) startUnknown(unknown error, rows ...config.Alias) (*Worker, func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	o := Options{
		Record: func(e record.Event) {
			w.set(func() { w.events = append(w.events, e.Decision.Reason+" "+levelOf(e.Level)+": "+e.Text) })
		},
		Output: func(Job, string) {},
		Load: func() ([]store.Recovery, error) {
			time.Sleep(w.late)
			return w.left(), unknown
		},
		Keep: func(all []store.Recovery) (err error) {
			now := map[netip.Addr]store.Recovery{}
			for _, k := range all {
				now[k.Alias] = k
			}
			if meanwhile := w.slow[now[one1].Step]; meanwhile != nil {
				meanwhile()
				time.Sleep(2 * time.Second)
			}
			w.set(func() {
				if w.full {
					err = errors.New("no space left on device")
					return
				}
				w.disk = now
			})
			return err
		},
		Run: func(ctx context.Context, j Job, _ func(string)) error {
			w.set(func() {
				w.ran = append(w.ran, string(j.Step))
				if w.running++; w.running > 1 {
					w.t.Error("two at once")
				}
			})
			defer w.set(func() { w.running-- })
			select {
			case <-time.After(w.takes):
			case <-ctx.Done():
				return ctx.Err()
			}
			if w.run == nil {
				return nil
			}
			return w.run(j)
		},
	}
	worker := New(o, rows)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := worker.Run(ctx, func(all ...defender.Observation) {
			w.set(func() {
				for _, o := range all {
					w.facts[o.Alias] = o
				}
			})
		}); err != nil {
			w.t.Error(err)
		}
	})
	wg.Go(func() { w.ask(ctx, worker) })
	return worker, func() {
		cancel()
		wg.Wait()
	}
}

// left is what the disk has.
func (w *world) left() (all []store.Recovery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for alias, k := range w.disk {
		k.Alias = alias
		all = append(all, k)
	}
	return all
}

// ask is the check, as package check asks it.
func (w *world) ask(ctx context.Context, worker *Worker) {
	r := check.Report{Check: there, Lives: 5 * time.Second}
	good, failing := 0, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(there.Interval):
		}
		w.set(func() {
			r.Last, r.Reason = check.Good, "status 200"
			if w.ill {
				r.Last, r.Reason = check.Failing, "refused"
			}
			if w.silent {
				r.Last, r.Reason = check.Unknown, "cannot be asked"
			}
		})
		switch r.Last {
		case check.Good:
			good, failing, r.Asked = good+1, 0, time.Now()
		case check.Failing:
			good, failing, r.Asked = 0, failing+1, time.Now()
		}
		switch {
		case good >= there.Rise:
			r.State = check.Good
		case failing >= there.Fall:
			r.State, r.Cause = check.Failing, r.Reason
		}
		worker.Heard(r)
	}
}

func levelOf(l rules.Level) string {
	return map[rules.Level]string{rules.Info: "info", rules.Warning: "warning", rules.Error: "error", rules.Alarm: "alarm"}[l]
}

// after lets time pass, and says what ran and what was last recorded.
func (w *world) after(d time.Duration) (ran, last string) {
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.events); n > 0 {
		last = w.events[n-1]
	}
	return strings.Join(w.ran, " "), last
}

// seen is a copy of what has happened so far.
func (w *world) seen() (s struct {
	events, ran []string
	facts       map[netip.Addr]defender.Observation
	disk        map[netip.Addr]store.Recovery
}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.events, s.ran, s.facts, s.disk = slices.Clone(w.events), slices.Clone(w.ran), maps.Clone(w.facts), maps.Clone(w.disk)
	return s
}

func (w *world) fenced(alias netip.Addr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts[alias].Value == rules.Yes
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}
