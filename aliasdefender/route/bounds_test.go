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
	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
)

func TestAKeeperThatObservesDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := w.options(two(""))
		o.Observe = true
		w.startWith(o)
		time.Sleep(time.Minute)
		want := []string{prefix + " rest:  > ", prefix + " add:  > 10.1.0.2"}
		if diff := cmp.Diff(want, w.told(record.RouteDecided)); diff != "" || len(w.did()) > 0 {
			t.Errorf("%s%v", diff, w.did())
		}
		w.k.Reload(configOf(t, "[[route]]\nprefix = \"192.0.2.64/27\"\nvia = [\"10.1.0.3\"]\n"))
		time.Sleep(time.Second)
		if all, _, _ := w.k.Snapshot(context.Background(), false); len(all) != 1 {
			t.Errorf("%+v", all)
		}
		w.end(true)
		if len(w.did()) > 0 {
			t.Error(w.did())
		}
	})
}

func TestAThousandRoutesMoveInOneGo(t *testing.T) {
	var settings strings.Builder
	settings.WriteString("interval = \"1s\"\n")
	for i := range 1000 {
		fmt.Fprintf(&settings, "[[route]]\nprefix = \"172.16.%d.%d/32\"\nvia = [\"10.1.0.%d\", \"10.2.0.9\"]\n", i/250, i%250, 2+i%4)
	}
	play(t, settings.String(), func(w *world) {
		time.Sleep(time.Second)
		w.mu.Lock()
		w.calls = nil
		w.mu.Unlock()
		w.kill("10.1.0.2")
		time.Sleep(detected)
		moved := 0
		for _, r := range w.table() {
			if r.Hops[0].Gateway == netip.MustParseAddr("10.2.0.9") {
				moved++
			}
		}
		if moved != 250 || !slices.Equal(w.did(), []string{"replace 250"}) {
			t.Errorf("%d moved, by %v", moved, w.did())
		}
	})
}

func TestAKernelThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.takes = time.Hour
		w.start(two(""))
		time.Sleep(time.Minute)
		if r := w.shown(prefix); r.Kept != "no" {
			t.Errorf("%+v", r)
		}
		begun := time.Now()
		w.k.End(true)
		if err := <-w.ended; err == nil || time.Since(begun) > 2*endWithin {
			t.Errorf("ended after %s: %v", time.Since(begun), err)
		}
		time.Sleep(2 * time.Hour) // its goroutine comes back
	})
}

// A pause is noticed also where nothing is asked but checks: what they said has grown old, and
// that is no alarm.
func TestASilentProcessForgets(t *testing.T) {
	for what, settings := range map[string]string{
		"pings":  two(""),
		"checks": two("check = \"web\"\n[check.web]\nhttp = \"http://{via}/\"\ninterval = \"1s\"\n"),
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			o := w.options(settings)
			begun, slept := time.Now(), time.Duration(0)
			o.Boottime = func() time.Duration { return time.Since(begun) + slept }
			var said strings.Builder
			log := logrus.New()
			log.SetOutput(&said)
			o.Log = log
			w.startWith(o)
			time.Sleep(5 * time.Second)
			w.k.post(func(*loop) { slept = time.Hour })
			time.Sleep(2 * detected)
			w.expect(what+", after a suspension", prefix, "10.1.0.2")
			w.says(what+", after a suspension", prefix, "R12", "good", "")
			w.end(false)
			if n := strings.Count(said.String(), "event=away"); n != 1 {
				t.Errorf("%s: said %d times that it was away", what, n)
			}
		})
	}
}

// After a pause a spread has as long as after the start to learn which hops live, before it is
// worth a warning.
func TestAPauseIsNoWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := w.options(two("mode = \"spread\"\n"))
		begun, slept := time.Now(), time.Duration(0)
		o.Boottime = func() time.Duration { return time.Since(begun) + slept }
		w.startWith(o)
		time.Sleep(5 * time.Second)
		w.k.post(func(*loop) { slept = time.Hour })
		time.Sleep(2 * detected)
		w.expect("after a suspension", prefix, "10.1.0.2 10.1.0.3")
		w.end(false)
		for _, e := range w.events {
			if e.Level != record.Info {
				t.Errorf("told %s: %s", e.Kind, e.Text)
			}
		}
	})
}

// What a check says costs the loop its own hop, and no other.
func TestACheckCostsItsOwnHop(t *testing.T) {
	play(t, two("check = \"web\"\n[check.web]\nhttp = \"http://{via}/\"\ninterval = \"1s\"\n"), func(w *world) {
		time.Sleep(5 * time.Second)
		w.change(func() { w.failing["web via 10.1.0.2"] = true })
		time.Sleep(5 * time.Second)
		w.ask(func(l *loop) bool {
			for _, h := range l.hops {
				h.report = check.Report{}
			}
			l.checked("web via 10.1.0.2")
			for _, h := range l.hops {
				if got, want := h.report.State, map[string]check.State{"web via 10.1.0.2": check.Failing}[h.check]; got != want {
					t.Errorf("%s: %v, want %v", h.check, got, want)
				}
			}
			return true
		})
	})
}

// A hop that comes and goes, and its routes with it, does not fill the log.
func TestAHopThatComesAndGoesDoesNotFillTheLog(t *testing.T) {
	var settings strings.Builder
	settings.WriteString("interval = \"1s\"\n")
	const routes = 300
	for i := range routes {
		fmt.Fprintf(&settings, "[[route]]\nprefix = \"172.16.%d.%d/32\"\nvia = [\"10.1.0.2\", \"10.1.0.3\"]\n", i/250, i%250)
	}
	play(t, settings.String(), func(w *world) {
		time.Sleep(3 * time.Second)
		w.kill("10.1.0.2")
		time.Sleep(3 * time.Second)
		if n := len(w.told(record.RouteMoved)); n != 2*routes {
			t.Errorf("%d moves told, of %d", n, 2*routes)
		}
		for range 50 {
			w.wakeUp("10.1.0.2")
			time.Sleep(3 * time.Second)
			w.kill("10.1.0.2")
			time.Sleep(3 * time.Second)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.events); n > totalEach*routes+7*totalLater {
			t.Errorf("%d events in five minutes", n)
		}
		counted := uint64(0)
		for _, e := range w.events {
			counted += e.Drops
		}
		if counted < 90*routes {
			t.Errorf("%d counted", counted)
		}
	})
}

// What is under way when the Monitor ends is told, as it has come about.
func TestADeedThatIsUnderWayAtTheEndIsTold(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(3 * time.Second)
		w.change(func() { w.takes = 200 * time.Millisecond })
		w.kill("10.1.0.2")
		w.works()
		w.k.End(false)
		all := w.told(record.RouteMoved)
		if want := prefix + " replace: 10.1.0.2 > 10.1.0.3"; all[len(all)-1] != want {
			t.Errorf("told %q, want %q", all[len(all)-1], want)
		}
	})
}

// A reading that began before a deed was done shows what was there before.
func TestAReadingFromBeforeADeedShowsNothingNew(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(3 * time.Second)
		w.change(func() { w.reads = 900 * time.Millisecond })
		w.kill("10.1.0.2")
		time.Sleep(5 * time.Second)
		w.expect("a slow reading", prefix, "10.1.0.3")
		if did := w.did(); !slices.Equal(did, []string{"add 1", "replace 1"}) {
			t.Errorf("the kernel was told to %v", did)
		}
	})
}

// A route that was to go with the Monitor, and could not, is named at its end.
func TestWhatCouldNotBeWithdrawnAtTheEndIsNamed(t *testing.T) {
	for what, spoil := range map[string]func(*world){
		"unreadable":         func(w *world) { w.change(func() { w.readErr = errors.New("no kernel today") }) },
		"nothing in the way": func(*world) {},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			var said strings.Builder
			log := logrus.New()
			log.SetOutput(&said)
			o := w.options(two(""))
			o.Log = log
			w.startWith(o)
			time.Sleep(3 * time.Second)
			spoil(w)
			time.Sleep(time.Minute)
			w.end(true)
			n := strings.Count(said.String(), "event=not_withdrawn")
			if stays := len(w.table()); n != stays || n > 0 && (!strings.Contains(said.String(), prefix) || !strings.Contains(said.String(), "no kernel today")) {
				t.Errorf("%s: %d stay, said:\n%s", what, stays, said.String())
			}
		})
	}
}

// An IPv4 table may hold two of ours with one metric, which somebody appended. The kernel uses
// and replaces the first.
func TestOfTwoRoutesOfOursTheFirstCounts(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(3 * time.Second)
		w.change(func() {
			w.put(host.TableRoute{Prefix: netip.MustParsePrefix(prefix), Table: 254, Ours: true, Hops: []host.NextHop{{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.0.3"), Weight: 1}}}, false)
		})
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"add 1"}, w.did()); diff != "" {
			t.Error(diff)
		}
	})
}
