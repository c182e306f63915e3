package host_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/hosttest"
	"alias-defender/aliasdefender/host/nstest"
)

func TestMain(m *testing.M) { os.Exit(nstest.Main(m)) }

// kernel is the host of a namespace, from any goroutine.
type kernel struct {
	*host.Host
	space *nstest.Space
	t     testing.TB
}

func (k kernel) Read() (s host.State, err error) {
	k.space.Do(func() { s, err = k.Host.Read() })
	return s, err
}

func (k kernel) Add(o []host.Placement) (errs []error) {
	k.space.Do(func() { errs = k.Host.Add(o) })
	return errs
}

func (k kernel) Remove(o []host.Placement) (errs []error) {
	k.space.Do(func() { errs = k.Host.Remove(o) })
	return errs
}

func (k kernel) Refresh(o []host.Placement) (errs []error) {
	k.space.Do(func() { errs = k.Host.Refresh(o) })
	return errs
}

func (k kernel) Reorder(o []host.Placement) (errs []error) {
	k.space.Do(func() { errs = k.Host.Reorder(o) })
	return errs
}

func (k kernel) add(o ...host.Placement) error    { return errors.Join(k.Add(o)...) }
func (k kernel) remove(o ...host.Placement) error { return errors.Join(k.Remove(o)...) }

// Own gives the NIC an address that the kernel does not have to ask the segment for, so
// that it is usable at once.
func (k kernel) Own(nic string, p netip.Prefix) error {
	on(k.t, k.space, nic, func(l netlink.Link) error {
		addr, err := netlink.ParseAddr(p.String())
		if err == nil && p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		return errors.Join(err, netlink.AddrAdd(l, addr))
	})
	return nil
}

// nic is the NIC as Read tells it.
func (k kernel) nic(name string) host.NIC {
	k.t.Helper()
	s, err := k.Read()
	if err != nil {
		k.t.Fatal(err)
	}
	n, _ := s.NIC(name)
	return n
}

var own, own6 = netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("2001:db8::1/64")

// pair is a host with eth0 (own), and another on the same cable.
func pair(t testing.TB) (kernel, *nstest.Space) {
	a, b := nstest.New(t), nstest.New(t)
	a.NoLinkLocal(t)
	nstest.Cable(t, a, "eth0", b, "eth0")
	a.Address(t, "eth0", own.String())
	b.Address(t, "eth0", "10.0.0.2/24")
	h, err := host.New()
	if err != nil {
		t.Fatal(err)
	}
	return kernel{h, a, t}, b
}

func order(prefix, label string) host.Placement {
	return host.Placement{NIC: "eth0", Label: label, Prefix: netip.MustParsePrefix(prefix)}
}

func TestKernelKeepsTheContract(t *testing.T) {
	k, b := pair(t)
	nstest.Cable(t, k.space, "eth1", b, "eth1")
	nstest.Cable(t, k.space, "eth2", b, "eth2")
	for nic, prefix := range map[string]string{"eth0": own6.String(), "eth1": "2001:db8:1::1/64"} {
		if err := k.Own(nic, netip.MustParsePrefix(prefix)); err != nil {
			t.Fatal(err)
		}
	}
	k.space.Address(t, "eth1", "10.0.1.1/24")
	for _, promote := range []string{"0", "1"} {
		t.Run("promote_secondaries="+promote, func(t *testing.T) {
			const file = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries"
			k.space.Do(func() {
				if err := os.WriteFile(file, []byte(promote), 0o644); err != nil {
					t.Fatal(err)
				}
			})
			hosttest.Contract(t, kernel{k.Host, k.space, t}, "eth0", own, own6)
			k.space.Do(func() {
				if is, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(is)) != promote {
					t.Errorf("afterwards it is %q, %v", is, err)
				}
			})
		})
	}
}

// What Read does not show, the kernel's own list does.
func TestAddSetsTheBroadcastAddress(t *testing.T) {
	k, _ := pair(t)
	if err := k.add(order("10.0.0.9/24", ""), order("10.0.0.10/25", ""), order("10.0.0.11/32", ""), order("10.0.0.12/31", "")); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	k.space.Do(func() {
		list, err := netlink.AddrList(nil, netlink.FAMILY_V4)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if a.Broadcast != nil {
				got[a.IPNet.String()] = a.Broadcast.String()
			}
		}
	})
	want := map[string]string{"10.0.0.1/24": "10.0.0.255", "10.0.0.9/24": "10.0.0.255", "10.0.0.10/25": "10.0.0.127"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAddsAtTheSameTimeAreDone(t *testing.T) {
	k, _ := pair(t)
	o := order("10.0.0.9/24", "eth0:1")
	for range 100 {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := k.add(o); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if err := k.remove(o); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadTellsUpFromCarrier(t *testing.T) {
	k, b := pair(t)
	check := func(what string, up, carrier bool) {
		t.Helper()
		k.space.Await(t, what, func() bool {
			n := k.nic("eth0")
			return n.Up == up && n.Carrier == carrier
		})
	}
	check("cable in", true, true)
	if n := k.nic("eth0"); n.HW != host.HW(k.space.HW(t, "eth0")) {
		t.Errorf("hardware address %s", n.HW)
	}
	b.Down(t, "eth0")
	check("cable out", true, false)
	b.Up(t, "eth0")
	check("cable in again", true, true)
	k.space.Down(t, "eth0")
	check("down", false, false)
	if lo := k.nic("lo"); !lo.HW.IsZero() || !lo.Carrier {
		t.Errorf("lo: %+v", lo)
	}
}

// A macvlan stands for what has its carrier from below: VLAN, bond.
func TestReadTellsTheCarrierOfWhatIsOnTop(t *testing.T) {
	k, b := pair(t)
	k.space.Do(func() {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex = "mac0", eth0.Attrs().Index
		if err := netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE}); err != nil {
			t.Fatal(err)
		}
	})
	k.space.Up(t, "mac0")
	k.space.Await(t, "macvlan with carrier", func() bool { return k.nic("mac0").Carrier })
	b.Down(t, "eth0")
	k.space.Await(t, "macvlan without carrier", func() bool { n := k.nic("mac0"); return n.Up && !n.Carrier })
}

func TestReCreatedNICHasAnotherIndexAndNoAlias(t *testing.T) {
	k, b := pair(t)
	if err := k.add(order("10.0.0.9/24", "eth0:1")); err != nil {
		t.Fatal(err)
	}
	before := k.nic("eth0")
	k.space.Delete(t, "eth0")
	if err := k.remove(order("10.0.0.9/24", "eth0:1")); err != nil {
		t.Errorf("remove from a NIC that is gone: %v", err)
	}
	nstest.Cable(t, k.space, "eth0", b, "eth0")
	if after := k.nic("eth0"); after.Index == before.Index || len(after.Addrs) != 0 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestReadListsDefaultRoutesBestFirst(t *testing.T) {
	k, b := pair(t)
	nstest.Cable(t, k.space, "eth1", b, "eth1")
	k.space.Address(t, "eth1", "10.0.1.1/24")
	expect := func(want ...host.Route) {
		t.Helper()
		s, err := k.Read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.Routes, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	via := func(nic, gateway string) host.Route {
		return host.Route{NIC: nic, Gateway: netip.MustParseAddr(gateway)}
	}
	expect()
	k.space.Route(t, "eth1", "10.0.1.254", func(r *netlink.Route) { r.Priority = 200 })
	k.space.Route(t, "eth0", "10.0.0.254", func(r *netlink.Route) { r.Priority = 100 })
	// None of these is a default router.
	k.space.Route(t, "eth0", "10.0.0.253", func(r *netlink.Route) { r.Table = 99 })
	k.space.Route(t, "eth0", "10.0.0.252", func(r *netlink.Route) { r.Dst = &net.IPNet{IP: net.IP{10, 9, 0, 0}, Mask: net.CIDRMask(16, 32)} })
	k.space.Route(t, "eth0", "", func(r *netlink.Route) { r.Dst, r.Scope, r.Priority = everywhere, netlink.SCOPE_LINK, 300 })
	k.space.Route(t, "eth0", "10.0.0.251", func(r *netlink.Route) { r.Tos, r.Priority = 16, 1 })
	expect(via("eth0", "10.0.0.254"), via("eth1", "10.0.1.254"))
	index := k.nic("eth0").Index
	k.space.Route(t, "eth1", "", func(r *netlink.Route) {
		one, two := index, r.LinkIndex
		*r = netlink.Route{Dst: everywhere, Priority: 50, MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: two, Gw: net.IP{10, 0, 1, 250}}, {LinkIndex: one, Gw: net.IP{10, 0, 0, 250}}}}
	})
	expect(via("eth1", "10.0.1.250"), via("eth0", "10.0.0.250"), via("eth0", "10.0.0.254"), via("eth1", "10.0.1.254"))
	k.space.Down(t, "eth0")
	expect(via("eth1", "10.0.1.250"), via("eth1", "10.0.1.254"))
}

func TestBoottimeGoesOn(t *testing.T) {
	h, err := host.New()
	if err != nil {
		t.Fatal(err)
	}
	if a := h.Boottime(); a <= 0 || h.Boottime() < a {
		t.Errorf("since boot: %v", a)
	}
}

func TestCapableNamesWhatIsMissing(t *testing.T) {
	nstest.New(t) // root, or root in a user namespace
	if err := host.Capable(); err != nil {
		t.Errorf("with all capabilities: %v", err)
	}
	errs := make(chan error)
	for _, drop := range []uint32{1 << unix.CAP_NET_RAW, 1 << unix.CAP_NET_ADMIN} {
		go func() {
			runtime.LockOSThread() // capabilities are the thread's; it dies with them
			hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var data [2]unix.CapUserData
			if err := unix.Capget(&hdr, &data[0]); err != nil {
				errs <- err
				return
			}
			data[0].Effective &^= drop
			if err := unix.Capset(&hdr, &data[0]); err != nil {
				errs <- err
				return
			}
			errs <- host.Capable()
		}()
		want := "CAP_NET_RAW:"
		if drop == 1<<unix.CAP_NET_ADMIN {
			want = "CAP_NET_ADMIN:"
		}
		if err := <-errs; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
