package check

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
)

// service is one that a test speaks for.
type service struct {
	lock   sync.Mutex
	answer Asker
	asked  []time.Duration // since the start, of the check "web"
	most   atomic.Int64    // questions that were under way together
	under  atomic.Int64
	began  time.Time
	told   []Report
	turns  []string
}

// play runs a Set in a bubble. The service is good until the test says otherwise.
func playSet(t *testing.T, checks []config.Check, f func(s *Set, v *service)) {
	synctest.Test(t, func(t *testing.T) {
		v := &service{began: time.Now(), answer: func(context.Context, config.Check) Answer { return good("well") }}
		s := New(func(ctx context.Context, c config.Check) Answer {
			v.most.Store(max(v.most.Load(), v.under.Add(1)))
			defer v.under.Add(-1)
			v.lock.Lock()
			if c.Name == "web" {
				v.asked = append(v.asked, time.Since(v.began))
			}
			answer := v.answer
			v.lock.Unlock()
			return answer(ctx, c)
		}, func(r Report) {
			v.lock.Lock()
			defer v.lock.Unlock()
			v.told = append(v.told, r)
			if r.Turned {
				v.turns = append(v.turns, fmt.Sprintf("%s %s: %s", r.Check.Name, r.State, r.Reason))
			}
		})
		s.Use(checks)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		f(s, v)
		cancel()
		<-ended
	})
}

// does says how the service answers from now on.
func (v *service) does(answer Asker) {
	v.lock.Lock()
	defer v.lock.Unlock()
	v.answer = answer
}

// times are when the check "web" was asked.
func (v *service) times() []time.Duration {
	v.lock.Lock()
	defer v.lock.Unlock()
	return slices.Clone(v.asked)
}

// reports are what was told, and turned what of it had turned.
func (v *service) reports() []Report {
	v.lock.Lock()
	defer v.lock.Unlock()
	return slices.Clone(v.told)
}

func (v *service) turned() []string {
	v.lock.Lock()
	defer v.lock.Unlock()
	return slices.Clone(v.turns)
}

func web(change ...func(*config.Check)) config.Check {
	c := config.Check{Name: "web", Kind: config.CheckHTTP, Interval: 5 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3}
	for _, f := range change {
		f(&c)
	}
	return c
}

func wait(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}

// state is what is known of the first check.
func state(s *Set) string {
	r := s.Reports()[0]
	return r.State.String() + ": " + r.Reason
}

func expect(t *testing.T, s *Set, want string) {
	t.Helper()
	if got := state(s); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestACheckRisesAndFallsByAnswersInARow(t *testing.T) {
	playSet(t, []config.Check{web()}, func(s *Set, v *service) {
		expect(t, s, "unknown: not asked yet")
		wait(time.Second)
		expect(t, s, "unknown: well")
		wait(5 * time.Second)
		expect(t, s, "good: well")
		v.does(func(context.Context, config.Check) Answer { return failing("status 500") })
		wait(10 * time.Second)
		expect(t, s, "good: status 500")
		v.does(func(context.Context, config.Check) Answer { return good("well") })
		wait(5 * time.Second)
		v.does(func(context.Context, config.Check) Answer { return failing("status 500") })
		wait(10 * time.Second)
		expect(t, s, "good: status 500") // two in a row, and one good one before them
		wait(5 * time.Second)
		expect(t, s, "failing: status 500")
		v.does(func(context.Context, config.Check) Answer { return good("well") })
		wait(5 * time.Second)
		expect(t, s, "failing: well")
		wait(5 * time.Second)
		expect(t, s, "good: well")
		want := "[web good: well web failing: status 500 web good: well]"
		if got := fmt.Sprint(v.turned()); got != want {
			t.Errorf("turns %s, want %s", got, want)
		}
	})
}

// What cannot be asked says nothing: the state stays until what was known is too old.
func TestWhatCannotBeAskedMovesNothing(t *testing.T) {
	playSet(t, []config.Check{web()}, func(s *Set, v *service) {
		v.does(func(context.Context, config.Check) Answer { return failing("refused") })
		wait(11 * time.Second)
		expect(t, s, "failing: refused")
		v.does(func(context.Context, config.Check) Answer { return unknown("too many open files") })
		wait(10 * time.Second)
		expect(t, s, "failing: too many open files")
		wait(5 * time.Second)
		expect(t, s, "unknown: too many open files")
	})
}

func TestAnUnknownAnswerDoesNotEndARow(t *testing.T) {
	playSet(t, []config.Check{web()}, func(s *Set, v *service) {
		n := 0
		v.does(func(context.Context, config.Check) Answer {
			if n++; n%2 == 0 {
				return unknown("too many open files")
			}
			return failing("refused")
		})
		wait(21 * time.Second)
		expect(t, s, "failing: refused")
	})
}

func TestEachCheckKeepsItsOwnRhythm(t *testing.T) {
	playSet(t, []config.Check{web()}, func(s *Set, v *service) {
		v.does(func(ctx context.Context, _ config.Check) Answer { <-ctx.Done(); return failing("timeout") })
		wait(21 * time.Second)
		if len(v.times()) != 5 || v.times()[4]-v.times()[0] != 20*time.Second || v.times()[0] >= time.Second {
			t.Errorf("asked at %v", v.times())
		}
		if r := s.Reports()[0]; r.Late != 0 || r.State != Failing {
			t.Errorf("%+v", r)
		}
	})
}

// Of a thousand questions that are due at once sixteen are under way, and the others are
// counted and left out: nothing piles up.
func TestQuestionsNeverPileUp(t *testing.T) {
	var many []config.Check
	for i := range 1000 {
		many = append(many, web(func(c *config.Check) { c.Name = fmt.Sprint("c", i); c.Interval, c.Timeout = time.Second, time.Second }))
	}
	playSet(t, many, func(s *Set, v *service) {
		v.does(func(ctx context.Context, _ config.Check) Answer { <-ctx.Done(); return failing("timeout") })
		wait(10 * time.Second)
		if most := v.most.Load(); most != MostAtOnce {
			t.Errorf("%d were under way at once, want %d", most, MostAtOnce)
		}
		late := uint64(0)
		for _, r := range s.Reports() {
			late += r.Late
		}
		if late < 8*980 {
			t.Errorf("%d are said to be late, want all but 16 of a thousand each second", late)
		}
		v.does(func(context.Context, config.Check) Answer { return good("well") })
		wait(5 * time.Second)
		for _, r := range s.Reports() {
			if r.State != Good {
				t.Errorf("%s is %s: a queue was left", r.Check.Name, r.State)
			}
		}
	})
}

// What went by while one question, or this process, took too long is not made up for.
func TestTurnsThatWentByAreLeftOut(t *testing.T) {
	playSet(t, []config.Check{web()}, func(s *Set, v *service) {
		v.does(func(context.Context, config.Check) Answer {
			time.Sleep(22 * time.Second)
			v.does(func(context.Context, config.Check) Answer { return good("well") })
			return good("at last")
		})
		wait(40 * time.Second)
		var since []time.Duration
		for _, at := range v.times() {
			since = append(since, at-v.times()[0])
		}
		if got := fmt.Sprint(since); got != "[0s 22s 25s 30s 35s]" || s.Reports()[0].Late != 3 {
			t.Errorf("asked after %s, and %d turns were late", got, s.Reports()[0].Late)
		}
	})
}

func TestAReloadLeavesUnchangedChecksAlone(t *testing.T) {
	other := web(func(c *config.Check) { c.Name = "db" })
	playSet(t, []config.Check{web(), other}, func(s *Set, v *service) {
		v.does(func(ctx context.Context, c config.Check) Answer {
			if c.Name == "db" {
				<-ctx.Done()
			}
			return good("well")
		})
		wait(7 * time.Second)
		before := len(v.times())
		moved := web(func(c *config.Check) { c.Line = 77 })
		wait(0)
		s.Use([]config.Check{moved})
		wait(0)
		expect(t, s, "good: well")
		if len(s.Reports()) != 1 {
			t.Errorf("%d reports", len(s.Reports()))
		}
		told := len(v.reports())
		wait(10 * time.Second)
		if len(v.times()) != before+2 {
			t.Errorf("asked %d times more, want 2: its rhythm goes on", len(v.times())-before)
		}
		for _, r := range v.reports()[told:] {
			if r.Check.Name == "db" {
				t.Errorf("a check that is gone tells %s", r.State)
			}
		}
		s.Use([]config.Check{web(func(c *config.Check) { c.HTTP.URL = "http://127.0.0.1/other" })})
		expect(t, s, "unknown: not asked yet")
		wait(6 * time.Second)
		expect(t, s, "good: well")
	})
}

func TestAQuestionThatIsUnderWayEndsWithItsCheck(t *testing.T) {
	playSet(t, []config.Check{web()}, func(s *Set, v *service) {
		var why error
		v.does(func(ctx context.Context, _ config.Check) Answer {
			<-ctx.Done()
			why = ctx.Err()
			return failing("timeout")
		})
		wait(time.Second)
		s.Use(nil)
		synctest.Wait()
		if why != context.Canceled || len(v.reports()) != 0 {
			t.Errorf("it ended by %v, and told %v", why, v.reports())
		}
	})
}

func TestAnAnswerCountsForThreeTurns(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{100 * time.Millisecond: 5 * time.Second, time.Minute: 3*time.Minute + 2*time.Second} {
		if got := lives(web(func(c *config.Check) { c.Interval = interval })); got != want {
			t.Errorf("%s: %s, want %s", interval, got, want)
		}
	}
}

func TestReasonsAreOneBoundedLine(t *testing.T) {
	for in, want := range map[string]string{
		"refused\nand more":                     "refused",
		"a \x1b[31m b":                          `a \x1b[31m b`,
		"":                                      "",
		`malformed HTTP response "event=moved"`: `malformed HTTP response "event =moved"`,
	} {
		if got := line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	long := ""
	for range 100 {
		long += "ä "
	}
	if got := line(long); len(got) > reasonMost {
		t.Errorf("%d bytes", len(got))
	}
}
