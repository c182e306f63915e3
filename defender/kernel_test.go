package defender

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"aliasdefender/host"
	"aliasdefender/host/hosttest"
)

// kernel is a fake host's interfaces and addresses. It has no lock: a station
// has the segment's.
type kernel struct {
	nics []host.NIC
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
	for _, n := range k.nics {
		if n.Index == 0 {
			continue
		}
		n.Addrs = slices.Clone(n.Addrs)
		s.NICs = append(s.NICs, n)
	}
	return s
}

func (k *kernel) Read() (host.State, error) { return k.state(), nil }

func (k *kernel) Add(orders []host.Order) []error {
	todo, errs := k.state().Judge(orders)
	for _, i := range todo {
		o := orders[i]
		n := k.nic(o.NIC)
		label := o.Label
		if label == "" {
			label = o.NIC
		}
		n.Addrs = append(n.Addrs, host.Address{Prefix: o.Prefix, Label: label, Ours: true})
	}
	return errs
}

func (k *kernel) Remove(orders []host.Order) []error {
	for _, o := range orders {
		if n := k.nic(o.NIC); n != nil {
			n.Addrs = slices.DeleteFunc(n.Addrs, func(a host.Address) bool { return a.Prefix.Addr() == o.Prefix.Addr() })
		}
	}
	return make([]error, len(orders))
}

func (k *kernel) Own(nic string, p netip.Prefix) error {
	n := k.nic(nic)
	if n == nil {
		return fmt.Errorf("no NIC %s", nic)
	}
	n.Addrs = append([]host.Address{{Prefix: p, Label: nic}}, n.Addrs...)
	return nil
}

// lose drops every alias.
func (k *kernel) lose() {
	for i := range k.nics {
		k.nics[i].Addrs = slices.DeleteFunc(k.nics[i].Addrs, func(a host.Address) bool { return a.Ours })
	}
}

func (k *kernel) has(ip netip.Addr) bool {
	_, _, ok := host.State{NICs: k.nics}.Find(ip)
	return ok
}

func TestFakeKernelKeepsTheKernelsContract(t *testing.T) {
	own := netip.MustParsePrefix("192.0.2.1/24")
	k := &kernel{nics: []host.NIC{{Name: "eth0", Index: 1}, {Name: "eth1", Index: 2}, {Name: "eth2", Index: 3}}}
	for nic, p := range map[string]netip.Prefix{"eth0": own, "eth1": netip.MustParsePrefix("203.0.113.1/24")} {
		if err := k.Own(nic, p); err != nil {
			t.Fatal(err)
		}
	}
	hosttest.Contract(t, k, "eth0", own)
}
