package defender

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"alias-defender/aliasdefender/host"
)

func TestWhatIsToldToStayIsNotGivenALeaseAgain(t *testing.T) {
	for ms := range 40 {
		keyed(t, func(w *world) { w.a.slowly = 50 * time.Millisecond }, func(w *world) {
			w.wait(time.Duration(ms) * 100 * time.Millisecond) // the lease is due in one of them
			w.a.daemon.Stop(ExitKeep)
			w.wait(20 * time.Second)
			w.expect("a", "it outlives its daemon")
		})
	}
}

func TestAliasWithAnotherMaskIsNotRefreshedWithoutEnd(t *testing.T) {
	keyed(t, func(w *world) {
		w.a.slowly = time.Millisecond
		w.a.kernel.Add([]host.Placement{{NIC: "eth0", Label: "eth0:1", Prefix: netip.PrefixFrom(aliasIP, 32)}})
	}, func(w *world) {
		w.a.set(func() { w.a.refreshes = 0 })
		w.wait(10 * time.Second)
		w.seg.mu.Lock()
		n := w.a.refreshes
		w.seg.mu.Unlock()
		if n > 20 {
			w.fail("tried %d times in 10 s", n)
		}
	})
}

func TestLeaseThatCannotBeRenewedKeepsNothingElseFromBeingDone(t *testing.T) {
	keyed(t, func(w *world) {
		w.a.kernel.Add([]host.Placement{{NIC: "eth0", Label: "eth0:1", Prefix: with(aliasIP)}})
		w.a.refreshErr = errors.New("operation not permitted")
	}, func(w *world) {
		begin := time.Now()
		w.wait(5 * time.Minute)
		w.expect("a", "adopted, for ever")
		if n := w.announcements(w.a, w.a.hw, begin); n < 3 {
			w.fail("announced %d times in 5 minutes", n)
		}
		begin = time.Now()
		w.client.set(func() { w.client.foreign[aliasIP] = true })
		w.wait(30 * time.Second)
		if n := w.announcements(w.a, w.a.hw, begin); n < 2 {
			w.fail("announced %d times against a rival", n)
		}
	})
}

func TestLeaseOfAMonitorBeforeIsEndedWhereNoneIsWanted(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.a.kill()
		w.a.set(func() {
			w.a.kernel.Add([]host.Placement{{NIC: "eth0", Label: "eth0:1", Prefix: with(aliasIP), Lease: 10 * time.Second}})
		})
		w.a.start(w.cfgA, &w.log)
		w.wait(30 * time.Second)
		if w.logged("has vanished") > 0 {
			w.fail("it ran out")
		}
	})
}
