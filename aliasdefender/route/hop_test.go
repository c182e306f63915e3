package route

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
)

// three is a spread over three next hops on two networks.
const three = "interval = \"1s\"\n[[route]]\nprefix = \"" + prefix + "\"\nvia = [\"10.1.0.2\", \"10.1.0.3\", \"10.2.0.4\"]\nmode = \"spread\"\n"

// The kernel refuses a route to a hop that is on no network, and would refuse each change.
func TestASpreadDropsADeadHopBesideOneOnNoNetwork(t *testing.T) {
	play(t, three, func(w *world) {
		time.Sleep(3 * time.Second)
		w.change(func() { w.nics[1].Addrs = nil })
		time.Sleep(10 * time.Second)
		w.expect("a hop is on no network", prefix, "10.1.0.2 10.1.0.3 10.2.0.4")
		w.says("a hop is on no network", prefix, "R7", "hop unknown", "warning")
		w.kill("10.1.0.2")
		time.Sleep(detected)
		w.expect("another is dead", prefix, "10.1.0.3")
		w.change(func() { w.nics[1].Addrs = newWorld(t).nics[1].Addrs })
		time.Sleep(detected)
		w.expect("the network is back", prefix, "10.1.0.3 10.2.0.4")
	})
}

// down has a NIC go down, which takes its routes along, and up has it come back.
func (w *world) down(i int) {
	w.change(func() {
		w.nics[i].Up, w.nics[i].Carrier = false, false
		var stay []host.TableRoute
		for _, r := range w.routes {
			if r.Hops[0].NIC != w.nics[i].Name {
				stay = append(stay, r)
			}
		}
		w.routes = stay
	})
}
func (w *world) up(i int) { w.change(func() { w.nics[i].Up, w.nics[i].Carrier = true, true }) }

func TestWithoutFailbackARouteReturnsWithItsNIC(t *testing.T) {
	play(t, two("failback = false\n"), func(w *world) {
		time.Sleep(3 * time.Second)
		w.down(0)
		time.Sleep(5 * time.Second)
		w.kill("10.1.0.2")
		w.up(0)
		time.Sleep(100 * time.Millisecond) // the other answers first
		w.wakeUp("10.1.0.2")
		time.Sleep(2 * detected)
		w.expect("the NIC is back", prefix, "10.1.0.2")
	})
}

// A NIC takes its routes along when it goes down: no other program has removed them.
func TestANICThatFlapsIsNoOtherProgram(t *testing.T) {
	play(t, "interval = \"1s\"\n[[route]]\nprefix = \""+prefix+"\"\nvia = [\"10.1.0.2\", \"10.2.0.3\"]\n", func(w *world) {
		time.Sleep(3 * time.Second)
		for range 6 {
			w.down(0)
			time.Sleep(100 * time.Millisecond)
			w.expect("down", prefix, "10.2.0.3")
			w.up(0)
			time.Sleep(3 * time.Second)
			w.expect("up", prefix, "10.1.0.2")
		}
		if r := w.shown(prefix); r.Level != "" {
			t.Errorf("%s: %s", r.Level, r.Why)
		}
	})
	play(t, two(""), func(w *world) {
		time.Sleep(3 * time.Second)
		for range 6 {
			w.down(0)
			time.Sleep(3 * time.Second)
			w.up(0)
			time.Sleep(200 * time.Millisecond)
			w.expect("up, and no other hop", prefix, "10.1.0.2")
			time.Sleep(3 * time.Second)
		}
	})
}

// It may be back before anybody has read that it was gone.
func TestANICThatIsBackAtOnceIsNoOtherProgram(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(3300 * time.Millisecond) // not between the two halves of a regular reading, at each full second
		for range 6 {
			w.change(func() {
				w.nics[0].Downs++
				w.routes = nil
			})
			time.Sleep(500 * time.Millisecond)
		}
		w.expect("it is back", prefix, "10.1.0.2")
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range w.events {
			if e.Kind == record.RouteVanished && !strings.Contains(e.Text, "together with eth0") {
				t.Errorf("%s", e.Text)
			}
		}
	})
}

// What another program removes waits, but only where it led to.
func TestAPauseIsForOneHop(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(3 * time.Second)
		for range 8 {
			w.change(func() { w.routes = nil })
			time.Sleep(300 * time.Millisecond)
		}
		w.expect("it keeps vanishing", prefix, "")
		w.change(func() {
			w.nics[0].Addrs = append(w.nics[0].Addrs, host.Address{Prefix: netip.MustParsePrefix("10.1.0.2/32")})
		})
		time.Sleep(100 * time.Millisecond)
		w.expect("its hop is dead", prefix, "10.1.0.3")
	})
}

func TestAHopThatIsAnAddressOfThisHostIsDead(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(3 * time.Second)
		w.change(func() {
			w.nics[0].Addrs = append(w.nics[0].Addrs, host.Address{Prefix: netip.MustParsePrefix("10.1.0.2/32")})
		})
		time.Sleep(100 * time.Millisecond)
		w.expect("an alias was taken here", prefix, "10.1.0.3")
		if r := w.shown(prefix); !strings.Contains(r.Hops[0].Why, "an address of this host") {
			t.Errorf("%+v", r.Hops[0])
		}
	})
}

// A deed that has failed is tried again at once when its cause has gone.
func TestAPauseEndsWithItsCause(t *testing.T) {
	foreign := host.TableRoute{Prefix: netip.MustParsePrefix(prefix), Table: 254, Hops: []host.NextHop{{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.0.9"), Weight: 1}}}
	play(t, two(""), func(w *world) {
		time.Sleep(3 * time.Second)
		_ = w.Foreign(foreign)
		time.Sleep(time.Second)
		w.kill("10.1.0.2")
		time.Sleep(70 * time.Second)
		w.expect("a foreign one is in the way", prefix, "10.1.0.2")
		_ = w.Delete(foreign)
		time.Sleep(100 * time.Millisecond)
		w.expect("it has gone", prefix, "10.1.0.3")
	})
}

// Another program removes the route just before it is replaced: it is added at once.
func TestARouteThatGoesBeforeItsReplaceIsAddedAtOnce(t *testing.T) {
	play(t, two(""), func(w *world) {
		time.Sleep(3 * time.Second)
		w.change(func() { w.takes = 20 * time.Millisecond })
		w.kill("10.1.0.2")
		w.works()
		w.change(func() { w.routes = nil })
		time.Sleep(150 * time.Millisecond)
		w.expect("it was gone", prefix, "10.1.0.3")
		if n := len(w.told(record.Failed)); n > 0 {
			t.Errorf("%d failures told", n)
		}
	})
}

func TestTheQuestionsToAHopAreCounted(t *testing.T) {
	play(t, two(""), func(w *world) {
		w.kill("10.1.0.3")
		time.Sleep(time.Minute)
		hops := w.shown(prefix).Hops
		if h := hops[0]; h.Sent < 60 || h.Lost > 0 {
			t.Errorf("of one that lives: %+v", h)
		}
		if h := hops[1]; h.Sent < 60 || h.Lost < 60 {
			t.Errorf("of a dead one: %+v", h)
		}
	})
}

// What Status says of a hop is what the rules decide by.
func TestWhatIsShownOfAHopIsWhatTheRulesUse(t *testing.T) {
	own := func(w *world) {
		w.change(func() {
			w.nics[0].Addrs = append(w.nics[0].Addrs, host.Address{Prefix: netip.MustParsePrefix("10.1.0.2/32")})
		})
	}
	asked := "check = \"web\"\n[check.web]\nhttp = \"http://{via}/\"\ninterval = \"1s\"\n"
	for _, tt := range []struct {
		what, more          string
		do                  func(*world)
		answer, link, lives string
	}{
		{"it lives", "", func(*world) {}, "answered", "up", "yes"},
		{"it is silent", "", func(w *world) { w.kill("10.1.0.2") }, "silent", "up", "no"},
		{"its cable is pulled", "", func(w *world) { w.carrier("eth0", false) }, "unknown", "down", "no"},
		{"it is this host", "", own, "silent", "up", "no"},
		{"its network is gone", "", func(w *world) { w.change(func() { w.nics[0].Addrs = nil }) }, "unknown", "up", "unknown"},
		{"this host cannot be read", "", func(w *world) { w.change(func() { w.readErr = errors.New("no kernel today") }) }, "answered", "unknown", "yes"},
		{"its service is good", asked, func(*world) {}, "good", "up", "yes"},
		{"its service fails", asked, func(w *world) { w.change(func() { w.failing["web via 10.1.0.2"] = true }) }, "failing", "up", "no"},
		{"it is this host, and a check asks", asked, own, "failing", "up", "no"},
		{"the question to its service hangs", asked, func(w *world) { w.change(func() { w.hangs = true }) }, "unknown", "up", "unknown"},
	} {
		play(t, two(tt.more), func(w *world) {
			time.Sleep(5 * time.Second)
			tt.do(w)
			time.Sleep(time.Minute)
			h := w.shown(prefix).Hops[0]
			if h.Answer != tt.answer || h.Link != tt.link || h.Lives != tt.lives {
				t.Errorf("%s: %s, link %s, lives %s; want %s, link %s, lives %s", tt.what, h.Answer, h.Link, h.Lives, tt.answer, tt.link, tt.lives)
			}
		})
	}
}

// Where two NICs have networks with a hop in them, the kernel goes by the longer prefix.
func TestAHopIsOnTheNICWithTheLongestPrefix(t *testing.T) {
	via := "interval = \"20s\"\n[[route]]\nprefix = \"" + prefix + "\"\nvia = [\"10.2.0.200\", \"10.2.0.2\"]\n"
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.nics[0].Addrs = append(w.nics[0].Addrs, host.Address{Prefix: netip.MustParsePrefix("10.2.0.129/25")})
		w.start(via)
		time.Sleep(time.Second)
		w.expect("both live", prefix, "10.2.0.200")
		if h := w.table()[0].Hops[0]; h.NIC != "eth0" {
			t.Errorf("it is reached by %s", h.NIC)
		}
		w.carrier("eth0", false)
		time.Sleep(100 * time.Millisecond)
		w.expect("its cable is pulled", prefix, "10.2.0.2")
		w.end(false)
	})
}

// A NIC that has another hardware address is heard by another listener at once, also if the
// last one was only just opened: that one sends in the name of the former address.
func TestANICWithAnotherHardwareAddressIsListenedToAnew(t *testing.T) {
	play(t, two(""), func(w *world) {
		hw := func() (is host.HW) {
			w.ask(func(l *loop) bool {
				if n := l.nics[host.Side{NIC: "eth0", Family: host.IPv4}]; n != nil && n.wire != nil {
					is = n.wire.HW()
				}
				return true
			})
			return is
		}
		for _, after := range []time.Duration{3 * time.Second, 300 * time.Millisecond} {
			time.Sleep(after)
			want := hw()
			want[5]++
			w.change(func() { w.nics[0].HW = want })
			time.Sleep(100 * time.Millisecond)
			if got := hw(); got != want {
				t.Errorf("after %s it is listened to as %s, want %s", after, got, want)
			}
		}
	})
}
