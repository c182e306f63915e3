package host_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/host"
)

// behind is a host whose own address has gone and come back behind the alias.
func behind(t *testing.T) (k kernel, alias host.Placement) {
	t.Helper()
	k, _ = pair(t)
	alias = order("10.0.0.9/24", "eth0:1")
	if err := k.add(alias); err != nil {
		t.Fatal(err)
	}
	if err := k.remove(order(own.String(), "")); err != nil {
		t.Fatal(err)
	}
	if err := k.Own("eth0", own); err != nil {
		t.Fatal(err)
	}
	return k, alias
}

// routes are all routes of the namespace, but for those that the kernel makes itself.
func (k kernel) routes() (all []string) {
	k.space.Do(func() {
		list, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if err != nil {
			k.t.Fatal(err)
		}
		for _, r := range list {
			if r.Protocol != 2 {
				all = append(all, r.String())
			}
		}
	})
	slices.Sort(all)
	return all
}

// spoken is the address that the host speaks with to another of its subnet.
func (k kernel) spoken() (from netip.Addr) {
	k.space.Do(func() {
		c, err := net.Dial("udp4", "10.0.0.2:9")
		if err != nil {
			k.t.Fatal(err)
		}
		defer c.Close()
		from = c.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	})
	return from
}

func TestReorderedTheHostSpeaksWithItsOwnAddress(t *testing.T) {
	k, alias := behind(t)
	if from := k.spoken(); from != alias.Prefix.Addr() {
		t.Fatalf("it speaks with %v: not what this test is about", from)
	}
	if errs := k.Reorder([]host.Placement{alias}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	if from := k.spoken(); from != own.Addr() {
		t.Errorf("it speaks with %v", from)
	}
}

// TestReorderPutsBackTheRoutesThatTheKernelDrops: of each kind, and in each table.
func TestReorderPutsBackTheRoutesThatTheKernelDrops(t *testing.T) {
	k, alias := behind(t)
	ip := net.IP(alias.Prefix.Addr().AsSlice())
	to := func(s string) *net.IPNet { _, n, _ := net.ParseCIDR(s); return n }
	gateway := net.ParseIP("10.0.0.2")
	k.space.Do(func() {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		at := eth0.Attrs().Index
		hop := func(gw string, flags int) *netlink.NexthopInfo {
			return &netlink.NexthopInfo{LinkIndex: at, Gw: net.ParseIP(gw), Flags: flags}
		}
		onlink := int(netlink.FLAG_ONLINK)
		for _, r := range []*netlink.Route{
			{LinkIndex: at, Dst: to("198.51.100.0/24"), Gw: gateway, Src: ip, Priority: 7, MTU: 1400},
			{LinkIndex: at, Dst: to("198.51.100.0/24"), Gw: gateway, Priority: 8},
			{LinkIndex: at, Dst: to("0.0.0.0/0"), Gw: gateway, Src: ip, Table: 100},
			{LinkIndex: at, Dst: to("203.0.113.0/24"), Gw: net.ParseIP("10.9.9.9"), Src: ip, Flags: onlink},
			{Dst: to("192.0.2.0/24"), Src: ip, MultiPath: []*netlink.NexthopInfo{hop("10.0.0.2", 0), hop("10.9.9.9", onlink)}},
		} {
			if err := netlink.RouteAdd(r); err != nil {
				t.Fatalf("%v: %v", r, err)
			}
		}
	})
	was := k.routes()
	if len(was) != 5 {
		t.Fatalf("%d routes: %v", len(was), was)
	}
	if errs := k.Reorder([]host.Placement{alias}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	if diff := cmp.Diff(was, k.routes()); diff != "" {
		t.Errorf("-was +is:\n%s", diff)
	}
}
