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
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
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
	disk    map[netip.Addr]Kept
	full    bool // the disk takes nothing

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

func (w *world) startUnknown(unknown error, rows ...config.Alias) (*Worker, func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	o := Options{
		Record: func(e record.Event) {
			w.set(func() { w.events = append(w.events, e.Decision.Reason+" "+levelOf(e.Level)+": "+e.Text) })
		},
		Output: func(Job, string) {},
		Kept:   w.disk, Unknown: unknown,
		Keep: func(all map[netip.Addr]Kept) (err error) {
			w.set(func() {
				if w.full {
					err = errors.New("no space left on device")
					return
				}
				w.disk = maps.Clone(all)
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

func TestAServiceThatStartsAgainIsNotFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(j Job) error {
			switch j.Step {
			case Process:
				return &program.ExitError{Code: 1}
			case Restart:
				if !slices.Contains(j.Env, "AD_PROCESS=gone") || !slices.Contains(j.Env, "AD_WHY=refused") {
					t.Errorf("%q", j.Env)
				}
				w.set(func() { w.ill = false })
			}
			return nil
		}
		worker, stop := w.start(row(one1))
		defer stop()
		if ran, _ := w.after(time.Minute); ran != "" {
			t.Errorf("nothing is allowed: %s", ran)
		}
		worker.Sees(one1, all)
		ran, last := w.after(time.Minute)
		if ran != "process restart" || w.fenced(one1) {
			t.Errorf("ran %s, fenced %v", ran, w.fenced(one1))
		}
		want(t, "at last", last, "ended warning: recovered: the check there is good again")
		if s := worker.Shows()[one1]; s.Begun != 1 || s.Step != Idle || s.Level != rules.Info {
			t.Errorf("shown: %+v", s)
		}
	})
}

func TestAServiceThatDoesNotStartIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(j Job) error {
			if j.Step == Restart {
				return &program.ExitError{Code: 1}
			}
			return nil
		}
		worker, stop := w.start(row(one1))
		defer stop()
		worker.Sees(one1, all)
		began := time.Now()
		ran, last := w.after(20 * time.Second)
		if ran != "process restart fence" || !w.fenced(one1) {
			t.Errorf("ran %s, fenced %v", ran, w.fenced(one1))
		}
		want(t, "at last", last, "ended warning: the partner is fenced")
		at := w.facts[one1].Asked
		// The check fails after 3 s, the service has 5 s to start, and is asked 3 times more.
		if took := at.Sub(began); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("fenced after %v", took)
		}
		if k := w.disk[one1]; !k.Fenced.Equal(at) || len(k.Begun) != 1 || k.Step != Idle {
			t.Errorf("on disk: %+v", k)
		}
		// It is fenced until the rules say otherwise, and nothing begins before.
		if ran, _ := w.after(time.Hour); ran != "process restart fence" {
			t.Errorf("ran %s", ran)
		}
		worker.Sees(one1, rules.Sight{Over: true, Why: "the alias is not answered"})
		if w.after(0); w.fenced(one1) || !w.disk[one1].Fenced.IsZero() {
			t.Errorf("fenced, and that is over: %+v, on disk %+v", w.facts[one1], w.disk[one1])
		}
	})
}

// Each condition is asked for again at each step.
func TestWhatIsNoLongerAllowedEndsTheRecovery(t *testing.T) {
	for name, tt := range map[string]struct {
		sight rules.Sight
		holds bool
		after time.Duration
		ran   string
		says  string
	}{
		"handed over while it settles":                            {rules.Sight{Why: "the alias is not answered"}, false, 5 * time.Second, "process restart", "ended warning: the recovery has ended at the step settle: the alias is not answered"},
		"its daemon says that all is well":                        {rules.Sight{Restart: true, Why: "its service is well"}, false, 5 * time.Second, "process restart", "ended alarm: not recovered: the check there is still failing: refused; the partner is not fenced, and the alias stays with it: its service is well"},
		"and while it is checked":                                 {rules.Sight{Why: "parked"}, false, 9500 * time.Millisecond, "process restart", "at the step check: parked"},
		"this host serves an alias, and is not known to be lower": {all, true, 5 * time.Second, "process restart", "two such hosts could fence each other"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				worker, stop := w.start(row(one1))
				defer stop()
				worker.Sees(one1, all)
				w.after(tt.after)
				if worker.Holds(two2, tt.holds); !tt.holds {
					worker.Sees(one1, tt.sight)
				}
				ran, last := w.after(7 * time.Second)
				if ran != tt.ran || w.fenced(one1) {
					t.Errorf("ran %s", ran)
				}
				want(t, "at last", last, tt.says)
			})
		})
	}
}

func TestTheLowerOfTwoHostsThatServeFences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		worker, stop := w.start(row(one1))
		defer stop()
		worker.Holds(two2, true)
		worker.Sees(one1, rules.Sight{Restart: true, Fence: true, Low: true})
		if ran, _ := w.after(20 * time.Second); ran != "process restart fence" {
			t.Errorf("ran %s", ran)
		}
	})
}

func TestAFenceThatFailsIsAnAlarmAndTheBudgetEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(Job) error { return &program.ExitError{Code: 255} }
		worker, stop := w.start(row(one1))
		defer stop()
		worker.Sees(one1, all)
		_, last := w.after(11 * time.Second)
		want(t, "at last", last, "ended alarm: the partner could not be fenced: exit code 255")
		ran, last := w.after(10 * time.Minute)
		if n := strings.Count(ran, "fence"); n != 3 || w.fenced(one1) {
			t.Errorf("%d fences: %s", n, ran)
		}
		want(t, "at last", last, "ended alarm: the check there of the partner's service is failing (refused), and nothing is done about it: the budget of 3/h is used up")
		if s := worker.Shows()[one1]; s.Level != rules.Alarm || s.Begun != 3 || s.Held == "" {
			t.Errorf("shown: %+v", s)
		}
		if n := len(w.events); n > 30 {
			t.Errorf("%d events:\n%s", n, strings.Join(w.events, "\n"))
		}
		if ran, _ := w.after(time.Hour); strings.Count(ran, "fence") != 6 {
			t.Errorf("an hour later: %s", ran)
		}
	})
}

func TestNothingIsDoneThatTheDiskDoesNotHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.full = true
		worker, stop := w.start(row(one1))
		defer stop()
		worker.Sees(one1, all)
		ran, last := w.after(4 * time.Second)
		if ran != "" {
			t.Errorf("ran %s", ran)
		}
		want(t, "at last", last, "ended alarm: the step process is not run, because it could not be written to the disk first: no space left on device")
	})
}

func TestAServiceOfWhichNothingIsKnownIsNotFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(j Job) error {
			w.set(func() { w.silent = j.Step == Restart })
			return nil
		}
		worker, stop := w.start(row(one1))
		defer stop()
		worker.Sees(one1, all)
		ran, last := w.after(time.Minute)
		if ran != "process restart" {
			t.Errorf("ran %s", ran)
		}
		want(t, "at last", last, "ended alarm: not recovered: since the restart it is not known whether the partner's service is well: cannot be asked")
	})
}

// Two aliases whose services fail together: one after the other.
func TestOneRecoveryAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.takes = 20 * time.Second
		w.run = func(j Job) error {
			if j.Step == Fence {
				return &program.ExitError{Code: 1}
			}
			return nil
		}
		worker, stop := w.start(row(one1), row(two2))
		defer stop()
		worker.Sees(one1, all)
		worker.Sees(two2, all)
		ran, _ := w.after(5 * time.Minute)
		if !strings.HasPrefix(ran, "process restart fence process restart fence") {
			t.Errorf("ran %s", ran)
		}
		if s := worker.Shows(); s[one1].Begun == 0 || s[two2].Begun == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A program that runs on when the settings have changed holds up the next recovery.
func TestAChangeOfSettingsEndsTheRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.takes = 20 * time.Second
		worker, stop := w.start(row(one1))
		defer stop()
		worker.Sees(one1, all)
		w.after(5 * time.Second)
		other := row(one1)
		other.Recover.Restart = nil
		worker.Use([]config.Alias{other})
		_, last := w.after(time.Second)
		want(t, "at last", last, "ended warning: the recovery has ended: its settings have changed")
		if ran, _ := w.after(time.Minute); ran != "process process fence" {
			t.Errorf("ran %s", ran)
		}
		if s := worker.Shows()[one1]; s.Begun != 2 {
			t.Errorf("the budget is of the alias: %+v", s)
		}
	})
}
