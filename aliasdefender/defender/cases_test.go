package defender

import (
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
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
		playWith(t, 1, true, false, func(w *world) {
			for _, c := range []*config.Config{w.cfgA, w.cfgB} {
				c.Aliases[0].Rhythm = config.Rhythm{Interval: 20 * time.Second, Timeout: time.Second, Misses: 3}
			}
		}, func(w *world) {
			w.wait(time.Minute)
			w.expect("a", "the primary serves")
			w.wait(time.Duration(crash) * time.Second)
			w.a.set(func() { w.a.on = false })
			w.a.kill()
			w.a.set(func() { w.a.kernel.lose() })
			w.wait(25 * time.Second)
			w.expect("b", "25 s after a crash")
		})
	}
}

func TestDetectionAtAHundredMilliseconds(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		for _, c := range []*config.Config{w.cfgA, w.cfgB} {
			c.Aliases[0].Rhythm = config.Rhythm{Interval: 100 * time.Millisecond, Timeout: 25 * time.Millisecond, Misses: 3}
		}
	}, func(w *world) {
		for i := range 10 {
			w.wait(3*time.Second + time.Duration(i)*7*time.Millisecond)
			w.expect("a", "the primary serves")
			w.a.set(func() { w.a.on = false })
			w.a.kill()
			w.a.set(func() { w.a.kernel.lose() })
			w.wait(200 * time.Millisecond)
			w.expect("b", "175 ms and the look at the kernel after a crash")
			w.a.set(func() { w.a.on = true })
			w.a.start(w.cfgA, &w.log)
			w.wait(2 * time.Second)
			w.expect("b", "a returning primary leaves an answering alias alone")
			w.b.set(func() { w.b.on = false })
			w.b.kill()
			w.b.set(func() { w.b.kernel.lose() })
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
		if w.logged("is Primary true on both hosts?") == 0 {
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
		w.a.set(func() { w.a.kernel.lose() })
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
		w.a.set(func() { w.a.kernel.lose() })
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
			w.a.set(func() { w.a.kernel.lose() })
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
