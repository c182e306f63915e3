package defender

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

// Stories of faults that a review found.

// keyed is talking with settings of its own, set before the daemons start.
func keyed(t *testing.T, set, f func(*world)) {
	t.Helper()
	playWith(t, 1, true, false, func(w *world) {
		w.withKey()
		set(w)
	}, func(w *world) {
		w.wait(10 * time.Second)
		f(w)
	})
}

// meanwhile begins an order and does not wait for its end.
func (w *world) meanwhile(st *station, o control.Order) {
	w.t.Helper()
	if _, err := st.daemon.begin(w.t.Context(), o, func(Kept) error { return nil }); err != nil {
		w.fail("%v", err)
	}
}

// TestWhoEndsWhileItGetsAnAliasLeavesNoSecondHolder: were B to leave for good
// what A has not heard that it may let go, nobody could ever take one of them off.
func TestWhoEndsWhileItGetsAnAliasLeavesNoSecondHolder(t *testing.T) {
	for _, exit := range []config.OnExit{config.ExitHandover, config.ExitKeep} {
		for _, known := range []bool{true, false} {
			for at := time.Duration(0); at < 400*time.Millisecond; at += 20 * time.Millisecond {
				keyed(t, func(w *world) {
					w.cfgB.Settings.OnExit = exit
					w.b.slowly, w.b.lag, w.b.shunned = 50*time.Millisecond, 150*time.Millisecond, !known
				}, func(w *world) {
					w.meanwhile(w.a, control.Order{Give: true})
					w.wait(at)
					w.b.daemon.Stop(ExitAsSet)
					w.wait(20 * time.Second)
					if h := w.holders(); h != "a" && h != "b" {
						w.fail("on_exit %s, router knows it %v, after %s: held by %q", exit, known, at, h)
					}
				})
			}
		}
	}
}

// TestWhoEndsWhileItGivesAnAliasLeavesNoSecondHolder: B has the offer still.
func TestWhoEndsWhileItGivesAnAliasLeavesNoSecondHolder(t *testing.T) {
	for _, exit := range []config.OnExit{config.ExitHandover, config.ExitKeep} {
		for at := time.Duration(0); at < 400*time.Millisecond; at += 40 * time.Millisecond {
			keyed(t, func(w *world) {
				w.cfgA.Settings.OnExit = exit
				w.b.slowly, w.b.lag = 50*time.Millisecond, 150*time.Millisecond
			}, func(w *world) {
				w.meanwhile(w.b, control.Order{})
				w.wait(at)
				w.a.daemon.Stop(ExitAsSet)
				w.wait(20 * time.Second)
				if h := w.holders(); h != "a" && h != "b" {
					w.fail("on_exit %s, after %s: held by %q", exit, at, h)
				}
			})
		}
	}
}

// TestWhoEndsWhenItsOfferIsTakenTooLateLeavesNoSecondHolder: A's kernel takes
// about as long as B waits. A has the lower hardware address, and would keep it
// beside a B that nobody watches any more.
func TestWhoEndsWhenItsOfferIsTakenTooLateLeavesNoSecondHolder(t *testing.T) {
	for slowly := 1800 * time.Millisecond; slowly < 2600*time.Millisecond; slowly += 50 * time.Millisecond {
		keyed(t, func(w *world) { w.cfgB.Settings.OnExit = config.ExitHandover }, func(w *world) {
			w.must(w.a, control.Order{Give: true}, "handed over")
			w.wait(5 * time.Second)
			w.expect("b", "it was handed over")
			w.a.set(func() { w.a.slowly = slowly })
			w.b.daemon.Stop(ExitAsSet)
			w.wait(time.Minute)
			if h := w.holders(); h != "a" {
				w.fail("A's kernel takes %s: held by %q", slowly, h)
			}
		})
	}
}

// TestWhatThePartnerCannotTakeStays for good, also when that says so only by ending.
func TestWhatThePartnerCannotTakeStays(t *testing.T) {
	for name, befalls := range map[string]func(w *world){
		"its kernel refuses": func(w *world) { w.b.set(func() { w.b.addErr = errors.New("operation not permitted") }) },
		"it ends first":      func(w *world) { w.b.daemon.Stop(ExitAsSet) },
		"it ends at once":    func(w *world) { go w.b.daemon.Stop(ExitAsSet) },
		"it is killed":       func(w *world) { w.b.kill() },
	} {
		keyed(t, func(w *world) {
			w.cfgA.Settings.OnExit, w.cfgB.Settings.OnExit = config.ExitHandover, config.ExitHandover
		}, func(w *world) {
			befalls(w)
			w.a.daemon.Stop(ExitAsSet)
			w.wait(time.Minute)
			if h := w.holders(); h != "a" {
				w.fail("%s: held by %q", name, h)
			}
		})
	}
}

// TestTwoHostsThatEndTogetherKeepWhatEachHas, or hand it over: nothing is lost.
func TestTwoHostsThatEndTogetherKeepWhatEachHas(t *testing.T) {
	other := ip(101)
	for after := time.Duration(0); after < 300*time.Millisecond; after += 10 * time.Millisecond {
		keyed(t, func(w *world) {
			*w.cfgA, *w.cfgB = *second(w.cfgA), *second(w.cfgB)
			w.cfgA.Settings.OnExit, w.cfgB.Settings.OnExit = config.ExitHandover, config.ExitHandover
			w.a.slowly, w.b.slowly, w.a.lag, w.b.lag = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
		}, func(w *world) {
			w.must(w.a, control.Order{Alias: other, Give: true}, "handed over")
			w.wait(5 * time.Second)
			w.a.daemon.Stop(ExitAsSet)
			w.wait(after)
			w.b.daemon.Stop(ExitAsSet)
			w.wait(time.Minute)
			for _, ip := range []netip.Addr{aliasIP, other} {
				w.seg.mu.Lock()
				a, b := w.a.has(ip), w.b.has(ip)
				w.seg.mu.Unlock()
				if a == b {
					w.fail("B ended %s after A: %s is held by a %v, by b %v", after, ip, a, b)
				}
			}
		})
	}
}

// TestWhatAFormerPartnerSaidIsForgotten: the pair fits until the next one says else.
func TestWhatAFormerPartnerSaidIsForgotten(t *testing.T) {
	talking(t, true, true, func(w *world) {
		if s, err := w.a.daemon.Snapshot(w.t.Context(), false); err != nil || len(s.Aliases[0].Pair) == 0 {
			w.fail("two primaries are not told: %v", err)
		}
		c := *w.cfgA
		c.Aliases = []config.Alias{row(7, true)}
		w.a.daemon.Reload(&c)
		w.wait(3 * time.Second)
		s, err := w.a.daemon.Snapshot(w.t.Context(), false)
		if err != nil || len(s.Aliases[0].Pair) > 0 {
			w.fail("said of another partner: %v, %v", s.Aliases[0].Pair, err)
		}
	})
}

// TestPartnerThatNoRowHasAnyMoreIsForgotten with all that was asked for it.
func TestPartnerThatNoRowHasAnyMoreIsForgotten(t *testing.T) {
	keyed(t, func(w *world) {
		two := second(w.cfgA)
		r := &two.Aliases[1]
		r.Partner = config.Partner{Name: ip(7).String(), Addr: w.client.own.Addr()}
		r.Interval, r.Timeout = 100*time.Millisecond, 25*time.Millisecond
		*w.cfgA = *two
	}, func(w *world) {
		w.wait(10 * time.Second)
		c := *w.cfgA
		c.Aliases = c.Aliases[:1]
		w.a.daemon.Reload(&c)
		w.wait(10 * time.Second)
		before := len(w.log.String())
		for _, q := range w.a.asked(5 * time.Second) {
			if q.target == w.client.own.Addr() || q.target == ip(101) {
				w.fail("%s is asked", q.target)
			}
		}
		if n := len(w.a.asked(5 * time.Second)); n > 30 {
			w.fail("%d frames in 5 s at a rhythm of a second", n)
		}
		w.wait(time.Minute)
		if s := w.log.String()[before:]; strings.Contains(s, ip(7).String()) {
			w.fail("said of who is no partner any more:\n%s", s)
		}
	})
}

func TestFailbackThatWasGivenBackIsGivenUp(t *testing.T) {
	keyed(t, func(w *world) { w.cfgA.Aliases[0].Failback = true }, func(w *world) {
		w.must(w.a, control.Order{Give: true}, "handed over")
		w.a.set(func() { w.a.shunned = true })
		w.wait(10 * time.Minute)
		w.expect("b", "the router knows it there")
		if n := w.logged(`reason="given back"`); n != 1 {
			w.fail("taken and given back %d times", n)
		}
	})
}

func TestAliasThatAnotherNICHasTooIsHeldStill(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.a.set(func() {
			w.a.kernel.nics = append(w.a.kernel.nics, host.NIC{Name: "eth1", Index: 9, Up: true, Carrier: true,
				Addrs: []host.Address{{Prefix: with(aliasIP)}}})
		})
		w.wait(time.Minute) // its lease is refreshed
		w.expect("a", "eth0 has it")
		if w.logged("vanished") > 0 {
			w.fail("eth0 has it")
		}
		if n := w.logged("the alias is on eth1 of this host too"); n != 1 {
			w.fail("the other copy is said %d times", n)
		}
		if out := w.order(w.a, control.Order{Give: true}); out.Done || !strings.Contains(out.Text, "but the alias is on eth1 of this host too: take it off there by hand") {
			w.fail("%+v", out)
		}
	})
}

func TestWitnessThatLeavesTheFileIsAskedNoMore(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.cfgA.Aliases[0].Witnesses = []netip.Addr{w.client.own.Addr()}
	}, func(w *world) {
		w.wait(10 * time.Second)
		c := *w.cfgA
		c.Aliases = slices.Clone(c.Aliases)
		c.Aliases[0].Witnesses = nil
		w.a.daemon.Reload(&c)
		w.wait(3 * time.Second)
		for _, q := range w.a.asked(2 * time.Second) {
			if q.target == w.client.own.Addr() {
				w.fail("asked at %v", q.at)
			}
		}
	})
}

// second is the file with one more row.
func second(c *config.Config) *config.Config {
	n, r := *c, c.Aliases[0]
	r.Addr, r.Label = ip(101), "eth0:2"
	r.Prefix = with(r.Addr)
	n.Aliases = []config.Alias{c.Aliases[0], r}
	return &n
}

// TestRowThatComesToBothFilesAndGoesIsNoProblem: the one host reads its file a
// moment after the other.
func TestRowThatComesToBothFilesAndGoesIsNoProblem(t *testing.T) {
	talking(t, true, false, func(w *world) {
		a, b := second(w.cfgA), second(w.cfgB)
		for i, c := range []struct{ first, second *config.Config }{{b, a}, {w.cfgB, w.cfgA}} {
			w.wait(time.Minute)
			w.b.daemon.Reload(c.first)
			w.wait(time.Second)
			w.a.daemon.Reload(c.second)
			w.wait(20 * time.Second)
			for _, st := range []*station{w.a, w.b} {
				s, err := st.daemon.Snapshot(w.t.Context(), false)
				if err != nil || len(s.Problems) > 0 {
					w.fail("%s: %v, %v", st.name, s.Problems, err)
				}
				w.seg.mu.Lock()
				n := len(st.says.Words)
				w.seg.mu.Unlock()
				if n != 2-i {
					w.fail("%s speaks of %d aliases", st.name, n)
				}
			}
		}
		if w.logged("file does not have it")+w.logged("this host's file does not") > 0 {
			w.fail("said of a row that both have")
		}
	})
}

func TestRowThatOnlyOneFileHasIsToldOnBothHosts(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.b.daemon.Reload(second(w.cfgB))
		w.wait(20 * time.Second)
		for st, text := range map[*station]string{w.a: "this host's file does not", w.b: "does not have it"} {
			s, err := st.daemon.Snapshot(w.t.Context(), false)
			if err != nil || !strings.Contains(fmt.Sprint(s), text) || w.logged(text) != 1 {
				w.fail("%s: %v, %v", st.name, s, err)
			}
		}
		w.b.daemon.Reload(w.cfgB)
		w.wait(20 * time.Second)
		for _, st := range []*station{w.a, w.b} {
			if s, err := st.daemon.Snapshot(w.t.Context(), false); err != nil || len(s.Problems) > 0 {
				w.fail("%s: %v, %v", st.name, s.Problems, err)
			}
		}
	})
}

func TestPauseOfOurOwnIsNotThePartnersSilence(t *testing.T) {
	keyed(t, (*world).slow, func(w *world) {
		w.wait(time.Minute)
		paused := false // shorter than the detection time, and longer than the channel's
		w.b.set(func() {
			w.b.dumb = true
			w.b.beat = func() {
				if !paused {
					paused = true
					time.Sleep(6 * time.Second)
				}
			}
		})
		w.wait(6 * time.Second)
		w.b.set(func() { w.b.dumb = false })
		w.wait(3 * time.Second)
		if strings.Contains(w.log.String(), `fallen silent on the channel" on=b`) {
			w.fail("said by the one that was away")
		}
	})
}

func TestPathsStandBelowAnyOfAPartnersNames(t *testing.T) {
	keyed(t, func(w *world) {
		w.cfgA = second(w.cfgA)
		w.cfgA.Aliases[1].Partner.Name = "hostb"
		w.cfgA.Settings.Peer.Paths = map[string][]netip.Addr{"hostb": {netip.MustParseAddr("10.9.9.2")}}
	}, func(w *world) {
		w.seg.mu.Lock()
		opened := w.a.opened
		w.seg.mu.Unlock()
		if len(opened) != 1 || len(opened[0].Paths) != 1 {
			w.fail("%+v", opened)
		}
	})
}

// TestAddAliasDuringAHandoverThatFailsIsForgottenAfter: the next Handover is not
// asked back.
func TestAddAliasDuringAHandoverThatFailsIsForgottenAfter(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.b.set(func() { w.b.shunned, w.b.slowly = true, 50*time.Millisecond })
		w.meanwhile(w.a, control.Order{Give: true})
		w.wait(20 * time.Millisecond)
		w.must(w.a, control.Order{}, "this host has it")
		w.b.set(func() { w.b.shunned = false })
		w.wait(time.Minute)
		w.expect("a", "nobody wants it handed over any more")
		w.must(w.a, control.Order{Give: true}, "handed over")
		w.wait(time.Minute)
		w.expect("b", "nobody asks for it back")
	})
}

// TestHandoverOfWhatIsBeingTakenIsAnswered: it was not here when the order came, and
// is not given.
func TestHandoverOfWhatIsBeingTakenIsAnswered(t *testing.T) {
	keyed(t, func(w *world) { w.b.slowly = 2 * time.Second }, func(w *world) {
		w.dies(w.a)
		for i := 0; w.b.tries == 0; i++ {
			if i > 1000 {
				w.fail("nothing is taken")
			}
			w.wait(10 * time.Millisecond)
			if s, _ := w.b.daemon.Snapshot(w.t.Context(), false); s.Aliases[0].Action == "take" {
				break
			}
		}
		out := w.order(w.b, control.Order{Give: true})
		if !out.Done || out.Text != "it is not on this host" {
			w.fail("Handover: %+v", out)
		}
		w.expect("b", "it was being taken")
	})
}
