package check

import (
	"context"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
)

func TestACheckOfAColdStandbyIsAskedWhileAnAliasIsHere(t *testing.T) {
	cold := web(func(c *config.Check) { c.Holding, c.Settle = true, 10*time.Second })
	playSet(t, []config.Check{cold}, func(s *Set, v *service) {
		v.does(func(context.Context, config.Check) Answer { return failing("refused") })
		wait(time.Minute)
		expect(t, s, "unknown: not asked: no alias that uses it is here")
		if len(v.times()) != 0 {
			t.Errorf("asked at %v without an alias", v.times())
		}
		s.Held("web", true)
		wait(9 * time.Second)
		expect(t, s, "unknown: not asked yet: the alias has been here for less than 10s")
		if len(v.times()) != 0 {
			t.Errorf("asked at %v before it has settled", v.times())
		}
		wait(16 * time.Second)
		expect(t, s, "failing: refused")
		asked := len(v.times())
		s.Held("web", false)
		wait(time.Millisecond)
		expect(t, s, "failing: refused") // or the alias could come back before the partner has it
		wait(failedRests - time.Minute)
		expect(t, s, "failing: refused")
		wait(time.Minute)
		expect(t, s, "unknown: not asked: no alias that uses it is here")
		if n := len(v.times()); n != asked {
			t.Errorf("asked %d times more after the alias has left", n-asked)
		}

		v.does(func(context.Context, config.Check) Answer { return good("well") })
		s.Held("web", true)
		wait(30 * time.Second)
		expect(t, s, "good: well")
		s.Held("web", false)
		wait(time.Millisecond)
		expect(t, s, "unknown: not asked: no alias that uses it is here")
	})
}

// A service that failed here and then cannot be asked counts as failing for as long: the
// partner may not have taken the alias yet. One that fails beside an alias that is here, or
// that was never here, is unknown as soon as it cannot be asked.
func TestAServiceThatFailedHereRestsAlsoWhereItCannotBeAsked(t *testing.T) {
	broken := func(context.Context, config.Check) Answer { return unknown("no file descriptor") }
	playSet(t, []config.Check{web()}, func(s *Set, v *service) {
		fails := func() {
			v.does(func(context.Context, config.Check) Answer { return failing("refused") })
			wait(30 * time.Second)
			expect(t, s, "failing: refused")
		}
		fails()
		v.does(broken)
		wait(30 * time.Second)
		expect(t, s, "unknown: no file descriptor")
		s.Held("web", true)
		fails()
		v.does(broken)
		wait(30 * time.Second)
		expect(t, s, "unknown: no file descriptor")
		fails()
		s.Held("web", false)
		v.does(broken)
		wait(failedRests - time.Minute)
		if r := s.Reports()[0]; r.State != Failing || r.Cause != "refused" || !time.Now().Before(r.Asked.Add(r.Lives)) {
			t.Errorf("it is %s: %s", r.State, r.Reason)
		}
		wait(time.Minute)
		expect(t, s, "unknown: no file descriptor")
		fails() // once more, and it is well before it cannot be asked
		v.does(func(context.Context, config.Check) Answer { return good("well") })
		wait(30 * time.Second)
		fails()
		v.does(broken)
		wait(30 * time.Second)
		expect(t, s, "unknown: no file descriptor")
	})
}

// An answer that comes after the alias has left is about a service that is being stopped.
func TestAnAnswerFromBeforeTheAliasLeftDoesNotCount(t *testing.T) {
	cold := web(func(c *config.Check) { c.Holding, c.Fall = true, 1 })
	playSet(t, []config.Check{cold}, func(s *Set, v *service) {
		v.does(func(ctx context.Context, _ config.Check) Answer { <-ctx.Done(); return failing("timeout") })
		s.Held("web", true)
		wait(time.Second + time.Millisecond)
		s.Held("web", false)
		wait(4 * time.Second)
		expect(t, s, "unknown: not asked: no alias that uses it is here")
		if len(v.turned()) != 0 {
			t.Errorf("turned: %v", v.turned())
		}
	})
}

// It may have come back meanwhile: what the new one is like is not known either.
func TestAnAnswerFromBeforeTheAliasCameBackDoesNotCount(t *testing.T) {
	cold := web(func(c *config.Check) { c.Holding, c.Fall = true, 1 })
	playSet(t, []config.Check{cold}, func(s *Set, v *service) {
		v.does(func(ctx context.Context, _ config.Check) Answer { <-ctx.Done(); return failing("timeout") })
		s.Held("web", true)
		wait(time.Second + time.Millisecond)
		v.does(func(context.Context, config.Check) Answer { return good("well") })
		s.Held("web", false)
		wait(time.Millisecond)
		s.Held("web", true)
		wait(4 * time.Second)
		if len(v.times()) != 1 || len(v.turned()) != 0 {
			t.Errorf("asked at %v, turned: %v", v.times(), v.turned())
		}
		wait(10 * time.Second)
		expect(t, s, "good: well")
	})
}

// A check whose settings change while an alias is here goes on to be asked.
func TestAReloadDoesNotForgetThatAnAliasIsHere(t *testing.T) {
	cold := web(func(c *config.Check) { c.Holding = true })
	playSet(t, []config.Check{cold}, func(s *Set, v *service) {
		s.Held("web", true)
		wait(10 * time.Second)
		cold.HTTP.URL = "http://127.0.0.1/other"
		s.Use([]config.Check{cold})
		wait(10 * time.Second)
		expect(t, s, "good: well")
	})
}
