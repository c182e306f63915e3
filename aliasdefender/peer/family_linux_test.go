package peer

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host/nstest"
)

var (
	sixA, sixB   = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	nearA, nearB = netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("fe80::2%eth0")
)

// both is two hosts on one segment with addresses of both families.
type both struct {
	*testing.T
	a, b *nstest.Space
}

func newBoth(t *testing.T) *both {
	t.Helper()
	x := &both{t, nstest.New(t), nstest.New(t)}
	nstest.Cable(t, x.a, "eth0", x.b, "eth0")
	x.address(x.a, "eth0", firstA, sixA, nearA)
	x.address(x.b, "eth0", firstB, sixB, nearB)
	return x
}

func (x *both) address(s *nstest.Space, nic string, all ...netip.Addr) {
	x.Helper()
	for _, a := range all {
		bits := "/24"
		if a.Is6() {
			bits = "/64"
		}
		s.Address(x.T, nic, a.WithZone("").String()+bits)
		s.Serves(x.T, nic, a)
	}
}

// on runs a Channel on a host.
func (x *both) on(s *nstest.Space, o Options) (k *talker) {
	x.Helper()
	o.Port, o.Keys = testPort, keysOf(x, 1)
	s.Do(func() { k = talk(x, o) })
	return k
}

func (x *both) pair() (a, b *talker) {
	x.Helper()
	a = x.on(x.a, Options{Partners: []Partner{{Addr: sixB, Paths: []netip.Addr{firstB, nearB}}}})
	b = x.on(x.b, Options{Partners: []Partner{{Addr: firstA, Paths: []netip.Addr{nearA, sixA}}}})
	return a, b
}

func TestOneChannelHasPathsOfBothFamilies(t *testing.T) {
	a, b := newBoth(t).pair()
	words := []Word{aWord(0), aWord(1), aWord(2)}
	words[1].Alias, words[1].Bits = netip.MustParseAddr("2001:db8::100"), 64
	words[2].Alias, words[2].Bits, words[2].Link = netip.MustParseAddr("fe80::100"), 64, netip.MustParsePrefix("2001:db8::/64")
	m := Message{Version: "1", Words: words}
	a.beat(sixB, m, 5*time.Millisecond)
	b.beat(firstA, m, 5*time.Millisecond)
	for _, k := range []*talker{a, b} {
		h := k.hears("words of both families", func(h Heard) bool { return len(h.Words) == 3 })
		for i := range words {
			if h.Words[i].Alias != words[i].Alias || h.Words[i].Link != words[i].Link {
				t.Errorf("%+v", h.Words[i])
			}
		}
		k.hearsOf("every path", func(s Status) bool {
			return !slices.ContainsFunc(s.Partners[0].Paths, func(p PathStatus) bool { return p.Heard.IsZero() || p.Err != nil })
		})
		if s := k.Status(); s.Foreign > 0 || s.Partners[0].Counts[Replayed]+s.Partners[0].Counts[Unreadable] > 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestWhatStandsInTheWayOfAnIPv6PathIsSaidOfThatPath(t *testing.T) {
	x := newBoth(t)
	a := x.on(x.a, Options{Partners: []Partner{{Addr: sixB, Paths: []netip.Addr{nearB, firstB}}}})
	for path := range 3 {
		a.awaitPath("nobody listens", path, isErr(syscall.ECONNREFUSED))
	}
	b := x.on(x.b, Options{Partners: []Partner{{Addr: sixA, Paths: []netip.Addr{nearA, firstA}}}})
	b.beat(sixA, Message{}, 5*time.Millisecond)
	well := func(p PathStatus) bool { return p.Err == nil && !p.Heard.IsZero() && !p.Sent.IsZero() }
	for path := range 3 {
		a.awaitPath("b listens", path, well)
	}
	x.a.Delete(t, "eth0")
	a.awaitPath("the NIC is gone", 0, isErr(syscall.ENETUNREACH))
	a.awaitPath("the NIC is gone", 1, isErr(syscall.ENODEV))

	nstest.Cable(t, x.a, "eth0", x.b, "eth0") // anew, under its name
	x.address(x.a, "eth0", nearA)
	x.address(x.b, "eth0", nearB)
	a.awaitPath("the NIC is back", 1, well)
	b.hears("over it", overPath(nearA))
}

// A link-local address on another segment is another host.
func TestAPartnersLinkLocalAddressOnAnotherNICIsAStranger(t *testing.T) {
	x := newBoth(t)
	c := nstest.New(t)
	nstest.Cable(t, x.a, "eth1", c, "eth0")
	x.address(x.a, "eth1", nearA)
	x.address(c, "eth0", nearB)
	a := x.on(x.a, Options{Partners: []Partner{{Addr: nearB}}})
	stranger := x.on(c, Options{Partners: []Partner{{Addr: nearA}}})
	stranger.beat(nearA, Message{}, 5*time.Millisecond)
	a.hearsOf("a stranger", func(s Status) bool { return s.Foreign > 3 })
	if p := a.Status().Partners[0]; p.Proven || !p.Paths[0].Heard.IsZero() || p.Counts != (Counts{}) {
		t.Errorf("%+v", p)
	}
	b := x.on(x.b, Options{Partners: []Partner{{Addr: nearA}}})
	b.beat(nearA, Message{}, 5*time.Millisecond)
	a.beat(nearB, Message{}, 5*time.Millisecond)
	a.hears("the partner", overPath(nearB))

	a.stop()
	a = x.on(x.a, Options{Partners: []Partner{{Addr: nearB.WithZone("eth1")}}})
	a.beat(nearB.WithZone("eth1"), Message{}, 5*time.Millisecond)
	stranger.hears("a on the other segment", anything)
}

// TestAnIPv6SourceIsChosen: the kernel may prefer an alias. A source that the host does
// not have is the kernel's choice again.
func TestAnIPv6SourceIsChosen(t *testing.T) {
	x := newBoth(t)
	second := netip.MustParseAddr("2001:db8::11")
	x.address(x.a, "eth0", second)
	a := x.on(x.a, Options{Partners: []Partner{{Addr: sixB}}})
	b := x.on(x.b, Options{Partners: []Partner{{Addr: sixA, Paths: []netip.Addr{second}}}})
	a.beat(sixB, Message{}, 5*time.Millisecond)
	for _, from := range []netip.Addr{second, sixA, second} {
		a.SetSources(map[netip.Addr][]netip.Addr{sixB: {from}})
		since := time.Now()
		b.hears("from "+from.String(), func(h Heard) bool { return h.Path == from && h.At.After(since) })
	}
	// The answers go to both, so only what is said from now on is looked at.
	a.SetSources(map[netip.Addr][]netip.Addr{sixB: {netip.MustParseAddr("2001:db8::77")}})
	since := time.Now()
	b.hears("from an address that it does not have", func(h Heard) bool { return h.At.After(since) })
	if p := a.Status().Partners[0].Paths[0]; p.Err != nil {
		t.Errorf("%+v", p)
	}
}

// TestAPartnerIsAnsweredFromTheIPv6AddressThatItKnows: of several own addresses it is the
// one that the partner writes to.
func TestAPartnerIsAnsweredFromTheIPv6AddressThatItKnows(t *testing.T) {
	x := newBoth(t)
	second := netip.MustParseAddr("2001:db8::11")
	x.address(x.a, "eth0", second)
	x.address(x.a, "eth0", netip.MustParseAddr("2001:db8::12")) // the youngest, which the kernel would choose
	a := x.on(x.a, Options{Partners: []Partner{{Addr: sixB, Paths: []netip.Addr{firstB}}}})
	a.SetSources(map[netip.Addr][]netip.Addr{sixB: {sixA, second}})
	b := x.on(x.b, Options{Partners: []Partner{{Addr: second, Paths: []netip.Addr{firstA}}}})
	a.beat(sixB, Message{}, 5*time.Millisecond)
	b.beat(second, Message{}, 5*time.Millisecond)
	b.awaitPath("from the address that it knows", 0, func(p PathStatus) bool { return !p.Heard.IsZero() })

	a.SetSources(map[netip.Addr][]netip.Addr{sixB: {sixA}})
	if from := a.writtenFrom(sixB); from != sixA {
		t.Errorf("written from %s, which is no longer one to choose", from)
	}
}

// What strangers send by IPv6 does not reach the reader.
func TestTheKernelKeepsStrangersOfIPv6Away(t *testing.T) {
	x := newBoth(t)
	c := nstest.New(t)
	nstest.Cable(t, x.a, "eth1", c, "eth0")
	x.address(x.a, "eth1", netip.MustParseAddr("2001:db8:1::1"))
	x.address(c, "eth0", netip.MustParseAddr("2001:db8:1::2"))
	a, b := x.pair()
	b.beat(firstA, Message{}, 5*time.Millisecond)
	a.hearsOf("every path", func(s Status) bool {
		return !slices.ContainsFunc(s.Partners[0].Paths, func(p PathStatus) bool { return p.Heard.IsZero() })
	})
	was := a.Status()
	junk := make([]byte, 300)
	copy(junk, magic[:])
	send := func(from, to netip.Addr, port uint16) {
		conn, err := net.DialUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, port)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, testPort)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for range 100 {
			if _, err := conn.Write(junk); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Do(func() { send(netip.MustParseAddr("2001:db8:1::2"), netip.MustParseAddr("2001:db8:1::1"), testPort) }) // no partner
	x.b.Do(func() { send(sixB, sixA, 0) })                                                                      // not its port
	a.hearsOf("refused", func(s Status) bool { return s.Refused-was.Refused >= 200 })
	if s := a.Status(); s.Foreign > was.Foreign {
		t.Errorf("%d were read", s.Foreign-was.Foreign)
	}
}

func TestAFamilyIsSpokenWhereItIsListenedTo(t *testing.T) {
	keys := keysOf(t, 1)
	for name, tt := range map[string]struct {
		listen, partners string
		ok               bool
	}{
		"any":                {"", "10.0.0.2 2001:db8::2", true},
		"one each":           {"10.0.0.1 2001:db8::1", "10.0.0.2 2001:db8::2", true},
		"IPv6 only":          {"2001:db8::1", "2001:db8::2", true},
		"IPv4 not listened":  {"2001:db8::1", "10.0.0.2", false},
		"IPv6 not listened":  {"10.0.0.1", "10.0.0.2 2001:db8::2", false},
		"two of one family":  {"10.0.0.1 10.0.0.3", "10.0.0.2", false},
		"IPv4 in IPv6":       {"::ffff:10.0.0.1", "10.0.0.2", false},
		"a link-local's NIC": {"fe80::1%eth0", "2001:db8::2", false},
	} {
		o := Options{Port: testPort, Keys: keys}
		for _, a := range strings.Fields(tt.listen) {
			o.Listen = append(o.Listen, netip.MustParseAddr(a))
		}
		for _, a := range strings.Fields(tt.partners) {
			o.Partners = append(o.Partners, Partner{Addr: netip.MustParseAddr(a)})
		}
		if _, err := New(o); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIPv6IsOpenedWhenAPartnerHasIt, and tried again where it cannot be.
func TestIPv6IsOpenedWhenAPartnerHasIt(t *testing.T) {
	x := newBoth(t)
	c, err := New(Options{Port: testPort, Keys: keysOf(t, 1), Partners: []Partner{{Addr: firstB}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.closeAll()
	x.a.Do(func() {
		if err := c.Listen(); err != nil || c.four.conn == nil || c.six.conn != nil {
			t.Fatalf("%v, IPv4 %v, IPv6 %v", err, c.four.conn, c.six.conn)
		}
		other, err := net.ListenPacket("udp6", "[::]:6940")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetPartners([]Partner{{Addr: firstB, Paths: []netip.Addr{sixB}}}); err != nil {
			t.Fatal(err)
		}
		if err := c.Listen(); err != nil {
			t.Errorf("IPv4 is open: %v", err)
		}
		if _, err := c.opened(true); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%v", err)
		}
		other.Close()
		if _, err := c.opened(true); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("again at once: %v", err)
		}
		c.six.tried = time.Now().Add(-openAgain)
		if conn, err := c.opened(true); conn == nil || err != nil {
			t.Errorf("later: %v", err)
		}
	})
}

func FuzzWhatTheKernelAdds(f *testing.F) {
	info := unix.PktInfo6(&unix.Inet6Pktinfo{Addr: sixA.As16(), Ifindex: 7})
	drops := make([]byte, unix.CmsgSpace(4))
	binary.NativeEndian.PutUint64(drops, uint64(unix.CmsgLen(4)))
	binary.NativeEndian.PutUint32(drops[8:], unix.SOL_SOCKET)
	binary.NativeEndian.PutUint32(drops[12:], unix.SO_RXQ_OVFL)
	binary.NativeEndian.PutUint32(drops[16:], 9)
	all := slices.Concat(drops, info)
	if b := readBeside(all); b != (beside{told: true, refused: 9, nic: 7, own: sixA}) {
		f.Errorf("%+v", b)
	}
	f.Add(all)
	f.Add(all[:20])
	f.Fuzz(func(t *testing.T, b []byte) { readBeside(b) })
}

// The sockets are opened beside the loop, which tells of the partners: a socket that was
// filtered for those from before would be deaf for good.
func TestPartnersThatComeWhileASocketIsOpenedAreHeard(t *testing.T) {
	port := freePort(t)
	k := &talker{t: t, heard: make(chan Heard, 10000)}
	var err error
	k.Channel, err = New(Options{Listen: []netip.Addr{addrA}, Port: port, Keys: keysOf(t, 1), Heard: func(h Heard) { k.heard <- h }})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := k.bind(false)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.SetPartners([]Partner{{Addr: addrB}}); err != nil {
		t.Fatal(err)
	}
	if err := k.use(conn, false); err != nil {
		t.Fatal(err)
	}
	k.run()
	onLoopback(t, port, addrB, addrA).beat(addrA, Message{}, 10*time.Millisecond)
	k.hears("the partner", anything)
}
