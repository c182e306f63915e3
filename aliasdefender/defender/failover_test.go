package defender

import (
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
)

// levelOf is the level of the newest line of the log that has the text.
func (w *world) levelOf(text string) string {
	level := ""
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, text) {
			_, level, _ = strings.Cut(line, "level=")
			level, _, _ = strings.Cut(level, " ")
		}
	}
	return level
}

// Whoever reads warnings only must see that a host has died, though all is well again.
func TestAFailoverIsAWarningAndWhatWasOrderedIsNone(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.settle()
		w.expect("b", "A crashed")
		if got := w.levelOf("take: alias and partner are silent"); got != "warning" {
			w.fail("the failover has level %q", got)
		}
	})
	talking(t, true, false, func(w *world) {
		w.must(w.a, control.Order{Give: true}, "handed over")
		if got := w.levelOf("take: the partner is handing it over to us"); got != "info" {
			w.fail("a hand-over has level %q", got)
		}
	})
}

// TestWhatKeepsVanishingIsServedByThePartner: while this host waits before it adds the
// alias once more, the partner may have it.
func TestWhatKeepsVanishingIsServedByThePartner(t *testing.T) {
	keyed(t, func(*world) {}, func(w *world) {
		w.wait(20 * time.Second)
		w.expect("a", "before")
		for range 80 {
			w.a.set(func() { w.a.kernel.lose() })
			w.wait(100 * time.Millisecond)
		}
		w.expect("b", "a program on A removes it again and again")
		w.wait(time.Minute)
		w.expect("b", "and A leaves it to B")
	})
}
