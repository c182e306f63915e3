package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAProgramThatRemovesTheAliasIsNotRaced plays a program that removes the alias as
// soon as it is there. It used to be 181 restores a second, each with its lines in
// the log.
func TestAProgramThatRemovesTheAliasIsNotRaced(t *testing.T) {
	c := holder()
	c.f.Kernel = seen(No, 0)
	var pauses []time.Duration
	var levels []Level
	last := noon
	for len(pauses) < 12 {
		d := Decide(c.p, c.s, c.f)
		if d.Action == Restore {
			pauses, levels = append(pauses, c.f.Now.Sub(last)), append(levels, d.Reason.Level())
			last = c.f.Now
			c.s.Done(c.p, d, Outcome{}, c.f.Now)
			continue
		}
		if d.Reason != KeepsVanishing || !d.Again.After(c.f.Now) {
			t.Fatalf("%+v", d)
		}
		c.f.Now = d.Again
		for _, r := range FactRows() {
			r.Of(&c.f).Asked = c.f.Now
		}
	}
	const s = time.Second
	if d := cmp.Diff([]time.Duration{0, 0, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s, 60 * s, 60 * s}, pauses); d != "" {
		t.Errorf("between the restores (-want +got):\n%s", d)
	}
	if levels[1] != Warning || levels[2] != Alarm {
		t.Errorf("the second is %d, the third %d; want a warning and an alarm", levels[1], levels[2])
	}
	// After a minute in peace, the next loss counts as the first.
	c.f.Now = c.f.Now.Add(2 * time.Minute)
	for _, r := range FactRows() {
		r.Of(&c.f).Asked = c.f.Now
	}
	d := Decide(c.p, c.s, c.f)
	c.s.Done(c.p, d, Outcome{}, c.f.Now)
	if d.Action != Restore || d.Reason != Restored || c.s.Restores != 1 {
		t.Errorf("%s %s, and counts as number %d", d.Action, d.Reason, c.s.Restores)
	}
}
