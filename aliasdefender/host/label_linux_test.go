package host_test

import (
	"net/netip"
	"testing"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

// TestANICWithTheLongestNameHasManyAliases, each with a label of its own.
func TestANICWithTheLongestNameHasManyAliases(t *testing.T) {
	const nic = "enp130s31f6npv9"
	k, b := pair(t)
	nstest.Cable(t, k.space, nic, b, "eth1")
	k.space.Address(t, nic, "10.0.1.1/24")
	for alias, labels := range map[string][2]string{
		"10.0.1.2/24": {nic + ":1", "enp130s31f6np:1"},
		"10.0.1.3/24": {nic + ":200", "enp130s31f6:200"},
		"10.0.1.4/24": {nic, nic},
	} {
		o := host.Placement{NIC: nic, Label: labels[0], Prefix: netip.MustParsePrefix(alias)}
		if err := k.add(o); err != nil {
			t.Errorf("%s: %v", labels[0], err)
			continue
		}
		want := host.Address{Prefix: o.Prefix, Label: labels[1], Ours: true}
		s, err := k.Read()
		if err != nil {
			t.Fatal(err)
		}
		if on, got, _ := s.Find(o.Prefix.Addr()); on != nic || got != want {
			t.Errorf("%s: %+v on %s, want %+v", labels[0], got, on, want)
		}
	}
}
