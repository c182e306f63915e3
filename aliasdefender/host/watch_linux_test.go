package host_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

// watch runs Watch until stop, which waits for its end.
func watch(t *testing.T, k kernel, wake func()) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := k.space.Go(func() {
		if err := k.Watch(ctx, wake); err != nil {
			t.Error(err)
		}
	})
	return func() {
		t.Helper()
		cancel()
		wait(t, "the end of Watch", done)
		nstest.Gone(t, "host.follow", "host.(*Host).Watch")
	}
}

func wait[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(nstest.Patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// bell is a wake that does not block, and where it is heard.
func bell() (wake func(), woken <-chan struct{}) {
	c := make(chan struct{}, 1)
	return func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}, c
}

// on changes a NIC of the space.
func on(t testing.TB, space *nstest.Space, nic string, change func(netlink.Link) error) {
	t.Helper()
	space.Do(func() {
		l, err := netlink.LinkByName(nic)
		if err == nil {
			err = change(l)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

var everywhere = &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}

// defaultVia is the default route of eth0.
func defaultVia(l netlink.Link, metric int, gateways ...string) *netlink.Route {
	r := &netlink.Route{Dst: everywhere, Priority: metric}
	for _, g := range gateways {
		r.MultiPath = append(r.MultiPath, &netlink.NexthopInfo{LinkIndex: l.Attrs().Index, Gw: net.ParseIP(g).To4()})
	}
	if len(gateways) == 1 {
		r.LinkIndex, r.Gw, r.MultiPath = l.Attrs().Index, net.ParseIP(gateways[0]).To4(), nil
	}
	return r
}

// first is the gateway of the best default route.
func first(s host.State) string {
	if len(s.Routes) == 0 {
		return "none"
	}
	return s.Routes[0].Gateway.String()
}

func TestWatchWakesForEachKindOfChange(t *testing.T) {
	for what, c := range map[string]struct {
		before, change func(t *testing.T, k kernel, b *nstest.Space)
		seen           func(host.State) bool
	}{
		"an address comes": {
			change: func(t *testing.T, k kernel, b *nstest.Space) { k.space.Address(t, "eth0", "10.0.0.77/32") },
			seen:   func(s host.State) bool { return has(s, "10.0.0.77") },
		},
		"an alias is deleted": {
			before: func(t *testing.T, k kernel, b *nstest.Space) { k.space.Address(t, "eth0", "10.0.0.77/24") },
			change: func(t *testing.T, k kernel, b *nstest.Space) {
				on(t, k.space, "eth0", func(l netlink.Link) error {
					a, _ := netlink.ParseAddr("10.0.0.77/24")
					return netlink.AddrDel(l, a)
				})
			},
			seen: func(s host.State) bool { return !has(s, "10.0.0.77") },
		},
		"the carrier is lost": {
			change: func(t *testing.T, k kernel, b *nstest.Space) { b.Down(t, "eth0") },
			seen:   func(s host.State) bool { n, _ := s.NIC("eth0"); return n.Up && !n.Carrier },
		},
		"the NIC goes down": {
			change: func(t *testing.T, k kernel, b *nstest.Space) { k.space.Down(t, "eth0") },
			seen:   func(s host.State) bool { n, ok := s.NIC("eth0"); return ok && !n.Up },
		},
		"the NIC is deleted": {
			change: func(t *testing.T, k kernel, b *nstest.Space) { k.space.Delete(t, "eth0") },
			seen:   func(s host.State) bool { _, ok := s.NIC("eth0"); return !ok },
		},
		"the NIC comes again": {
			before: func(t *testing.T, k kernel, b *nstest.Space) { k.space.Delete(t, "eth0") },
			change: func(t *testing.T, k kernel, b *nstest.Space) { nstest.Cable(t, k.space, "eth0", b, "eth0") },
			seen:   func(s host.State) bool { n, _ := s.NIC("eth0"); return n.Carrier },
		},
		"the NIC gets another name": {
			change: func(t *testing.T, k kernel, b *nstest.Space) {
				on(t, k.space, "eth0", func(l netlink.Link) error { return netlink.LinkSetName(l, "lan0") })
			},
			seen: func(s host.State) bool { n, _ := s.NIC("lan0"); return len(n.Addrs) == 1 && n.Addrs[0].Prefix == own },
		},
		"the NIC gets another hardware address": {
			change: func(t *testing.T, k kernel, b *nstest.Space) {
				on(t, k.space, "eth0", func(l netlink.Link) error { return netlink.LinkSetHardwareAddr(l, nobody[:]) })
			},
			seen: func(s host.State) bool { n, _ := s.NIC("eth0"); return n.HW == nobody },
		},
		"a default route comes": {
			change: func(t *testing.T, k kernel, b *nstest.Space) { k.space.Route(t, "eth0", "10.0.0.254", nil) },
			seen:   func(s host.State) bool { return first(s) == "10.0.0.254" },
		},
		"the default router changes": {
			before: func(t *testing.T, k kernel, b *nstest.Space) { k.space.Route(t, "eth0", "10.0.0.254", nil) },
			change: func(t *testing.T, k kernel, b *nstest.Space) {
				on(t, k.space, "eth0", func(l netlink.Link) error { return netlink.RouteReplace(defaultVia(l, 0, "10.0.0.253")) })
			},
			seen: func(s host.State) bool { return first(s) == "10.0.0.253" },
		},
		"a better metric changes the default router": {
			before: func(t *testing.T, k kernel, b *nstest.Space) {
				on(t, k.space, "eth0", func(l netlink.Link) error { return netlink.RouteAdd(defaultVia(l, 200, "10.0.0.254")) })
			},
			change: func(t *testing.T, k kernel, b *nstest.Space) {
				on(t, k.space, "eth0", func(l netlink.Link) error { return netlink.RouteAdd(defaultVia(l, 100, "10.0.0.253")) })
			},
			seen: func(s host.State) bool { return first(s) == "10.0.0.253" && len(s.Routes) == 2 },
		},
		"a hop of a multipath route changes": {
			before: func(t *testing.T, k kernel, b *nstest.Space) {
				on(t, k.space, "eth0", func(l netlink.Link) error {
					return netlink.RouteAdd(defaultVia(l, 0, "10.0.0.254", "10.0.0.253"))
				})
			},
			change: func(t *testing.T, k kernel, b *nstest.Space) {
				on(t, k.space, "eth0", func(l netlink.Link) error {
					return netlink.RouteReplace(defaultVia(l, 0, "10.0.0.252", "10.0.0.253"))
				})
			},
			seen: func(s host.State) bool { return first(s) == "10.0.0.252" && len(s.Routes) == 2 },
		},
		"the default route is deleted": {
			before: func(t *testing.T, k kernel, b *nstest.Space) { k.space.Route(t, "eth0", "10.0.0.254", nil) },
			change: func(t *testing.T, k kernel, b *nstest.Space) {
				on(t, k.space, "eth0", func(l netlink.Link) error { return netlink.RouteDel(defaultVia(l, 0, "10.0.0.254")) })
			},
			seen: func(s host.State) bool { return first(s) == "none" },
		},
	} {
		t.Run(what, func(t *testing.T) {
			k, b := pair(t)
			if c.before != nil {
				c.before(t, k, b)
			}
			wake, woken := bell()
			stop := watch(t, k, wake)
			defer stop()
			wait(t, "the wake that says: listening", woken)
			c.change(t, k, b)
			for seen := false; !seen; {
				wait(t, "a wake after which it can be read", woken)
				s, err := k.Read()
				if err != nil {
					t.Fatal(err)
				}
				seen = c.seen(s)
			}
		})
	}
}

func has(s host.State, ip string) bool {
	_, _, ok := s.Find(netip.MustParseAddr(ip))
	return ok
}

func TestWatchPassesOverOtherRoutes(t *testing.T) {
	k, _ := pair(t)
	woken := make(chan struct{}, 100)
	stop := watch(t, k, func() { woken <- struct{}{} })
	wait(t, "the wake that says: listening", woken)
	for i := range 50 {
		k.space.Route(t, "eth0", "10.0.0.254", func(r *netlink.Route) {
			r.Dst = &net.IPNet{IP: net.IP{10, 9, byte(i), 0}, Mask: net.CIDRMask(24, 32)}
		})
	}
	k.space.Route(t, "eth0", "10.0.0.254", nil)
	wait(t, "the wake for the default route", woken)
	stop()
	if more := len(woken); more != 0 {
		t.Errorf("%d more wakes", more)
	}
}

func TestWatchSurvivesAnOverflow(t *testing.T) {
	k, _ := pair(t)
	release := make(chan struct{})
	woken := make(chan struct{}, 10000)
	stop := watch(t, k, func() {
		woken <- struct{}{}
		<-release
	})
	defer stop()
	wait(t, "the wake that says: listening", woken)
	change := func() {
		t.Helper()
		if err := k.add(order("10.0.0.9/32", "")); err != nil {
			t.Fatal(err)
		}
		if err := k.remove(order("10.0.0.9/32", "")); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 { // more than the socket holds while nobody reads it
		change()
	}
	close(release)
	wait(t, "the wake for what was lost", woken)
	for range 300 { // more than it may still have held
		change()
		wait(t, "a wake", woken)
	}
}

func TestAThousandChangesAreFewWakes(t *testing.T) {
	k, _ := pair(t)
	wakes := make(chan struct{}, 10000)
	begin := time.Now()
	stop := watch(t, k, func() { wakes <- struct{}{} })
	wait(t, "the wake that says: listening", wakes)
	if err := k.add(manyOrders(1000)...); err != nil {
		t.Fatal(err)
	}
	wait(t, "a wake", wakes)
	stop()
	// One more at the beginning, and one at the end.
	if n, most := len(wakes), 2+int(time.Since(begin)/(5*time.Millisecond)); n > most {
		t.Errorf("%d more wakes, in the time of %d", n, most)
	}
}

// The default route's change lies behind more than is read in one go.
func TestWatchFindsTheChangeBehindManyOthers(t *testing.T) {
	k, _ := pair(t)
	release := make(chan struct{})
	listening, woken := make(chan struct{}, 100), make(chan struct{}, 100)
	stop := watch(t, k, func() {
		listening <- struct{}{}
		<-release
		woken <- struct{}{}
	})
	defer stop()
	wait(t, "the beginning", listening)
	for i := range 100 {
		k.space.Route(t, "eth0", "10.0.0.254", func(r *netlink.Route) {
			r.Dst = &net.IPNet{IP: net.IP{10, 9, 0, byte(i)}, Mask: net.CIDRMask(32, 32)}
		})
	}
	k.space.Route(t, "eth0", "10.0.0.254", nil)
	close(release)
	wait(t, "the wake that says: listening", woken)
	wait(t, "the wake for the default route", woken)
}
