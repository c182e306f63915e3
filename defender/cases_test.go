package defender

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aliasdefender/config"
	"aliasdefender/host"
)

// expect fails unless the alias is held as told, now.
func (w *world) expect(who, why string) {
	w.t.Helper()
	if got := w.holders(); got != who {
		w.fail("held by %q, want %q: %s", got, who, why)
	}
}

func (w *world) logged(text string) int { return strings.Count(w.log.String(), text) }

// status is one daemon's word about the alias.
func (w *world) status(st *station) (holder, row, reason string) {
	w.t.Helper()
	s, err := st.daemon.Snapshot(w.t.Context(), false)
	if err != nil {
		w.fail("%s: %v", st.name, err)
	}
	a := s.Aliases[0]
	return a.Holder, a.Row, a.Reason
}

func TestDefaultRhythmTakesWithin25Seconds(t *testing.T) {
	for crash := range 20 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, true, false)
			for _, c := range []*config.Config{w.cfgA, w.cfgB} {
				c.Aliases[0].Rhythm = config.Rhythm{Interval: 20 * time.Second, Timeout: time.Second, Misses: 3}
			}
			w.begin()
			defer w.end()
			w.wait(time.Minute)
			w.expect("a", "the primary serves")
			w.wait(time.Duration(crash) * time.Second)
			w.a.set(func() { w.a.on = false })
			w.a.kill()
			w.a.set(func() { clear(w.a.aliases) })
			w.wait(25 * time.Second)
			w.expect("b", "25 s after a crash")
		})
	}
}

func TestDetectionAtAHundredMilliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		for _, c := range []*config.Config{w.cfgA, w.cfgB} {
			c.Aliases[0].Rhythm = config.Rhythm{Interval: 100 * time.Millisecond, Timeout: 25 * time.Millisecond, Misses: 3}
		}
		w.begin()
		defer w.end()
		for i := range 10 {
			w.wait(3*time.Second + time.Duration(i)*7*time.Millisecond)
			w.expect("a", "the primary serves")
			w.a.set(func() { w.a.on = false })
			w.a.kill()
			w.a.set(func() { clear(w.a.aliases) })
			w.wait(200 * time.Millisecond)
			w.expect("b", "175 ms and the look at the kernel after a crash")
			w.a.set(func() { w.a.on = true })
			w.a.start(w.cfgA, &w.log)
			w.wait(2 * time.Second)
			w.expect("b", "a returning primary leaves an answering alias alone")
			w.b.set(func() { w.b.on = false })
			w.b.kill()
			w.b.set(func() { clear(w.b.aliases) })
			w.wait(200 * time.Millisecond)
			w.expect("a", "the primary takes after the other's crash")
			w.b.set(func() { w.b.on = true })
			w.b.start(w.cfgB, &w.log)
		}
	})
}

func TestTwoPrimariesEndWithOneHolderAndAnError(t *testing.T) {
	play(t, 1, true, true, func(w *world) {
		w.wait(40 * time.Second)
		w.expect("a", "the lower hardware address stays")
		w.partition(w.a)
		w.wait(5 * time.Second)
		w.expect("ab", "parted, each serves its side")
		w.partition()
		w.wait(20 * time.Second)
		w.expect("a", "healed: after two defences the higher hardware address yields")
		if w.logged("Primary is true on both hosts?") == 0 {
			w.fail("nobody said that there are two primaries")
		}
	})
}

func TestTwoNonPrimariesTakeNothingWhileBothLive(t *testing.T) {
	play(t, 1, false, false, func(w *world) {
		w.wait(2 * time.Minute)
		w.expect("", "neither takes while the partner answers")
		if w.logged("no primary on either host?") != 2 {
			w.fail("each should have asked once for a primary, %d did", w.logged("no primary on either host?"))
		}
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.wait(settleTime)
		w.expect("b", "the partner is silent")
	})
}

func TestPartnerWithoutADaemon(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.b.kill()
		w.settle()
		w.expect("a", "a dead standby daemon changes nothing")
		w.a.kill()
		w.a.set(func() { clear(w.a.aliases) })
		w.b.start(w.cfgB, &w.log)
		w.settle()
		w.expect("", "W12: the partner's host lives, as in the original")
		w.b.kill()
		w.a.start(w.cfgA, &w.log)
		w.settle()
		w.expect("a", "a primary takes whatever the partner does")
	})
}

func TestRouterSilentTakesNothing(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.router.set(func() { w.router.on = false })
		w.wait(3 * time.Second)
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.a.set(func() { clear(w.a.aliases) })
		w.wait(time.Minute)
		w.expect("", "W8: the router is silent")
		if _, row, _ := w.status(w.b); row != "W8" {
			w.fail("row %s, want W8", row)
		}
		w.router.set(func() { w.router.on = true })
		w.settle()
		w.expect("b", "the router is back")
	})
}

func TestSwitchThatDiesBetweenRoundsIsNotAnAnswer(t *testing.T) {
	// The standby's own port goes mute just after the router answered.
	for ms := range 25 {
		play(t, 1, true, false, func(w *world) {
			w.settle()
			w.wait(time.Duration(40*ms) * time.Millisecond)
			w.b.set(func() { w.b.muted = true })
			w.wait(time.Minute)
			w.expect("a", "a stale answer of the router is no answer")
		})
	}
}

func TestRouterThatDiesInTheDoubtTakesNothing(t *testing.T) {
	// The router answers B's regular question and dies before the doubt ends.
	for ms := range 13 {
		play(t, 1, true, false, func(w *world) {
			w.settle()
			w.wait(950 * time.Millisecond) // 50 ms before the next question
			w.a.set(func() { w.a.on = false })
			w.a.kill()
			w.a.set(func() { clear(w.a.aliases) })
			w.wait(time.Duration(51+20*ms) * time.Millisecond)
			w.router.set(func() { w.router.on = false })
			w.wait(time.Minute)
			w.expect("", "the router answered before the alias was missed, and not since")
		})
	}
}

// announcements counts what a station announced since a moment: that the alias
// is at hw.
func (w *world) announcements(from *station, hw host.HW, since time.Time) int {
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	n := 0
	for _, f := range w.seg.frames {
		if f.from == from && f.HW == hw && f.Sender == aliasIP && !f.at.Before(since) {
			n++
		}
	}
	return n
}

func TestHolderAnnouncesOnSchedule(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.wait(1500 * time.Millisecond) // the doubt twice over: taken now
		begin := time.Now()
		for i, want := range []int{1, 2, 3, 4, 5, 6, 6, 6} {
			if got := w.announcements(w.a, w.a.hw, begin); got != want {
				w.fail("%d announcements %d s after the take, want %d", got, i, want)
			}
			w.wait(time.Second)
		}
		w.wait(time.Minute)
		if got := w.announcements(w.a, w.a.hw, begin); got != 7 {
			w.fail("%d announcements after a minute, want 7", got)
		}
	})
}

func TestHolderAnnouncesAfterWhatMayHaveMovedCaches(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world)
	}{
		{"a short loss of carrier", func(w *world) {
			w.a.set(func() { w.a.carrier = false })
			w.wait(100 * time.Millisecond)
			w.a.set(func() { w.a.carrier = true })
		}},
		{"the partner's return", func(w *world) {
			w.b.set(func() { w.b.on = false })
			w.wait(5 * time.Second)
			w.b.set(func() { w.b.on = true })
		}},
		{"the partner's probe for it", func(w *world) {
			w.b.wires[0].Probe(aliasIP)
		}},
		{"adopting it", func(w *world) {
			w.a.kill()
			w.a.start(w.cfgA, &w.log)
		}},
		{"restoring it", func(w *world) {
			w.a.set(func() { clear(w.a.aliases) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, 1, true, false, func(w *world) {
				w.wait(10 * time.Second)
				begin := time.Now()
				c.do(w)
				w.wait(2 * time.Second)
				w.expect("a", "nothing moved")
				if w.announcements(w.a, w.a.hw, begin) == 0 {
					w.fail("no announcement")
				}
			})
		})
	}
}

func TestWhoYieldsTellsWhereTheAliasIs(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.partition(w.a)
		w.settle()
		w.expect("ab", "parted")
		begin := time.Now()
		w.partition()
		w.settle()
		w.expect("a", "healed")
		if w.announcements(w.b, w.a.hw, begin) != 1 {
			w.fail("B should have announced once that the alias is at A")
		}
		w.seg.mu.Lock()
		last := w.seg.frames[len(w.seg.frames)-1]
		w.seg.mu.Unlock()
		if last.from != w.a {
			w.fail("the last announcement is not the holder's")
		}
	})
}

func TestHolderAnnouncesOnceMoreWhenARivalHasGone(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.wait(20 * time.Second)
		foreign := w.seg.add("foreign", 99)
		foreign.set(func() { foreign.foreign[aliasIP] = true })
		w.wait(1500 * time.Millisecond)
		if w.announcements(w.a, w.a.hw, time.Now().Add(-1500*time.Millisecond)) != 1 {
			w.fail("the first claim is answered at once, and once")
		}
		foreign.set(func() { foreign.on = false })
		begin := time.Now()
		w.wait(3 * time.Second)
		if w.announcements(w.a, w.a.hw, begin) != 1 {
			w.fail("no last announcement after the rival went")
		}
	})
}

func TestNoRouterIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.a.router, w.b.on = netip.Addr{}, false
		w.a.start(w.cfgA, &w.log)
		defer w.end()
		w.wait(10 * time.Minute)
		w.expect("", "nobody can prove that our network works")
		if n := w.logged("nobody can prove"); n != 1 {
			w.fail("said %d times", n)
		}
		w.wait(time.Hour)
		if n := w.logged("nobody can prove"); n != 2 {
			w.fail("said %d times in an hour, want twice", n)
		}
		w.a.set(func() { w.a.router = w.router.own.Addr() })
		w.settle()
		w.expect("a", "a route came")
	})
}

func TestMissingNICIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.a.index, w.b.on = 0, false
		w.a.start(w.cfgA, &w.log)
		defer w.end()
		w.wait(time.Minute)
		if n := w.logged("the NIC is missing"); n != 1 {
			w.fail("said %d times", n)
		}
		w.a.set(func() { w.a.index = 9 })
		w.settle()
		w.expect("a", "the NIC came")
		w.a.set(func() { w.a.index = 10; clear(w.a.aliases) })
		w.settle()
		w.expect("a", "the NIC was made anew")
	})
}

func TestAliasIsNeverANICsFirstAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.b.on = false
		own := w.a.own
		w.a.own = netip.Prefix{}
		w.a.start(w.cfgA, &w.log)
		defer w.end()
		w.wait(time.Minute)
		w.expect("", "the NIC has no address of its own")
		w.a.set(func() { w.a.own = own })
		w.settle()
		w.expect("a", "it has one")
	})
}

func TestForeignHostIsDefendedAgainstAndNotYieldedTo(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		foreign := w.seg.add("foreign", 99)
		foreign.set(func() { foreign.foreign[aliasIP] = true })
		begin := len(w.log.String())
		w.wait(time.Minute)
		w.expect("a", "a third host is not yielded to")
		log := w.log.String()[begin:]
		if n := strings.Count(log, "on=a reason=\"foreign host claims it\""); n == 0 {
			w.fail("no alarm")
		}
		if w.client.cache[aliasIP] == (host.HW{}) {
			w.fail("the client heard nothing")
		}
		foreign.set(func() { foreign.on = false })
		w.settle()
		w.expect("a", "the rival left")
		if w.client.cache[aliasIP] != w.a.hw {
			w.fail("the client believes the alias at %v", w.client.cache[aliasIP])
		}
	})
}

func TestProxyARPIsUnknown(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.router.set(func() { w.router.foreign[aliasIP] = true })
		w.wait(time.Minute)
		w.expect("", "the router answers for the alias: whether anybody serves it is not known")
		if _, row, _ := w.status(w.a); row != "W7" {
			w.fail("row %s, want W7", row)
		}
		w.router.set(func() { w.router.foreign[aliasIP] = false })
	})
}

func TestHostThatFiltersICMPIsNotDead(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.filters = true })
		w.router.set(func() { w.router.filters = true })
		w.wait(time.Minute)
		w.expect("a", "ARP answers")
	})
}

func TestUnaskableIsUnknown(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.b.set(func() {
			w.b.arpErr, w.b.pingErr = errors.New("operation not permitted"), errors.New("operation not permitted")
		})
		w.wait(time.Minute)
		w.expect("a", "who cannot ask knows nothing")
		if h, row, _ := w.status(w.b); h != "unknown" || row != "W7" {
			w.fail("B says holder %s by %s, want unknown by W7", h, row)
		}
		if n := w.logged("cannot ask"); n > 12 {
			w.fail("said %d times", n)
		}
	})
}

func TestKernelThatDoesNotAnswerStopsNothingButTakes(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		hang := make(chan struct{})
		w.b.set(func() { w.b.hang = hang })
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.a.set(func() { clear(w.a.aliases) })
		w.wait(time.Minute)
		w.expect("", "the kernel does not say whether the link is good")
		if _, _, reason := w.status(w.b); reason != "link unknown" {
			w.fail("B waits for %q, want link unknown", reason)
		}
		w.b.set(func() { w.b.hang = nil })
		close(hang)
		w.settle()
		w.expect("b", "the kernel answers again")
	})
}

func TestFailbackTakesItBackWithoutTwoHolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.cfgA.Aliases[0].Failback = true
		w.begin()
		defer w.end()
		w.settle()
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.a.set(func() { clear(w.a.aliases) })
		w.settle()
		w.expect("b", "A crashed")
		w.bothMax = 0
		w.a.set(func() { w.a.on = true })
		w.a.start(w.cfgA, &w.log)
		w.wait(4 * time.Second)
		w.expect("b", "failback_after has not passed")
		w.settle()
		w.expect("a", "failback")
	})
}

func TestFailbackIsGivenUpWhenThePartnerDoesNotYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.cfgA.Aliases[0].Failback = true
		w.b.start(w.cfgB, &w.log)
		w.a.on = false
		defer w.end()
		w.settle()
		w.expect("b", "A is off")
		w.b.kill() // its kernel keeps the alias and answers
		w.a.set(func() { w.a.on = true })
		w.a.start(w.cfgA, &w.log)
		w.wait(time.Minute)
		w.expect("b", "B's kernel does not yield")
		if n := w.logged("failback is given up"); n != 1 {
			w.fail("given up %d times", n)
		}
		w.b.set(func() { clear(w.b.aliases) })
		w.settle()
		w.expect("a", "nobody serves it")
	})
}

func TestOnExitReleaseLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.cfgA.Settings.OnExit = config.ExitRelease
		w.begin()
		defer w.end()
		w.settle()
		w.expect("a", "the primary serves")
		w.a.daemon.Stop(ExitKeep)
		w.wait(time.Second)
		w.expect("a", "USR2 keeps whatever on_exit says")
		w.a.kill()
		w.a.start(w.cfgA, &w.log)
		w.wait(10 * time.Second)
		w.expect("a", "adopted")
		if w.logged("it was found on this host") != 1 {
			w.fail("not adopted")
		}
		w.a.daemon.Stop(ExitAsSet)
		w.wait(time.Second)
		w.expect("", "released")
	})
}

func TestReloadTouchesOnlyWhatChanged(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		second := row(2, true)
		second.Label, second.Addr = "eth0:2", netip.MustParseAddr("10.0.0.101")
		second.Prefix = netip.PrefixFrom(second.Addr, 24)
		first := w.cfgA.Aliases[0]
		switches := w.switches
		w.a.daemon.Reload(&config.Config{Settings: w.cfgA.Settings, Aliases: []config.Alias{second, first}})
		w.settle()
		if !w.a.has(second.Addr) || !w.a.has(aliasIP) || w.switches != switches {
			w.fail("both should be held, the first never let go")
		}
		first.Label = "eth0:9"
		w.a.daemon.Reload(&config.Config{Settings: w.cfgA.Settings, Aliases: []config.Alias{first}})
		w.settle()
		w.seg.mu.Lock()
		label, gone := w.a.aliases[aliasIP].Label, !w.a.has(second.Addr)
		w.seg.mu.Unlock()
		if label != "eth0:9" || !gone {
			w.fail("the alias should have moved to eth0:9 (it is %q) and the second be gone (%v)", label, gone)
		}
		w.expect("a", "after the move")
	})
}

func TestFlappingStopsUntilTheOtherIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.cfgA.Aliases[0].MaxTakes = 3
		w.begin()
		defer w.end()
		w.settle()
		for range 2 {
			w.a.set(func() { w.a.carrier = false })
			w.wait(3 * time.Second)
			w.a.set(func() { w.a.carrier = true })
			w.b.set(func() { w.b.carrier = false })
			w.wait(6 * time.Second)
			w.b.set(func() { w.b.carrier = true })
			w.wait(6 * time.Second)
			w.expect("a", "it came back")
		}
		w.a.set(func() { w.a.carrier = false })
		w.wait(3 * time.Second)
		w.b.kill()
		w.b.set(func() { clear(w.b.aliases) })
		w.a.set(func() { w.a.carrier = true })
		w.wait(time.Minute)
		w.expect("", "taken three times within an hour")
		if _, row, _ := w.status(w.a); row != "W9" {
			w.fail("row %s, want W9", row)
		}
		w.b.set(func() { w.b.on = false })
		w.settle()
		w.expect("a", "the partner is silent")
	})
}

func TestIsolatedHolderReleasesWhenToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.cfgA.Aliases[0].OnIsolation = config.IsolationRelease
		w.cfgA.Aliases[0].IsolatedAfter = 10 * time.Second
		w.begin()
		defer w.end()
		w.settle()
		w.a.set(func() { w.a.muted = true })
		w.wait(8 * time.Second)
		w.expect("ab", "both serve their side")
		w.wait(10 * time.Second)
		w.expect("b", "A is isolated")
	})
}

func TestAddressThatCannotBeAddedIsTriedOnceARoundAndSaidOnce(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.a.set(func() { w.a.addErr = errors.New("operation not permitted") })
		w.wait(time.Minute)
		w.expect("", "the kernel refuses")
		if w.a.tries < 30 || w.a.tries > 60 {
			w.fail("tried %d times in a minute at a rhythm of a second", w.a.tries)
		}
		if n := w.logged("the alias could not be added"); n != 1 {
			w.fail("said %d times", n)
		}
		w.a.set(func() { w.a.addErr = nil })
		w.wait(3 * time.Second)
		w.expect("a", "the kernel accepts")
	})
}

func TestPauseOfOurOwnMakesEverythingUnknown(t *testing.T) {
	// The holder's process sleeps while the partner takes the alias; awake, it
	// must neither trust what it knew nor announce against the new holder.
	play(t, 1, false, true, func(w *world) {
		w.settle()
		w.expect("b", "the primary serves")
		begin := time.Now()
		w.b.set(func() { w.b.slept += 10 * time.Second })
		w.wait(10 * time.Millisecond)
		w.b.wake() // any event wakes the loop
		w.wait(10 * time.Millisecond)
		if n := w.logged("this process was away"); n != 1 {
			w.fail("said %d times that it was away", n)
		}
		w.settle()
		w.expect("b", "nobody else had taken it")
		if w.announcements(w.b, w.b.hw, begin) == 0 {
			w.fail("a holder that was away announces")
		}
	})
}
