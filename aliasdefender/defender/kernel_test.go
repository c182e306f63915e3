package defender

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/hosttest"
)

// kernel is a fake host's interfaces and addresses. It has no lock: a station
// has the segment's.
type kernel struct {
	nics  []host.NIC
	until map[netip.Addr]time.Time // when a lease runs out
}

func (k *kernel) nic(name string) *host.NIC {
	for i := range k.nics {
		if k.nics[i].Name == name {
			return &k.nics[i]
		}
	}
	return nil
}

// state is a copy that later changes leave alone. An interface with index 0 is
// not there.
func (k *kernel) state() (s host.State) {
	k.lapse()
	s.Ordered = true
	for _, n := range k.nics {
		if n.Index == 0 {
			continue
		}
		n.Addrs = slices.Clone(n.Addrs)
		for i, a := range n.Addrs {
			if until, ok := k.until[a.Prefix.Addr()]; ok {
				n.Addrs[i].Lease = (time.Until(until) + time.Second - 1).Truncate(time.Second)
			}
		}
		six := func(a host.Address) bool { return a.Prefix.Addr().Is6() } // the kernel tells each family by itself
		four, sixes := slices.DeleteFunc(slices.Clone(n.Addrs), six), slices.DeleteFunc(n.Addrs, func(a host.Address) bool { return !six(a) })
		slices.Reverse(sixes) // the youngest first
		n.Addrs = append(four, sixes...)
		s.NICs = append(s.NICs, n)
	}
	return s
}

// lapse drops the addresses whose lease has run out.
func (k *kernel) lapse() {
	for ip, until := range k.until {
		if time.Until(until) > 0 {
			continue
		}
		delete(k.until, ip)
		for i := range k.nics {
			k.drop(&k.nics[i], ip)
		}
	}
}

func (k *kernel) drop(n *host.NIC, ip netip.Addr) {
	n.Addrs = slices.DeleteFunc(n.Addrs, func(a host.Address) bool { return a.Prefix.Addr() == ip })
}

// lease has the address run out, or stay if d is zero.
func (k *kernel) lease(ip netip.Addr, d time.Duration) {
	delete(k.until, ip)
	if d > 0 {
		if k.until == nil {
			k.until = map[netip.Addr]time.Time{}
		}
		k.until[ip] = time.Now().Add((d + time.Second - 1).Truncate(time.Second))
	}
}

func (k *kernel) Read() (host.State, error) { return k.state(), nil }

func (k *kernel) Add(orders []host.Placement) []error {
	todo, errs := k.state().Judge(orders)
	for _, i := range todo {
		o := orders[i]
		n := k.nic(o.NIC)
		k.drop(n, o.Prefix.Addr()) // it is there, and not usable
		six := o.Prefix.Addr().Is6()
		label := o.Label
		if label == "" || six {
			label = o.NIC
		}
		n.Addrs = append(n.Addrs, host.Address{Prefix: o.Prefix, Label: label, Ours: true, Deprecated: six})
		k.lease(o.Prefix.Addr(), o.Lease)
	}
	return errs
}

func (k *kernel) Refresh(orders []host.Placement) []error {
	errs := k.state().JudgeRefresh(orders)
	for i, o := range orders {
		if errs[i] != nil {
			continue
		}
		n := k.nic(o.NIC)
		at := slices.IndexFunc(n.Addrs, func(a host.Address) bool { return a.Prefix == o.Prefix })
		n.Addrs[at].Deprecated = o.Prefix.Addr().Is6()
		k.lease(o.Prefix.Addr(), o.Lease)
	}
	return errs
}

func (k *kernel) Reorder(orders []host.Placement) []error {
	todo, errs := k.state().JudgeReorder(orders)
	for _, i := range todo {
		o := orders[i]
		n := k.nic(o.NIC)
		at := slices.IndexFunc(n.Addrs, func(a host.Address) bool { return a.Prefix == o.Prefix })
		a := n.Addrs[at]
		n.Addrs = append(slices.Delete(n.Addrs, at, at+1), a)
		k.lease(o.Prefix.Addr(), o.Lease)
	}
	return errs
}

func (k *kernel) Remove(orders []host.Placement) []error {
	for _, o := range orders {
		for i := range k.nics {
			if n := &k.nics[i]; n.Name == o.NIC || o.Index != 0 && n.Index == o.Index {
				k.drop(n, o.Prefix.Addr())
			}
		}
	}
	return make([]error, len(orders))
}

func (k *kernel) Own(nic string, p netip.Prefix) error {
	n := k.nic(nic)
	if n == nil {
		return fmt.Errorf("no NIC %s", nic)
	}
	n.Addrs = append(n.Addrs, host.Address{Prefix: p, Label: nic})
	return nil
}

// lose drops every alias.
func (k *kernel) lose() {
	for i := range k.nics {
		k.nics[i].Addrs = slices.DeleteFunc(k.nics[i].Addrs, func(a host.Address) bool { return a.Ours })
	}
}

func (k *kernel) has(ip netip.Addr) bool {
	k.lapse()
	_, a, ok := host.State{NICs: k.nics}.Find(ip)
	return ok && a.Usable() // otherwise it answers for it no more than for any other
}

func TestFakeKernelKeepsTheKernelsContract(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}
	k := &kernel{nics: []host.NIC{{Name: "eth0", Index: 1}, {Name: "eth1", Index: 2}, {Name: "eth2", Index: 3}}}
	for nic, all := range map[string][]netip.Prefix{
		"eth0": own, "eth1": {netip.MustParsePrefix("203.0.113.1/24"), netip.MustParsePrefix("2001:db8:1::1/64")},
	} {
		for _, p := range all {
			if err := k.Own(nic, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	hosttest.Contract(t, k, "eth0", own...)
}

func TestFakeKernelEndsALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kernel{nics: []host.NIC{{Name: "eth0", Index: 1}}}
		_ = k.Own("eth0", with(ip(1)))
		o := host.Placement{NIC: "eth0", Prefix: with(aliasIP), Lease: 10 * time.Second}
		_ = k.Add([]host.Placement{o})
		time.Sleep(9 * time.Second)
		if errs := k.Refresh([]host.Placement{o}); errs[0] != nil || !k.has(aliasIP) {
			t.Errorf("renewed in time: %v", errs)
		}
		time.Sleep(10 * time.Second)
		if errs := k.Refresh([]host.Placement{o}); !errors.Is(errs[0], host.ErrNotThere) || k.has(aliasIP) {
			t.Errorf("renewed too late: %v", errs)
		}
	})
}
