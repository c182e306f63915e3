package recovery

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/store"
)

// The Monitor ends at each step in turn, and another goes on: at the right step, with the
// same budget.
func TestANewMonitorGoesOnAtTheStep(t *testing.T) {
	for name, tt := range map[string]struct {
		stop time.Duration // after the start
		step Step          // that is on disk
		ran  string        // by both
	}{
		"while the process is looked for": {3500 * time.Millisecond, Process, "process process restart fence"},
		"while it restarts":               {14500 * time.Millisecond, Restart, "process restart restart fence"},
		"while it settles":                {25 * time.Second, Settle, "process restart fence"},
		"while it is checked":             {29500 * time.Millisecond, Check, "process restart fence"},
		"while the fence runs":            {32 * time.Second, Fence, "process restart fence fence"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.takes = 10 * time.Second
				worker, stop := w.start(row(one1))
				worker.Sees(one1, all)
				w.after(tt.stop)
				stop()
				if k := w.seen().disk[one1]; k.Step != tt.step || len(k.Begun) != 1 || !k.Fenced.IsZero() {
					t.Fatalf("on disk: %+v", k)
				}
				worker, stop = w.start(row(one1))
				defer stop()
				w.after(40 * time.Second) // until it knows enough
				worker.Sees(one1, all)
				ran, last := w.after(time.Minute)
				if ran != tt.ran || !w.fenced(one1) {
					t.Errorf("ran %s, fenced %v", ran, w.fenced(one1))
				}
				want(t, "at last", last, "the partner is fenced")
				if s := worker.Shows()[one1]; s.Begun != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// The program of the step that is on disk may be taken out of the settings between two
// Monitors: the recovery goes on with the next step.
func TestAStepWhoseProgramIsGoneIsLeftOut(t *testing.T) {
	process, restart, fence := config.Program{"process"}, config.Program{"restart"}, config.Program{"fence"}
	for name, tt := range map[string]struct {
		step Step
		now  config.Recover
		ran  string
		says string
	}{
		"process":                   {Process, config.Recover{Restart: restart, Fence: fence}, "restart fence", "the partner is fenced"},
		"process and restart":       {Process, config.Recover{Fence: fence}, "fence", "the partner is fenced"},
		"restart":                   {Restart, config.Recover{Process: process, Fence: fence}, "fence", "the partner is fenced"},
		"restart, in settle":        {Settle, config.Recover{Fence: fence}, "fence", "the partner is fenced"},
		"restart, in check":         {Check, config.Recover{Fence: fence}, "fence", "the partner is fenced"},
		"fence":                     {Fence, config.Recover{Restart: restart}, "", "ended alarm: not recovered: the check there is still failing: refused; the partner is not fenced, and the alias stays with it: no fence is set; an earlier Monitor may have ended while the fence ran, and it is not known whether the partner was fenced"},
		"a step of a later version": {"ask", config.Recover{Fence: fence}, "fence", "the partner is fenced"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				r := row(one1)
				r.Recover.Process, r.Recover.Restart, r.Recover.Fence = tt.now.Process, tt.now.Restart, tt.now.Fence
				w.disk = map[addr]store.Recovery{one1: {Step: tt.step, Since: time.Now(), Begun: []time.Time{time.Now()}}}
				w.run = func(j Job) error {
					if len(j.Argv) != 1 || j.Argv[0] != string(j.Step) {
						t.Errorf("the step %s runs %q", j.Step, j.Argv)
					}
					return nil
				}
				w.recovers(r)
				took := 12 * time.Second
				if tt.ran == "" {
					took = 5 * time.Second // then the next recovery begins
				}
				ran, last := w.after(took)
				if ran != tt.ran {
					t.Errorf("ran %s, want %s", ran, tt.ran)
				}
				want(t, "at last", last, tt.says)
			})
		})
	}
}

func TestAFenceIsRememberedOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		worker, stop := w.start(row(one1))
		worker.Sees(one1, all)
		w.after(20 * time.Second)
		at := w.seen().facts[one1].Asked
		stop()
		w.set(func() { clear(w.facts) })
		_, stop = w.start(row(one1))
		defer stop()
		if w.after(0); !w.fenced(one1) || !w.seen().facts[one1].Asked.Equal(at) {
			t.Errorf("%+v, want of %v", w.seen().facts[one1], at)
		}
	})
}

// A fence for which the alias was taken has done its work. After a restart it would be one
// of long ago.
func TestAFenceThatWasUsedIsNotRememberedOverARestart(t *testing.T) {
	for name, tt := range map[string]struct {
		late  time.Duration // the second Monitor's disk answers after this
		here  bool          // the alias is here when the second Monitor starts
		leave bool          // the alias has left the first one again
	}{
		"it is here":                    {},
		"it was here":                   {leave: true},
		"it is here, and read later":    {here: true, late: time.Minute},
		"it was used after the restart": {here: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				worker, stop := w.start(row(one1))
				worker.Sees(one1, all)
				if w.after(20 * time.Second); w.seen().disk[one1].Fenced.IsZero() {
					t.Fatal("not fenced")
				}
				if tt.here {
					stop()
					w.late = tt.late
					worker, stop = w.start(row(one1))
				}
				worker.Holds(one1, true)
				if tt.leave {
					worker.Holds(one1, false)
				}
				w.after(2 * time.Minute)
				if k := w.seen().disk[one1]; !k.Fenced.IsZero() || len(k.Begun) != 1 {
					t.Errorf("on disk: %+v", k)
				}
				if !w.fenced(one1) {
					t.Error("to the loop it counts until the rules say otherwise")
				}
				stop()
				w.set(func() { clear(w.facts) })
				_, stop = w.start(row(one1))
				defer stop()
				if w.after(2 * time.Minute); w.fenced(one1) {
					t.Errorf("after a restart: %+v", w.seen().facts[one1])
				}
			})
		})
	}
}

// A second fence is on disk as the first was.
func TestTheNextFenceIsRememberedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		worker := w.recovers(row(one1))
		w.after(20 * time.Second)
		worker.Holds(one1, true)
		w.after(time.Second)
		worker.Holds(one1, false)
		worker.Sees(one1, rules.Sight{Over: true, Why: "it answers again"})
		w.after(time.Second)
		worker.Sees(one1, all)
		if ran, _ := w.after(20 * time.Second); ran != "process restart fence process restart fence" || w.seen().disk[one1].Fenced.IsZero() {
			t.Errorf("ran %s; on disk %+v", ran, w.seen().disk[one1])
		}
	})
}

// A fence that fails when it is run again says nothing of the first.
func TestAFenceThatFailsTheSecondTimeMayHaveDoneItsWorkTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(Job) error { return &program.ExitError{Code: 255} }
		w.disk = map[addr]store.Recovery{one1: {Step: Fence, Since: time.Now(), Begun: []time.Time{time.Now()}}}
		w.recovers(row(one1))
		ran, last := w.after(5 * time.Second)
		if ran != "fence" {
			t.Errorf("ran %s", ran)
		}
		want(t, "at last", last, "ended alarm: the partner could not be fenced: exit code 255; the alias stays with it; an earlier Monitor may have ended while the fence ran")
	})
}

// What was going on is dropped if nothing is known for long, and the next begins anew.
func TestARecoveryThatCannotGoOnEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = map[addr]store.Recovery{one1: {Step: Fence, Since: time.Now(), Begun: []time.Time{time.Now()}}}
		worker, stop := w.start(row(one1))
		defer stop()
		worker.Sees(one1, rules.Sight{Why: "the alias is not answered"})
		ran, last := w.after(6 * time.Minute)
		if ran != "" {
			t.Errorf("ran %s", ran)
		}
		want(t, "at last", last, "the recovery has ended at the step check: the alias is not answered; an earlier Monitor may have ended while the fence ran, and it is not known whether the partner was fenced")
	})
}

// The budget is counted over restarts. What a clock that was ahead has written counts from
// the start on, and for an hour.
func TestTheBudgetOutlivesTheMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(Job) error { return &program.ExitError{Code: 255} }
		w.disk = map[addr]store.Recovery{one1: {Step: Idle, Begun: []time.Time{time.Now().Add(-20 * time.Minute), time.Now().Add(400 * time.Hour)}}}
		for range 5 {
			worker, stop := w.start(row(one1))
			worker.Sees(one1, all)
			w.after(time.Minute)
			stop()
		}
		if len(w.seen().ran) != 3 {
			t.Errorf("one was left of the budget: %q", w.seen().ran)
		}
		if k := w.seen().disk[one1]; len(k.Begun) != 3 || time.Until(k.Begun[1]) > 0 {
			t.Errorf("on disk: %+v", k)
		}
		worker := w.recovers(row(one1))
		w.after(34 * time.Minute) // the first is not an hour ago yet
		if n := worker.Shows()[one1].Begun; n != 3 || len(w.seen().ran) != 3 {
			t.Errorf("%d begun, ran %q", n, w.seen().ran)
		}
		if w.after(2 * time.Minute); len(w.seen().ran) != 6 {
			t.Errorf("and now it is: %q", w.seen().ran)
		}
		if w.after(30 * time.Minute); len(w.seen().ran) != 12 {
			t.Errorf("as the others are: %q", w.seen().ran)
		}
	})
}

func TestWithoutTheFileNothingIsDoneForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		worker, stop := w.startUnknown(errors.New("does not fit its checksum"), row(one1))
		defer stop()
		worker.Sees(one1, all)
		ran, last := w.after(59 * time.Minute)
		if ran != "" {
			t.Errorf("ran %s", ran)
		}
		want(t, "at last", last, "does not fit its checksum")
		if ran, _ := w.after(2 * time.Minute); ran != "process restart fence" {
			t.Errorf("after an hour: %s", ran)
		}
	})
}

// Without a recovery nobody needs to know that the file cannot be read.
func TestAFileThatNobodyNeedsIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		worker, stop := w.startUnknown(errors.New("does not fit its checksum"))
		defer stop()
		if _, last := w.after(time.Minute); last != "" {
			t.Errorf("said %s", last)
		}
		worker.Use([]config.Alias{row(one1)})
		_, last := w.after(time.Second)
		want(t, "with one", last, "error: it is not known what recoveries an earlier Monitor began")
		worker.Use([]config.Alias{row(one1), row(two2)})
		if w.after(time.Second); len(w.seen().events) != 1 {
			t.Errorf("said again: %q", w.seen().events)
		}
	})
}

// The disk may answer long after the start. Until then nothing begins, what it has is not
// written over, and that is said; then the recovery goes on.
func TestADiskThatAnswersLateIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.late = 20 * time.Minute
		was := map[addr]store.Recovery{one1: {Step: Settle, Since: time.Now(), Begun: []time.Time{time.Now()}}}
		w.disk = was
		worker := w.recovers(row(one1), row(two2))
		worker.Use([]config.Alias{row(one1)}) // there would be something to write
		ran, last := w.after(19 * time.Minute)
		if ran != "" || w.seen().disk[one1].Step != Settle {
			t.Errorf("ran %s; on disk %+v", ran, w.seen().disk)
		}
		want(t, "at last", last, "nothing is done about it: it is not known how many recoveries began within the last hour, because the disk of the state directory does not answer")
		if ran, _ := w.after(2 * time.Minute); ran != "fence" || !w.fenced(one1) {
			t.Errorf("ran %s", ran)
		}
		if s := worker.Shows()[one1]; s.Begun != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAnAliasThatIsHereIsNotRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		worker, stop := w.start(row(one1))
		defer stop()
		worker.Holds(one1, true)
		worker.Sees(one1, all)
		if ran, last := w.after(time.Minute); ran != "" || last != "" {
			t.Errorf("ran %s, said %s", ran, last)
		}
	})
}

// A service that comes and goes after its budget is used up is said once.
func TestACheckThatComesAndGoesIsNotSaidEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := row(one1)
		r.Recover = config.Recover{Check: "there", Restart: config.Program{"restart"}, Budget: 1}
		w.run = func(Job) error {
			w.set(func() { w.ill = false })
			return nil
		}
		w.recovers(r)
		for range 50 {
			w.after(30 * time.Second)
			w.set(func() { w.ill = !w.ill })
		}
		if len(w.seen().ran) != 1 || len(w.seen().events) > 6 {
			t.Errorf("ran %q; %d events: %q", w.seen().ran, len(w.seen().events), w.seen().events)
		}
	})
}

// A reload takes the recovery away: then nobody says any more that the partner is fenced.
// When it is back, what the loop told before counts.
func TestAReloadTakesAFenceAwayWithItsRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		worker := w.recovers(row(one1))
		if w.after(20 * time.Second); !w.fenced(one1) {
			t.Fatal("not fenced")
		}
		worker.Use(nil)
		if w.after(0); w.seen().facts[one1].Value != rules.Unknown || len(w.seen().disk) != 0 {
			t.Errorf("%+v; on disk %+v", w.seen().facts[one1], w.seen().disk)
		}
		worker.Use([]config.Alias{row(one1)})
		if ran, _ := w.after(20 * time.Second); ran != "process restart fence process restart fence" {
			t.Errorf("ran %s", ran)
		}
		worker.Want(nil)
		worker.Use(nil)
		worker.Use([]config.Alias{row(one1)})
		if ran, _ := w.after(20 * time.Second); ran != "process restart fence process restart fence" {
			t.Errorf("of an alias that has gone: ran %s", ran)
		}
	})
}
