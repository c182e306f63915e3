package defender

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

func TestOnExitReleaseLeavesNothing(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.cfgA.Settings.OnExit = config.ExitRelease }, func(w *world) {
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
		second.Label, second.Addr = "eth0:2", ip(101)
		second.Prefix = with(second.Addr)
		first := w.cfgA.Aliases[0]
		switches := w.switches
		w.a.daemon.Reload(&config.Config{Settings: w.cfgA.Settings, Aliases: []config.Alias{second, first}})
		w.settle()
		if !w.a.has(second.Addr) || !w.a.has(aliasIP) || w.switches != switches {
			w.fail("both should be held, the first never let go")
		}
		first.Label = "eth0:9"
		switches = w.switches
		w.a.daemon.Reload(&config.Config{Settings: w.cfgA.Settings, Aliases: []config.Alias{first}})
		w.settle()
		w.seg.mu.Lock()
		_, at, _ := w.a.kernel.state().Find(aliasIP)
		label, gone := at.Label, !w.a.has(second.Addr)
		w.seg.mu.Unlock()
		want, moves := "eth0:9", 2 // off and on; the second goes too
		if family == host.IPv6 {
			want, moves = "eth0", 0 // the label only names the row
		}
		if label != want || !gone {
			w.fail("the alias should have moved to %s (it is %q) and the second be gone (%v)", want, label, gone)
		}
		if n := w.switches - switches; n != moves {
			w.fail("the alias changed hands %d times, want %d", n, moves)
		}
		if s := w.shown(w.a); s.NIC != "eth0:9" {
			w.fail("Status has it on %s", s.NIC)
		}
		w.expect("a", "after the move")
	})
}

func TestIsolatedHolderReleasesWhenToldTo(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.cfgA.Aliases[0].OnIsolation = config.IsolationRelease
		w.cfgA.Aliases[0].IsolatedAfter = 10 * time.Second
	}, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.muted = true })
		w.wait(8 * time.Second)
		w.expect("ab", "both serve their side")
		w.wait(10 * time.Second)
		w.expect("b", "A is isolated")
	})
}

// order gives an operator's order and returns the outcome of the one alias.
func (w *world) order(st *station, o control.Order) control.Outcome {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	out, err := st.daemon.Order(ctx, o, func(k Kept) error {
		w.remembered = k.Parked
		return w.full
	})
	if err != nil {
		w.fail("order %+v: %v", o, err)
	}
	return out[0]
}

func TestRemoveAliasParksUntilAddAlias(t *testing.T) {
	play(t, 1, false, true, func(w *world) {
		w.settle()
		w.expect("b", "the primary serves")
		if out := w.order(w.b, control.Order{Alias: aliasIP, Remove: true, DryRun: true}); out.Text != "would be released and parked" {
			w.fail("dry run: %+v", out)
		}
		out := w.order(w.b, control.Order{Remove: true})
		if !out.Done || !strings.Contains(out.Next, "nobody will serve it") || len(w.remembered) != 1 {
			w.fail("RemoveAlias on the primary: %+v, remembered %v", out, w.remembered)
		}
		w.wait(30 * time.Second)
		w.expect("", "parked, and the partner is not primary")
		c := *w.cfgB
		w.b.daemon.Reload(&c)
		w.wait(10 * time.Second)
		w.expect("", "a reload does not unpark")
		if out := w.order(w.b, control.Order{Alias: aliasIP}); !out.Done {
			w.fail("AddAlias: %+v", out)
		}
		w.expect("b", "ordered")
		if len(w.remembered) != 0 {
			w.fail("still remembered: %v", w.remembered)
		}
	})
}

func TestParkedIsParkedAfterARestart(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.a.parked = []netip.Addr{aliasIP}
		_ = w.a.kernel.Add([]host.Placement{{NIC: "eth0", Label: "eth0:1", Prefix: w.cfgA.Aliases[0].Prefix}})
	}, func(w *world) {
		w.wait(30 * time.Second)
		w.expect("", "a parked alias that was left behind is taken off")
	})
}

func TestAddAliasIsRefusedWhereAnotherAnswers(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		out := w.order(w.b, control.Order{Alias: aliasIP})
		if out.Done || !strings.Contains(out.Text, w.a.hw.String()+", the partner,") {
			w.fail("AddAlias on the standby: %+v", out)
		}
		w.expect("a", "refused")
		if out := w.order(w.b, control.Order{Alias: aliasIP, Force: true}); !out.Done {
			w.fail("forced: %+v", out)
		}
		w.settle()
		w.expect("a", "the non-primary yields to the primary as soon as it hears it")
	})
}

func TestOrderThatCannotBeRememberedIsCarriedOutAndSaid(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.full = errors.New("no space left on device")
		out := w.order(w.a, control.Order{Alias: aliasIP, Remove: true})
		if !out.Done || out.NotRemembered != w.full.Error() {
			w.fail("%+v", out)
		}
	})
}

// TestAnOrderThatTheDiskDidNotTakeHoldsUntilTheNextStart: what operators parked before is
// not known, and this one is. The alias comes back after the cable, as if the disk had it.
func TestAnOrderThatTheDiskDidNotTakeHoldsUntilTheNextStart(t *testing.T) {
	for name, memory := range map[string]Memory{"the file cannot be read": Damaged, "the disk does not answer": NotReadYet} {
		t.Run(name, func(t *testing.T) {
			playWith(t, 1, true, false, func(w *world) { w.a.memory = memory }, func(w *world) {
				w.full = errors.New("no space left on device")
				w.wait(10 * time.Second)
				if _, _, reason := w.status(w.a); reason != "parked unknown" {
					w.fail("before the order: %s", reason)
				}
				if out := w.order(w.a, control.Order{Alias: aliasIP}); !out.Done || out.NotRemembered == "" {
					w.fail("%+v", out)
				}
				w.a.set(func() { w.a.nic().Carrier = false })
				w.wait(10 * time.Second)
				w.a.set(func() { w.a.nic().Carrier = true })
				w.settle()
				w.expect("b", "it was taken meanwhile")
				w.b.kill() // its host lives
				w.b.set(func() { w.b.kernel.lose() })
				w.settle()
				w.expect("a", "it was ordered here")
				if out := w.order(w.a, control.Order{Alias: aliasIP, Remove: true}); !out.Done {
					w.fail("%+v", out)
				}
				w.settle()
				if _, _, reason := w.status(w.a); reason != "parked" {
					w.fail("after RemoveAlias: %s", reason)
				}
			})
		})
	}
}

func TestOrderThatNobodyCanAnswerIsWithdrawn(t *testing.T) {
	play(t, 1, false, false, func(w *world) {
		w.wait(5 * time.Second)
		w.b.set(func() { w.b.arpErr, w.b.pingErr = errors.New("denied"), errors.New("denied") })
		w.wait(10 * time.Second)
		out := w.order(w.b, control.Order{Alias: aliasIP})
		if out.Done || !strings.HasPrefix(out.Text, "not yet: ") {
			w.fail("%+v", out)
		}
		if _, err := w.b.daemon.Order(w.t.Context(), control.Order{Alias: w.a.own.Addr()}, nil); !errors.Is(err, ErrNoAlias) {
			w.fail("an order for no alias: %v", err)
		}
	})
}

// TestOfTwoOrdersTheLaterListIsRememberedLast gives the second order while the
// first is still being remembered.
func TestOfTwoOrdersTheLaterListIsRememberedLast(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		var last []netip.Addr
		give := func(o control.Order, disk <-chan struct{}) {
			_, err := w.a.daemon.Order(w.t.Context(), o, func(k Kept) error {
				<-disk
				last = k.Parked
				return nil
			})
			if err != nil {
				w.fail("%v", err)
			}
		}
		slow, quick := make(chan struct{}), make(chan struct{})
		close(quick)
		var both sync.WaitGroup
		both.Go(func() { give(control.Order{Remove: true}, slow) })
		w.wait(100 * time.Millisecond)
		both.Go(func() { give(control.Order{}, quick) })
		w.wait(100 * time.Millisecond)
		close(slow)
		both.Wait()
		if len(last) != 0 {
			w.fail("remembered last: %v", last)
		}
	})
}

func TestOrderToALoopThatHangsIsGivenUpAndNotCarriedOutLater(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		hang := make(chan struct{})
		w.a.daemon.post(func(*loop) { <-hang })
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		_, err := w.a.daemon.Order(ctx, control.Order{Remove: true}, func(Kept) error {
			w.fail("remembered")
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			w.fail("%v", err)
		}
		close(hang)
		w.wait(5 * time.Second)
		w.expect("a", "the order came too late")
	})
}

// TestMaintenanceForgetsNothingThatTheDiskIsLateWith: the disk answers while this host is
// in maintenance, and has it that an operator parked the alias before.
func TestMaintenanceForgetsNothingThatTheDiskIsLateWith(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.a.memory = NotReadYet }, func(w *world) {
		w.wait(5 * time.Second)
		var now Kept
		_, err := w.a.daemon.Order(w.t.Context(), control.Order{Maintenance: control.On}, func(Kept) error {
			now, _ = w.a.daemon.Kept(Kept{Parked: []netip.Addr{aliasIP}}, Remembered)
			return nil
		})
		if err != nil || !now.Maintenance || len(now.Parked) != 1 {
			w.fail("%+v, %v", now, err)
		}
		out := w.order(w.a, control.Order{Maintenance: control.Off})
		if out.Text != staysParked {
			w.fail("%+v", out)
		}
	})
}

// A take that is over before the router has answered its pings takes no place from those of
// later takes.
func TestATakeIsVerifiedAfterManyThatWereOverSoon(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.wait(10 * time.Second)
		w.expect("a", "the primary serves")
		timeout := w.cfgA.Aliases[0].Timeout
		w.a.set(func() { w.a.lag = timeout / 2 })
		for range verifications + 2 {
			w.must(w.a, control.Order{Remove: true, Force: true}, "")
			w.wait(timeout) // for the answer, which is about nothing any more
			w.must(w.a, control.Order{Force: true}, "")
		}
		w.wait(5 * time.Second)
		if is := w.shown(w.a).Verified; is != "yes" {
			w.fail("the router answers it, and the snapshot says verified %q", is)
		}
	})
}
