package hook

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/record"
)

// A gate that goes on saying no is asked each second. It is recorded ten times, and then
// once a minute and counted, so that it pushes nothing else out of the event log.
func TestAStandingVetoIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{Veto: true}, config.BeforeRelease, config.BeforeTake)
		b := newBench(t, aliases)
		b.program = func(context.Context, string, map[string]string) error { return &program.ExitError{Code: 1} }
		for range 600 {
			if err := <-asked(b, aliases[0], release); err == nil {
				t.Fatal("the gate opens")
			}
			time.Sleep(999 * time.Millisecond) // not at the moment of the count
		}
		<-asked(b, aliases[0], take) // another hook is told by itself
		b.End(0)
		failed, counted, of := map[string]int{}, uint64(0), ""
		for _, e := range b.seen() {
			switch e.Kind {
			case record.HookFailed:
				failed[e.Hook]++
			case record.Repeated:
				counted += e.Drops
				if of != "" {
					break
				}
				of = fmt.Sprint(e.Alias.Addr, " ", e.Label, " ", e.Hook, ": ", e.Text)
			}
		}
		if n := failed["before_release"]; n > 10+10 || uint64(n)+counted != 600 || failed["before_take"] != 1 {
			t.Errorf("recorded: %v, counted: %d, of 600", failed, counted)
		}
		if n := b.repeated.Load(); uint64(n) != counted { // for those who count each
			t.Errorf("%d results were passed on, %d were counted", n, counted)
		}
		if last := b.Last(aliases[0].Addr); len(last) != 2 {
			t.Errorf("Status has %+v", last)
		}
		if want := "10.0.0.1 eth0:0 before_release: 51 more in the last minute: hook_failed, before_release"; of != want {
			t.Errorf("said %q, want %q", of, want)
		}
	})
}

// A flood that had ended is counted once a minute when it comes again, and not only when the
// Monitor ends.
func TestAVetoThatComesAgainIsCountedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{Veto: true}, config.BeforeRelease)
		b := newBench(t, aliases)
		b.program = func(context.Context, string, map[string]string) error { return &program.ExitError{Code: 1} }
		counts := func() (n int) {
			for _, e := range b.seen() {
				if e.Kind == record.Repeated {
					n++
				}
			}
			return n
		}
		for want := 1; want <= 2; want++ {
			for range 20 {
				<-asked(b, aliases[0], release)
			}
			time.Sleep(5 * time.Minute)
			if n := counts(); n != want {
				t.Errorf("after flood %d there are %d counts", want, n)
			}
		}
		b.End(0)
	})
}
