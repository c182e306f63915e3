package hook

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// asked asks the gate before takes, and tells when and how it answers.
func asked(b *bench, a config.Alias, d rules.Decision) <-chan error {
	answers := make(chan error, 2)
	if !b.Ask(b.t.Context(), defender.Deed{Action: d.Action, Alias: a.Addr, NIC: a.NIC, Row: d.Row, Why: d.Reason}, func(err error) { answers <- err }) {
		return nil
	}
	return answers
}

func TestAGateIsWaitedForUntilItsTime(t *testing.T) {
	failing := func(context.Context, string, map[string]string) error { return &program.ExitError{Code: 3} }
	for _, tt := range []struct {
		name    string
		hooks   config.Hooks
		program func(context.Context, string, map[string]string) error
		before  int // takes that its alias is told of before, each of which takes as long
		decides rules.Decision
		after   time.Duration
		err     string
		result  string
	}{
		{"it ends in time", config.Hooks{}, sleeps(time.Second / 2), 0, take, time.Second / 2, "", "ran"},
		{"it hangs", config.Hooks{}, sleeps(1000 * time.Second), 0, take, time.Second, "", "failed: ended: not done within 1s of the decision"},
		{"it says no", config.Hooks{}, failing, 0, take, 0, "", "failed: exit code 3"},
		{"it says no, and may", config.Hooks{Veto: true}, failing, 0, take, 0, "exit code 3", "failed: exit code 3"},
		{"it hangs, and may say no", config.Hooks{Veto: true}, sleeps(time.Hour), 0, take, time.Second, "", "failed: ended: not done within 1s of the decision"},
		{"it comes after others", config.Hooks{}, sleeps(time.Second / 4), 2, take, 3 * time.Second / 4, "", "ran"},
		{"it cannot begin in time", config.Hooks{}, sleeps(time.Second / 4), 9, take, time.Second, "", "skipped: not begun within 1s of the decision"},
		{"a release", config.Hooks{BeforeTimeout: time.Minute, Timeout: time.Hour}, sleeps(time.Hour), 0, release, 5 * time.Second, "", "failed: ended: not done within 5s of the decision"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				aliases := rows(t, 1, tt.hooks, config.HookTake, config.BeforeTake, config.BeforeRelease)
				b := newBench(t, aliases)
				b.program = tt.program
				for range tt.before {
					b.happens(aliases[0], record.Moved, take)
				}
				began := time.Now()
				answers := asked(b, aliases[0], tt.decides)
				text := ""
				if err := <-answers; err != nil {
					text = err.Error()
				}
				if after := time.Since(began); after != tt.after || text != tt.err {
					t.Errorf("answers %q after %v, want %q after %v", text, after, tt.err, tt.after)
				}
				synctest.Wait()
				if len(answers) != 0 {
					t.Error("it answers twice")
				}
				result := ""
				for _, run := range b.Last(aliases[0].Addr) {
					if run.Hook != config.HookTake {
						result = strings.TrimSuffix(string(run.Result)+": "+run.Error, ": ")
					}
				}
				if result != tt.result {
					t.Errorf("recorded as %q, want %q", result, tt.result)
				}
				b.End(time.Hour)
			})
		})
	}
}

// While a gate is asked nothing renews the alias's lease.
func TestAGateBeforeAReleaseEndsBeforeTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 2, config.Hooks{BeforeTimeout: 4 * time.Second}, config.BeforeTake, config.BeforeRelease)
		b := newBench(t, aliases)
		b.program = sleeps(time.Hour)
		for i, tt := range []struct {
			lease time.Duration
			d     rules.Decision
			want  time.Duration
		}{{0, release, 4 * time.Second}, {3 * time.Second, release, time.Second}, {3 * time.Second, take, 4 * time.Second}, {time.Hour, release, 4 * time.Second}} {
			aliases[1].Lease = tt.lease
			b.Set(aliases)
			began := time.Now()
			<-asked(b, aliases[1], tt.d)
			if took := time.Since(began); took != tt.want {
				t.Errorf("%d: waits %v, want %v", i, took, tt.want)
			}
			synctest.Wait()
		}
		b.End(time.Minute)
	})
}

// Gates go before hooks that nobody waits for.
func TestAGateDoesNotWaitForOtherAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 100, config.Hooks{}, config.HookTake, config.BeforeTake)
		b := newBench(t, aliases)
		b.program = sleeps(400 * time.Millisecond)
		for _, a := range aliases[1:] {
			b.happens(a, record.Moved, take)
		}
		began := time.Now()
		<-asked(b, aliases[0], take)
		if took := time.Since(began); took != 800*time.Millisecond || len(b.seen()) == 0 || b.Last(aliases[0].Addr)[0].Result == Skipped {
			t.Errorf("after %v: %+v", took, b.Last(aliases[0].Addr))
		}
		b.End(time.Hour)
	})
}

func TestAGateWithoutAProgramStandsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{}, config.BeforeTake)
		b := newBench(t, aliases)
		if asked(b, aliases[0], release) != nil {
			t.Error("it has no hook before releases")
		}
		aliases[0].Addr = netip.MustParseAddr("10.9.9.9")
		if asked(b, aliases[0], take) != nil {
			t.Error("it knows no such alias")
		}
		b.End(0)
	})
}

// What nobody waits for any more is not begun.
func TestAQuestionThatIsOverIsNotPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{}, config.HookTake, config.BeforeRelease)
		b := newBench(t, aliases)
		b.program = sleeps(time.Second / 2)
		b.happens(aliases[0], record.Moved, take)
		ctx, cancel := context.WithCancel(t.Context())
		b.Ask(ctx, defender.Deed{Action: rules.Release, Alias: aliases[0].Addr}, func(error) {})
		cancel()
		synctest.Wait()
		last := b.Last(aliases[0].Addr)
		if len(last) != 1 || last[0].Result != Skipped || last[0].Error != "what it was asked about is over" {
			t.Errorf("%+v", last)
		}
		b.End(time.Minute)
		if !slices.Equal(b.runs(), []string{"10.0.0.1 take"}) {
			t.Errorf("%q", b.runs())
		}
	})
}

// A row that has gone leaves nothing behind when the last question about it is over, and
// what it leaves for a moment is not in the way of the row that comes back.
func TestAQuestionThatIsOverIsTheLastOfItsAlias(t *testing.T) {
	for _, back := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			aliases := rows(t, mostRunning+1, config.Hooks{}, config.HookAlarm, config.BeforeRelease)
			b := newBench(t, aliases)
			b.program = sleeps(time.Second / 2)
			for _, a := range aliases[1:] {
				b.happens(a, record.PairMisfit, adopt) // so that no more may run
			}
			for i := range 20 { // so that its end is only counted: no event of the alias follows
				ctx, cancel := context.WithCancel(t.Context())
				b.Ask(ctx, defender.Deed{Action: rules.Release, Alias: aliases[0].Addr}, func(error) {})
				if i == 19 {
					b.Set(aliases[1:])
				}
				cancel()
				synctest.Wait()
			}
			if back {
				b.Set(aliases)
			}
			b.End(time.Minute)
			if kept := b.lanes[aliases[0].Addr] != nil; kept != back {
				t.Errorf("back: %v, kept: %v", back, kept)
			}
		})
	}
}
