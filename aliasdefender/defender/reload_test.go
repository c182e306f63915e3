package defender

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
)

// A row that changes only its label is another alias with the same addresses to ask:
// it must be asked for, and served, as the one before it was.
func TestRowThatChangesItsLabelIsServedAgain(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		for _, label := range []string{"eth0:7", "eth0:8"} {
			c := *w.cfgA
			c.Aliases = []config.Alias{w.cfgA.Aliases[0]}
			c.Aliases[0].Label = label
			w.a.daemon.Reload(&c)
			w.wait(10 * time.Second)
			w.expect("a", "the row is "+label+" now")
			s, err := w.a.daemon.Snapshot(w.t.Context(), false)
			if err != nil || s.Aliases[0].NIC != label || s.Aliases[0].Reason != "held" {
				w.fail("%v, %+v", err, s.Aliases)
			}
		}
		if n := w.logged("the state of the NIC cannot be read"); n > 0 {
			w.fail("said %d times of a NIC that was only not read yet", n)
		}
	})
}
