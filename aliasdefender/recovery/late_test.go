package recovery

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/store"
)

// What a fence has done stays done, whatever is reloaded while its program runs.
func TestAFenceThatEndsAfterAReloadCounts(t *testing.T) {
	other := row(one1)
	other.Recover.Budget = 7
	for name, tt := range map[string]struct {
		rows   [][]config.Alias
		fenced bool
		says   string
	}{
		"other settings":             {[][]config.Alias{{other}}, true, "ended info: the partner is fenced"},
		"away and back":              {[][]config.Alias{nil, {row(one1)}}, true, "ended info: the partner is fenced"},
		"the alias has none anymore": {[][]config.Alias{nil}, false, "ended alarm: the partner is fenced, but that no longer matters"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.takes = 10 * time.Second
				worker := w.recovers(row(one1))
				if ran, _ := w.after(33 * time.Second); ran != "process restart fence" {
					t.Fatalf("ran %s", ran)
				}
				for _, rows := range tt.rows {
					worker.Use(rows)
				}
				ran, last := w.after(time.Minute)
				if w.fenced(one1) != tt.fenced || ran != "process restart fence" || w.seen().disk[one1].Fenced.IsZero() == tt.fenced {
					t.Errorf("fenced %v, on disk %+v, ran %s", w.fenced(one1), w.seen().disk[one1], ran)
				}
				want(t, "at last", last, tt.says)
			})
		})
	}
}

// The disk may take seconds. What is not allowed any more when it has answered is not done.
func TestWhatIsForbiddenWhileTheDiskIsSlowIsNotRun(t *testing.T) {
	no := rules.Sight{Why: "the alias is not answered"}
	for name, tt := range map[string]struct {
		step      Step
		meanwhile func(*Worker)
		ran, says string
		after     time.Duration
	}{
		"restart":                    {Restart, func(w *Worker) { w.Sees(one1, no) }, "process", "ended warning: the recovery has ended before the step restart was run: the alias is not answered", 30 * time.Second},
		"the alias is here":          {Restart, func(w *Worker) { w.Holds(one1, true) }, "process", "before the step restart was run: the alias is on this host", 30 * time.Second},
		"fence":                      {Fence, func(w *Worker) { w.Sees(one1, no) }, "process restart", "before the step fence was run: the alias is not answered", 13500 * time.Millisecond},
		"its daemon says it is well": {Fence, func(w *Worker) { w.Sees(one1, rules.Sight{Restart: true, Why: "its service is well"}) }, "process restart", "ended alarm: the recovery has ended before the step fence was run: its service is well", 13500 * time.Millisecond},
		"another alias is here":      {Fence, func(w *Worker) { w.Holds(two2, true) }, "process restart", "two such hosts could fence each other", 13500 * time.Millisecond},
		"a reload":                   {Fence, func(w *Worker) { w.Use(nil) }, "process restart", "the settings no longer have a recovery", 13500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var worker *Worker
				w.slow = map[Step]func(){tt.step: func() { tt.meanwhile(worker) }}
				worker, stop := w.start(row(one1))
				defer stop()
				worker.Sees(one1, all)
				ran, last := w.after(tt.after)
				if ran != tt.ran || w.fenced(one1) {
					t.Errorf("ran %s, fenced %v", ran, w.fenced(one1))
				}
				want(t, "at last", last, tt.says)
			})
		})
	}
}

// An alarm is over once the service is good again, by whatever means.
func TestAnAlarmEndsWithTheFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(Job) error { return &program.ExitError{Code: 255} }
		worker := w.recovers(row(one1))
		if _, last := w.after(11 * time.Second); !strings.Contains(last, "could not be fenced") || worker.Shows()[one1].Level != rules.Alarm {
			t.Fatalf("at last: %s", last)
		}
		w.set(func() { w.ill = false })
		_, last := w.after(20 * time.Second)
		want(t, "at last", last, "ended info: the service is good again")
		if s := worker.Shows()[one1]; s.Level != rules.Info {
			t.Errorf("shown: %+v", s)
		}
		n := len(w.seen().events)
		if w.after(time.Hour); len(w.seen().events) != n {
			t.Errorf("said again: %q", w.seen().events[n:])
		}
	})
}

// A recovery that is only broken off has helped nobody: the alarm of the one before stays.
func TestARecoveryThatIsBrokenOffTakesNoAlarmBack(t *testing.T) {
	no := rules.Sight{Why: "the alias is not answered"}
	for name, tt := range map[string]struct {
		then  func(*Worker)
		says  string
		level rules.Level
		last  string
	}{
		"it is not allowed any more": {func(w *Worker) { w.Sees(one1, no) }, "ended warning: the recovery has ended at the step settle: the alias is not answered", rules.Alarm, "the partner could not be fenced: exit code 255"},
		"other settings": {func(w *Worker) {
			other := row(one1)
			other.Recover.Budget = 7
			w.Sees(one1, no)
			w.Use([]config.Alias{other})
		}, "ended warning: the recovery has ended: its settings have changed", rules.Alarm, "the partner could not be fenced: exit code 255"},
		"the alias is here": {func(w *Worker) { w.Holds(one1, true) }, "ended info: the alias is on this host now", rules.Info, "the alias is on this host now"},
		"its row is gone":   {func(w *Worker) { w.Use(nil) }, "ended info: the recovery has ended: the settings no longer have a recovery for the alias", rules.Info, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.run = func(Job) error { return &program.ExitError{Code: 255} }
				worker := w.recovers(row(one1))
				if _, last := w.after(11 * time.Second); !strings.Contains(last, "could not be fenced") {
					t.Fatalf("at last: %s", last)
				}
				if w.after(5 * time.Second); worker.Shows()[one1].Step != Settle || worker.Shows()[one1].Level != rules.Alarm {
					t.Fatalf("while the next one is under way: %+v", worker.Shows()[one1])
				}
				tt.then(worker)
				_, last := w.after(time.Second)
				want(t, "at last", last, tt.says)
				if s := worker.Shows()[one1]; s.Level != tt.level || !strings.HasPrefix(s.Last, tt.last) {
					t.Errorf("shown: %+v", s)
				}
				n := len(w.seen().events)
				if w.after(10 * time.Minute); len(w.seen().events) != n {
					t.Errorf("said again: %q", w.seen().events[n:])
				}
			})
		})
	}
}

// An alarm that no recovery follows ends with the row, and with the alias's coming here.
func TestAnAlarmEndsWithoutARecovery(t *testing.T) {
	for name, tt := range map[string]struct {
		then func(*Worker)
		says string
	}{
		"the alias is here": {func(w *Worker) { w.Holds(one1, true) }, "ended info: the alias is on this host now"},
		"its row is gone":   {func(w *Worker) { w.Use(nil) }, "ended info: the recovery has ended: the settings no longer have a recovery for the alias"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				r := row(one1)
				r.Recover.Budget = 1
				w.run = func(Job) error { return &program.ExitError{Code: 255} }
				worker := w.recovers(r)
				if w.after(time.Minute); worker.Shows()[one1].Held == "" {
					t.Fatalf("shown: %+v", worker.Shows()[one1])
				}
				tt.then(worker)
				_, last := w.after(time.Second)
				want(t, "at last", last, tt.says)
				if s := worker.Shows()[one1]; s.Level != rules.Info {
					t.Errorf("shown: %+v", s)
				}
				n := len(w.seen().events)
				worker.Holds(one1, false)
				worker.Use(nil)
				if w.after(time.Second); len(w.seen().events) != n {
					t.Errorf("said again: %q", w.seen().events[n:])
				}
			})
		})
	}
}

// A step of an earlier Monitor whose clock was ahead begins with this one.
func TestAStepFromTheFutureBeginsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ahead := time.Now().Add(400 * time.Hour)
		w.disk = map[addr]store.Recovery{one1: {Step: Settle, Since: ahead, Begun: []time.Time{time.Now()}}}
		w.recovers(row(one1))
		if ran, last := w.after(20 * time.Second); ran != "fence" || !w.fenced(one1) {
			t.Errorf("ran %s, at last %s", ran, last)
		}
	})
}

// What kept a recovery from beginning is not said of the next time, when it is over.
func TestABudgetThatHasRoomAgainKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := row(one1)
		r.Recover.Budget = 1
		w.run = func(Job) error { return &program.ExitError{Code: 255} }
		worker := w.recovers(r)
		w.after(time.Minute)
		if s := worker.Shows()[one1]; !strings.Contains(s.Held, "the budget of 1/h is used up") {
			t.Fatalf("shown: %+v", s)
		}
		w.set(func() { w.ill = false })
		w.after(time.Hour)
		worker.mu.Lock()
		defer worker.mu.Unlock()
		if held := worker.each[one1].held; held != "" {
			t.Errorf("held: %s", held)
		}
	})
}
