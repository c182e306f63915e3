package defender

import (
	"testing"

	"alias-defender/aliasdefender/control"
)

// TestWhatTheLoopCountsIsInTheSnapshot: probes, those in vain once the partner is dead, how
// long answers took, announcements.
func TestWhatTheLoopCountsIsInTheSnapshot(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		look := func() (control.Snapshot, map[string]control.Probes) {
			t.Helper()
			s, err := w.a.daemon.Snapshot(w.t.Context(), false)
			if err != nil {
				w.fail("%v", err)
			}
			probes := map[string]control.Probes{}
			for _, p := range s.Counts.Probes {
				probes[p.Addr] = p
			}
			return s, probes
		}
		w.settle()
		w.wait(3 * w.cfgA.Aliases[0].Interval)
		s, before := look()
		if s.Aliases[0].Announcements == 0 {
			w.fail("the holder has announced nothing")
		}
		partner := s.Aliases[0].Partner.Addr
		if p := before[partner]; p.Sent == 0 || p.Lost != 0 {
			w.fail("of a partner that lives: %+v", p)
		}
		w.wait(3 * w.cfgA.Aliases[0].Interval)
		alias := s.Aliases[0].Alias
		_, later := look()
		if was, is := before[alias], later[alias]; is.Sent <= was.Sent || is.Lost != was.Lost {
			w.fail("of an alias that is here: %+v, before %+v", is, was)
		}
		trips := uint64(0)
		for _, h := range s.Counts.Trips {
			for _, n := range h.Buckets {
				trips += n
			}
		}
		if trips == 0 || len(s.Counts.Trips) != 2 {
			w.fail("%d answers in %v", trips, s.Counts.Trips)
		}
		turns := uint64(0)
		for _, n := range s.Counts.Lag.Buckets {
			turns += n
		}
		if turns == 0 || s.Counts.Lag.Sum != 0 { // in a bubble nothing is late
			w.fail("the loop woke %d times, %v late", turns, s.Counts.Lag.Sum)
		}

		w.b.set(func() { w.b.on = false })
		w.wait(10 * w.cfgA.Aliases[0].Interval)
		_, after := look()
		if p := after[partner]; p.Lost == 0 || p.Lost > p.Sent || p.Sent <= before[partner].Sent {
			w.fail("of a partner that is dead: %+v, before %+v", p, before[partner])
		}
	})
}
