package host_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"alias-defender/aliasdefender/host"
)

// TestOnlyWhatStandsBeforeAnOwnAddressIsReordered: an address that is put in order though
// it was would be away for a moment, and with it the routes that have it as source.
func TestOnlyWhatStandsBeforeAnOwnAddressIsReordered(t *testing.T) {
	const alias, another, own = "10.0.0.9/24", "10.0.0.8/24", "10.0.0.1/24"
	for _, tt := range []struct {
		name   string
		addrs  []string // of the NIC, in order; the aliases are ours
		orders []string
		todo   []int
		there  bool
	}{
		{"before the own address", []string{alias, own}, []string{alias}, []int{0}, true},
		{"behind the own address", []string{own, alias}, []string{alias}, nil, true},
		{"between two own addresses", []string{own, alias, "10.0.0.2/24"}, []string{alias}, nil, true},
		{"before an own address of another subnet", []string{alias, "10.1.0.1/24"}, []string{alias}, nil, true},
		{"before an own address of the subnet, and behind one of another", []string{"10.1.0.1/24", alias, own}, []string{alias}, []int{0}, true},
		{"before another alias alone", []string{alias, another}, []string{alias}, nil, true},
		{"alone", []string{alias}, []string{alias}, nil, true},
		{"not there", []string{own}, []string{alias}, nil, false},
		{"there with another prefix", []string{"10.0.0.9/25", own}, []string{alias}, nil, false},
		{"two, in their order on the NIC", []string{another, alias, own}, []string{alias, another}, []int{1, 0}, true},
		{"ordered twice", []string{alias, own}, []string{alias, alias}, []int{0}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := host.NIC{Name: "eth0", Index: 2}
			for _, a := range tt.addrs {
				n.Addrs = append(n.Addrs, host.Address{Prefix: netip.MustParsePrefix(a), Ours: a == alias || a == another})
			}
			var orders []host.Placement
			for _, o := range tt.orders {
				orders = append(orders, host.Placement{NIC: "eth0", Prefix: netip.MustParsePrefix(o)})
			}
			todo, errs := host.State{NICs: []host.NIC{n}}.JudgeReorder(orders)
			if !slices.Equal(todo, tt.todo) {
				t.Errorf("of %v on a NIC with %v, %v are put in order, want %v", tt.orders, tt.addrs, todo, tt.todo)
			}
			for i, err := range errs {
				if tt.there && err != nil || !tt.there && !errors.Is(err, host.ErrNotThere) {
					t.Errorf("%s: %v", tt.orders[i], err)
				}
			}
		})
	}
}
