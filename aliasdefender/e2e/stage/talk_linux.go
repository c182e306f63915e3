package stage

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// Rhythm is the settings for an interval, for a test that moves an alias more often
// than flapping allows.
func Rhythm(interval time.Duration) string {
	return fmt.Sprintf("interval = %q\nmax_takes = 1000", interval)
}

// NewKey is the contents of a key file.
func NewKey() string { return string(config.NewKey().File()) }

// Talking is a pair with a key of its own: the primary serves, and each daemon hears
// the other and knows that it would take the alias.
func Talking(t *testing.T, interval time.Duration) *pair.Pair {
	t.Helper()
	p := Pair(t, pair.Spec{PrimaryA: true, Settings: Rhythm(interval), Keys: []string{NewKey()}})
	Begin(t, p)
	return p
}

// Begin starts the daemons of a pair that has a key.
func Begin(t *testing.T, p *pair.Pair) {
	t.Helper()
	Must(t, p.Begin(Patience))
	Held(t, p, "a")
	Hears(t, p, p.A, "able")
	Hears(t, p, p.B, "holding")
}

// Until waits until a host's Status shows what is wanted about the pair's alias.
func Until(t *testing.T, p *pair.Pair, h *lab.Host, what string, ok func(control.Snapshot, control.Alias) bool) {
	t.Helper()
	ctx := Patiently(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last control.Snapshot
	for {
		s, err := control.Dial(p.File(h, "sock")).Status(ctx, true)
		if err != nil && !errors.Is(err, control.ErrNotRunning) && ctx.Err() == nil {
			t.Fatal(err) // wait for one that is starting
		}
		if err == nil {
			last = s
		}
		for _, a := range s.Aliases {
			if a.Alias == p.Alias.String() && ok(s, a) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s never shows: %s\n%+v", h.Name, what, last)
		}
	}
}

// Hears waits until a host has heard its partner's standing to the alias.
func Hears(t *testing.T, p *pair.Pair, h *lab.Host, state string) {
	t.Helper()
	Until(t, p, h, "the partner is "+state, func(_ control.Snapshot, a control.Alias) bool {
		return a.Says != nil && a.Says.Daemon == "heard" && a.Says.State == state
	})
}
