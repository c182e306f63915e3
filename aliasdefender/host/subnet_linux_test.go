package host_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
)

// routes6 are the routes to global subnets of eth0.
func (k kernel) routes6() (all []string) {
	on(k.t, k.space, "eth0", func(l netlink.Link) error {
		list, err := netlink.RouteList(l, netlink.FAMILY_V6)
		for _, r := range list {
			if r.Dst != nil && !r.Dst.IP.IsLinkLocalUnicast() && !r.Dst.IP.IsMulticast() {
				all = append(all, r.Dst.String())
			}
		}
		return err
	})
	return all
}

// byRouter gives eth0 an address for so many seconds, as a router's advertisement does.
func (k kernel) byRouter(prefix string, lifetime int) {
	on(k.t, k.space, "eth0", func(l netlink.Link) error {
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		a.Flags, a.ValidLft, a.PreferedLft = unix.IFA_F_NODAD, lifetime, lifetime
		return netlink.AddrAdd(l, a)
	})
}

// short has the kernel delete routes within a second of their end. By itself it only
// stops using them.
func (k kernel) short() { k.space.Sysctl(k.t, "net/ipv6/route/gc_interval", "1") }

// TestAnAliasHasNoPartInTheRouteOfSomebodyElse: the kernel would let the alias's lease, or
// its removal, end the route that a router has advertised.
func TestAnAliasHasNoPartInTheRouteOfSomebodyElse(t *testing.T) {
	const subnet, other = "2001:db8::/64", "2001:db8:7::/64"
	for what, c := range map[string]struct {
		own, alias string
		with       []string // the routes beside the alias
		after      []string
	}{
		"the subnet is the host's":  {"2001:db8::1/64", "2001:db8::9/64", []string{subnet}, []string{subnet}},
		"the subnet is the alias's": {"2001:db8:7::1/64", "2001:db8::9/64", []string{subnet, other}, []string{other}},
		"the alias has no subnet":   {"2001:db8:7::1/64", "2001:db8::9/128", []string{other}, []string{other}},
	} {
		for how, lease := range map[string]time.Duration{"removed": 0, "lapsed": time.Second} {
			t.Run(what+", "+how, func(t *testing.T) {
				k, _ := pair(t)
				k.short()
				k.byRouter(c.own, 3600)
				o := order(c.alias, "")
				o.Lease = lease
				if err := k.add(o); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.with, k.routes6()); diff != "" {
					t.Errorf("with the alias (-want +got):\n%s", diff)
				}
				if lease == 0 {
					if err := k.remove(o); err != nil {
						t.Fatal(err)
					}
				}
				k.space.Await(t, "the alias gone", func() bool { return !has(state(t, k), "2001:db8::9") })
				k.space.Await(t, "the routes as they were", func() bool { return cmp.Equal(c.after, k.routes6()) })
			})
		}
	}
}

// A router may say that a subnet is on the link although no host takes its address from
// it (RFC 4861, 4.6.2: L without A).
func TestALeaseDoesNotEndTheRouteThatARouterHasAdvertised(t *testing.T) {
	k, a, _ := routed(t)
	k.short()
	subnet := append([]byte{
		3, 4, 64, 0x80, // L
		0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, // an hour
		0, 0, 0, 0,
		0x20, 0x01, 0x0d, 0xb8}, make([]byte, 12)...)
	advertiseRouter(t, a, 1800, medium, subnet...)
	k.space.Await(t, "the route", func() bool { return slices.Contains(k.routes6(), "2001:db8::/64") })
	was := k.routes6()
	o := order("2001:db8::9/64", "")
	o.Lease = time.Second
	if err := k.add(o); err != nil {
		t.Fatal(err)
	}
	if errs := k.Refresh([]host.Placement{o}); errs[0] != nil {
		t.Fatal(errs)
	}
	k.space.Await(t, "the alias gone", func() bool { return !has(state(t, k), "2001:db8::9") })
	k.space.Await(t, "the alias's own route gone", func() bool { return len(k.routes6()) <= len(was) })
	if diff := cmp.Diff(was, k.routes6()); diff != "" {
		t.Errorf("-was +is:\n%s", diff)
	}
	k.space.Do(func() { // the kernel lists what has ended for a while, but does not use it
		way, err := netlink.RouteGet(net.ParseIP("2001:db8::77"))
		if err != nil || len(way) != 1 || way[0].Gw != nil {
			t.Errorf("the way to a neighbour: %v, %v", way, err)
		}
	})
}

func TestARefreshOpensTheSubnetThatNobodyElseHasAnyMore(t *testing.T) {
	k, _ := pair(t)
	k.short()
	k.byRouter("2001:db8:7::1/64", 3600)
	k.byRouter("2001:db8::1/64", 1)
	o := order("2001:db8::9/64", "")
	o.Lease = time.Hour
	if err := k.add(o); err != nil {
		t.Fatal(err)
	}
	k.space.Await(t, "the own address gone, and its route", func() bool {
		return !has(state(t, k), "2001:db8::1") && !strings.Contains(strings.Join(k.routes6(), " "), "2001:db8::/64")
	})
	if errs := k.Refresh([]host.Placement{o}); errs[0] != nil {
		t.Fatal(errs)
	}
	if diff := cmp.Diff([]string{"2001:db8::/64", "2001:db8:7::/64"}, k.routes6()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
