package daemon

import (
	"errors"
	"testing"
	"time"

	"alias-defender/aliasdefender/defender"
)

// Exit code 4 says that a take has ended the Monitor. It is not for one that was already
// told to end by TERM or USR2 when a take hook had run.
func TestWhoAsksFirstDecidesHowTheMonitorEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tell  func(d *daemon)
		acted bool
		hooks time.Duration
	}{
		{"a take", func(d *daemon) { d.acted(fakePartner) }, true, hooksWithin},
		{"takes, then TERM", func(d *daemon) { d.acted(fakePartner); d.acted(fakePartner); d.stop(defender.ExitAsSet) }, true, hooksWithin},
		{"a take, then USR2", func(d *daemon) { d.acted(fakePartner); d.stop(defender.ExitNext) }, true, hooksWithin},
		{"TERM, then a take", func(d *daemon) { d.stop(defender.ExitAsSet); d.acted(fakePartner) }, false, hooksWithin},
		{"USR2, then a take", func(d *daemon) { d.stop(defender.ExitNext); d.acted(fakePartner) }, false, hooksWithinNext},
		{"nobody: it failed", func(*daemon) {}, false, hooksWithin},
	} {
		d := newDaemon(t, 1, quiet(), nil)
		d.defender = defender.New(d.options)
		tt.tell(d)
		if acted := errors.Is(d.end.outcome(nil), ErrActed); acted != tt.acted {
			t.Errorf("%s: acted: %v", tt.name, acted)
		}
		if within := d.end.hooksWithin(); within != tt.hooks {
			t.Errorf("%s: hooks have %v", tt.name, within)
		}
		if broken := errors.New("broken"); !errors.Is(d.end.outcome(broken), broken) {
			t.Errorf("%s: the loop's error is lost", tt.name)
		}
	}
}
