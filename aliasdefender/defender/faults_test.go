package defender

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

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
		w.a.set(func() { w.a.router = w.router.gateway() })
		w.settle()
		w.expect("a", "a route came")
	})
}

func TestMissingNICIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.a.nic().Index, w.b.on = 0, false
		w.a.start(w.cfgA, &w.log)
		defer w.end()
		w.wait(time.Minute)
		if n := w.logged("the NIC is missing"); n != 1 {
			w.fail("said %d times", n)
		}
		w.a.set(func() { w.a.nic().Index = 9 })
		w.settle()
		w.expect("a", "the NIC came")
		w.a.set(func() { w.a.nic().Index = 10; w.a.kernel.lose() })
		w.settle()
		w.expect("a", "the NIC was made anew")
	})
}

func TestAliasIsNeverANICsFirstAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.b.on = false
		w.a.loseOwn()
		w.a.start(w.cfgA, &w.log)
		defer w.end()
		w.wait(time.Minute)
		w.expect("", "the NIC has no address of its own")
		w.a.set(func() { w.a.gainOwn() })
		w.settle()
		w.expect("a", "it has one")
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
		says := "ARP for it (proxy ARP)"
		if family == host.IPv6 {
			says = "neighbour solicitations for it (proxy NDP)"
		}
		if a, _ := w.show(w.a); a.Level != "warning" || !strings.HasSuffix(a.Why, ": the router answers "+says) {
			w.fail("%s: %s", a.Level, a.Why)
		}
		w.router.set(func() { w.router.foreign[aliasIP] = false })
	})
}

// TestAnAliasThatIsAnsweredForNobodyIsTaken: a host or the router answers ARP for others,
// as between the ports of a private VLAN. Both hosts say that they do not have the alias,
// and nobody answers a ping to it.
func TestAnAliasThatIsAnsweredForNobodyIsTaken(t *testing.T) {
	by := func(of func(w *world) *station) func(*world) {
		return func(w *world) { of(w).proxies = map[netip.Addr]bool{aliasIP: true} }
	}
	for name, tt := range map[string]struct {
		proxy  func(w *world)
		before func(w *world)
		want   string
		warned int // by how many hosts: the one that answers hears itself not
	}{
		"by the router": {
			proxy: by(func(w *world) *station { return w.router }),
			want:  "a", warned: 2,
		},
		"by the partner, which is not primary": {
			proxy: by(func(w *world) *station { return w.b }),
			want:  "a", warned: 1,
		},
		"by the primary, on which it is parked": {
			proxy:  by(func(w *world) *station { return w.a }),
			before: func(w *world) { w.a.parked = []netip.Addr{aliasIP} },
			want:   "b", warned: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			keyed(t, func(w *world) {
				tt.proxy(w)
				if tt.before != nil {
					tt.before(w)
				}
			}, func(w *world) {
				w.wait(20 * time.Second)
				w.expect(tt.want, "nobody has it, whoever answers ARP for it")
				if n := w.logged("event=answered_for_nobody"); n != tt.warned {
					w.fail("answered_for_nobody was logged %d times, want %d", n, tt.warned)
				}
				if n := w.logged("(proxy_ndp)"); family == host.IPv6 && n != tt.warned || family == host.IPv4 && n > 0 {
					w.fail("neighbour discovery is blamed %d times", n)
				}
				takes := w.logged("action=take")
				w.wait(10 * time.Minute)
				w.expect(tt.want, "it is held")
				if n := w.logged("action=take"); n != takes || w.logged("action=release") > 0 {
					w.fail("%d takes and %d releases since", n-takes, w.logged("action=release"))
				}
			})
		})
	}
}

// TestAHolderWhoseHostDropsPingsIsNotAnsweredForNobody: its daemon says that it holds the
// alias.
func TestAHolderWhoseHostDropsPingsIsNotAnsweredForNobody(t *testing.T) {
	keyed(t, func(w *world) { w.a.filters = true }, func(w *world) {
		w.wait(20 * time.Second)
		since := time.Now()
		w.wait(10 * time.Minute)
		if n := w.announcements(w.a, w.a.hw, since); n > 40 {
			w.fail("%d announcements in ten minutes: it is doubted all the time", n)
		}
		w.expect("a", "ARP answers, and the partner's word says that it has it")
		if n := w.logged("answered_for_nobody") + w.logged("action=release"); n > 0 {
			w.fail("%d lines", n)
		}
	})
}

// TestAWordThatIsTooOldDisownsNothing: the partner took the alias since the channel was
// cut, and its host drops pings.
func TestAWordThatIsTooOldDisownsNothing(t *testing.T) {
	keyed(t, func(w *world) { w.b.filters = true }, func(w *world) {
		w.b.set(func() { w.b.dumb = true })
		w.wait(10 * time.Second)
		w.must(w.a, control.Order{Remove: true}, "released")
		w.wait(time.Minute)
		w.expect("b", "it takes over from a daemon that fell silent")
		if a, _ := w.show(w.a); a.Holder != "partner" || w.logged("answered_for_nobody") > 0 {
			w.fail("held by %s, says A", a.Holder)
		}
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
		w.a.set(func() { w.a.kernel.lose() })
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

// TestWhatFailedAndIsWantedNoMoreIsNoProblem: others serve it now, or it may stay.
func TestWhatFailedAndIsWantedNoMoreIsNoProblem(t *testing.T) {
	problem := func(w *world) string {
		s, err := w.a.daemon.Snapshot(w.t.Context(), false)
		if err != nil {
			w.fail("%v", err)
		}
		return s.Aliases[0].Level + s.Aliases[0].Why
	}
	play(t, 1, true, false, func(w *world) {
		w.a.set(func() { w.a.addErr = errors.New("operation not permitted") })
		w.wait(10 * time.Second)
		if p := problem(w); !strings.Contains(p, "could not be added: ") {
			w.fail("Status has %q", p)
		}
		w.must(w.b, control.Order{}, "taken")
		w.wait(3 * time.Minute)
		if p := problem(w); strings.Contains(p, "error") || strings.Contains(p, "could not") {
			w.fail("it is served, and Status has %q", p)
		}
	})
	order := func(w *world) []host.Placement {
		return []host.Placement{{NIC: "eth0", Label: "eth0:1", Prefix: w.cfgA.Aliases[0].Prefix}}
	}
	for name, mends := range map[string]func(w *world){
		"somebody adds it": func(w *world) { w.a.set(func() { w.a.kernel.Add(order(w)) }) },
		"it is parked":     func(w *world) { w.must(w.a, control.Order{Remove: true}, "it was not on this host") },
	} {
		play(t, 1, true, false, func(w *world) {
			w.a.set(func() { w.a.addErr = errors.New("operation not permitted") })
			w.wait(10 * time.Second)
			mends(w)
			w.wait(3 * time.Second)
			if p := problem(w); strings.Contains(p, "could not") {
				w.fail("%s, and Status has %q", name, p)
			}
		})
	}
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.set(func() {
			w.a.addErr = errors.New("operation not permitted")
			w.a.kernel.lose()
		})
		w.wait(3 * time.Second)
		if p := problem(w); !strings.Contains(p, "could not be added: ") {
			w.fail("Status has %q", p)
		}
		w.a.set(func() { w.a.kernel.Add(order(w)) })
		w.wait(3 * time.Second)
		if p := problem(w); strings.Contains(p, "could not") {
			w.fail("it was put back, and Status has %q", p)
		}
	})
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.removeErr = errors.New("operation not permitted") })
		w.meanwhile(w.a, control.Order{Remove: true})
		w.wait(3 * time.Second)
		if p := problem(w); !strings.Contains(p, "could not be removed: ") {
			w.fail("Status has %q", p)
		}
		w.must(w.a, control.Order{}, "this host has it")
		w.wait(time.Second)
		if p := problem(w); strings.Contains(p, "could not") {
			w.fail("it is held, and Status has %q", p)
		}
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

func TestJournalHasEachDecisionOnce(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		s, err := w.b.daemon.Snapshot(w.t.Context(), true)
		if err != nil {
			w.fail("%v", err)
		}
		last := ""
		for _, e := range s.Aliases[0].Journal {
			if now := e.Row + e.Action + e.Reason; now == last {
				w.fail("twice: %+v", e)
			} else {
				last = now
			}
		}
	})
}

// TestEarThatEndsAtOnceIsOpenedEachSecond, and says why; what is on the segment is
// unknown meanwhile.
func TestEarThatEndsAtOnceIsOpenedEachSecond(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.set(func() {
			w.a.deafened, w.a.ears = errors.New("the driver is broken"), 0
			for _, x := range slices.Clone(w.a.wires) {
				x.err = w.a.deafened
				x.once.Do(func() { close(x.done) })
			}
		})
		w.wait(10 * time.Second)
		w.seg.mu.Lock()
		n := w.a.ears
		w.a.deafened = nil
		w.seg.mu.Unlock()
		if n < 5 || n > 12 {
			w.fail("%d ears were opened in 10 s", n)
		}
		if n := w.logged("the driver is broken"); n != 1 {
			w.fail("why the ear ended is said %d times", n)
		}
		w.settle()
		w.expect("a", "it hears again")
	})
}
