package defender

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

// TestATroubleOfAGroupIsSaidEachHour while it lasts, whether anything changes or not; and what
// comes and goes is not said more often.
func TestATroubleOfAGroupIsSaidEachHour(t *testing.T) {
	if raceEnabled {
		return // for hours the same: make test plays it without the race detector
	}
	grouping(t, config.SplitServe, func(w *firewall) {
		w.a.parked = []netip.Addr{memberIP()}
	}, func(w *firewall) {
		lines := func(apart, together int, why string) {
			w.t.Helper()
			if a, b := w.logged("event=group_apart"), w.logged("event=group_together"); a != apart || b != together {
				w.fail("%s: said %d times, and %d times that it is over; want %d and %d", why, a, b, apart, together)
			}
		}
		lines(1, 0, "one is parked alone")
		w.wait(time.Hour + time.Minute)
		lines(2, 0, "it lasts")
		w.all(w.a, control.Order{Alias: aliasIP})
		w.wait(time.Second)
		lines(2, 1, "all are unparked")
		for range 10 {
			for _, text := range []string{"two machines", ""} {
				w.a.daemon.post(func(l *loop) {
					l.groups[0].machines = text
					l.sayGroup(l.groups[0])
				})
				w.wait(10 * time.Second)
			}
		}
		lines(3, 2, "it comes and goes within the hour")
	})
}

func TestTwoFilesWithTwoGroupsAreAnAlarm(t *testing.T) {
	grouping(t, config.SplitServe, func(w *firewall) {
		w.cfgB.Groups[0].Aliases = []netip.Addr{memberIP(), aliasIP}
	}, func(w *firewall) {
		for _, st := range []*station{w.a, w.b} {
			if a, _ := w.show(st); len(a.Pair) != 1 || !strings.Contains(a.Pair[0], "group firewall is another one") {
				w.fail("%s shows %q", st.name, a.Pair)
			}
		}
		c := *w.cfgB
		c.Groups = nil
		w.b.daemon.Reload(&c)
		w.wait(3 * time.Second)
		if a, _ := w.show(w.a); len(a.Pair) != 1 || !strings.Contains(a.Pair[0], "in none in the partner's settings") {
			w.fail("A shows %q", a.Pair)
		}
		c.Groups = w.cfgA.Groups
		w.b.daemon.Reload(&c)
		w.wait(3 * time.Second)
		a, problem := w.show(w.b)
		if len(a.Pair) != 0 || problem || a.Group == nil || a.Group.Leads != aliasIP.String() || a.Group.Here != "yes" || a.Group.Partner != "yes" {
			w.fail("the same on both: %q, %+v", a.Pair, a.Group)
		}
	})
}
