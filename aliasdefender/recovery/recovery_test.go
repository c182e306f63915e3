package recovery

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/rules"
)

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
		want(t, "at last", last, "ended info: recovered: the check there is good again")
		if s := worker.Shows()[one1]; s.Begun != 1 || s.Step != Idle || s.Level != rules.Info {
			t.Errorf("shown: %+v", s)
		}
	})
}

// Where no program has said whether the service's process is there, that is not known.
func TestAProcessOfWhichNothingIsKnownIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := row(one1)
		r.Recover.Process = nil
		w.run = func(j Job) error {
			if !slices.Contains(j.Env, "AD_PROCESS=unknown") {
				t.Errorf("%s: %q", j.Step, j.Env)
			}
			return nil
		}
		w.recovers(r)
		if ran, _ := w.after(20 * time.Second); ran != "restart fence" {
			t.Errorf("ran %s", ran)
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
		worker := w.recovers(row(one1))
		began := time.Now()
		ran, last := w.after(20 * time.Second)
		if ran != "process restart fence" || !w.fenced(one1) {
			t.Errorf("ran %s, fenced %v", ran, w.fenced(one1))
		}
		want(t, "at last", last, "ended info: the partner is fenced")
		at := w.seen().facts[one1].Asked
		// The check fails after 3 s, the service has 5 s to start, and is asked 3 times more.
		if took := at.Sub(began); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("fenced after %v", took)
		}
		if k := w.seen().disk[one1]; !k.Fenced.Equal(at) || len(k.Begun) != 1 || k.Step != Idle {
			t.Errorf("on disk: %+v", k)
		}
		// It is fenced until the rules say otherwise, and nothing begins before.
		if ran, _ := w.after(time.Hour); ran != "process restart fence" {
			t.Errorf("ran %s", ran)
		}
		worker.Sees(one1, rules.Sight{Over: true, Why: "the alias is not answered"})
		if w.after(0); w.fenced(one1) || !w.seen().disk[one1].Fenced.IsZero() {
			t.Errorf("fenced, and that is over: %+v, on disk %+v", w.seen().facts[one1], w.seen().disk[one1])
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
				worker := w.recovers(row(one1))
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

// An alias on lo is on many hosts by design: it is no service that the two could fence each
// other for.
func TestAnAliasOnLoopbackForbidsNoFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		shared := config.Alias{Addr: two2, NIC: "lo", Label: "lo:1"}
		worker := w.recovers(row(one1))
		worker.Holds(two2, true)
		worker.Use([]config.Alias{row(one1), shared})
		if ran, last := w.after(12 * time.Second); ran != "process restart fence" {
			t.Errorf("ran %s, at last %s", ran, last)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		worker := w.recovers(row(one1), row(two2))
		worker.Holds(two2, true)
		if ran, last := w.after(12 * time.Second); ran != "process restart" {
			t.Errorf("on another NIC: ran %s, at last %s", ran, last)
		}
	})
}

func TestAFenceThatFailsIsAnAlarmAndTheBudgetEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(Job) error { return &program.ExitError{Code: 255} }
		worker := w.recovers(row(one1))
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
		if n := len(w.seen().events); n > 30 {
			t.Errorf("%d events:\n%s", n, strings.Join(w.seen().events, "\n"))
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
		w.recovers(row(one1))
		ran, last := w.after(4 * time.Second)
		if ran != "" {
			t.Errorf("ran %s", ran)
		}
		want(t, "at last", last, "ended alarm: the step process is not run, because it could not be written to the disk first: no space left on device")
	})
}

// A fence is written to the disk once the disk takes it, though nothing else happens.
func TestWhatTheDiskHasNotTakenIsWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(j Job) error {
			w.set(func() { w.full = j.Step == Fence })
			return nil
		}
		w.recovers(row(one1))
		if w.after(20 * time.Second); !w.fenced(one1) || !w.seen().disk[one1].Fenced.IsZero() {
			t.Fatalf("fenced: %v; on a disk that takes nothing: %+v", w.fenced(one1), w.seen().disk[one1])
		}
		w.set(func() { w.full = false })
		if w.after(5 * time.Second); w.seen().disk[one1].Fenced.IsZero() || w.seen().disk[one1].Step != Idle {
			t.Errorf("on disk: %+v", w.seen().disk[one1])
		}
	})
}

func TestAServiceOfWhichNothingIsKnownIsNotFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(j Job) error {
			w.set(func() { w.silent = j.Step == Restart })
			return nil
		}
		w.recovers(row(one1))
		ran, last := w.after(time.Minute)
		if ran != "process restart" {
			t.Errorf("ran %s", ran)
		}
		want(t, "at last", last, "ended alarm: not recovered: since the restart it is not known whether the partner's service is well: cannot be asked")
	})
}

// Where only time forbids the fence, the budget is not spent on restarts until then: one has
// not helped.
func TestAFenceThatHasToWaitSpendsNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		wait := rules.Sight{Restart: true, Wait: true, Why: "it said so a moment ago"}
		worker := w.recovers(row(one1))
		worker.Sees(one1, wait)
		ran, last := w.after(9 * time.Minute)
		if ran != "process restart" {
			t.Errorf("ran %s", ran)
		}
		want(t, "at last", last, "ended alarm: not recovered: the check there is still failing: refused; the partner is not fenced, and the alias stays with it: it said so a moment ago")
		w.set(func() { w.ill = false })
		w.after(10 * time.Second)
		w.set(func() { w.ill = true })
		if ran, _ := w.after(5 * time.Minute); ran != "process restart process restart" {
			t.Errorf("it was good, and fails again: ran %s", ran)
		}
		worker.Sees(one1, all)
		if ran, _ := w.after(20 * time.Second); ran != "process restart process restart process restart fence" || !w.fenced(one1) {
			t.Errorf("and then: ran %s", ran)
		}
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
		worker := w.recovers(row(one1), row(two2))
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
		worker := w.recovers(row(one1))
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

// An answer that comes late, to a question from before the restart, says nothing.
func TestAnswersToEarlierQuestionsDoNotCount(t *testing.T) {
	r, now := &one{}, time.Now()
	r.anew(now)
	r.heard(check.Report{Check: there, Last: check.Failing, Asked: now.Add(-time.Millisecond)})
	if r.failing != 0 {
		t.Error("a question from before is counted")
	}
	for range 2 {
		r.heard(check.Report{Check: there, Last: check.Failing, Asked: now})
	}
	if r.failing != 1 {
		t.Errorf("one question is counted %d times", r.failing)
	}
	r.heard(check.Report{Check: there, Last: check.Unknown, Asked: now})
	if r.failing != 1 {
		t.Errorf("an answer that is unknown counts: %d", r.failing)
	}
}

func TestWhatTheProgramOfTheProcessSays(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, "there"},
		{&program.ExitError{Code: 1}, "gone"},
		{&program.ExitError{Code: 255}, "unknown"},
		{&program.SignalError{Signal: 9}, "unknown"},
		{errors.New("ended after 30s"), "unknown"},
		{program.ErrHung, "unknown"},
	} {
		if got := processSays(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}
