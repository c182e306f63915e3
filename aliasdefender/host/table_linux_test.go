package host_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/hosttest"
	"alias-defender/aliasdefender/host/nstest"
)

// gateway is a host that routes, and an administrator's hands on its tables.
type gateway struct {
	kernel
}

// within runs f in the host's namespace.
func within[T any](r gateway, f func() T) (v T) {
	r.space.Do(func() { v = f() })
	return v
}

type read struct {
	routes []host.TableRoute
	err    error
}

func (r gateway) ReadRoutes(tables []int, of func(netip.Prefix) bool) ([]host.TableRoute, error) {
	got := within(r, func() read {
		routes, err := r.Host.ReadRoutes(tables, of)
		return read{routes, err}
	})
	return got.routes, got.err
}

func (r gateway) OurRoutes() ([]host.TableRoute, error) {
	got := within(r, func() read {
		routes, err := r.Host.OurRoutes()
		return read{routes, err}
	})
	return got.routes, got.err
}

func (r gateway) AddRoutes(o []host.TableRoute) []error {
	return within(r, func() []error { return r.Host.AddRoutes(o) })
}

func (r gateway) ReplaceRoutes(o []host.TableRoute) []error {
	return within(r, func() []error { return r.Host.ReplaceRoutes(o) })
}

func (r gateway) RemoveRoutes(o []host.TableRoute) []error {
	return within(r, func() []error { return r.Host.RemoveRoutes(o) })
}

// byHand is a route as an administrator's program says it.
func byHand(o host.TableRoute, link netlink.Link) *netlink.Route {
	p := o.Prefix
	r := &netlink.Route{
		Dst:   &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())},
		Table: o.Table, Priority: o.Metric, Protocol: unix.RTPROT_STATIC,
	}
	if link != nil {
		r.LinkIndex, r.Gw = link.Attrs().Index, net.IP(o.Hops[0].Gateway.WithZone("").AsSlice())
	}
	return r
}

func (r gateway) Foreign(o host.TableRoute) error {
	on(r.t, r.space, o.Hops[0].NIC, func(l netlink.Link) error {
		// Without CREATE's companions the kernel puts it in front ("ip route prepend").
		return netlink.RouteAddEcmp(byHand(o, l))
	})
	return nil
}

func (r gateway) Delete(o host.TableRoute) error {
	return within(r, func() error { return netlink.RouteDel(byHand(o, nil)) })
}

// routing is a host with eth0 (own), and the hosts behind it.
func routing(t *testing.T) gateway {
	k, _ := pair(t)
	if err := k.Own("eth0", own6); err != nil {
		t.Fatal(err)
	}
	return gateway{k}
}

func TestKernelKeepsTheContractOfRoutes(t *testing.T) {
	hosttest.RouteContract(t, routing(t), "eth0", own, own6)
}

func TestALinkLocalNextHopIsOnItsNIC(t *testing.T) {
	k, _, _ := routed(t)
	r := gateway{k}
	prefix := netip.MustParsePrefix("2001:db8:99::/48")
	o := host.TableRoute{Prefix: prefix, Table: 254, Metric: 1024, Ours: true, Hops: []host.NextHop{
		{NIC: "eth0", Gateway: netip.MustParseAddr("fe80::a%eth0"), Weight: 1},
		{NIC: "eth1", Gateway: netip.MustParseAddr("fe80::b%eth1"), Weight: 1},
	}}
	if errs := r.AddRoutes([]host.TableRoute{o}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	got, err := r.ReadRoutes([]int{254}, func(netip.Prefix) bool { return false })
	if err != nil || len(got) != 1 || got[0].Hops[0] != o.Hops[0] || got[0].Hops[1] != o.Hops[1] {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestARouteThatMattersWakes(t *testing.T) {
	r := routing(t)
	ours, foreign := netip.MustParsePrefix("192.0.2.32/27"), netip.MustParsePrefix("198.51.100.0/24")
	happened := make(chan string, 1000) // a route was judged, or the watcher woke
	const woke = "woke"
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		r.space.Do(func() {
			ended <- r.WatchRoutes(ctx,
				func(p netip.Prefix) bool { happened <- p.String(); return p == ours },
				func() { happened <- woke })
		})
	}()
	for until := ""; until != woke; { // it listens
		until = <-happened
	}
	route := func(p netip.Prefix) host.TableRoute {
		return host.TableRoute{Prefix: p, Table: 100, Metric: host.Metric(p, 3), Hops: []host.NextHop{{NIC: "eth0", Gateway: netip.MustParseAddr("10.0.0.2"), Weight: 1}}}
	}
	const rounds = 10
	woken := 0 // by the foreign route, or by what else the kernel tells of a young network
	for range rounds {
		for _, change := range []func(host.TableRoute) error{r.Foreign, r.Delete} {
			if err := change(route(foreign)); err != nil {
				t.Fatal(err)
			}
			for at := ""; at != foreign.String(); {
				at = <-happened
			}
			if err := change(route(ours)); err != nil {
				t.Fatal(err)
			}
			judged := false
			for at := ""; !judged || at != woke; {
				at = <-happened
				if at == woke && !judged {
					woken++
				}
				judged = judged || at == ours.String()
			}
		}
	}
	if woken >= 2*rounds {
		t.Errorf("woken by a route that does not matter, each of %d times", woken)
	}
	added := route(foreign)
	if errs := r.AddRoutes([]host.TableRoute{added}); errs[0] != nil { // one of ours matters, whatever its prefix
		t.Fatal(errs[0])
	}
	for at := ""; at != woke; {
		at = <-happened
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	nstest.Gone(t, "host.(*Host).watch")
}

func TestTheTablesThatRulesLookUp(t *testing.T) {
	r := routing(t)
	ruled := func() (tables map[host.FamilyTable]bool, vrf bool) {
		t.Helper()
		r.space.Do(func() {
			var err error
			if tables, vrf, err = r.RuledTables(); err != nil {
				t.Fatal(err)
			}
		})
		return tables, vrf
	}
	if tables, vrf := ruled(); !tables[host.FamilyTable{host.IPv4, 254}] || !tables[host.FamilyTable{host.IPv6, 254}] || tables[host.FamilyTable{host.IPv4, 1000}] || vrf {
		t.Errorf("%v, %v", tables, vrf)
	}
	r.space.Do(func() {
		rule := netlink.NewRule()
		rule.Table = 1000
		if err := netlink.RuleAdd(rule); err != nil {
			t.Fatal(err)
		}
	})
	if tables, _ := ruled(); !tables[host.FamilyTable{host.IPv4, 1000}] || tables[host.FamilyTable{host.IPv6, 1000}] {
		t.Errorf("%v", tables)
	}
}

// A NIC that is back at once has taken its routes along all the same.
func TestTheKernelCountsHowOftenANICWasDown(t *testing.T) {
	r := routing(t)
	downs := func() uint32 {
		s, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		n, _ := s.NIC("eth0")
		return n.Downs
	}
	before := downs()
	r.space.Down(t, "eth0")
	r.space.Up(t, "eth0")
	if after := downs(); after != before+1 {
		t.Errorf("%d times, and then %d", before, after)
	}
}
