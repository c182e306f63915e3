package defender

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
)

// A row of which only the label or the mask changes is asked about as before: it is
// another alias nevertheless.
func TestReloadOfLabelOrMaskAlone(t *testing.T) {
	for name, change := range map[string]func(*config.Alias){
		"label": elsewhere,
		"mask":  func(a *config.Alias) { a.Prefix = netip.PrefixFrom(aliasIP, 25) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 1, true, false, func(w *world) {
				w.settle()
				w.expect("a", "the primary serves")
				w.a.daemon.Reload(one(changed(w.cfgA.Aliases[0], change)))
				w.wait(20 * time.Second)
				w.expect("a", "released, and taken again as the row has it now")
				if _, row, _ := w.status(w.a); row != "H9" {
					w.fail("row %s, want H9", row)
				}
			})
		})
	}
}

func changed(r config.Alias, change func(*config.Alias)) config.Alias {
	change(&r)
	return r
}

// The alias that takes another's place has no targets before the turn ends in which
// another take is begun.
func TestTakeInTheTurnInWhichARowIsReplaced(t *testing.T) {
	g := &gate{}
	playWith(t, 1, true, false, func(w *world) {
		*w.cfgA = *second(w.cfgA)
		w.a.gates = []Gate{g}
	}, func(w *world) {
		w.wait(10 * time.Second)
		if len(g.opens) != 2 {
			w.fail("%d takes ask, want 2", len(g.opens))
		}
		other := 0
		for i, asked := range g.asked {
			if asked.Alias == aliasIP {
				g.opens[i](nil)
			} else {
				other = i
			}
		}
		w.wait(time.Second)
		w.expect("a", "its gate has opened")
		w.a.set(func() { w.a.beat = func() { time.Sleep(time.Millisecond) } }) // what is begun in a turn has ended by the next
		c := *w.cfgA
		c.Aliases = []config.Alias{changed(c.Aliases[0], elsewhere), c.Aliases[1]}
		w.a.daemon.Reload(&c)
		g.opens[other](nil)
		w.wait(10 * time.Second)
		if !w.a.has(g.asked[other].Alias) {
			w.fail("the second is not taken")
		}
	})
}

// Why goes on where the row moves to another NIC.
func TestWhyGoesOnOverAMoveToAnotherNIC(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.expect("a", "the primary serves")
		w.a.daemon.Reload(one(changed(w.cfgA.Aliases[0], func(a *config.Alias) { a.NIC, a.Label = "eth1", "eth1:1" })))
		w.wait(5 * time.Second)
		s, err := w.a.daemon.Snapshot(w.t.Context(), true)
		if err != nil {
			w.fail("%v", err)
		}
		var actions []string
		for _, e := range s.Aliases[0].Journal {
			actions = append(actions, e.Action)
		}
		if !slices.Contains(actions, "take") || !slices.Contains(actions, "release") {
			w.fail("Why has %q, want the take and the release on the former NIC too", actions)
		}
	})
}

// elsewhere changes a row so that its alias has to be put there anew: in IPv4 by a label,
// which IPv6 does not have.
func elsewhere(a *config.Alias) {
	if a.Label = "eth0:7"; a.Addr.Is6() {
		a.Prefix = netip.PrefixFrom(a.Addr, a.Prefix.Bits()+1)
	}
}

// A reading that was under way when the row before it let the alias go may still show it.
func TestTheNextRowAdoptsNothingFromBeforeTheRelease(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.expect("a", "the primary serves")
		late := make(chan struct{})
		w.a.set(func() { w.a.late = late }) // and the kernel tells of a change: a reading begins
		w.wait(10 * time.Millisecond)
		w.seg.mu.Lock()
		w.a.late = nil
		w.seg.mu.Unlock()
		w.a.daemon.Reload(one(changed(w.cfgA.Aliases[0], elsewhere)))
		w.wait(10 * time.Millisecond)
		w.expect("", "the row before has let it go")
		close(late)
		w.wait(10 * time.Millisecond)
		if w.logged("it was found on this host") != 0 {
			w.fail("adopted, though it has gone")
		}
		w.wait(10 * time.Second)
		w.expect("a", "taken again as the row has it now")
	})
}
