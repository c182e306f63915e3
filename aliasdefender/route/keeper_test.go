package route

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

const prefix = "192.0.2.32/27"

// two is a route with two next hops, and more of its settings.
func two(more string) string {
	return "interval = \"1s\"\n[[route]]\nprefix = \"" + prefix + "\"\nvia = [\"10.1.0.2\", \"10.1.0.3\"]\n" + more
}

func TestARouteMovesToTheNextHopThatLives(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(time.Second)
		w.expect("at the start", prefix, "10.1.0.2")
		w.says("at the start", prefix, "R12", "good", "")
		w.kill("10.1.0.2")
		time.Sleep(detected)
		w.expect("its hop died", prefix, "10.1.0.3")
		w.wakeUp("10.1.0.2")
		time.Sleep(detected)
		w.expect("it is back", prefix, "10.1.0.2")
		want := []string{
			prefix + " add:  > 10.1.0.2", prefix + " replace: 10.1.0.2 > 10.1.0.3", prefix + " replace: 10.1.0.3 > 10.1.0.2",
		}
		if diff := cmp.Diff(want, w.told(record.RouteMoved)); diff != "" {
			t.Error(diff)
		}
		if slices.Contains(w.did(), "remove 1") {
			t.Errorf("it was gone for a moment: %v", w.did())
		}
	})
}

// Whenever between two questions a hop dies, its routes have moved within interval + misses ×
// timeout.
func TestADeadHopIsNoticedInTime(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 100 * time.Millisecond} {
		for phase := range 20 {
			play(t, strings.Replace(two(""), "1s", interval.String(), 1), func(w *world) {
				time.Sleep(10*interval + time.Duration(phase)*interval/20)
				w.kill("10.1.0.2")
				killed := time.Now()
				for w.leads(prefix) != "10.1.0.3" && time.Since(killed) < time.Minute {
					time.Sleep(time.Millisecond)
				}
				if took := time.Since(killed); took > interval+3*interval/4+5*time.Millisecond {
					t.Errorf("interval %s, phase %d: moved after %s", interval, phase, took)
				}
			})
		}
	}
}

func TestWithoutFailbackARouteStays(t *testing.T) {
	play(t, two("failback = false\n"), func(w *world) {
		time.Sleep(time.Second)
		w.kill("10.1.0.2")
		time.Sleep(detected)
		w.wakeUp("10.1.0.2")
		time.Sleep(time.Minute)
		w.expect("the first is back", prefix, "10.1.0.3")
		w.change(func() { w.routes = nil })
		time.Sleep(time.Second)
		w.expect("another program removed it", prefix, "10.1.0.3")
	})
}

func TestASpreadHasEachHopThatLives(t *testing.T) {
	play(t, "interval = \"1s\"\n[[route]]\nprefix = \""+prefix+"\"\nvia = [\"10.1.0.2\", \"10.1.0.3\", \"10.2.0.4\"]\nmode = \"spread\"\nweights = [3, 1, 1]\n", func(w *world) {
		time.Sleep(time.Second)
		w.expect("at the start", prefix, "10.1.0.2*3 10.1.0.3 10.2.0.4")
		w.kill("10.1.0.3", "10.2.0.4")
		time.Sleep(detected)
		w.expect("one is left", prefix, "10.1.0.2*3")
		w.mu.Lock()
		w.routes[0].Hops[0].Weight = 1 // as the kernel keeps an only hop
		calls := len(w.calls)
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if len(w.did()) != calls {
			t.Errorf("the kernel was worked on, for nothing: %v", w.did()[calls:])
		}
		w.wakeUp("10.1.0.3", "10.2.0.4")
		time.Sleep(detected)
		w.expect("all are back", prefix, "10.1.0.2*3 10.1.0.3 10.2.0.4")
	})
}

func TestALostCarrierMovesARouteAtOnce(t *testing.T) {
	play(t, "interval = \"20s\"\n[[route]]\nprefix = \""+prefix+"\"\nvia = [\"10.1.0.2\", \"10.2.0.2\"]\n", func(w *world) {
		time.Sleep(time.Second)
		w.carrier("eth0", false)
		time.Sleep(100 * time.Millisecond)
		w.expect("carrier lost", prefix, "10.2.0.2")
		w.carrier("eth0", true)
		time.Sleep(2 * time.Second)
		w.expect("carrier back", prefix, "10.1.0.2")
	})
}

func TestWhenEveryHopIsDead(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(time.Second)
		w.kill("10.1.0.2", "10.1.0.3")
		time.Sleep(detected)
		w.expect("keep", prefix, "10.1.0.2")
		w.says("keep", prefix, "R4", "all hops dead", "alarm")
	})
	play(t, two("on_all_dead = \"withdraw\"\n"), func(w *world) {
		time.Sleep(time.Second)
		w.kill("10.1.0.2", "10.1.0.3")
		time.Sleep(detected)
		w.expect("withdraw", prefix, "")
		w.says("withdraw", prefix, "R4", "all hops dead", "alarm")
		w.wakeUp("10.1.0.3")
		time.Sleep(detected)
		w.expect("one is back", prefix, "10.1.0.3")
	})
}

func TestARouteThatAnotherRemovesIsPutBack(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(time.Second)
		gone := 0
		for range 100 { // in ten seconds
			w.change(func() {
				if len(w.routes) > 0 {
					gone++
				}
				w.routes = nil
			})
			time.Sleep(100 * time.Millisecond)
		}
		if gone < 3 || gone > 7 {
			t.Errorf("put back %d times within ten seconds", gone)
		}
		if r := w.shown(prefix); r.Level != "alarm" || !strings.Contains(r.Why, "keeps vanishing") {
			t.Errorf("Status says %q %q", r.Level, r.Why)
		}
		time.Sleep(time.Minute)
		w.expect("the other program has ended", prefix, "10.1.0.2")
	})
}

func TestAForeignRouteIsLeftAlone(t *testing.T) {
	foreign := host.TableRoute{Prefix: netip.MustParsePrefix(prefix), Table: 254, Hops: []host.NextHop{{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.0.9"), Weight: 1}}}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_ = w.Foreign(foreign)
		w.start(two(""))
		time.Sleep(10 * time.Second)
		w.expect("a foreign one has its place", prefix, "")
		w.says("a foreign one has its place", prefix, "R3", "foreign route", "alarm")
		if len(w.table()) != 1 || w.table()[0].Ours || len(w.did()) > 0 {
			t.Errorf("%+v, %v", w.table(), w.did())
		}
		_ = w.Delete(foreign)
		time.Sleep(time.Second)
		w.expect("it has gone", prefix, "10.1.0.2")
		_ = w.Foreign(foreign)
		time.Sleep(time.Second)
		w.says("one stands in front of ours", prefix, "R11", "shadowed", "alarm")
		w.kill("10.1.0.2")
		time.Sleep(10 * time.Second)
		if !slices.ContainsFunc(w.table(), func(r host.TableRoute) bool { return !r.Ours && r.Hops[0].Gateway == foreign.Hops[0].Gateway }) {
			t.Errorf("the foreign one was touched: %+v", w.table())
		}
		if r := w.shown(prefix); r.Level != "alarm" || !strings.Contains(r.Why, "not ours") {
			t.Errorf("Status says %q %q", r.Level, r.Why)
		}
		w.wakeUp("10.1.0.2")
		time.Sleep(time.Minute)
		w.says("its hop lives again, and nothing has to be done", prefix, "R11", "shadowed", "alarm")
		if r := w.shown(prefix); strings.Contains(r.Why, "could not") {
			t.Errorf("Status goes on to say %q", r.Why)
		}
		w.kill("10.1.0.2")
		time.Sleep(detected)
		_ = w.Delete(foreign)
		time.Sleep(time.Minute)
		w.expect("it has gone again", prefix, "10.1.0.3")
		w.end(false)
	})
}

func TestUnknownMovesNothing(t *testing.T) {
	play(t, "interval = \"1s\"\n[[route]]\nprefix = \""+prefix+"\"\nvia = [\"203.0.113.2\", \"10.1.0.1\"]\n", func(w *world) {
		time.Sleep(time.Minute)
		w.expect("a hop on no network, and our own address", prefix, "")
		if r := w.shown(prefix); r.Row != "R5" || r.Level != "alarm" || !strings.Contains(r.Why, "203.0.113.2 is on no network of this host") {
			t.Errorf("%+v", r)
		}
		w.change(func() {
			w.nics[1].Addrs = append(w.nics[1].Addrs, host.Address{Prefix: netip.MustParsePrefix("203.0.113.1/24")})
		})
		time.Sleep(detected)
		w.expect("the network has come", prefix, "203.0.113.2")
	})
	play(t, two(""), func(w *world) {
		time.Sleep(time.Second)
		w.mu.Lock()
		w.readErr = errors.New("no kernel today")
		w.mu.Unlock()
		time.Sleep(30 * time.Second)
		w.kill("10.1.0.2")
		time.Sleep(30 * time.Second)
		w.says("the tables cannot be read", prefix, "R1", "routes unknown", "warning")
		w.expect("the tables cannot be read", prefix, "10.1.0.2")
		if _, problems, _ := w.k.Snapshot(context.Background(), false); len(problems) != 1 || !strings.Contains(problems[0], "no kernel today") {
			t.Errorf("problems: %v", problems)
		}
		w.mu.Lock()
		w.readErr = nil
		w.mu.Unlock()
		time.Sleep(2 * time.Second)
		w.expect("they can be read again", prefix, "10.1.0.3")
	})
}

func TestACheckIsAskedThroughEachHop(t *testing.T) {
	play(t, two("check = \"web\"\n[check.web]\nhttp = \"http://{via}/\"\ninterval = \"1s\"\n"), func(w *world) {
		time.Sleep(5 * time.Second)
		w.expect("at the start", prefix, "10.1.0.2")
		w.mu.Lock()
		w.failing["web via 10.1.0.2"] = true
		w.mu.Unlock()
		time.Sleep(5 * time.Second)
		w.expect("its service fails, and the host lives", prefix, "10.1.0.3")
		if r := w.shown(prefix); r.Hops[0].Answer != "failing" || r.Hops[0].Why != "status 500" || r.Hops[1].Answer != "good" {
			t.Errorf("%+v", r.Hops)
		}
		w.mu.Lock()
		w.failing["web via 10.1.0.2"] = false
		w.mu.Unlock()
		time.Sleep(5 * time.Second)
		w.expect("its service is well again", prefix, "10.1.0.2")
	})
}

// A slow check beside a fast rhythm of the file: the start is no alarm, and the route waits for
// the hop that it would rather lead to.
func TestASlowCheckHasItsTimeAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		asked := 0
		o := w.options(two("failback = false\ncheck = \"web\"\n[check.web]\nhttp = \"http://{via}/\"\ninterval = \"5s\"\n"))
		o.Check = func(ctx context.Context, c config.Check) check.Answer {
			if strings.HasSuffix(c.Name, "10.1.0.2") {
				if asked++; asked < 3 {
					return check.Answer{Reason: "its name cannot be resolved"}
				}
			}
			return w.check(ctx, c)
		}
		w.startWith(o)
		time.Sleep(time.Minute)
		w.expect("both are well", prefix, "10.1.0.2")
		for _, e := range w.events {
			if e.Level >= rules.Warning {
				t.Errorf("%s: %s", e.Kind, e.Text)
			}
		}
		w.end(false)
	})
}

func TestAReloadChangesOnlyWhatHasChanged(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(time.Second)
		more := two("") + "[[route]]\nprefix = \"192.0.2.64/27\"\nvia = [\"10.1.0.3\"]\n"
		w.k.Reload(configOf(t, more))
		time.Sleep(detected)
		w.expect("it stays", prefix, "10.1.0.2")
		w.expect("it has come", "192.0.2.64/27", "10.1.0.3")
		if diff := cmp.Diff([]string{"add 1", "add 1"}, w.did()); diff != "" {
			t.Error(diff)
		}
		turned := strings.Replace(more, `"10.1.0.2", "10.1.0.3"`, `"10.1.0.3", "10.1.0.2"`, 1)
		w.k.Reload(configOf(t, turned))
		time.Sleep(detected)
		w.expect("another preference", prefix, "10.1.0.3")
		gone := "[[route]]\nprefix = \"192.0.2.64/27\"\nvia = [\"10.1.0.3\"]\n"
		if dropped, err := w.k.Drops(context.Background(), configOf(t, gone)); err != nil || !slices.Equal(dropped, []string{prefix}) {
			t.Errorf("dropped: %v, %v", dropped, err)
		}
		w.k.Reload(configOf(t, gone))
		time.Sleep(time.Second)
		w.expect("its row has gone", prefix, "")
		w.expect("the other stays", "192.0.2.64/27", "10.1.0.3")
		if all, _, _ := w.k.Snapshot(context.Background(), false); len(all) != 1 {
			t.Errorf("%+v", all)
		}
	})
}

func TestAnotherMetricIsAddedBeforeTheOldRouteGoes(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(time.Second)
		w.k.Reload(configOf(t, two("metric = 5\n")))
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"add 1", "add 1", "remove 1"}, w.did()); diff != "" {
			t.Error(diff)
		}
		if len(w.table()) != 1 || w.table()[0].Metric != 5 {
			t.Errorf("%+v", w.table())
		}
	})
}

func TestARouteThatIsNotInstalledIsTold(t *testing.T) {
	play(t, two("install = false\n"), func(w *world) {
		time.Sleep(time.Second)
		w.kill("10.1.0.2")
		time.Sleep(detected)
		want := []string{prefix + " add:  > 10.1.0.2", prefix + " replace: 10.1.0.2 > 10.1.0.3"}
		if diff := cmp.Diff(want, w.told(record.RouteMoved)); diff != "" || len(w.did()) > 0 || len(w.table()) > 0 {
			t.Errorf("%s%v", diff, w.did())
		}
		if r := w.shown(prefix); r.Kept != "hooks" || r.Via[0].Hop != "10.1.0.3" {
			t.Errorf("%+v", r)
		}
		w.end(true)
		if all := w.told(record.RouteMoved); all[len(all)-1] != prefix+" withdraw: 10.1.0.3 > " {
			t.Errorf("at the end: %v", all)
		}
		w.start(two("install = false\n"))
	})
}
