package defender

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
)

func TestAddThatIsTriedAgainLooksOnceMore(t *testing.T) {
	for after := range 20 {
		playWith(t, 1, true, false, func(w *world) {
			w.slow()
			w.a.addErr = errors.New("operation not permitted")
			w.b.muted = true
		}, func(w *world) {
			w.wait(time.Minute)
			w.expect("", "A cannot add, B is cut off")
			w.b.kill()
			w.b.set(func() {
				w.b.kernel.Add([]host.Placement{{NIC: "eth0", Label: "eth0:1", Prefix: w.cfgB.Aliases[0].Prefix}})
			})
			w.wait(time.Duration(after) * time.Second)
			w.b.set(func() { w.b.muted = false }) // with the alias
			w.wait(time.Second)
			w.a.set(func() { w.a.addErr = nil })
			for i := 0; i < 300; i++ {
				w.wait(100 * time.Millisecond)
				if w.a.has(aliasIP) {
					w.fail("after %d: taken from B, who answers", after)
				}
			}
		})
	}
}

func TestNothingIsRestoredOnASilenceFromBeforeTheRoutersReturn(t *testing.T) {
	seconds := 20
	if raceEnabled {
		seconds = 2
	}
	for after := range 20 {
		for second := range seconds {
			playWith(t, 1, true, false, (*world).slow, func(w *world) {
				w.wait(time.Minute)
				w.expect("a", "")
				hang := make(chan struct{})
				w.a.set(func() { w.a.hang = hang })
				w.wait(20*time.Second + 100*time.Millisecond)
				w.a.set(func() { w.a.kernel.lose(); w.a.muted = true })
				w.wait(60 * time.Second)
				w.expect("b", "B took it")
				w.wait(time.Duration(after) * time.Second)
				w.a.set(func() { w.a.hang = nil })
				close(hang)
				w.wait(time.Duration(second) * time.Second)
				if w.a.has(aliasIP) {
					return
				}
				w.a.set(func() { w.a.muted = false })
				for i := 0; i < 30; i++ {
					w.wait(time.Second)
					if w.logged("restore: ") > 0 {
						w.fail("after %d, %d: restored though B has it", after, second)
					}
				}
			})
		}
	}
}

// TestAddressOfNoRowIsSaid: it is left alone, for the file may have been cut short. When
// its row is back it is adopted.
func TestAddressOfNoRowIsSaid(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.kill()
		w.b.kill()
		w.a.start(&config.Config{Settings: w.cfgA.Settings}, &w.log)
		w.wait(time.Minute)
		if w.logged("no row of the file has it: it is left alone. If the file has lost its row, write it again and run Reload") != 1 {
			w.fail("not said")
		}
		w.expect("a", "it is left alone")
		w.a.daemon.Reload(w.cfgA)
		w.wait(time.Minute)
		if holder, _, _ := w.status(w.a); holder != "us" {
			w.fail("its row is back, and the holder is %s", holder)
		}
	})
}

func TestPartnersReturnWithTheRouterIsAnnouncedForEachAlias(t *testing.T) {
	for i := range 60 {
		two := i%2 == 1
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, true, false)
			if two {
				second := ip(101)
				r := w.cfgA.Aliases[0]
				r.Addr, r.Prefix, r.Label, r.Primary = second, with(second), "eth0:2", false
				w.cfgA.Aliases = append(w.cfgA.Aliases, r)
			}
			w.a.start(w.cfgA, &w.log) // B lives, without a daemon
			defer w.end()
			w.wait(10 * time.Second)
			w.expect("a", "")
			w.partition(w.a)
			w.wait(20 * time.Second)
			w.partition()
			begin := time.Now()
			w.wait(3 * time.Second)
			if w.announcements(w.a, w.a.hw, begin) == 0 {
				w.fail("two: %v: no announcement at the partner's return", two)
			}
		})
	}
}

// TestHolderThatIsCutOffNoticesWithinATimeoutThatItIsBack also at the default
// rhythm, and after a cut that is shorter than an interval beyond the detection
// time: until then both hosts have the alias.
func TestHolderThatIsCutOffNoticesWithinATimeoutThatItIsBack(t *testing.T) {
	playWith(t, 1, true, false, (*world).slow, func(w *world) {
		w.wait(2 * time.Minute)
		for _, cut := range []struct{ least, step time.Duration }{{25 * time.Second, 1300 * time.Millisecond}, {2 * time.Minute, 130 * time.Millisecond}} {
			for i := range 10 {
				w.expect("a", "the primary serves")
				w.a.set(func() { w.a.muted = true })
				w.wait(cut.least + time.Duration(i)*cut.step)
				w.expect("ab", "the partner took it, and the holder keeps it")
				w.a.set(func() { w.a.muted = false })
				healed := time.Now()
				for w.holders() == "ab" && time.Since(healed) < 30*time.Second {
					w.wait(10 * time.Millisecond)
				}
				if took := time.Since(healed); took > 1200*time.Millisecond {
					w.fail("cut off for %v and more: both had it for %v after it was healed", cut.least, took)
				}
				w.wait(time.Minute)
			}
		}
	})
}

// TestAnAliasThatVanishesIsAskedForAtOnce although the rhythm is slow: whether anybody
// claims it decides whether it is put back, and what is known of that may be older than the
// return of router or partner.
func TestAnAliasThatVanishesIsAskedForAtOnce(t *testing.T) {
	for _, sunny := range []bool{false, true} {
		playWith(t, 1, true, false, func(w *world) {
			for _, c := range []*config.Config{w.cfgA, w.cfgB} {
				c.Aliases[0].Interval = 10 * time.Minute
			}
			if sunny {
				w.sunny(w.a)
			}
		}, func(w *world) {
			w.wait(time.Hour + 5*time.Minute) // between two questions
			w.expect("a", "it is primary")
			asked := make(chan bool, 1)
			w.a.daemon.post(func(l *loop) {
				a := l.list[0]
				a.here = false // as a reading finds it
				l.readAlias(a, reading{began: l.count(), at: l.now})
				l.asks.Turn(l.now, 1000)
				asked <- slices.ContainsFunc(l.asks.Questions(), func(q detect.Question) bool { return q.Key == a.alias.Key })
			})
			if !<-asked {
				w.fail("sunny: %v: it is not asked for", sunny)
			}
			w.wait(5 * time.Second)
			w.expect("a", "nobody claims it")
		})
	}
}
