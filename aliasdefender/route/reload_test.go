package route

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
)

// ask has the loop answer between two turns.
func (w *world) ask(f func(*loop) bool) bool {
	w.t.Helper()
	yes, err := ask(context.Background(), w.k, f)
	if err != nil {
		w.t.Fatal(err)
	}
	return yes
}

// works waits until a deed is under way.
func (w *world) works() {
	w.t.Helper()
	for !w.ask(func(l *loop) bool { return l.busy }) {
		time.Sleep(time.Millisecond)
	}
}

func TestAReloadWhileADeedIsUnderWay(t *testing.T) {
	row := "interval = \"1s\"\n[[route]]\nprefix = \"" + prefix + "\"\nvia = [%s]\n"
	play(t, fmt.Sprintf(row, `"10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5"`), func(w *world) {
		time.Sleep(3 * time.Second)
		w.change(func() { w.takes = 200 * time.Millisecond })
		w.kill("10.1.0.2", "10.1.0.3", "10.1.0.4")
		w.works()
		fewer := configOf(t, fmt.Sprintf(row, `"10.1.0.5"`))
		for range 300 { // also before the reading that follows the deed
			w.k.Reload(fewer)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		w.expect("after two reloads", prefix, "10.1.0.5")
		all := w.told(record.RouteMoved)
		if want := prefix + " replace: 10.1.0.2 > 10.1.0.5"; all[len(all)-1] != want {
			t.Errorf("told %q, want %q", all[len(all)-1], want)
		}
	})
}

// A hop that is gone from the row gives the others other numbers: that moves nothing.
func TestAReloadWithoutAHopThatIsNotUsedMovesNothing(t *testing.T) {
	play(t, two(""), func(w *world) {
		w.kill("10.1.0.2")
		time.Sleep(5 * time.Second)
		w.expect("the first is dead", prefix, "10.1.0.3")
		did := w.did()
		w.k.Reload(configOf(t, "interval = \"1s\"\n[[route]]\nprefix = \""+prefix+"\"\nvia = [\"10.1.0.3\"]\n"))
		time.Sleep(5 * time.Second)
		if now := w.did(); !slices.Equal(now, did) {
			t.Errorf("the kernel was told to %v, after %v", now, did)
		}
	})
}

// For install = false the hook is what keeps the route elsewhere: its last word has to be
// where the route leads.
func TestWhereInstallChangesTheHooksLastHearWhereTheRouteLeads(t *testing.T) {
	play(t, two("failback = false\n"), func(w *world) {
		time.Sleep(time.Second)
		w.kill("10.1.0.2")
		time.Sleep(detected)
		w.wakeUp("10.1.0.2")
		time.Sleep(detected)
		for _, install := range []bool{false, true} {
			w.change(func() { w.events = nil })
			w.k.Reload(configOf(t, two(fmt.Sprintf("failback = false\ninstall = %t\n", install))))
			time.Sleep(5 * time.Second)
			want := []string{prefix + " add:  > 10.1.0.3", prefix + " withdraw: 10.1.0.3 > 10.1.0.3"}
			if diff := cmp.Diff(want, w.told(record.RouteMoved)); diff != "" || len(w.table()) == 0 == install {
				t.Errorf("install = %t: %s%v", install, diff, w.table())
			}
		}
	})
}

// A row with another metric may come at a time when nothing can be added.
func TestTheOldRouteStaysUntilTheNewOneIsThere(t *testing.T) {
	for what, trouble := range map[string]func(*world){
		"unknown": func(w *world) { w.change(func() { w.nics[0].Addrs = w.nics[0].Addrs[1:] }) },
		"dead":    func(w *world) { w.kill("10.1.0.2", "10.1.0.3") },
		"foreign": func(w *world) {
			_ = w.Foreign(host.TableRoute{Prefix: netip.MustParsePrefix(prefix), Table: 254, Metric: 5, Hops: []host.NextHop{{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.0.9"), Weight: 1}}})
		},
	} {
		play(t, two(""), func(w *world) {
			time.Sleep(3 * time.Second)
			trouble(w)
			time.Sleep(10 * time.Second)
			other := configOf(t, two("metric = 5\n"))
			if d, err := w.k.Drops(context.Background(), other); err != nil || len(d) > 0 {
				t.Errorf("%s: drops %v, %v", what, d, err)
			}
			w.k.Reload(other)
			time.Sleep(time.Minute)
			w.expect(what, prefix, "10.1.0.2")
			none := configOf(t, "interval = \"1s\"\n")
			if d, err := w.k.Drops(context.Background(), none); err != nil || !slices.Equal(d, []string{prefix}) {
				t.Errorf("%s: the new row goes too, and drops are %v, %v", what, d, err)
			}
			w.k.Reload(configOf(t, two("metric = 6\n")))
			w.wakeUp("10.1.0.2", "10.1.0.3")
			w.change(func() { w.nics[0].Addrs = newWorld(t).nics[0].Addrs })
			time.Sleep(10 * time.Second)
			ours := slices.DeleteFunc(w.table(), func(r host.TableRoute) bool { return !r.Ours })
			if len(ours) != 1 || ours[0].Metric != 6 {
				t.Errorf("%s: %+v", what, ours)
			}
		})
	}
	play(t, two("on_all_dead = \"withdraw\"\n"), func(w *world) {
		time.Sleep(3 * time.Second)
		w.k.Reload(configOf(t, two("on_all_dead = \"withdraw\"\nmetric = 5\n")))
		w.kill("10.1.0.2", "10.1.0.3")
		time.Sleep(10 * time.Second)
		w.expect("all dead, and withdraw", prefix, "")
	})
}

func TestOneOfTwoRowsOfAPrefixIsADrop(t *testing.T) {
	one := "[[route]]\nprefix = \"" + prefix + "\"\nvia = [\"10.1.0.2\"]\n"
	play(t, "interval = \"1s\"\n"+one+one+"table = 100\n", func(w *world) {
		time.Sleep(3 * time.Second)
		want := []string{prefix + " table 100"}
		if d, err := w.k.Drops(context.Background(), configOf(t, "interval = \"1s\"\n"+one)); err != nil || !slices.Equal(d, want) {
			t.Errorf("drops %v, %v", d, err)
		}
		if d, err := w.k.Drops(context.Background(), configOf(t, "interval = \"1s\"\n"+one+"metric = 5\n")); err != nil || !slices.Equal(d, want) {
			t.Errorf("drops %v, %v", d, err)
		}
	})
}

// noRemove is a kernel that removes nothing.
type noRemove struct{ *world }

func (n noRemove) RemoveRoutes(o []host.TableRoute) []error {
	n.each("remove", o, func(host.TableRoute) error { return nil })
	return slices.Repeat([]error{errors.New("not permitted")}, len(o))
}

func TestARemovalThatFailsIsTriedAgainAfterPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLeaving(t, "interval = \"1s\"\n")
		time.Sleep(10 * time.Second)
		if n := strings.Count(strings.Join(w.did(), " "), "remove"); n < 3 || n > 5 {
			t.Errorf("%d removals in 10 s", n)
		}
		w.end(false)
	})
}

// What a route that leaves had set for its hops is no longer in force, however long it takes
// to go.
func TestARouteThatLeavesDoesNotSetTheRhythmOfTheHopsThatItShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLeaving(t, "interval = \"10s\"\n[[route]]\nprefix = \"192.0.2.64/27\"\nvia = [\"10.1.0.2\"]\n")
		time.Sleep(time.Second)
		w.ask(func(l *loop) bool {
			for _, h := range l.hops {
				if want := map[string]time.Duration{"10.1.0.2": 10 * time.Second, "10.1.0.3": time.Second}[h.addr.String()]; h.Interval != want {
					t.Errorf("%s is asked every %s, want %s", h.addr, h.Interval, want)
				}
			}
			if l.every != 10*time.Second {
				t.Errorf("the host is read every %s", l.every)
			}
			return true
		})
		w.end(false)
	})
}

// A row that changes its install has two routes for as long as the old one has not gone. One
// name is one row of Status, and one series of the metrics.
func TestARouteWhoseInstallChangesIsShownOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLeaving(t, two("install = false\n"))
		time.Sleep(10 * time.Second)
		all, _, err := w.k.Snapshot(context.Background(), false)
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		if r := all[0]; r.Kept != "hooks" || r.Row != "R12" || r.Level != "error" || !strings.Contains(r.Why, "not permitted") {
			t.Errorf("%+v", r)
		}
		tally, err := w.k.Tally(context.Background())
		if diff := cmp.Diff(control.Tally{Routes: 1, Problems: 1}, tally); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		w.k.Reload(configOf(t, "interval = \"1s\"\n"))
		time.Sleep(10 * time.Second)
		if r := w.shown(prefix); r.Kept != "yes" || r.Level != "error" {
			t.Errorf("%+v", r)
		}
		w.end(false)
	})
}

// While the new route cannot be there yet, the old one is what there is.
func TestWhatARouteReplacesIsShownUntilItIsThere(t *testing.T) {
	play(t, two("install = false\n"), func(w *world) {
		time.Sleep(3 * time.Second)
		_ = w.Foreign(host.TableRoute{Prefix: netip.MustParsePrefix(prefix), Table: 254, Hops: []host.NextHop{{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.0.9"), Weight: 1}}})
		w.k.Reload(configOf(t, two("")))
		time.Sleep(3 * time.Second)
		all, _, err := w.k.Snapshot(context.Background(), false)
		if err != nil || len(all) != 1 || all[0].Kept != "hooks" || len(all[0].Via) != 1 || all[0].Row != "R3" || all[0].Level != "alarm" {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// newLeaving is a world of two hops whose route cannot be removed, with a new file.
func newLeaving(t *testing.T, file string) *world {
	w := newWorld(t)
	o := w.options(two(""))
	o.Tables = noRemove{w}
	w.startWith(o)
	time.Sleep(3 * time.Second)
	w.change(func() { w.takes = time.Millisecond })
	w.k.Reload(configOf(t, file))
	return w
}
