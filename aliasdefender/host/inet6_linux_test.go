package host_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

// kernels6 is a pair whose hosts have addresses of both families.
func kernels6(t testing.TB) (kernel, *nstest.Space) {
	k, b := pair(t)
	for h, p := range map[*nstest.Space]netip.Prefix{k.space: own6, b: netip.MustParsePrefix("2001:db8::2/64")} {
		if err := (kernel{k.Host, h, t}).Own("eth0", p); err != nil {
			t.Fatal(err)
		}
	}
	return k, b
}

// inKernel is the address as the kernel's own list has it.
func (k kernel) inKernel(ip string) (a netlink.Addr) {
	k.t.Helper()
	on(k.t, k.space, "eth0", func(l netlink.Link) error {
		list, err := netlink.AddrList(l, netlink.FAMILY_V6)
		for _, one := range list {
			if one.IP.Equal(net.ParseIP(ip)) {
				a = one
				return nil
			}
		}
		return errors.Join(err, errors.New("no "+ip))
	})
	return a
}

func TestAnAliasOfIPv6IsUsableAtOnceAndNeverPreferred(t *testing.T) {
	k, b := kernels6(t)
	o := order("2001:db8::9/64", "eth0:1")
	o.Lease = time.Hour
	check := func(what string, valid int) {
		t.Helper()
		a := k.inKernel("2001:db8::9")
		if want := unix.IFA_F_NODAD | unix.IFA_F_DEPRECATED; a.Flags&(want|unix.IFA_F_TENTATIVE) != want || a.PreferedLft != 0 || a.ValidLft > valid || a.ValidLft < valid-60 {
			t.Errorf("%s: flags %#x, preferred %d s, valid %d s", what, a.Flags, a.PreferedLft, a.ValidLft)
		}
	}
	if err := k.add(o); err != nil {
		t.Fatal(err)
	}
	check("added", 3600)
	k.space.Do(func() { // to all that it can reach, the host speaks with its own
		c, err := net.Dial("udp6", "[2001:db8::2]:9")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if from := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr(); from != own6.Addr() {
			t.Errorf("it speaks with %v", from)
		}
	})
	b.Do(func() { // and answers for the alias
		c, err := net.DialTimeout("tcp6", "[2001:db8::9]:9", nstest.Patience)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("asked: %v", err)
		}
	})

	o.Lease = 2 * time.Hour
	if errs := k.Refresh([]host.Placement{o}); errs[0] != nil {
		t.Fatal(errs)
	}
	check("refreshed", 7200)
}

// What somebody put there by hand has a preferred lifetime, and the kernel asks for it.
func TestARefreshMakesAnAliasOfWhatSomebodyPutThere(t *testing.T) {
	k, _ := kernels6(t)
	k.space.AddressToDetect(t, "eth0", "2001:db8::9/64")
	o := order("2001:db8::9/64", "")
	o.Lease = time.Hour
	if errs := k.Refresh([]host.Placement{o}); errs[0] != nil {
		t.Fatal(errs)
	}
	if a := k.inKernel("2001:db8::9"); a.PreferedLft != 0 || a.Flags&unix.IFA_F_NODAD == 0 {
		t.Errorf("flags %#x, preferred %d s", a.Flags, a.PreferedLft)
	}
	if _, a, _ := state(t, k).Find(o.Prefix.Addr()); a.Ours || !a.Deprecated || a.Lease == 0 {
		t.Errorf("%+v", a)
	}
}

func state(t *testing.T, k kernel) host.State {
	t.Helper()
	s, err := k.Read()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestALeaseOfIPv6RunsOutByItself(t *testing.T) {
	k, _ := kernels6(t)
	o, stays := order("2001:db8::9/64", ""), order("2001:db8::10/64", "")
	o.Lease = time.Second
	begin := time.Now()
	if err := k.add(o, stays); err != nil {
		t.Fatal(err)
	}
	k.space.Await(t, "the alias gone", func() bool { return !has(state(t, k), "2001:db8::9") })
	if d := time.Since(begin); d < time.Second {
		t.Errorf("gone after %v", d)
	}
	if !has(state(t, k), "2001:db8::10") {
		t.Error("the other one is gone too")
	}
	if errs := k.Refresh([]host.Placement{o}); !errors.Is(errs[0], host.ErrNotThere) {
		t.Errorf("refreshed: %v", errs)
	}
}

// The other host has the address: the kernel finds that out, and leaves it unusable.
func TestAnAddressThatIsNotUsableIsReadAndMended(t *testing.T) {
	k, b := kernels6(t)
	const ip = "2001:db8::9"
	if err := (kernel{k.Host, b, t}).Own("eth0", netip.MustParsePrefix(ip+"/64")); err != nil {
		t.Fatal(err)
	}
	k.space.AddressToDetect(t, "eth0", ip+"/64")
	_, a, _ := state(t, k).Find(netip.MustParseAddr(ip))
	if !a.Tentative || a.Usable() {
		t.Errorf("while the kernel asks: %+v", a)
	}
	k.space.Await(t, "its answer", func() bool {
		_, a, _ = state(t, k).Find(netip.MustParseAddr(ip))
		return a.DADFailed
	})
	if a.Usable() {
		t.Errorf("afterwards: %+v", a)
	}
	o := order(ip+"/64", "")
	if errs := k.Refresh([]host.Placement{o}); errs[0] != nil {
		t.Errorf("refresh: %v", errs)
	}
	if _, a, _ = state(t, k).Find(o.Prefix.Addr()); a.Usable() {
		t.Errorf("a refresh has mended it: %+v", a)
	}
	if errs := k.Add([]host.Placement{o, o}); errs[0] != nil || errs[1] != nil {
		t.Fatal(errs)
	}
	want := host.Address{Prefix: o.Prefix, Label: "eth0", Ours: true, Deprecated: true}
	if _, a, _ = state(t, k).Find(o.Prefix.Addr()); a != want {
		t.Errorf("mended: %+v", a)
	}
}

// An address that the kernel still asks the segment for, or must not use, is none that
// the host can speak with.
func TestAnAddressThatIsNotUsableIsNoOwnOne(t *testing.T) {
	k, _ := pair(t)
	k.space.AddressToDetect(t, "eth0", own6.String())
	err := k.add(order("2001:db8::9/64", ""))
	s := state(t, k)
	if _, its, _ := s.Find(own6.Addr()); err == nil && its.Tentative || err != nil && !strings.Contains(err.Error(), "no address of its own in IPv6") {
		t.Errorf("%v, and it is %+v", err, s.NICs)
	}
	k.space.Await(t, "a usable address", func() bool {
		_, a, _ := state(t, k).Find(own6.Addr())
		return a.Usable()
	})
	if err := k.add(order("2001:db8::9/64", "")); err != nil {
		t.Error(err)
	}
}

func TestReadTellsWhereIPv6IsDisabled(t *testing.T) {
	for what, c := range map[string]struct{ name, off, on string }{
		"disable_ipv6": {"disable_ipv6", "1", "0"},
		"a small MTU":  {"", "1000", "1500"},
	} {
		t.Run(what, func(t *testing.T) {
			k, b := kernels6(t)
			nstest.Cable(t, k.space, "eth1", b, "eth1")
			set := func(value string) {
				if c.name != "" {
					k.space.Sysctl(t, "net/ipv6/conf/eth0/"+c.name, value)
					return
				}
				on(t, k.space, "eth0", func(l netlink.Link) error {
					return netlink.LinkSetMTU(l, map[string]int{"1000": 1000, "1500": 1500}[value])
				})
			}
			check := func(no bool) {
				t.Helper()
				if is, other := k.nic("eth0").NoIPv6, k.nic("eth1").NoIPv6; is != no || other {
					t.Errorf("NoIPv6: eth0 %v, eth1 %v", is, other)
				}
			}
			check(false)
			set(c.off)
			check(true)
			if n := k.nic("eth0"); len(n.Addrs) != 1 || n.Addrs[0].Prefix != own {
				t.Errorf("addresses: %+v", n.Addrs)
			}
			if err := k.add(order("2001:db8::9/64", "")); err == nil || !strings.Contains(err.Error(), "IPv6 is disabled") {
				t.Errorf("added: %v", err)
			}
			if err := k.add(order("10.0.0.9/24", "")); err != nil {
				t.Error(err)
			}
			set(c.on)
			check(false)
		})
	}
}
