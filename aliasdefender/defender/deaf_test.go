package defender

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
)

// sun is what a station has if its kernel is that of a Solaris: it looks for
// duplicates and announces by itself, and the daemon can do neither.
type sun struct {
	*station
	duplicates []netip.Addr // plumbed, and taken down
	neighbours map[netip.Addr]host.HW
	removed    int           // remains of duplicates
	slow       time.Duration // of ifconfig, once the address is there
}

func (w *world) sunny(stations ...*station) {
	for _, st := range stations {
		st.sun = &sun{station: st, neighbours: map[netip.Addr]host.HW{}}
	}
}

func (st *station) network() Network {
	if st.sun != nil {
		return st.sun
	}
	return st
}

func (st *station) listen() func(string, host.Family, func([]host.Sighting)) (Wire, error) {
	if st.sun != nil {
		return nil
	}
	return st.Listen
}

// asking is for pings that share a socket, which is Linux's.
func (st *station) asking() func(probe.Question, func(time.Time, error)) error {
	if st.sun != nil {
		return nil
	}
	return st.Ask
}

func (s *sun) Read() (host.State, error) {
	state, err := s.station.Read()
	s.seg.mu.Lock()
	defer s.seg.mu.Unlock()
	state.Duplicates, state.Neighbours = slices.Clone(s.duplicates), map[netip.Addr]host.HW{}
	for ip, hw := range s.neighbours {
		state.Neighbours[ip] = hw
	}
	return state, err
}

// Add refuses what another station has, and announces what it has added.
func (s *sun) Add(orders []host.Placement) []error {
	s.seg.mu.Lock()
	for _, o := range orders {
		for _, other := range s.seg.stations {
			if other != s.station && other.has(o.Prefix.Addr()) && s.seg.path(s.station, other) {
				s.seg.mu.Unlock()
				return slices.Repeat([]error{host.ErrDuplicate}, len(orders))
			}
		}
	}
	s.seg.mu.Unlock()
	errs := s.station.Add(orders)
	s.seg.mu.Lock()
	defer s.seg.mu.Unlock()
	for _, o := range orders {
		s.seg.send(s.station, nil, host.Sighting{Sender: o.Prefix.Addr(), HW: s.hw, Target: o.Prefix.Addr()})
	}
	s.seg.mu.Unlock()
	time.Sleep(s.slow)
	s.seg.mu.Lock()
	return errs
}

func (s *sun) Remove(orders []host.Placement) []error {
	errs := s.station.Remove(orders)
	s.seg.mu.Lock()
	defer s.seg.mu.Unlock()
	if s.removeErr != nil {
		return errs
	}
	for _, o := range orders {
		before := len(s.duplicates)
		s.duplicates = slices.DeleteFunc(s.duplicates, func(ip netip.Addr) bool { return ip == o.Prefix.Addr() })
		s.removed += before - len(s.duplicates)
	}
	return errs
}

// clash is the kernel's finding that another host has the alias.
func (s *sun) clash() {
	s.set(func() {
		s.kernel.Remove([]host.Placement{{NIC: "eth0", Prefix: with(aliasIP)}})
		s.duplicates = append(s.duplicates, aliasIP)
	})
}

func (w *world) wants(holders, when string) {
	w.t.Helper()
	if got := w.holders(); got != holders {
		w.fail("held by %q %s, want %q", got, when, holders)
	}
}

func TestHostsWithoutARPKeepTheAliasAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.sunny(w.a, w.b)
		w.a.start(w.cfgA, &w.log)
		w.b.start(w.cfgB, &w.log)
		w.wait(5 * time.Second)
		w.wants("a", "at the beginning")

		w.a.kill()
		w.a.set(func() {
			w.a.on = false
			w.a.kernel.Remove([]host.Placement{{NIC: "eth0", Prefix: with(aliasIP)}})
		})
		w.wait(2 * time.Second)
		w.wants("b", "after the crash")

		w.a.set(func() { w.a.on = true })
		w.a.start(w.cfgA, &w.log)
		w.wait(10 * time.Second)
		w.wants("b", "after the return")

		w.router.set(func() { w.router.on = false })
		w.wait(10 * time.Second)
		w.wants("b", "without the router")
		w.b.kill()
		w.b.set(func() {
			w.b.on = false
			w.b.kernel.Remove([]host.Placement{{NIC: "eth0", Prefix: with(aliasIP)}})
		})
		w.wait(10 * time.Second)
		w.wants("", "with the router silent")
		w.router.set(func() { w.router.on = true })
		w.wait(3 * time.Second)
		w.wants("a", "when the router is back")
		if w.bothMax > 0 {
			w.fail("held by both for %v", w.bothMax)
		}
		w.a.kill()
	})
}

func TestHolderWithoutARPDoesNotTakeItsOwnAnswerForARivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.sunny(w.a)
		w.a.sun.slow = time.Second
		w.a.start(w.cfgA, &w.log)
		w.wait(30 * time.Second)
		w.wants("a", "alone")
		if strings.Contains(w.log.String(), "row=W6") {
			w.fail("its own answer was taken for another host's, before ifconfig had returned")
		}
		s, err := w.a.daemon.Snapshot(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range s.Aliases[0].Facts {
			if f.Name == "alias elsewhere" && f.Value != "unknown" {
				w.fail("nobody can be asked for rivals, and they are %q", f.Value)
			}
		}
		if log := w.log.String(); strings.Contains(log, "could not be announced") || strings.Count(log, "\n") > 10 {
			w.fail("says too much of what is as it has to be")
		}
		next := make(chan time.Time, 1)
		w.a.daemon.post(func(l *loop) { next <- l.list[0].state.Next })
		if at := <-next; time.Until(at) < time.Second {
			w.fail("announces by itself, next at %v", at)
		}
		w.a.kill()
	})
}

func TestDuplicateEndsTheHoldingAndNothingIsLeft(t *testing.T) {
	for _, primary := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, primary, !primary)
			w.sunny(w.a)
			w.b.set(func() { w.b.on = false })
			w.a.start(w.cfgA, &w.log)
			w.wait(5 * time.Second)
			w.wants("a", "alone")
			w.b.set(func() {
				w.b.on, w.b.filters = true, true // so that only the kernel tells of it
				w.b.foreign[aliasIP] = true      // nobody decides about it: it stays
			})
			w.a.sun.clash()
			w.wait(100 * time.Millisecond) // at once, not after a doubt
			w.wants("b", "after the clash")
			if w.a.sun.removed != 1 || len(w.a.sun.duplicates) != 0 {
				w.fail("the remains of the alias were removed %d times, left: %v", w.a.sun.removed, w.a.sun.duplicates)
			}
			w.wait(10 * time.Second)
			w.wants("b", "later")

			w.b.set(func() { delete(w.b.foreign, aliasIP); w.b.on = false })
			w.wait(3 * time.Second)
			w.wants("a", "when the other is gone")
			w.a.kill()
		})
	}
}

func TestRemainsOfADuplicateThatCannotBeRemovedAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.sunny(w.a)
		w.b.set(func() { w.b.on = false })
		w.a.start(w.cfgA, &w.log)
		w.wait(5 * time.Second)
		w.wants("a", "alone")
		w.b.set(func() { w.b.on, w.b.filters, w.b.foreign[aliasIP] = true, true, true })
		w.a.set(func() { w.a.removeErr = errors.New("not now") })
		w.a.sun.clash()
		w.wait(100 * time.Millisecond)
		before := strings.Count(w.log.String(), "event=decided")
		for range 20 {
			w.wait(time.Second)
			if _, _, reason := w.status(w.a); reason != "lost to another" {
				w.fail("reason %q: who has it is still known", reason)
			}
		}
		if n := strings.Count(w.log.String(), "event=decided") - before; n > 0 {
			w.fail("%d decisions in 20 s, want none: nothing has changed", n)
		}
		w.a.set(func() { w.a.removeErr = nil })
		w.wait(3 * time.Second)
		if w.a.sun.removed != 1 {
			w.fail("the remains were removed %d times", w.a.sun.removed)
		}
		w.a.kill()
	})
}

func TestDuplicateAtTheTakeIsSomebodyWhoServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.sunny(w.a)
		w.b.set(func() { w.b.filters, w.b.foreign[aliasIP] = true, true }) // answers no ping
		w.a.start(w.cfgA, &w.log)
		w.wait(30 * time.Second)
		w.wants("b", "though it answers no ping")
		if log := w.log.String(); strings.Count(log, "could not be added") != 1 || !strings.Contains(log, "row=W6") {
			w.fail("not said once, or not understood")
		}
		if w.a.tries > 0 {
			w.fail("added %d times", w.a.tries)
		}
		w.a.kill()
	})
}

func TestAliasLostWithoutARPIsAskedForAndRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.sunny(w.a)
		w.cfgA.Aliases[0].Interval, w.cfgA.Aliases[0].Timeout = time.Minute, time.Second
		w.a.start(w.cfgA, &w.log)
		w.wait(150 * time.Second)
		w.wants("a", "at the beginning")
		lose := func() { w.a.kernel.Remove([]host.Placement{{NIC: "eth0", Prefix: with(aliasIP)}}) }
		w.a.set(lose)
		w.wait(5 * time.Second) // the doubt, and not the interval
		w.wants("a", "after another program removed it")

		w.a.set(func() { lose(); w.b.foreign[aliasIP] = true })
		w.wait(5 * time.Second)
		w.wants("b", "after it was taken elsewhere")
		if log := w.log.String(); !strings.Contains(log, "another program removed it") {
			w.fail("not restored for that")
		}
		w.a.kill()
	})
}

func TestARPCacheNamesTheHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.sunny(w.a)
		w.b.set(func() { w.b.foreign[aliasIP] = true })
		w.a.set(func() {
			w.a.sun.neighbours[aliasIP], w.a.sun.neighbours[w.b.own.Addr()] = w.b.hw, w.b.hw
		})
		w.a.start(w.cfgA, &w.log)
		w.wait(5 * time.Second)
		s, err := w.a.daemon.Snapshot(t.Context(), false)
		if err != nil || s.Aliases[0].Holder != "partner" {
			w.fail("%v: held by %q, want the partner", err, s.Aliases[0].Holder)
		}

		// If it is the router's, nobody knows whether anybody serves it.
		w.a.set(func() {
			w.a.sun.neighbours[aliasIP], w.a.sun.neighbours[w.router.gateway()] = w.router.hw, w.router.hw
		})
		w.wait(5 * time.Second)
		s, err = w.a.daemon.Snapshot(t.Context(), false)
		if err != nil || s.Aliases[0].Holder != "unknown" {
			w.fail("%v: held by %q, want unknown", err, s.Aliases[0].Holder)
		}
		w.a.kill()
	})
}
