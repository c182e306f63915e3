package inspect

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
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
		{"it stands between two", addrs(own, alias, "172.16.1.6/24"), nil},
		{"where the order means nothing", func(s *Subject) { addrs(alias, own)(s); s.Host.Ordered = false }, nil},
		{"the only address", addrs(alias), []string{"mistake hostname.alias:3 172.16.1.2 is an address of this host itself: eth0 has no other"}},
		{"the only address, and a Monitor's", addrs(alias + "*"), []string{"fault eth0 eth0 has no address of its own"}},
		{"a row is gone from the table", addrs(own, alias+"*", "172.16.1.3/24*"), []string{"warning hostname.alias a Monitor put 172.16.1.3 on eth0, and no row has it"}},
		{"a Monitor's address of another row, on another NIC", func(s *Subject) { has(s, "eth1", "10.0.0.1/8", alias+"*") },
			[]string{"fault hostname.alias:3 eth1 has 172.16.1.2, not eth0"}},
		{"a link-local alias, and the same address on another NIC", func(s *Subject) {
			s.Config.Aliases[0].Addr, s.Config.Aliases[0].Prefix = netip.MustParseAddr("fe80::2%eth0"), netip.MustParsePrefix("fe80::2/64")
			s.Host.Routes[0].Gateway = netip.MustParseAddr("fe80::fe%eth0")
			addrs(own, "fe80::4/64", "fe80::2/64*")(s)
			has(s, "eth1", "fe80::2/64*")
		}, []string{"warning hostname.alias a Monitor put fe80::2 on eth1, and no row has it"}},
		{"an address that nobody's tag is on", addrs(own, "172.16.1.3/24"), nil},
		{"another alias has lost its own address", addrs("172.16.1.3/24"), nil},
		{"another mask", mask("172.16.1.2/16"), []string{"warning hostname.alias:3 the mask is /16, and that of 172.16.1.4 on eth0 is /24"}},
		{"a mask of one address", mask("172.16.1.2/32"), nil},
		{"another mask, beside one that is the same", func(s *Subject) {
			mask("172.16.1.2/16")(s)
			addrs(own, "172.16.9.4/16")(s)
		}, nil},
		{"another subnet", func(s *Subject) { addrs("10.0.0.1/8")(s) }, nil},
		{"another subnet, and another NIC has that of the alias", func(s *Subject) { addrs("10.0.0.1/8")(s); has(s, "eth1", own) },
			[]string{"warning hostname.alias:3 eth0 has no address in the alias's subnet 172.16.1.0/24, but eth1 has one: 172.16.1.4"}},
		{"no address, and another NIC has the alias's subnet", func(s *Subject) { addrs()(s); has(s, "eth1", own) },
			[]string{"fault eth0 eth0 has no address of its own", "warning hostname.alias:3 eth0 has no address in the alias's subnet 172.16.1.0/24, but eth1 has one: 172.16.1.4"}},
		{"another subnet, and another NIC has only a Monitor's address of that", func(s *Subject) { addrs("10.0.0.1/8")(s); has(s, "eth1", "172.16.1.9/24*") },
			[]string{"warning hostname.alias a Monitor put 172.16.1.9 on eth1, and no row has it"}},
		{"the partner is this host", func(s *Subject) {
			s.Config.Aliases[0].Partner = config.Partner{Name: "172.16.1.4", Addr: netip.MustParseAddr("172.16.1.4")}
		},
			[]string{"mistake hostname.alias:3 the partner 172.16.1.4 is an address of this host itself, on eth0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good()
			c.change(s)
			expect(t, everything(s), c.want...)
		})
	}
}

// TestWhatBecomesOfAnAddressOfNoRowIsSaid: one that has a lease goes by itself.
func TestWhatBecomesOfAnAddressOfNoRowIsSaid(t *testing.T) {
	for lease, want := range map[time.Duration]string{0: "until somebody removes it", time.Minute: "when its lease has ended"} {
		s := good()
		has(s, "eth0", "172.16.1.4/24", "172.16.1.3/24*")
		s.Host.NICs[0].Addrs[1].Lease = lease
		f := everything(s)[0]
		if !strings.HasSuffix(f.Why, want) || !strings.HasSuffix(f.Mend, "ip address del 172.16.1.3/24 dev eth0") {
			t.Errorf("lease %v: %s; %s", lease, f.Why, f.Mend)
		}
	}
}

// TestTheOwnAddressDoesNotGoWithTheAlias: the command that puts them in order takes
// the first address off, and the others of its subnet may go with that.
func TestTheOwnAddressDoesNotGoWithTheAlias(t *testing.T) {
	s := good()
	has(s, "eth0", "172.16.1.2/24", "172.16.1.4/24")
	for _, promote := range []string{"", "0", "1"} {
		s.Sysctls = map[string]string{SysctlName(host.IPv4, "eth0", "promote_secondaries"): promote}
		mend := everything(s)[0].Mend
		if first, _, _ := strings.Cut(mend, ";"); strings.HasPrefix(first, "sysctl") == (promote == "1") {
			t.Errorf("promote_secondaries %q: %s", promote, mend)
		}
	}
}
