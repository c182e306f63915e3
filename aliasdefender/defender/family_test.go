package defender

import (
	"cmp"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"alias-defender/aliasdefender/host"
)

// All tests are played for both families, one after the other. family is the present one;
// whatever depends on it is made by the functions of this file.
var (
	family   = host.IPv4
	aliasIP  = ip(100)
	secondIP = ip(101) // an alias that comes and goes in the files
)

var families = flag.String("family", "", "play the tests for IPv4, for IPv6, or for both (default both, and with the race detector IPv4: the goroutines are the same)")

// onlyIPv4 are the tests that have no meaning in IPv6, and those that take longest and
// would find out nothing new there.
var onlyIPv4 = []string{
	// the order of a NIC's addresses decides nothing in IPv6
	"TestOwnAddressThatComesBackStandsBeforeTheAliasAgain", "TestAProgramThatKeepsPuttingTheAliasFirstIsAnAlarm",
	"TestReorderThatFailsIsSaidOnceAndTriedAgain", "TestTheChannelIsWrittenFromTheOwnAddress",
	// hundreds of aliases cost the loop the same in both; TestAliasThatIsBeingTakenIsNotAskedFor plays them
	"TestThousandAliasesAreTakenTogether", "TestManyThatWentWithTheirNICAreBackTogether", "TestDoubtAboutOneOfManyIsAThoroughOne",
	"TestDoubtAboutManyIsNoFlood", "TestHolderOfManyAsksForRivalsFiftyTimesASecond", "TestAliasOfManyIsRestoredAtOnce",
	// every order of two events is played
	"TestEveryOrderOfThreeEvents",
	// it plays both families at once
	"TestFakeKernelKeepsTheKernelsContract",
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := 0
	for _, f := range []host.Family{host.IPv4, host.IPv6} {
		if *families != "both" && *families != f.String() && (*families != "" || raceEnabled && f != host.IPv4) {
			continue
		}
		family = f
		aliasIP, secondIP = ip(100), ip(101)
		if f == host.IPv6 {
			was := flag.Lookup("test.skip").Value.String()
			_ = flag.Set("test.skip", strings.Trim(was+"|^("+strings.Join(onlyIPv4, "|")+")$", "|"))
		}
		if got := m.Run(); got != 0 {
			fmt.Println("FAIL: the tests above were played for", f)
			code = cmp.Or(code, got)
		}
	}
	os.Exit(code)
}

// ip is the address with that number in the segment's subnet.
func ip(n byte) netip.Addr {
	if family == host.IPv6 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: n})
	}
	return netip.AddrFrom4([4]byte{10, 0, 0, n})
}

// distantIP is an address off the segment.
func distantIP() netip.Addr {
	if family == host.IPv6 {
		return netip.MustParseAddr("2001:db8:1::5")
	}
	return netip.MustParseAddr("192.0.2.5")
}

// with is an address with the segment's mask.
func with(addr netip.Addr) netip.Prefix {
	if addr.Is6() {
		return netip.PrefixFrom(addr, 64)
	}
	return netip.PrefixFrom(addr, 24)
}

// spelt puts addresses into the text of a test, which is written for IPv4: 10.0.0.7 stands
// for the address with that number.
func spelt(text string) string {
	if family == host.IPv4 {
		return text
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "10.0.0.")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		n, digits := 0, 0
		for digits < len(after) && after[digits] >= '0' && after[digits] <= '9' {
			n = 10*n + int(after[digits]-'0')
			digits++
		}
		out.WriteString(ip(byte(n)).String())
		text = after[digits:]
	}
}

// linkLocal is the station's own link-local address on eth0; IPv4 has none.
func (st *station) linkLocal() netip.Prefix {
	if family == host.IPv4 {
		return netip.Prefix{}
	}
	b := st.own.Addr().As16()
	return with(netip.AddrFrom16([16]byte{0xfe, 0x80, 15: b[15]}))
}

// gateway is what a router's neighbours have as the gateway of their default route: in
// IPv6 a link-local address, as by router advertisement.
func (st *station) gateway() netip.Addr {
	if p := st.linkLocal(); p.IsValid() {
		return p.Addr().WithZone("eth0")
	}
	return st.own.Addr()
}

// owns are the station's own addresses.
func (st *station) owns() []netip.Prefix {
	if p := st.linkLocal(); p.IsValid() {
		return []netip.Prefix{st.own, p}
	}
	return []netip.Prefix{st.own}
}

// loseOwn takes the own addresses away, and gainOwn puts them there.
func (st *station) loseOwn() {
	for _, p := range st.owns() {
		_ = st.kernel.Remove([]host.Placement{{NIC: "eth0", Prefix: p}})
	}
}

func (st *station) gainOwn() {
	for _, p := range st.owns() {
		_ = st.kernel.Own("eth0", p)
	}
}

// many is one of more than 256 aliases, with a mask that has all of them and the hosts.
func many(i int) (netip.Addr, netip.Prefix) {
	if family == host.IPv6 {
		addr := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 13: 1, 14: byte(1 + i/200), 15: byte(1 + i%200)})
		return addr, with(addr)
	}
	addr := netip.AddrFrom4([4]byte{10, 0, byte(1 + i/200), byte(1 + i%200)})
	return addr, netip.PrefixFrom(addr, 16)
}

// side is the half of the NIC that the aliases are on.
func (w *world) side() host.Side { return host.Side{NIC: "eth0", Family: family} }

// isMany tells whether an address is one of many.
func isMany(addr netip.Addr) bool {
	b := addr.AsSlice()
	return b[len(b)-2] != 0
}

// spelled is an address as the log has it in a field.
func spelled(addr netip.Addr) string {
	if addr.Is6() {
		return strconv.Quote(addr.String())
	}
	return addr.String()
}

// otherFamily is an address of the family that is not the present one.
func otherFamily() string {
	if family == host.IPv6 {
		return "192.0.2.1"
	}
	return "2001:db8::1"
}
