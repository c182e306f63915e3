package defender

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
)

// A host that reboots faster than anybody notices: its channel never falls silent, and
// at the default interval the partner asks for the alias once in 20 s.
func TestAHostThatRebootsInAMomentIsServedForInSeconds(t *testing.T) {
	for name, secondary := range map[string]bool{"the primary": false, "the secondary": true} {
		t.Run(name, func(t *testing.T) {
			for late := range 10 {
				playWith(t, 1, true, false, func(w *world) {
					w.withKey()
					w.slow()
				}, func(w *world) {
					w.wait(time.Minute)
					holder, c := w.a, w.cfgA
					if secondary {
						w.must(w.a, control.Order{Give: true}, "handed over")
						holder, c = w.b, w.cfgB
					}
					w.wait(time.Minute + time.Duration(late)*2*time.Second)
					gap := w.unserved()
					holder.kill()
					holder.set(func() { holder.kernel.lose() })
					w.wait(900 * time.Millisecond)
					holder.start(c, &w.log)
					w.wait(time.Minute)
					if gap() > 10*time.Second || w.holders() != "a" {
						w.fail("nobody had it for %s, and now %q has it", gap(), w.holders())
					}
				})
			}
		})
	}
}
