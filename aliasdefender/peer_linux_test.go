package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// rhythm is the settings of an interval, for a test that moves an alias more
// often than flapping is meant to allow.
func rhythm(interval time.Duration) string {
	return fmt.Sprintf("interval = %q\nmax_takes = 1000", interval)
}

// newKey is the contents of a key file.
func newKey() string { return string(config.NewKey().File()) }

// talking is a pair with a key of its own: the primary serves, and each daemon
// is heard by the other and knows that it would take the alias.
func talking(t *testing.T, interval time.Duration) *pair.Pair {
	t.Helper()
	p := stage(t, pair.Spec{PrimaryA: true, Settings: rhythm(interval), Keys: []string{newKey()}})
	begin(t, p)
	return p
}

// begin starts the daemons of a pair that has a key.
func begin(t *testing.T, p *pair.Pair) {
	t.Helper()
	must(t, p.Begin(20*time.Second))
	held(t, p, 10*time.Second, "a")
	hears(t, p, p.A, "able")
	hears(t, p, p.B, "holding")
}

// until waits until a host's Status shows what is wanted of the pair's alias.
func until(t *testing.T, p *pair.Pair, h *lab.Host, what string, d time.Duration, ok func(control.Snapshot, control.Alias) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last control.Snapshot
	for {
		s, err := control.Dial(p.File(h, "sock")).Status(ctx, true)
		if err != nil && !errors.Is(err, control.ErrNotRunning) && ctx.Err() == nil {
			t.Fatal(err) // one that starts is waited for
		}
		if err == nil {
			last = s
		}
		for _, a := range s.Aliases {
			if a.Alias == pair.Alias.String() && ok(s, a) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s does not show within %v: %s\n%+v", h.Name, d, what, last)
		}
	}
}

// hears waits until a host has heard from its partner how that stands to the
// alias.
func hears(t *testing.T, p *pair.Pair, h *lab.Host, state string) {
	t.Helper()
	until(t, p, h, "the partner is "+state, 20*time.Second, func(_ control.Snapshot, a control.Alias) bool {
		return a.Says != nil && a.Says.Daemon == "heard" && a.Says.State == state
	})
}

// obeyed has a verb carried out on a host.
func obeyed(t *testing.T, p *pair.Pair, h *lab.Host, verb string, args ...string) {
	t.Helper()
	if out, errs, code := p.Run(within(t, 30*time.Second), h, verb, args...); code != exitDone {
		t.Fatalf("%s %s on %s: exit %d\n%s%s", verb, strings.Join(args, " "), h.Name, code, out, errs)
	}
}

// TestTheSameStoriesWithAKey plays the stories of a pair without a channel again,
// with one, and fast.
func TestTheSameStoriesWithAKey(t *testing.T) {
	settings := stageSettings
	stageSettings, stageKeys = rhythm(100*time.Millisecond), []string{newKey()}
	t.Cleanup(func() { stageSettings, stageKeys = settings, nil })
	for _, tt := range []struct {
		name string
		play func(*testing.T)
	}{
		{"a crash", TestCrashIsTakenOverAndTheReturnMovesNothing},
		{"a pulled cable", TestPulledCableMovesTheAlias},
		{"a dead router", TestDeadRouterMovesNothing},
		{"a host that is cut off", TestCutOffHostTakesNothing},
		{"loss", TestLossTakesNothing},
		{"a foreign host", TestForeignHostIsDefendedAgainst},
		{"cuts and heals", TestEveryHealEndsWithOneHolderThatServes},
		{"a Monitor that is killed", TestKilledMonitorsAliasIsAdopted},
	} {
		t.Run(tt.name, tt.play)
	}
}
