package defender

import (
	"context"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
)

// The disk answers after an operator has ordered the alias here, and has it that this host
// was in maintenance before: for this alias the order is the newer word.
func TestAnOrderOutweighsTheMaintenanceThatTheDiskIsLateWith(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.a.memory = NotReadYet }, func(w *world) {
		w.wait(time.Second)
		var now Kept
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
		defer cancel()
		out, err := w.a.daemon.Order(ctx, control.Order{}, func(Kept) error {
			now, _ = w.a.daemon.Kept(Kept{Maintenance: true}, Remembered)
			return nil
		})
		if err != nil || len(out) != 1 || !out[0].Done || !now.Maintenance {
			w.fail("%+v, %v; the disk should have %+v", out, err, now)
		}
		w.wait(5 * time.Second)
		w.expect("a", "an operator ordered it here")
	})
}
