package host_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

// Router preferences as a router advertisement has them (RFC 4191, 2.2).
const high, medium, low = 0x08, 0x00, 0x18

// routed is a host with two NICs, to each of which a router is joined; all have
// link-local addresses: fe80::1 the host, fe80::a and fe80::b the routers.
func routed(t *testing.T) (k kernel, a, b *nstest.Space) {
	h, err := host.New()
	if err != nil {
		t.Fatal(err)
	}
	k = kernel{h, nstest.New(t), t}
	a, b = nstest.New(t), nstest.New(t)
	for _, s := range []*nstest.Space{k.space, a, b} {
		s.NoLinkLocal(t)
	}
	nstest.Cable(t, k.space, "eth0", a, "eth0")
	nstest.Cable(t, k.space, "eth1", b, "eth0")
	for _, x := range []struct {
		space   *nstest.Space
		nic, ip string
	}{{k.space, "eth0", "fe80::1/64"}, {k.space, "eth1", "fe80::1/64"}, {a, "eth0", "fe80::a/64"}, {b, "eth0", "fe80::b/64"}} {
		if err := (kernel{h, x.space, t}).Own(x.nic, netip.MustParsePrefix(x.ip)); err != nil {
			t.Fatal(err)
		}
	}
	return k, a, b
}

// advertiseRouter sends a router advertisement to all (RFC 4861, 4.2), by which the sender is a
// default router for so many seconds.
func advertiseRouter(t *testing.T, router *nstest.Space, lifetime uint16, preference byte, options ...byte) {
	t.Helper()
	m := make([]byte, 16)
	m[0], m[4], m[5] = 134, 64, preference // the kernel puts in the checksum
	binary.BigEndian.PutUint16(m[6:], lifetime)
	m = append(m, options...)
	on(t, router, "eth0", func(l netlink.Link) error {
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255); err != nil {
			return err
		}
		all := netip.MustParseAddr("ff02::1").As16()
		return unix.Sendto(fd, m, 0, &unix.SockaddrInet6{Addr: all, ZoneId: uint32(l.Attrs().Index)})
	})
}

func via(nic, gateway string) host.Route {
	return host.Route{NIC: nic, Gateway: netip.MustParseAddr(gateway)}
}

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestReadListsTheRoutersThatAdvertiseThemselves(t *testing.T) {
	k, a, b := routed(t)
	await := func(what string, want ...host.Route) {
		t.Helper()
		var is []host.Route
		defer func() {
			if diff := cmp.Diff(want, is, sameAddr); diff != "" {
				t.Logf("-want +got:\n%s", diff)
			}
		}()
		k.space.Await(t, what, func() bool {
			is = state(t, k).Routes
			return cmp.Equal(want, is, sameAddr)
		})
	}
	onA, onB := via("eth0", "fe80::a%eth0"), via("eth1", "fe80::b%eth1")
	advertiseRouter(t, a, 1800, medium)
	await("one router", onA)
	advertiseRouter(t, b, 1800, high)
	await("the preferred one first", onB, onA)
	advertiseRouter(t, b, 1800, low)
	await("the other one first", onA, onB)
	k.space.Route(t, "eth1", "fe80::99", func(r *netlink.Route) { r.Dst, r.Priority = everywhere6, 10 })
	await("the best metric first", via("eth1", "fe80::99%eth1"), onA, onB)
	k.space.Address(t, "eth0", "10.0.0.1/24")
	k.space.Route(t, "eth0", "10.0.0.254", nil)
	await("IPv4 first", via("eth0", "10.0.0.254"), via("eth1", "fe80::99%eth1"), onA, onB)
	advertiseRouter(t, a, 0, medium)
	await("one withdraws", via("eth0", "10.0.0.254"), via("eth1", "fe80::99%eth1"), onB)
}

var everywhere6 = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}

func TestReadListsDefaultRoutesOfIPv6BestFirst(t *testing.T) {
	k, a, _ := routed(t)
	expect := func(want ...host.Route) {
		t.Helper()
		if diff := cmp.Diff(want, state(t, k).Routes, sameAddr); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	for nic, p := range map[string]string{"eth0": "2001:db8::1/64", "eth1": "2001:db8:1::1/64"} {
		if err := k.Own(nic, netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	expect()
	everywhere := func(metric int, more func(*netlink.Route)) func(*netlink.Route) {
		return func(r *netlink.Route) {
			if r.Dst, r.Priority = everywhere6, metric; more != nil {
				more(r)
			}
		}
	}
	k.space.Route(t, "eth1", "2001:db8:1::fe", everywhere(200, nil))
	k.space.Route(t, "eth0", "fe80::fe", everywhere(100, nil))
	// None of these is a default router.
	k.space.Route(t, "eth0", "fe80::fd", everywhere(1, func(r *netlink.Route) { r.Table = 99 }))
	k.space.Route(t, "eth0", "fe80::fc", func(r *netlink.Route) {
		r.Dst = &net.IPNet{IP: net.ParseIP("2001:db8:9::"), Mask: net.CIDRMask(48, 128)}
	})
	k.space.Route(t, "eth0", "", everywhere(2, nil))
	k.space.Route(t, "lo", "", everywhere(3, func(r *netlink.Route) { r.Type = unix.RTN_UNREACHABLE }))
	expect(via("eth0", "fe80::fe%eth0"), via("eth1", "2001:db8:1::fe"))
	index := k.nic("eth0").Index
	k.space.Route(t, "eth1", "", everywhere(50, func(r *netlink.Route) {
		two := r.LinkIndex
		r.LinkIndex, r.Gw, r.MultiPath = 0, nil, []*netlink.NexthopInfo{
			{LinkIndex: two, Gw: net.ParseIP("fe80::fa")}, {LinkIndex: index, Gw: net.ParseIP("fe80::fa")}}
	}))
	expect(via("eth1", "fe80::fa%eth1"), via("eth0", "fe80::fa%eth0"), via("eth0", "fe80::fe%eth0"), via("eth1", "2001:db8:1::fe"))
	// Without a carrier the routes stay, but lead nowhere. The kernel marks them a moment
	// after it has marked the NIC.
	await := func(what string, routes int) {
		t.Helper()
		k.space.Await(t, what, func() bool { return len(state(t, k).Routes) == routes })
	}
	a.Down(t, "eth0")
	await("no carrier", 2)
	expect(via("eth1", "fe80::fa%eth1"), via("eth1", "2001:db8:1::fe"))
	a.Up(t, "eth0")
	await("a carrier", 4)
	expect(via("eth1", "fe80::fa%eth1"), via("eth0", "fe80::fa%eth0"), via("eth0", "fe80::fe%eth0"), via("eth1", "2001:db8:1::fe"))
}

func TestWatchWakesForEachKindOfChangeOfIPv6(t *testing.T) {
	for what, c := range map[string]struct {
		before, change func(t *testing.T, k kernel, a *nstest.Space)
		seen           func(host.State) bool
	}{
		"an address comes": {
			change: func(t *testing.T, k kernel, a *nstest.Space) {
				_ = k.Own("eth0", netip.MustParsePrefix("2001:db8::77/128"))
			},
			seen: func(s host.State) bool { return has(s, "2001:db8::77") },
		},
		"an address becomes usable": {
			before: func(t *testing.T, k kernel, a *nstest.Space) { k.space.AddressToDetect(t, "eth0", "2001:db8::77/64") },
			change: func(t *testing.T, k kernel, a *nstest.Space) {},
			seen: func(s host.State) bool {
				_, addr, ok := s.Find(netip.MustParseAddr("2001:db8::77"))
				return ok && addr.Usable()
			},
		},
		"an address is another host's": {
			before: func(t *testing.T, k kernel, a *nstest.Space) {
				_ = kernel{k.Host, a, t}.Own("eth0", netip.MustParsePrefix("2001:db8::77/64"))
			},
			change: func(t *testing.T, k kernel, a *nstest.Space) { k.space.AddressToDetect(t, "eth0", "2001:db8::77/64") },
			seen: func(s host.State) bool {
				_, addr, _ := s.Find(netip.MustParseAddr("2001:db8::77"))
				return addr.DADFailed
			},
		},
		"an address goes": {
			change: func(t *testing.T, k kernel, a *nstest.Space) {
				if err := k.remove(order("fe80::1/64", "")); err != nil {
					t.Error(err)
				}
			},
			seen: func(s host.State) bool { return !has(s, "fe80::1%eth0") },
		},
		"a router advertises itself": {
			change: func(t *testing.T, k kernel, a *nstest.Space) { advertiseRouter(t, a, 1800, medium) },
			seen:   func(s host.State) bool { return first(s) == "fe80::a%eth0" },
		},
		"a router withdraws": {
			before: func(t *testing.T, k kernel, a *nstest.Space) {
				advertiseRouter(t, a, 1800, medium)
				k.space.Await(t, "a router", func() bool { return first(state(t, k)) == "fe80::a%eth0" })
			},
			change: func(t *testing.T, k kernel, a *nstest.Space) { advertiseRouter(t, a, 0, medium) },
			seen:   func(s host.State) bool { return first(s) == "none" },
		},
		"IPv6 is disabled": {
			change: func(t *testing.T, k kernel, a *nstest.Space) {
				k.space.Sysctl(t, "net/ipv6/conf/eth0/disable_ipv6", "1")
			},
			seen: func(s host.State) bool { n, _ := s.NIC("eth0"); return n.NoIPv6 },
		},
		"IPv6 is enabled on a NIC that has no address of it": {
			before: func(t *testing.T, k kernel, a *nstest.Space) {
				if err := k.remove(order("fe80::1/64", "")); err != nil {
					t.Error(err)
				}
				k.space.Sysctl(t, "net/ipv6/conf/eth0/disable_ipv6", "1")
			},
			change: func(t *testing.T, k kernel, a *nstest.Space) {
				k.space.Sysctl(t, "net/ipv6/conf/eth0/disable_ipv6", "0")
			},
			seen: func(s host.State) bool { n, _ := s.NIC("eth0"); return n.Index != 0 && !n.NoIPv6 },
		},
	} {
		t.Run(what, func(t *testing.T) {
			k, a, _ := routed(t)
			if c.before != nil {
				c.before(t, k, a)
			}
			wake, woken := bell()
			stop := watch(t, k, wake)
			defer stop()
			wait(t, "the wake that says: listening", woken)
			c.change(t, k, a)
			for seen := false; !seen; seen = c.seen(state(t, k)) {
				wait(t, "a wake after which it can be read", woken)
			}
		})
	}
}

// TestRoutersOfOneNICAreBounded: anybody on a segment can advertise any number of routers
// there, and the routers of the other NICs are to be seen all the same.
func TestRoutersOfOneNICAreBounded(t *testing.T) {
	k, _, _ := routed(t)
	default6 := &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	for i := range 40 {
		gateway := netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 14: 1, 15: byte(i)})
		k.space.Route(t, "eth0", gateway.String(), func(r *netlink.Route) { r.Dst, r.Priority = default6, 100+i })
	}
	k.space.Route(t, "eth1", "fe80::b", func(r *netlink.Route) { r.Dst, r.Priority = default6, 1000 })
	routes := state(t, k).Routes
	if len(routes) != 33 || routes[0] != via("eth0", "fe80::100%eth0") || routes[32] != via("eth1", "fe80::b%eth1") {
		t.Errorf("%d routes: %v", len(routes), routes)
	}
}
