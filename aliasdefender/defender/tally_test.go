package defender

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
)

func TestTallyIsWhatTheSnapshotShows(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		look := func(st *station, want Tally) {
			t.Helper()
			got, err := st.daemon.Tally(w.t.Context())
			if err != nil {
				w.fail("%v", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				w.fail("of %s (-want +got):\n%s", st.name, diff)
			}
			s, err := st.daemon.Snapshot(w.t.Context(), false)
			if err != nil {
				w.fail("%v", err)
			}
			if diff := cmp.Diff(s.Tally(), got.Tally); diff != "" {
				w.fail("of %s, the snapshot (-) and the tally (+):\n%s", st.name, diff)
			}
		}
		w.settle()
		look(w.a, Tally{Read: true, Tally: control.Tally{Aliases: 1, Held: 1}})
		look(w.b, Tally{Read: true, Tally: control.Tally{Aliases: 1}})
		w.b.set(func() { w.b.readErr = errors.New("not permitted") })
		w.wait(2 * w.cfgB.Aliases[0].Interval)
		look(w.b, Tally{Read: true, Tally: control.Tally{Aliases: 1, Problems: 1}})
		w.b.set(func() { w.b.readErr = nil })
		w.settle()
		w.order(w.a, control.Order{Remove: true})
		look(w.a, Tally{Read: true, Tally: control.Tally{Aliases: 1, Parked: 1}})
		w.order(w.a, control.Order{})
	})
}

// A problem of the channel is in no alias: Status exits with 1 for it, and systemd's
// line must say so too.
func TestTallyCountsTheProblemsOfTheChannel(t *testing.T) {
	playWith(t, 1, true, false, (*world).withKey, func(w *world) {
		w.settle()
		w.b.kill()
		w.wait(3 * w.cfgA.Aliases[0].Interval)
		got, err := w.a.daemon.Tally(w.t.Context())
		if err != nil {
			w.fail("%v", err)
		}
		s, err := w.a.daemon.Snapshot(w.t.Context(), false)
		if err != nil {
			w.fail("%v", err)
		}
		if len(s.Problems) == 0 || got.Well() {
			w.fail("the snapshot has %q, and the tally says %s", s.Problems, got)
		}
		if diff := cmp.Diff(s.Tally(), got.Tally); diff != "" {
			w.fail("the snapshot (-) and the tally (+):\n%s", diff)
		}
	})
}
