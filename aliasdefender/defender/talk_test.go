package defender

import (
	"context"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

// talking plays a story with a channel between the two.
func talking(t *testing.T, aPrimary, bPrimary bool, f func(*world)) {
	t.Helper()
	playWith(t, 1, aPrimary, bPrimary, (*world).withKey, func(w *world) {
		w.wait(10 * time.Second)
		f(w)
	})
}

// unserved watches from now on for how long nobody had the alias.
func (w *world) unserved() func() time.Duration {
	var since time.Time
	var most time.Duration
	was := w.seg.changed
	w.seg.mu.Lock()
	w.seg.changed = func() {
		was()
		switch none := w.who() == ""; {
		case none && since.IsZero():
			since = time.Now()
		case !none && !since.IsZero():
			most, since = max(most, time.Since(since)), time.Time{}
		}
	}
	w.seg.mu.Unlock()
	return func() time.Duration {
		w.seg.mu.Lock()
		defer w.seg.mu.Unlock()
		if !since.IsZero() {
			most = max(most, time.Since(since))
		}
		return most
	}
}

func TestHandoverLeavesNoMomentWithoutAHolder(t *testing.T) {
	for name, give := range map[string]func(*world){
		"Handover":    func(w *world) { w.must(w.a, control.Order{Give: true}, "handed over") },
		"RemoveAlias": func(w *world) { w.must(w.a, control.Order{Remove: true}, "handed over") },
		"AddAlias":    func(w *world) { w.must(w.b, control.Order{}, "this host has it") },
		"Maintenance": func(w *world) { w.must(w.a, control.Order{Maintenance: control.On}, "handed over") },
		"TERM":        func(w *world) { w.a.daemon.Stop(ExitAsSet) },
	} {
		t.Run(name, func(t *testing.T) {
			talking(t, true, false, func(w *world) {
				w.expect("a", "the primary serves")
				gap := w.unserved()
				give(w)
				w.wait(5 * time.Second)
				w.expect("b", "handed over")
				if gap() > 0 {
					w.fail("nobody had it for %s", gap())
				}
				if got := w.client.cache[aliasIP]; got != w.b.hw {
					w.fail("the client believes it at %s", got)
				}
			})
		})
	}
}

// must gives an order that is to be done, with that answer.
func (w *world) must(st *station, o control.Order, text string) {
	w.t.Helper()
	if out := w.order(st, o); !out.Done || !strings.Contains(out.Text, text) {
		w.fail("%+v: %+v, want %q", o, out, text)
	}
}

func TestHandoverToNobodyIsRefusedAndKept(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.order(w.b, control.Order{Remove: true})
		w.wait(3 * time.Second)
		if out := w.order(w.a, control.Order{Give: true}); out.Done || !strings.Contains(out.Text, "parked") {
			w.fail("%+v", out)
		}
		w.expect("a", "the partner is parked")
	})
}

func TestDaemonThatDiesIsRelievedWhenItsLeaseEnds(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.a.kill()
		w.wait(5 * time.Second)
		w.expect("a", "the lease has not ended")
		w.wait(10 * time.Second)
		w.expect("b", "the host answers pings, its daemon is dead")
	})
}

func TestRestartWithUSR2OutlivesTheLease(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.a.daemon.Stop(ExitNext)
		w.wait(30 * time.Second)
		w.expect("a", "it stays for the next Monitor")
		w.a.start(w.cfgA, &w.log)
		w.wait(30 * time.Second)
		w.expect("a", "adopted, and the lease goes on")
		w.a.kill()
		w.wait(20 * time.Second)
		w.expect("b", "adoption made it finite again")
	})
}

// A restart whose next Monitor never comes, for the files have a mistake.
func TestAfterUSR2ThePartnerTakesWhatNoMonitorAdopts(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.a.daemon.Stop(ExitNext)
		w.wait(NextWithin - 10*time.Second)
		w.expect("a", "it stays for the next Monitor")
		w.wait(30 * time.Second)
		w.expect("b", "no Monitor has come")
	})
}

// The next Monitor has at least as long to come as the lease that the file gives.
func TestUSR2ShortensNoLongLease(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.withKey()
		w.cfgA.Aliases[0].Lease = 2 * NextWithin
	}, func(w *world) {
		w.settle()
		w.a.daemon.Stop(ExitNext)
		w.wait(2*NextWithin - 10*time.Second)
		w.expect("a", "its lease has not ended")
		w.wait(30 * time.Second)
		w.expect("b", "no Monitor has come")
	})
}

// Without a channel nobody would know that the primary's daemon is gone: its alias
// stays, as the original's did.
func TestAfterUSR2ThePrimarysAliasStaysWithoutAChannel(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.daemon.Stop(ExitNext)
		w.wait(2 * NextWithin)
		w.expect("a", "for ever")
	})
}

func TestFailbackIsAHandover(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.withKey()
		w.cfgA.Aliases[0].Failback = true
	}, func(w *world) {
		w.wait(10 * time.Second)
		w.must(w.a, control.Order{Give: true}, "handed over")
		w.expect("b", "handed over")
		gap := w.unserved()
		w.wait(time.Minute)
		w.expect("a", "failback")
		if gap() > 0 || w.logged("hand over: ") == 0 {
			w.fail("nobody had it for %s", gap())
		}
	})
}

func TestTwoPrimariesAreToldWithinTwoRhythms(t *testing.T) {
	for _, primary := range []bool{true, false} {
		playWith(t, 1, primary, primary, (*world).withKey, func(w *world) {
			w.wait(2 * time.Second)
			if n := w.logged("the pair does not fit"); n != 2 {
				w.fail("said %d times, want once on each host", n)
			}
			for _, st := range []*station{w.a, w.b} {
				s, err := st.daemon.Snapshot(w.t.Context(), true)
				if err != nil || s.Aliases[0].Level != "alarm" || len(s.Aliases[0].Pair) != 1 {
					w.fail("%s: %+v, %v", st.name, s.Aliases[0], err)
				}
			}
			w.wait(20 * time.Second)
			w.expect("a", "the lower hardware address acts as primary")
		})
	}
}

func TestChannelThatIsBlockedIsSaidAndTheOriginalsRulesApply(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.withKey()
		w.b.dumb = true
	}, func(w *world) {
		w.wait(20 * time.Second)
		if n := w.logged("has not been heard since our start"); n != 2 {
			w.fail("said %d times", n)
		}
		w.expect("a", "the primary serves")
		w.order(w.a, control.Order{Remove: true})
		w.wait(20 * time.Second)
		w.expect("", "W12: the partner lives, and nobody knows more")
	})
}

func TestChannelThatLosesWordsKeepsThePromises(t *testing.T) {
	playWith(t, 3, true, false, (*world).withKey, func(w *world) {
		w.wait(10 * time.Second)
		w.seg.mu.Lock()
		w.seg.loss[w.b] = 0.2
		w.seg.mu.Unlock()
		for range 10 {
			w.order(w.a, control.Order{Give: true})
			w.wait(5 * time.Second)
			w.order(w.b, control.Order{Give: true})
			w.wait(5 * time.Second)
		}
		w.seg.mu.Lock()
		w.seg.loss[w.b] = 0
		w.seg.mu.Unlock()
		w.wait(30 * time.Second)
		if h := w.holders(); h != "a" && h != "b" {
			w.fail("held by %q", h)
		}
	})
}

// TestMaintenanceThatNobodyTakesOverIsReleasedAndSaid: the partner is parked,
// and the order is nevertheless carried out.
func TestMaintenanceThatNobodyTakesOverIsReleasedAndSaid(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.order(w.b, control.Order{Remove: true})
		w.wait(3 * time.Second)
		if out := w.order(w.a, control.Order{Maintenance: control.On, DryRun: true}); !strings.Contains(out.Text, "would be released and kept off") {
			w.fail("%+v", out)
		}
		w.wait(3 * time.Second)
		w.expect("a", "a dry run is no maintenance")
		out := w.order(w.a, control.Order{Maintenance: control.On})
		if !out.Done || !strings.Contains(out.Text, "released: it is off this host, and stays off until 'Maintenance off'") ||
			!strings.Contains(out.Next, "nobody serves it for now: the partner says: parked") {
			w.fail("%+v", out)
		}
		w.expect("", "nobody takes it over")
		if out := w.order(w.a, control.Order{}); out.Done || !strings.Contains(out.Text, "in maintenance") {
			w.fail("AddAlias: %+v", out)
		}
		w.must(w.a, control.Order{Maintenance: control.Off, DryRun: true}, "would serve it again")
		w.wait(20 * time.Second)
		w.expect("", "in maintenance still")
		w.must(w.a, control.Order{Maintenance: control.Off}, "this host serves it again")
		w.wait(20 * time.Second)
		w.expect("a", "maintenance is over")
		w.must(w.a, control.Order{Maintenance: control.Off}, "was not in maintenance")
	})
}

// TestMaintenanceLeavesParkedWhatWasParkedBefore: it ends what it began only.
func TestMaintenanceLeavesParkedWhatWasParkedBefore(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.must(w.a, control.Order{Remove: true}, "handed over: the partner has it; here it is parked")
		w.must(w.a, control.Order{Maintenance: control.On}, "it was not on this host, and stays off until 'Maintenance off'")
		w.must(w.a, control.Order{Maintenance: control.Off, DryRun: true}, "stays parked")
		w.must(w.a, control.Order{Maintenance: control.Off}, "stays parked")
		w.b.kill()
		w.wait(30 * time.Second)
		w.expect("", "parked on the one host, the other's daemon is dead and its lease has ended")
	})
}

// TestHandoverTellsBeforehandWhatItWouldDo holds the dry run to the order itself.
func TestHandoverTellsBeforehandWhatItWouldDo(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.must(w.a, control.Order{Give: true, DryRun: true}, "who says that it would take it")
		w.must(w.b, control.Order{Give: true, DryRun: true}, "it is not on this host")
		if out := w.order(w.a, control.Order{Give: true}); !out.Done || out.Next != "the partner keeps it, and this host stands by" {
			w.fail("%+v", out)
		}
		w.a.kill()
		w.wait(20 * time.Second)
		for _, dry := range []bool{true, false} {
			if out := w.order(w.b, control.Order{Give: true, DryRun: dry}); out.Done || !strings.Contains(out.Text, "the partner's daemon is not heard on the channel") {
				w.fail("dry run %v: %+v", dry, out)
			}
		}
		w.expect("b", "nobody there to take it")
	})
}

// TestChannelThatIsTakenFromTheFilesComesBackWithThem, however soon.
func TestChannelThatIsTakenFromTheFilesComesBackWithThem(t *testing.T) {
	talking(t, true, false, func(w *world) {
		with := *w.cfgA
		without := with
		without.Settings.Peer = config.Peer{}
		w.a.daemon.Reload(&without)
		w.wait(time.Second)
		w.a.daemon.Reload(&with) // opened anew
		w.wait(time.Second)
		w.a.daemon.Reload(&without)
		w.wait(time.Second)
		w.a.daemon.Reload(&with) // too soon after
		w.wait(15 * time.Second)
		w.must(w.a, control.Order{Give: true}, "handed over")
	})
}

// TestHandoverThatIsWaitedForInVainSaysWhereItStands: the partner has fallen
// dumb, and the offer may have reached it.
func TestHandoverThatIsWaitedForInVainSaysWhereItStands(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.a.set(func() { w.b.dumb = true })
		ctx, cancel := context.WithTimeout(w.t.Context(), 500*time.Millisecond)
		defer cancel()
		out, err := w.a.daemon.Order(ctx, control.Order{Give: true}, func(Kept) error { return nil })
		if err != nil || out[0].Done || !strings.Contains(out[0].Text, "not yet: it is offered to the partner, which may still take it") {
			w.fail("%+v, %v", out, err)
		}
		w.wait(10 * time.Second)
		w.expect("a", "nobody took it")
	})
}

func TestSnapshotHasWhatTheChannelDropped(t *testing.T) {
	talking(t, true, false, func(w *world) {
		s, err := w.a.daemon.Snapshot(w.t.Context(), false)
		if err != nil || s.Channel == nil || len(s.Channel.Partners) != 1 {
			w.fail("%+v, %v", s.Channel, err)
		}
		p := s.Channel.Partners[0]
		if p.Partner != w.b.own.Addr().String() || p.Dropped["replayed"] != 7 || len(p.Dropped) != 1 || s.Channel.Foreign != 2 {
			w.fail("%+v", s.Channel)
		}
	})
}
