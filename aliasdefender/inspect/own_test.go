package inspect

import (
	"net/netip"
	"strings"
	"testing"

	"alias-defender/aliasdefender/host"
)

// has gives the NIC these addresses, as they stand; "*" marks a Monitor's.
func has(s *Subject, nic string, prefixes ...string) {
	n := host.NIC{Name: nic, Index: 9, Up: true, Carrier: true}
	for _, p := range prefixes {
		p, ours := strings.CutSuffix(p, "*")
		n.Addrs = append(n.Addrs, host.Address{Prefix: netip.MustParsePrefix(p), Label: nic, Ours: ours})
	}
	s.Host.Ordered = true
	for i := range s.Host.NICs {
		if s.Host.NICs[i].Name == nic {
			s.Host.NICs[i] = n
			return
		}
	}
	s.Host.NICs = append(s.Host.NICs, n)
}

func TestWhatIsFoundOfTheHostsOwnAddresses(t *testing.T) {
	const own, alias = "172.16.1.4/24", "172.16.1.2/24"
	mask := func(p string) func(*Subject) {
		return func(s *Subject) { s.Config.Aliases[0].Prefix = netip.MustParsePrefix(p) }
	}
	addrs := func(p ...string) func(*Subject) { return func(s *Subject) { has(s, "eth0", p...) } }
	for _, c := range []struct {
		name   string
		change func(*Subject)
		want   []string
	}{
		{"the alias is there, behind", addrs(own, alias+"*"), nil},
		{"it stands before", addrs(alias+"*", own), []string{"warning hostname.alias:3 172.16.1.2 stands before 172.16.1.4 on eth0"}},
		{"it stands before, and no tag tells whose it is", addrs(alias, own), []string{"warning hostname.alias:3 172.16.1.2 stands before 172.16.1.4 on eth0"}},
		{"it stands before one of another subnet", addrs(alias+"*", "10.0.0.1/8"), nil},
		{"it stands between two", addrs(own, alias, "172.16.1.5/24"), nil},
		{"where the order means nothing", func(s *Subject) { addrs(alias, own)(s); s.Host.Ordered = false }, nil},
		{"the only address", addrs(alias), []string{"mistake hostname.alias:3 172.16.1.2 is an address of this host itself: eth0 has no other"}},
		{"the only address, and a Monitor's", addrs(alias + "*"), []string{"warning eth0 eth0 has no address of its own"}},
		{"another alias has lost its own address", addrs("172.16.1.3/24"), nil},
		{"another mask", mask("172.16.1.2/16"), []string{"warning hostname.alias:3 the mask is /16, and that of 172.16.1.4 on eth0 is /24"}},
		{"a mask of one address", mask("172.16.1.2/32"), nil},
		{"another mask, beside one that is the same", func(s *Subject) {
			mask("172.16.1.2/16")(s)
			addrs(own, "172.16.9.4/16")(s)
		}, nil},
		{"another subnet", func(s *Subject) { addrs("10.0.0.1/8")(s) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good()
			c.change(s)
			expect(t, Inspect(s), c.want...)
		})
	}
}

// TestTheOwnAddressDoesNotGoWithTheAlias: the command that puts them in order takes
// the first address off, and the others of its subnet may go with that.
func TestTheOwnAddressDoesNotGoWithTheAlias(t *testing.T) {
	s := good()
	has(s, "eth0", "172.16.1.2/24", "172.16.1.4/24")
	for _, promote := range []string{"", "0", "1"} {
		s.Sysctls = map[string]string{SysctlName("eth0", "promote_secondaries"): promote}
		mend := Inspect(s)[0].Mend
		if first, _, _ := strings.Cut(mend, ";"); strings.HasPrefix(first, "sysctl") == (promote == "1") {
			t.Errorf("promote_secondaries %q: %s", promote, mend)
		}
	}
}
