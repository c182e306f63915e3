package defender

import (
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
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

// TestWhatNoOperatorOrderedIsNotCalledSo: H2 is for all that is ordered off, and the log
// says by what.
func TestWhatNoOperatorOrderedIsNotCalledSo(t *testing.T) {
	for name, tt := range map[string]struct {
		exit config.OnExit
		do   func(w *world)
		want string
	}{
		"an operator":      {config.ExitKeep, func(w *world) { w.order(w.a, control.Order{Remove: true}) }, "release: an operator ordered it"},
		"stopped":          {config.ExitRelease, func(w *world) { w.a.daemon.Stop(ExitAsSet) }, "release: the daemon was stopped"},
		"stopped to give":  {config.ExitHandover, func(w *world) { w.a.daemon.Stop(ExitAsSet) }, "hand over: the daemon was stopped"},
		"its row has gone": {config.ExitKeep, func(w *world) { w.a.daemon.Reload(&config.Config{Settings: w.cfgA.Settings}) }, "release: its row was changed or removed in the file"},
	} {
		t.Run(name, func(t *testing.T) {
			playWith(t, 1, true, false, func(w *world) {
				if tt.exit == config.ExitHandover {
					w.withKey()
				}
				w.cfgA.Settings.OnExit = tt.exit
			}, func(w *world) {
				w.wait(20 * time.Second)
				w.expect("a", "before")
				tt.do(w)
				w.wait(5 * time.Second)
				if w.logged(tt.want) != 1 {
					w.fail("the log does not say %q", tt.want)
				}
			})
		})
	}
}
