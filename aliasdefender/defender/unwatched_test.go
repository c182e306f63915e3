package defender

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

// unwatched plays a story of two hosts whose Defenders carry out orders only.
func unwatched(t *testing.T, set, f func(w *world)) {
	t.Helper()
	playWith(t, 1, true, false, func(w *world) {
		w.a.deeds, w.b.deeds = OrderedDeeds, OrderedDeeds
		set(w)
	}, f)
}

// looked gives an order once all is known that it depends on.
func (w *world) looked(st *station, o control.Order) control.Outcome {
	w.t.Helper()
	if err := st.daemon.Looked(w.t.Context(), true); err != nil {
		w.fail("looked: %v", err)
	}
	return w.order(st, o)
}

// announced is when a station announced the alias.
func (w *world) announced(st *station) (all []time.Time) {
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	for _, f := range w.seg.frames {
		if f.from == st && f.Sender == aliasIP {
			all = append(all, f.at)
		}
	}
	return all
}

// byHand puts the alias on a station as another program would.
func (w *world) byHand(st *station) { _ = st.kernel.Own("eth0", w.cfgA.Aliases[0].Prefix) }

func nothing(*world) {}

func TestWithoutAnOrderNothingIsDone(t *testing.T) {
	onlyB := func(w *world) {
		w.b.set(func() { w.b.on = false }) // and the primary, A, would take it
		w.cfgA.Aliases[0].OnIsolation, w.cfgA.Aliases[0].IsolatedAfter = config.IsolationRelease, time.Second
	}
	t.Run("taken", func(t *testing.T) {
		unwatched(t, onlyB, func(w *world) {
			w.wait(30 * time.Second)
			w.expect("", "nobody has ordered it")
			if _, row, _ := w.status(w.a); row != "W10" {
				w.fail("row %s: this world has nothing to refrain from", row)
			}
		})
	})
	t.Run("taken before or after the order for it was refused", func(t *testing.T) {
		unwatched(t, nothing, func(w *world) {
			w.b.set(func() { w.byHand(w.b) })
			if out := w.looked(w.a, control.Order{}); out.Done || !strings.Contains(out.Text, "the partner, answers for it") {
				w.fail("%+v", out)
			}
			w.b.set(func() { w.b.on = false })
			w.wait(30 * time.Second)
			w.expect("", "refused is refused")
		})
	})
	t.Run("released, announced, defended, restored", func(t *testing.T) {
		unwatched(t, func(w *world) {
			w.byHand(w.a) // adopted
			onlyB(w)
		}, func(w *world) {
			w.wait(5 * time.Second)
			w.seg.mu.Lock()
			w.client.foreign[aliasIP] = true // a rival
			w.seg.mu.Unlock()
			w.a.set(func() { w.a.nic().Carrier = false })
			w.wait(10 * time.Second)
			w.a.set(func() { w.a.nic().Carrier = true })
			w.router.set(func() { w.router.on = false })
			w.wait(30 * time.Second)
			w.expect("a", "whatever befell it")
			w.a.set(func() { w.a.kernel.Remove([]host.Placement{{NIC: "eth0", Prefix: w.cfgA.Aliases[0].Prefix}}) })
			w.wait(30 * time.Second)
			w.expect("", "and who took it off meant it")
			if n := len(w.announced(w.a)); n > 0 {
				w.fail("announced %d times", n)
			}
		})
	})
	t.Run("what was parked and is here, taken off", func(t *testing.T) {
		unwatched(t, func(w *world) {
			_ = w.a.kernel.Add([]host.Placement{{NIC: "eth0", Label: "eth0:1", Prefix: w.cfgA.Aliases[0].Prefix}})
			w.a.parked = []netip.Addr{aliasIP}
		}, func(w *world) {
			out := w.looked(w.a, control.Order{Remove: true, DryRun: true})
			w.wait(10 * time.Second)
			w.expect("a", "a dry run")
			if out.Text != "would be released and parked" {
				w.fail("%+v", out)
			}
		})
	})
}

func TestAddAliasAloneIsAnnouncedTwiceASecondApart(t *testing.T) {
	unwatched(t, func(w *world) { w.a.router = netip.Addr{} }, func(w *world) {
		begin := time.Now()
		out := w.looked(w.a, control.Order{})
		if took := time.Since(begin); !out.Done || out.Text != "taken: this host has it" || out.Next != noMonitorNow || took > 2*time.Second {
			w.fail("after %v: %+v", took, out)
		}
		w.wait(10 * time.Second)
		w.expect("a", "ordered")
		if at := w.announced(w.a); len(at) != 2 || at[1].Sub(at[0]) != time.Second {
			w.fail("announced at %v", at)
		}
		if out := w.order(w.a, control.Order{}); !out.Done || out.Text != hasAlready {
			w.fail("once more: %+v", out)
		}
	})
}

func TestAddAliasAloneByForceSaysWhoClaimsItStill(t *testing.T) {
	unwatched(t, func(w *world) { w.byHand(w.a) }, func(w *world) {
		out := w.looked(w.b, control.Order{Force: true})
		if !out.Done || !strings.Contains(out.Text, "taken from "+w.a.hw.String()+", the partner, which") ||
			!strings.Contains(out.Next, ", the partner, claims it still") {
			w.fail("%+v", out)
		}
		w.expect("ab", "nobody yields without a Monitor")
		if n := len(w.announced(w.b)); n != 2 {
			w.fail("announced %d times", n)
		}
	})
}

func TestAddAliasAloneThatFailsIsAnsweredAndNotTriedAgain(t *testing.T) {
	unwatched(t, func(w *world) { w.a.addErr = errors.New("no room") }, func(w *world) {
		out := w.looked(w.a, control.Order{})
		if out.Done || !strings.HasPrefix(out.Text, "the alias could not be added: no room") || out.Next != goOnLater {
			w.fail("%+v", out)
		}
		w.a.set(func() { w.a.addErr = nil })
		w.wait(30 * time.Second)
		w.expect("", "the order is over")
		if w.a.tries != 1 {
			w.fail("tried %d times", w.a.tries)
		}
	})
}

// TestAddAliasAloneWaitsForThePartnersName: the rival answers first.
func TestAddAliasAloneWaitsForThePartnersName(t *testing.T) {
	unwatched(t, func(w *world) {
		w.client.foreign[aliasIP] = true
		w.b.on = false
		time.AfterFunc(400*time.Millisecond, func() { w.b.set(func() { w.b.on = true }) })
	}, func(w *world) {
		if out := w.looked(w.a, control.Order{}); out.Done || !strings.Contains(out.Text, w.client.hw.String()+", not the partner, answers for it") {
			w.fail("%+v", out)
		}
	})
}

func TestAddAliasAloneSaysWhyItCannotAsk(t *testing.T) {
	t.Run("no carrier", func(t *testing.T) {
		unwatched(t, func(w *world) { w.a.nic().Carrier = false }, func(w *world) {
			out := w.looked(w.a, control.Order{})
			if out.Done || !strings.Contains(out.Text, "refused: eth0 has no carrier") || out.Next != mendFirst {
				w.fail("%+v", out)
			}
		})
	})
	t.Run("a kernel that cannot be read", func(t *testing.T) {
		unwatched(t, func(w *world) { w.a.readErr = errors.New("netlink is gone") }, func(w *world) {
			if err := w.a.daemon.Looked(w.t.Context(), false); err == nil || !strings.Contains(err.Error(), "netlink is gone") {
				w.fail("%v", err)
			}
		})
	})
}

func TestRemoveAliasAloneSaysWhatFailed(t *testing.T) {
	unwatched(t, func(w *world) {
		w.byHand(w.a)
		w.a.removeErr = errors.New("not allowed")
	}, func(w *world) {
		out := w.looked(w.a, control.Order{Remove: true})
		if out.Done || !strings.Contains(out.Text, "it is parked, but the alias could not be removed: not allowed") || !strings.Contains(out.Next, "this host still has it") {
			w.fail("%+v", out)
		}
	})
}

// TestRemoveAliasReleasesWhateverIsThere: it was put there by hand while the alias
// was parked, and no loop would call it its own.
func TestRemoveAliasReleasesWhateverIsThere(t *testing.T) {
	for name, deeds := range map[string]Deeds{"a Monitor": AllDeeds, "alone": OrderedDeeds} {
		t.Run(name, func(t *testing.T) {
			unwatched(t, func(w *world) {
				w.a.deeds, w.a.parked = deeds, []netip.Addr{aliasIP}
				w.byHand(w.a)
			}, func(w *world) {
				w.wait(10 * time.Second)
				w.expect("a", "what somebody put there is his")
				if out := w.looked(w.a, control.Order{Remove: true}); !out.Done || out.Text != "released: it is off this host, and parked" {
					w.fail("%+v", out)
				}
				w.expect("", "ordered")
				if out := w.order(w.a, control.Order{Remove: true}); !out.Done || out.Text != "it was not on this host, and is parked" {
					w.fail("once more: %+v", out)
				}
			})
		})
	}
}

func TestMaintenanceOffSaysWhetherThereWasAny(t *testing.T) {
	unwatched(t, func(w *world) { w.a.parked = []netip.Addr{aliasIP} }, func(w *world) {
		out := w.looked(w.a, control.Order{Maintenance: control.Off})
		if !out.Done || out.Text != notInMaintenance || out.Next != noMonitorNow {
			w.fail("%+v", out)
		}
	})
}

// TestAddAliasAloneMakesALeaseLast: what a Monitor that was killed has left goes with
// its lease, but not where an operator has just ordered it here.
func TestAddAliasAloneMakesALeaseLast(t *testing.T) {
	for name, c := range map[string]struct {
		order control.Order
		want  string
	}{
		"ordered":   {control.Order{}, "a"},
		"a dry run": {control.Order{DryRun: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			unwatched(t, func(w *world) {
				_ = w.a.kernel.Add([]host.Placement{{NIC: "eth0", Label: "eth0:1", Prefix: w.cfgA.Aliases[0].Prefix, Lease: 20 * time.Second}})
			}, func(w *world) {
				if out := w.looked(w.a, c.order); !out.Done || out.Text != hasAlready {
					w.fail("%+v", out)
				}
				w.a.daemon.Stop(ExitKeep)
				w.wait(time.Minute)
				w.expect(c.want, "after the lease")
			})
		})
	}
}
