package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/host"
)

// chaos is three hops on two networks, and two routes over them.
const chaos = `interval = "1s"
[[route]]
prefix = "192.0.2.32/27"
via = ["10.1.0.2", "10.2.0.2", "10.1.0.3"]
%s
[[route]]
prefix = "192.0.2.64/27"
via = ["10.1.0.2", "10.2.0.2", "10.1.0.3"]
mode = "spread"
`

// TestRandomEvents plays stories of random events, with a restart now and then. Meanwhile no
// route of somebody else's is touched. When all has been quiet for a while, each route leads
// where it should.
func TestRandomEvents(t *testing.T) {
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t)
			hops := []string{"10.1.0.2", "10.2.0.2", "10.1.0.3"}
			settings := fmt.Sprintf(chaos, "")
			w.start(settings)
			var story []string
			foreign := map[string]bool{}
			theirs := func(name string) host.TableRoute {
				return host.TableRoute{Prefix: netip.MustParsePrefix(name), Table: 254, Hops: []host.NextHop{{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.0.99"), Weight: 1}}}
			}
			names := []string{"192.0.2.32/27", "192.0.2.64/27"}
			for range 25 {
				hop, name := hops[r.IntN(3)], names[r.IntN(2)]
				what := ""
				switch n := r.IntN(10); n {
				case 0, 1, 2:
					what = "dies " + hop
					w.kill(hop)
				case 3, 4, 5:
					what = "lives " + hop
					w.wakeUp(hop)
				case 6:
					nic, on := fmt.Sprintf("eth%d", r.IntN(2)), r.IntN(2) == 0
					what = fmt.Sprint("carrier ", nic, on)
					w.carrier(nic, on)
				case 7:
					what = "ours deleted " + name
					w.change(func() {
						w.routes = slices.DeleteFunc(w.routes, func(o host.TableRoute) bool { return o.Ours && o.Prefix.String() == name })
					})
				case 8:
					if what = "foreign " + name; !foreign[name] {
						_ = w.Foreign(theirs(name))
						foreign[name] = true
					} else {
						what = "foreign gone " + name
						_ = w.Delete(theirs(name))
						delete(foreign, name)
					}
				case 9:
					if what = "reload"; r.IntN(2) == 0 {
						what = "restart"
						w.end(false)
						w.start(settings)
					} else {
						w.k.Reload(configOf(t, settings))
					}
				}
				story = append(story, what)
				time.Sleep(time.Duration(r.IntN(2500)) * time.Millisecond)
				n := 0
				for _, one := range w.table() {
					if !one.Ours {
						n++
					}
				}
				if n != len(foreign) {
					t.Fatalf("seed %d: %d routes of others, and there should be %d, after %s", seed, n, len(foreign), strings.Join(story, ", "))
				}
			}
			for name := range foreign {
				_ = w.Delete(theirs(name))
			}
			w.carrier("eth0", true)
			w.carrier("eth1", true)
			alive := []string{}
			for i, hop := range hops {
				if r.IntN(2) == 0 || i == 2 && len(alive) == 0 {
					w.wakeUp(hop)
					alive = append(alive, hop)
				} else {
					w.kill(hop)
				}
			}
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			for name, want := range map[string]string{names[0]: alive[0], names[1]: strings.Join(alive, " ")} {
				if got := w.leads(name); got != want {
					t.Errorf("seed %d: %s leads to %q, want %q, after %s", seed, name, got, want, strings.Join(story, ", "))
				}
				if s := w.shown(name); s.Level != "" || s.Row != "R12" {
					t.Errorf("seed %d: Status says %s %s of %s, after %s", seed, s.Level, s.Why, name, strings.Join(story, ", "))
				}
			}
			w.end(false)
		})
	}
}
