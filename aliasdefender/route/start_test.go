package route

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
)

func TestAtItsStartAKeeperAdoptsWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(two("failback = false\n"))
		time.Sleep(time.Second)
		w.kill("10.1.0.2")
		time.Sleep(detected)
		w.wakeUp("10.1.0.2")
		w.end(false) // and the routes stay
		w.expect("kept", prefix, "10.1.0.3")
		w.change(func() { w.calls, w.events = nil, nil })
		w.start(two("failback = false\n"))
		time.Sleep(time.Minute)
		w.expect("adopted", prefix, "10.1.0.3")
		if diff := cmp.Diff([]string{prefix + " adopt: 10.1.0.3 > 10.1.0.3"}, w.told(record.RouteMoved)); diff != "" || len(w.did()) > 0 {
			t.Errorf("%s%v", diff, w.did())
		}
		w.change(func() { w.routes = nil })
		time.Sleep(time.Second)
		w.expect("it led there, and another removed it", prefix, "10.1.0.3")
		w.end(true)
		w.expect("withdrawn at the end", prefix, "")
	})
}

// A file that was cut short may have lost all of its routes.
func TestWhatAnEarlierMonitorMadeIsSaidAndLeftAlone(t *testing.T) {
	for _, settings := range []string{"interval = \"1s\"\n", two("metric = 5\n")} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			left := host.TableRoute{Prefix: netip.MustParsePrefix(prefix), Table: 254, Ours: true, Hops: []host.NextHop{{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.0.9"), Weight: 1}}}
			w.change(func() { w.put(left, false) })
			var said strings.Builder
			log := logrus.New()
			log.SetOutput(&said)
			o := w.options(settings)
			o.Log = log
			w.startWith(o)
			time.Sleep(time.Minute)
			w.end(true)
			if n := strings.Count(said.String(), "event=left_over"); n != 1 || !strings.Contains(said.String(), "ip route del 192.0.2.32/27 table 254 proto 77") {
				t.Errorf("said %d times:\n%s", n, said.String())
			}
			if all := w.table(); len(all) != 1 || all[0].Hops[0] != left.Hops[0] {
				t.Errorf("%+v", all)
			}
		})
	}
}

// It may be in a table that the file names no more, or of a row that is not to be installed.
func TestWhatIsLeftOverIsFoundInEveryTable(t *testing.T) {
	for what, tt := range map[string]struct {
		settings string
		left     []int // tables
		want     int   // lines
		says     string
	}{
		"another table":  {two(""), []int{100}, 1, "ip route del 192.0.2.32/27 table 100 proto 77"},
		"no row at all":  {"interval = \"1s\"\n", []int{100}, 1, "no [[route]] has it"},
		"not to install": {two("install = false\n"), []int{254}, 1, "its [[route]] says install = false now"},
		"many":           {two(""), []int{1, 2, 3, 4, 5, 6, 7, 8}, 6, "and 3 more routes are left over"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			for _, table := range tt.left {
				w.put(host.TableRoute{Prefix: netip.MustParsePrefix(prefix), Table: table, Ours: true, Hops: []host.NextHop{{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.0.9"), Weight: 1}}}, false)
			}
			var said strings.Builder
			log := logrus.New()
			log.SetOutput(&said)
			o := w.options(tt.settings)
			o.Log = log
			w.startWith(o)
			time.Sleep(time.Minute)
			w.end(false)
			if n := strings.Count(said.String(), "event=left_over"); n != tt.want || !strings.Contains(said.String(), tt.says) {
				t.Errorf("%s: said %d times:\n%s", what, n, said.String())
			}
		})
	}
}
