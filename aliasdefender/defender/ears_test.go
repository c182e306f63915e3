package defender

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
)

// TestAnEarThatLosesFramesHearsNoSilence: the holder answers, and the standby's
// listener has no room for the answers (promises 7 and 8).
func TestAnEarThatLosesFramesHearsNoSilence(t *testing.T) {
	for name, deafen := range map[string]func(st *station){
		"all frames are lost":       func(st *station) { st.earLoses = 1 },
		"the listener is late":      func(st *station) { st.earLate = 3 * time.Second },
		"nine frames of ten":        func(st *station) { st.earLoses = 0.9 },
		"late, and frames are lost": func(st *station) { st.earLoses, st.earLate = 1, time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 1, true, false, func(w *world) {
				w.settle()
				w.a.set(func() { w.a.filters = true })
				w.b.set(func() { deafen(w.b) })
				w.wait(5 * time.Second)
				if p := w.problems(w.b); p != "" {
					w.fail("it may be over in a moment, and Status has %q", p)
				}
				w.wait(time.Minute)
				w.expect("a", "it answers, and b cannot hear it")
				if n := w.logged("msg=\"" + listenerOf(w.side()) + " "); n != 2 {
					w.fail("said %d times in a minute", n)
				}
				if p := w.problems(w.b); !strings.HasPrefix(p, listenerOf(w.side())+" ") {
					w.fail("Status has the problems %q", p)
				}
				if name == "all frames are lost" {
					s, err := w.b.daemon.Snapshot(w.t.Context(), true)
					if err != nil {
						w.fail("%v", err)
					}
					one := s.Aliases[0]
					if one.Row != "W7" || !strings.Contains(one.Why, ": "+listenerOf(w.side())+" lost ") {
						w.fail("%s: %s", one.Row, one.Why)
					}
					if !slices.ContainsFunc(one.Journal, func(e control.Entry) bool { return strings.Contains(e.Why, listenerOf(w.side())+" lost ") }) {
						w.fail("Why has %+v", one.Journal)
					}
				}
				w.b.set(func() { w.b.earLoses, w.b.earLate = 0, 0 })
				w.wait(15 * time.Second)
				if n := w.logged(listenerOf(w.side()) + " hears all again"); n != 1 {
					w.fail("its end is said %d times", n)
				}
				if p := w.problems(w.b); p != "" {
					w.fail("it is over, and Status has %q", p)
				}
				w.a.set(func() { w.a.on = false })
				w.a.kill()
				w.a.set(func() { w.a.kernel.lose() })
				w.settle()
				w.expect("b", "it hears all again")
			})
		})
	}
}

// TestTheTroubleOfAListenerThatIsGoneIsOver: the listener ends, or its NIC is gone, in the
// midst of its trouble, and Status says no more that it lasts.
func TestTheTroubleOfAListenerThatIsGoneIsOver(t *testing.T) {
	for name, end := range map[string]func(st *station){
		"it ends by itself": func(st *station) {
			st.deafened = errors.New("the driver is broken")
			for _, w := range slices.Clone(st.wires) {
				w.err = st.deafened
				w.once.Do(func() { close(w.done) })
			}
		},
		"its NIC is gone": func(st *station) { st.nic().Index, st.nic().Carrier, st.nic().Addrs = 0, false, nil },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 1, true, false, func(w *world) {
				w.settle()
				w.b.set(func() { w.b.earLoses = 1 })
				w.wait(time.Minute)
				if p := w.problems(w.b); !strings.HasPrefix(p, listenerOf(w.side())+" lost ") {
					w.fail("Status has the problems %q", p)
				}
				w.b.set(func() {
					w.b.earLoses = 0
					end(w.b)
				})
				w.wait(5 * time.Second)
				if p := w.problems(w.b); strings.Contains(p, listenerOf(w.side())) {
					w.fail("it is gone, and Status has %q", p)
				}
				if n := w.logged(listenerOf(w.side()) + " is closed: its trouble is over"); n != 1 {
					w.fail("that is said %d times", n)
				}
			})
		})
	}
}

// TestAHolderThatHearsNothingKeepsAndRestoresNothing: whether there is a rival is not
// known, so that what another program removed is not put back (H5).
func TestAHolderThatHearsNothingKeepsAndRestoresNothing(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.earLate = 3 * time.Second })
		w.wait(5 * time.Second)
		w.expect("a", "a holder keeps it")
		w.a.set(func() { w.a.kernel.lose() })
		w.wait(2 * time.Second)
		if _, row, reason := w.status(w.a); row != "H5" || reason != "lost" {
			w.fail("%s, %s: whether there is a rival is not known", row, reason)
		}
		w.a.set(func() { w.a.earLate = 0 })
		w.settle()
		w.expect("a", "it hears")
	})
}

// TestAListenerIsToldWhatMatters: aliases, partner and router, and anew when the file
// changes. One that cannot be told is closed: it may be deaf to what matters.
func TestAListenerIsToldWhatMatters(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		wants := func(addrs ...netip.Addr) {
			t.Helper()
			w.seg.mu.Lock()
			defer w.seg.mu.Unlock()
			for _, a := range addrs {
				if !w.a.wires[0].wanted[a] {
					w.fail("%v is not heard", a)
				}
			}
			if n := len(w.a.wires[0].wanted); n != len(addrs) {
				w.fail("%d addresses are heard, want %d", n, len(addrs))
			}
		}
		wants(aliasIP, w.b.own.Addr(), w.router.gateway())
		c := one(w.cfgA.Aliases[0])
		r := c.Aliases[0]
		r.Addr, r.Prefix, r.Label = secondIP, with(secondIP), "eth0:2"
		c.Aliases = append(c.Aliases, r)
		w.a.daemon.Reload(c)
		w.wait(time.Second)
		wants(aliasIP, secondIP, w.b.own.Addr(), w.router.gateway())
		w.a.set(func() { w.a.filterErr, w.a.ears = errors.New("no memory"), 0 })
		w.a.daemon.Reload(w.cfgA)
		w.wait(10 * time.Second)
		if w.logged("no memory") == 0 || w.a.ears < 5 {
			w.fail("%d listeners were opened, and it is said %d times", w.a.ears, w.logged("no memory"))
		}
		w.a.set(func() { w.a.filterErr = nil })
		w.settle()
		wants(aliasIP, w.b.own.Addr(), w.router.gateway())
		w.expect("a", "it hears again")
	})
}
