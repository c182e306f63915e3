package host_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

var (
	addrA6  = netip.MustParseAddr("2001:db8::1")
	addrB6  = netip.MustParseAddr("2001:db8::2")
	alias6  = netip.MustParseAddr("2001:db8::9")
	localB  = netip.MustParseAddr("fe80::2")
	allOf6  = netip.MustParseAddr("ff02::1")
	groupA6 = netip.MustParseAddr("ff02::1:ff00:1")
)

const (
	solicit   = 135
	advertise = 136
)

// pair6 is pair for IPv6: eth0 has 2001:db8::1 here and 2001:db8::2 there. The kernels
// say nothing by themselves.
func pair6(t testing.TB) (a, b *nstest.Space) {
	a, b = nstest.New(t), nstest.New(t)
	quiet6(t, a)
	quiet6(t, b)
	nstest.Cable(t, a, "eth0", b, "eth0")
	address6(t, a, addrA6)
	address6(t, b, addrB6)
	return a, b
}

// quiet6 leaves NICs that come without a link-local address, which the kernel would look
// for duplicates of, and solicit routers from.
func quiet6(t testing.TB, space *nstest.Space) {
	t.Helper()
	set6(t, space, "default/addr_gen_mode", "1")
}

func set6(t testing.TB, space *nstest.Space, file, value string) {
	t.Helper()
	space.Do(func() {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+file, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	})
}

// address6 gives eth0 an address of a /64, with no look for duplicates. The kernel joins its group a
// moment later, without an event, and answers no questions before.
func address6(t testing.TB, space *nstest.Space, ip netip.Addr) {
	t.Helper()
	addressOf(t, space, "eth0", ip)
}

func addressOf(t testing.TB, space *nstest.Space, nic string, ip netip.Addr) {
	t.Helper()
	space.Do(func() {
		l, err := netlink.LinkByName(nic)
		if err != nil {
			t.Fatal(err)
		}
		addr, err := netlink.ParseAddr(ip.String() + "/64")
		if err != nil {
			t.Fatal(err)
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, addr); err != nil {
			t.Fatal(err)
		}
		b := ip.As16()
		group := fmt.Sprintf("ff0200000000000000000001ff%x", b[13:])
		for over := time.Now().Add(nstest.Patience); ; runtime.Gosched() {
			list, err := os.ReadFile("/proc/thread-self/net/igmp6")
			if err != nil || time.Now().After(over) {
				t.Fatalf("not in the group of %s: %v", ip, err)
			}
			if strings.Contains(string(list), group) {
				return
			}
		}
	})
}

func listen6(t testing.TB, space *nstest.Space, see func([]host.Sighting)) *host.Wire {
	t.Helper()
	h, err := host.New()
	if err != nil {
		t.Fatal(err)
	}
	var w *host.Wire
	space.Do(func() { w, err = h.Listen("eth0", host.IPv6, see) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func listener6(t testing.TB, space *nstest.Space) (*host.Wire, <-chan host.Sighting) {
	t.Helper()
	seen := make(chan host.Sighting, 10000)
	return listen6(t, space, func(all []host.Sighting) {
		for _, s := range all {
			seen <- s
		}
	}), seen
}

// nd is a frame of neighbour discovery, laid out by hand so that the code under test is
// not its own judge.
func nd(kind byte, source host.HW, from, to netip.Addr, flags byte, about netip.Addr, options ...byte) []byte {
	dst := to.As16()
	b := append([]byte{0x33, 0x33}, dst[12:]...)
	b = append(b, source[:]...)
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, 0, byte(24+len(options)), 58, 255)
	b = append(append(b, from.AsSlice()...), dst[:]...)
	b = append(b, kind, 0, 0, 0, flags, 0, 0, 0)
	b = append(append(b, about.AsSlice()...), options...)
	return sum(b)
}

// sum puts the checksum in.
func sum(b []byte) []byte {
	b[56], b[57] = 0, 0
	n := uint32(58 + len(b) - 54)
	for i := 22; i < len(b); i += 2 {
		n += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	n = n>>16 + n&0xffff
	binary.BigEndian.PutUint16(b[56:], ^uint16(n>>16+n))
	return b
}

// option says where the address is: 1 of a solicitation's source, 2 of what an
// advertisement is about.
func option(kind byte, hw host.HW) []byte { return append([]byte{kind, 1}, hw[:]...) }

// claims is an unsolicited advertisement by nobody.
func claims(about netip.Addr) []byte {
	return nd(advertise, nobody, about, allOf6, 0x20, about, option(2, nobody)...)
}

// marker6 is a frame that is surely seen, behind one that must not be.
func marker6(t *testing.T, space *nstest.Space, seen <-chan host.Sighting) {
	t.Helper()
	ip := netip.MustParseAddr("2001:db8::200")
	raw(t, space, claims(ip))
	if s := wait(t, "the marker", seen); s.Sender != ip {
		t.Errorf("instead of the marker: %+v", s)
	}
}

func TestAskAndProbeOfIPv6AreAnswered(t *testing.T) {
	a, b := pair6(t)
	w, seen := listener6(t, a)
	_, seenB := listener6(t, b)
	hwB := host.HW(b.HW(t, "eth0"))
	address6(t, a, netip.MustParseAddr("fe80::1"))
	address6(t, b, localB)
	localA, localB := netip.MustParseAddr("fe80::1%eth0"), localB.WithZone("eth0")
	none := netip.IPv6Unspecified()
	for _, c := range []struct {
		name         string
		ask          func() error
		from, target netip.Addr
		answer       host.Sighting
	}{
		{"to the group", func() error { return w.Ask(addrB6, addrA6, host.HW{}) }, addrA6, addrB6, host.Sighting{Target: addrA6, Reply: true}},
		{"straight", func() error { return w.Ask(addrB6, addrA6, hwB) }, addrA6, addrB6, host.Sighting{Target: addrA6, Reply: true}},
		{"link-local", func() error { return w.Ask(localB, localA, host.HW{}) }, localA, localB, host.Sighting{Target: localA, Reply: true}},
		{"probe", func() error { return w.Probe(addrB6) }, none, addrB6, host.Sighting{Target: addrB6}},
		{"link-local probe", func() error { return w.Probe(localB) }, none, localB, host.Sighting{Target: localB}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.ask(); err != nil {
				t.Fatal(err)
			}
			same(t, wait(t, "the question", seenB), host.Sighting{Sender: c.from, HW: w.HW(), Target: c.target})
			c.answer.Sender, c.answer.HW = c.target, hwB
			same(t, wait(t, "the answer", seen), c.answer)
		})
	}
	if err := w.Ask(addrB6, addrA6, nobody); err != nil {
		t.Fatal(err)
	}
	marker6(t, b, seen) // no answer before it: the question went to somebody else
	for name, err := range map[string]error{
		"for an address of IPv4": w.Ask(addrB, addrA6, host.HW{}),
		"in nobody's name":       w.Ask(addrB6, netip.Addr{}, host.HW{}),
		"as an alias of IPv4":    w.Announce(alias, host.HW{}),
	} {
		if err == nil {
			t.Errorf("spoke %s", name)
		}
	}
}

func TestOnlyOthersNeighbourDiscoveryIsSeen(t *testing.T) {
	a, b := pair6(t)
	w, seen := listener6(t, a)
	own, other := w.HW(), host.HW(b.HW(t, "eth0"))
	far := claims(alias6)
	far[21] = 254
	wrong := claims(alias6)
	wrong[56]++
	behind := claims(alias6) // a hop-by-hop header of 8 bytes before the message
	behind = slices.Insert(behind, 54, 58, 0, 1, 4, 0, 0, 0, 0)
	behind[19], behind[20] = behind[19]+8, 0
	router := claims(alias6)
	router[54] = 134
	for name, f := range map[string][]byte{
		"sent back by a switch":    nd(solicit, own, alias6, groupA6, 0, addrA6, option(1, own)...),
		"a probe sent back":        nd(solicit, own, netip.IPv6Unspecified(), groupA6, 0, addrA6),
		"ours for another":         nd(advertise, own, alias6, allOf6, 0x20, alias6, option(2, other)...),
		"another's for us":         nd(advertise, other, alias6, allOf6, 0x20, alias6, option(2, own)...),
		"of another VLAN":          tagged(claims(alias6), 7),
		"forwarded":                sum(far),
		"with a wrong checksum":    wrong,
		"behind another header":    behind,
		"a router's":               sum(router),
		"an option of no length":   nd(advertise, other, alias6, allOf6, 0x20, alias6, 2, 0, 2, 0, 0, 0, 0, 0),
		"an option that is cut":    nd(advertise, other, alias6, allOf6, 0x20, alias6, 2, 4, 2, 0, 0, 0, 0, 0),
		"half an option":           nd(advertise, other, alias6, allOf6, 0x20, alias6, 2, 1, 2, 0),
		"with a broadcast address": nd(advertise, other, alias6, allOf6, 0x20, alias6, option(2, host.HW{255, 255, 255, 255, 255, 255})...),
		"cut":                      claims(alias6)[:80],
	} {
		t.Run(name, func(t *testing.T) {
			raw(t, b, f)
			marker6(t, b, seen)
		})
	}
	raw(t, b, tagged(claims(alias6), 0)) // a priority
	if s := wait(t, "a priority-tagged frame", seen); s.Sender != alias6 {
		t.Errorf("%+v", s)
	}
	long := slices.Concat(option(2, nobody), slices.Repeat([]byte{200, 4, 31: 0}, 6))
	raw(t, b, nd(advertise, other, alias6, allOf6, 0x20, alias6, long...))
	if s := wait(t, "a frame with many options", seen); s.Sender != alias6 || s.HW != nobody {
		t.Errorf("%+v", s)
	}
	if err := w.Announce(alias6, host.HW{}); err != nil { // nor do we see what we send ourselves
		t.Fatal(err)
	}
	marker6(t, b, seen)
}

// TestEchoOfIPv6IsAnsweredByWhoHasTheAddress: B answers for both of its addresses in a
// frame to its NIC. C, behind it, would answer if B forwarded what is not its own, and B
// does forward.
func TestEchoOfIPv6IsAnsweredByWhoHasTheAddress(t *testing.T) {
	a, b := pair6(t)
	c := nstest.New(t)
	quiet6(t, c)
	nstest.Cable(t, b, "eth1", c, "eth0")
	farB, farC := netip.MustParseAddr("2001:db8:1::2"), netip.MustParseAddr("2001:db8:1::3")
	addressOf(t, b, "eth1", farB)
	address6(t, b, localB) // with these a router asks for its neighbours
	addressOf(t, b, "eth1", localB)
	address6(t, c, farC)
	c.Route(t, "eth0", farB.String(), nil)
	set6(t, b, "all/forwarding", "1")
	w, _ := listener6(t, a)
	hwB := host.HW(b.HW(t, "eth0"))
	var on *icmp.PacketConn
	a.Do(func() {
		var err error
		if on, err = icmp.ListenPacket("ip6:ipv6-icmp", "::"); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { on.Close() })
	answers := make(chan int, 8)
	go func() {
		for b := make([]byte, 1500); ; {
			n, _, err := on.ReadFrom(b)
			if err != nil {
				return
			}
			if m, err := icmp.ParseMessage(58, b[:n]); err == nil && m.Type == ipv6.ICMPTypeEchoReply {
				answers <- m.Body.(*icmp.Echo).Seq
			}
		}
	}()
	ask := func(target netip.Addr, to host.HW, seq int) {
		t.Helper()
		m := icmp.Message{Type: ipv6.ICMPTypeEchoRequest, Body: &icmp.Echo{ID: 7, Seq: seq, Data: []byte("odd")}}
		b, err := m.Marshal(nil)
		if err == nil {
			err = w.Echo(target, addrA6, to, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ask(netip.MustParseAddr("2001:db8::77"), hwB, 1) // nobody's
	ask(addrB6, nobody, 2)                           // B's, in a frame to somebody else
	for round := range 5 {                           // B would have to ask for C first
		ask(farC, hwB, 3)
		for i, ip := range []netip.Addr{farB, addrB6} {
			want := 10 + 2*round + i
			ask(ip, hwB, want)
			if seq := wait(t, "an answer", answers); seq != want {
				t.Fatalf("question %d is answered, want %d", seq, want)
			}
		}
	}
	for _, err := range []error{w.Echo(addrB, addrA6, hwB, make([]byte, 8)), w.Echo(addrB6, addrA6, hwB, make([]byte, 2000)), w.Echo(addrB6, addrA6, hwB, nil)} {
		if err == nil {
			t.Error("sent")
		}
	}
}

func TestSpeakingAndHearingIPv6LeaveNothingBehind(t *testing.T) {
	a, b := pair6(t)
	heard := make(chan int, 1000)
	on := listen6(t, a, func(seen []host.Sighting) { heard <- len(seen) })
	w := listen6(t, b, func([]host.Sighting) {})
	local := netip.MustParseAddr("fe80::9%eth0")
	if err := on.Want([]netip.Addr{addrA6, alias6, local, localB}); err != nil {
		t.Fatal(err)
	}
	hw := host.HW(a.HW(t, "eth0"))
	if n := testing.AllocsPerRun(200, func() {
		err := errors.Join(w.Ask(addrA6, addrB6, hw), w.Ask(local, localB, host.HW{}), w.Probe(alias6), w.Announce(alias6, host.HW{}))
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 4; n += <-heard {
		}
	}); n > allocationsOfZones {
		t.Errorf("%v allocations", n)
	}
}
