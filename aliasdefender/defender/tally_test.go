package defender

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
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
			n := len(s.Problems)
			for _, a := range s.Aliases {
				if a.Level != "" || a.Standby.Problem() {
					n++
				}
			}
			if n != got.Problems {
				w.fail("%d problems, and the snapshot shows %d", got.Problems, n)
			}
		}
		w.settle()
		look(w.a, Tally{Read: true, Aliases: 1, Held: 1})
		look(w.b, Tally{Read: true, Aliases: 1})
		w.b.set(func() { w.b.readErr = errors.New("not permitted") })
		w.wait(2 * w.cfgB.Aliases[0].Interval)
		look(w.b, Tally{Read: true, Aliases: 1, Problems: 1})
		w.b.set(func() { w.b.readErr = nil })
		w.settle()
	})
}
