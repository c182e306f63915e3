package route

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
)

// TestZebraLeavesTheRoutesAlone: at its start and at its end zebra sweeps what it takes for
// routes of FRR, and protocol 77 is none of theirs.
func TestZebraLeavesTheRoutesAlone(t *testing.T) {
	t.Parallel()
	w := newTown(t, first(quick, ""))
	w.begun()
	each, router := w.asks()
	begun := time.Now()
	zebra := stage.FRR(t, w.router, w.file("frr"), "ip route 198.51.100.0/24 10.1.0.2\n", "staticd")
	w.await("zebra has added a route of its own", func() bool {
		return strings.Contains(w.run(w.router, "ip", "route", "show", "198.51.100.0/24"), "via 10.1.0.2 ")
	})
	stage.Must(t, zebra.Signal(syscall.SIGTERM))
	_, _ = zebra.Wait(stage.Patiently(t))
	w.await("zebra has removed it", func() bool {
		return w.run(w.router, "ip", "route", "show", "198.51.100.0/24") == ""
	})
	for n := range subnets {
		if leads := w.leads(n); leads != fmt.Sprint(n) {
			t.Errorf("%s leads to %q", subnet(n), leads)
		}
		w.undisturbed(subnet(n), each[n], router, begun)
	}
	if said := w.monitor.Output(); strings.Contains(said, "event=route_vanished") {
		t.Errorf("routes were removed:\n%s", said)
	}
}
