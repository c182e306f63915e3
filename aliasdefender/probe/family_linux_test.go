package probe

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host/nstest"
)

// alone6 is alone with 2001:db8::1/64 on eth0.
func alone6(t testing.TB) (*Pinger, *nstest.Space) {
	t.Helper()
	p, s := alone(t)
	s.Address(t, "eth0", here6.String()+"/64")
	s.Serves(t, "eth0", here6)
	return p, s
}

// The same address on two segments is two neighbours.
func TestLinkLocalIsAskedOnItsNICOnly(t *testing.T) {
	for name, open := range map[string]func(testing.TB) pinger{"Ping": openPing, "Pinger": openPinger} {
		t.Run(name, func(t *testing.T) {
			a, b, c := nstest.New(t), nstest.New(t), nstest.New(t)
			nstest.Cable(t, a, "eth0", b, "eth0")
			nstest.Cable(t, a, "eth1", c, "eth0")
			for _, nic := range []string{"eth0", "eth1"} {
				a.Address(t, nic, "fe80::1/64")
				a.Serves(t, nic, netip.MustParseAddr("fe80::1"))
			}
			b.Address(t, "eth0", "fe80::2/64")
			b.Serves(t, "eth0", netip.MustParseAddr("fe80::2"))
			x := &segment{plan: plans[2]}
			x.a = a
			a.Do(func() { x.ping = open(t) })
			own := netip.MustParseAddr("fe80::1")
			x.expect(t, Question{Target: netip.MustParseAddr("fe80::2%eth1"), Source: own, Timeout: soon}, false)
			x.expect(t, Question{Target: netip.MustParseAddr("fe80::2%eth0"), Source: own, Timeout: ages}, true)
			x.expect(t, Question{Target: netip.MustParseAddr("fe80::2%eth0"), Source: own.WithZone("eth0"), Timeout: ages}, true)
			a.Delete(t, "eth0") // and made anew under its name
			nstest.Cable(t, a, "eth0", b, "eth0")
			a.Address(t, "eth0", "fe80::1/64")
			a.Serves(t, "eth0", own)
			b.Address(t, "eth0", "fe80::2/64")
			b.Serves(t, "eth0", netip.MustParseAddr("fe80::2"))
			x.expect(t, Question{Target: netip.MustParseAddr("fe80::2%eth0"), Source: own, Timeout: ages}, true)
		})
	}
}

// TestAnAnswerFromAnotherSegmentIsNone although it has the target's address.
func TestAnAnswerFromAnotherSegmentIsNone(t *testing.T) {
	p, s := alone(t)
	nstest.Cable(t, s, "eth1", nstest.New(t), "eth0")
	s.Address(t, "eth0", "fe80::1/64")
	var right, wrong uint32
	e := make(ears, 1)
	s.Do(func() {
		for nic, index := range map[string]*uint32{"eth0": &right, "eth1": &wrong} {
			l, err := netlink.LinkByName(nic)
			if err != nil {
				t.Fatal(err)
			}
			*index = uint32(l.Attrs().Index)
		}
		e.ask(t, p, Question{Target: netip.MustParseAddr("fe80::99%eth0"), Timeout: ages})
	})
	m := mark{p.id, p.six.asked[0].seq, p.six.asked[0].token}
	for _, nic := range []uint32{wrong, 0} {
		if p.answer(&p.six, netip.MustParseAddr("fe80::99"), nic, m, time.Now()); len(e) > 0 {
			t.Fatalf("heard from NIC %d, asked on %d", nic, right)
		}
	}
	p.answer(&p.six, netip.MustParseAddr("fe80::99"), right, m, time.Now())
	if err := e.next(t); err != nil {
		t.Error(err)
	}
}

// An alias is deprecated, so that nothing else is sent from it. From a tentative address
// nothing can be asked: no answer would reach it.
func TestADeprecatedSourceAsksAndATentativeOneIsAnError(t *testing.T) {
	for name, open := range map[string]func(testing.TB) pinger{"Ping": openPing, "Pinger": openPinger} {
		t.Run(name, func(t *testing.T) {
			x := &segment{plan: plans[1], a: nstest.New(t), b: nstest.New(t)}
			nstest.Cable(t, x.a, "eth0", x.b, "eth0")
			x.b.Address(t, "eth0", x.prefix(x.there))
			x.b.Serves(t, "eth0", x.there)
			old, early := netip.MustParseAddr("2001:db8::100"), netip.MustParseAddr("2001:db8::101")
			sysctl(t, x.a, "ipv6/conf/eth0/dad_transmits", "1000") // it stays tentative for that many seconds
			x.a.Do(func() {
				l, err := netlink.LinkByName("eth0")
				if err != nil {
					t.Fatal(err)
				}
				prefix := func(a netip.Addr) *net.IPNet { return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(64, 128)} }
				if err := errors.Join(
					netlink.AddrAdd(l, &netlink.Addr{IPNet: prefix(old), Flags: unix.IFA_F_NODAD, ValidLft: 1000}),
					netlink.AddrAdd(l, &netlink.Addr{IPNet: prefix(early)}),
				); err != nil {
					t.Fatal(err)
				}
				all, err := netlink.AddrList(l, netlink.FAMILY_V6)
				has := func(a netip.Addr, flag int) bool {
					return slices.ContainsFunc(all, func(x netlink.Addr) bool { return x.IP.Equal(a.AsSlice()) && x.Flags&flag != 0 })
				}
				if err != nil || !has(old, unix.IFA_F_DEPRECATED) || !has(early, unix.IFA_F_TENTATIVE) {
					t.Fatalf("%v, %v", all, err)
				}
				x.ping = open(t)
			})
			x.a.Serves(t, "eth0", old)
			x.expect(t, Question{Target: x.there, Source: old, Timeout: ages}, true)
			x.fails(t, "tentative", t.Context(), Question{Target: x.there, Source: early, Timeout: ages})
		})
	}
}

func TestAskingByIPv6AllocatesNothing(t *testing.T) {
	p, _ := alone6(t)
	heard := make(chan error, 1)
	hear := func(_ time.Time, err error) { heard <- err }
	if n := testing.AllocsPerRun(1000, func() {
		if err := p.Ask(Question{Target: loopback6, Source: loopback6, Timeout: ages}, hear); err != nil {
			t.Fatal(err)
		}
		if err := <-heard; err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a question and its answer", n)
	}
}

// TestAFamilyThatIsLostIsNotTheOther: what was asked in the other family is heard.
func TestAFamilyThatIsLostIsNotTheOther(t *testing.T) {
	p, s := alone6(t)
	four, six := make(ears, 1), make(ears, 1)
	four.ask(t, p, Question{Target: netip.MustParseAddr("10.0.0.99"), Timeout: ages})
	six.ask(t, p, Question{Target: netip.MustParseAddr("2001:db8::99"), Timeout: ages})
	if err := p.six.listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := six.next(t); err == nil {
		t.Error("a question that cannot be heard any more counts as answered")
	}
	if len(four) > 0 {
		t.Errorf("of IPv4: %v", <-four)
	}
	s.Do(func() {
		six.ask(t, p, Question{Target: loopback6, Timeout: ages})
	})
	if err := six.next(t); err != nil {
		t.Error(err)
	}
}

// TestWithoutSocketsForIPv6TheOtherFamilyIsAsked: here there is room for two more files,
// and these are IPv4's.
func TestWithoutSocketsForIPv6TheOtherFamilyIsAsked(t *testing.T) {
	s := nstest.New(t)
	s.Do(func() {
		if err := newPinger(t).Close(); err != nil { // what the runtime opens once is open
			t.Fatal(err)
		}
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		var free [2]int // the lowest ones
		for i := range free {
			fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			free[i] = fd
		}
		few := limit
		few.Cur = uint64(free[1]) + 1
		if err := errors.Join(unix.Setrlimit(unix.RLIMIT_NOFILE, &few), unix.Close(free[0]), unix.Close(free[1])); err != nil {
			t.Fatal(err)
		}
		p, err := NewPinger()
		var six error
		if err == nil {
			t.Cleanup(func() { p.Close() })
			six = p.Ask(Question{Target: loopback6, Timeout: ages}, nil)
		}
		if e := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); e != nil || err != nil {
			t.Fatal(e, err)
		}
		if !errors.Is(six, syscall.EMFILE) {
			t.Errorf("IPv6 without a socket: %v", six)
		}
		for _, target := range []netip.Addr{loopback, loopback6} {
			if answered, err := p.Ping(t.Context(), Question{Target: target, Timeout: ages}); !answered || err != nil {
				t.Errorf("%v, once there is room: %v, %v", target, answered, err)
			}
		}
	})
}

// TestOnlyOwnAnswersWakeTheReaderOfICMPv6: neighbour discovery and others' pings do not.
func TestOnlyOwnAnswersWakeTheReaderOfICMPv6(t *testing.T) {
	p, s := alone6(t)
	s.Do(func() {
		listener, _, err := openListener(true, p.id+1)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		if answered, err := p.Ping(t.Context(), Question{Target: loopback6, Timeout: ages}); !answered || err != nil {
			t.Fatalf("%v, %v", answered, err)
		}
		c, err := net.DialIP("ip6:ipv6-icmp", nil, ipAddr(loopback6))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		mine := mark{id: p.id + 1}.request(true)
		for _, typ := range []ipv6.ICMPType{ipv6.ICMPTypeNeighborAdvertisement, ipv6.ICMPTypeDestinationUnreachable, ipv6.ICMPTypePacketTooBig} {
			b := mine
			b[0] = byte(typ)
			if _, err := c.Write(b[:]); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := listener.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		read := func() (n int, err error) {
			if e := raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), make([]byte, answerSize)) }); e != nil {
				t.Fatal(e)
			}
			return n, err
		}
		if n, err := read(); err != syscall.EAGAIN {
			t.Errorf("heard %d bytes, %v", n, err)
		}
		mine[0] = byte(ipv6.ICMPTypeEchoReply)
		if _, err := c.Write(mine[:]); err != nil {
			t.Fatal(err)
		}
		if n, err := read(); n != echoSize || err != nil {
			t.Errorf("of the answer heard %d bytes, %v", n, err)
		}
	})
	if r := p.Hearing(); r.Lost != 0 {
		t.Errorf("%+v", r)
	}
}

// TestWhatCameBeforeTheFiltersDoesNotWait although the socket could hear for a moment
// whatever came.
func TestWhatCameBeforeTheFiltersDoesNotWait(t *testing.T) {
	_, s := alone6(t)
	s.Do(func() {
		fd, err := rawICMP(true, int(ipv6.ICMPTypeEchoReply))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		c, err := net.DialIP("ip6:ipv6-icmp", nil, ipAddr(loopback6))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		others := mark{id: 2}.request(true)
		others[0] = byte(ipv6.ICMPTypeEchoReply)
		for range 2 {
			if _, err := c.Write(others[:]); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := unix.IoctlGetInt(fd, unix.TIOCINQ); n == 0 || err != nil {
			t.Fatalf("nothing has come: %v", err)
		}
		if _, err := prepareEar(fd, true, 1); err != nil {
			t.Fatal(err)
		}
		if n, err := unix.IoctlGetInt(fd, unix.TIOCINQ); n != 0 || err != nil {
			t.Errorf("%d bytes wait, %v", n, err)
		}
	})
}

// TestAnAnswerByIPv6ThatWaitsIsReported beside a family that is well.
func TestAnAnswerByIPv6ThatWaitsIsReported(t *testing.T) {
	p, _ := alone6(t)
	entered, release, second := make(chan struct{}), make(chan struct{}), make(chan struct{})
	q := Question{Target: loopback6, Timeout: ages}
	if err := p.Ask(q, func(time.Time, error) { close(entered); <-release }); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := p.Ask(q, func(time.Time, error) { close(second) }); err != nil {
		t.Fatal(err)
	}
	if r := p.Hearing(); r.Late <= 0 {
		t.Errorf("an answer waits: %+v", r)
	}
	close(release)
	<-second
}

// TestTheCallerMaySendAnIPv6QuestionItself: it adds the checksum, which has the addresses
// in it.
func TestTheCallerMaySendAnIPv6QuestionItself(t *testing.T) {
	p, s := alone6(t)
	e := make(ears, 1)
	e.ask(t, p, Question{Target: here6, Timeout: ages, Send: func(icmp []byte) (err error) {
		if icmp[2] != 0 || icmp[3] != 0 {
			t.Errorf("has a checksum: %x", icmp)
		}
		s.Do(func() {
			var c *net.IPConn
			if c, err = net.DialIP("ip6:ipv6-icmp", nil, ipAddr(here6)); err == nil {
				_, err = c.Write(icmp)
				err = errors.Join(err, c.Close())
			}
		})
		return err
	}})
	if err := e.next(t); err != nil {
		t.Error(err)
	}
}

func FuzzAnswer(f *testing.F) {
	m := mark{1, 2, 3}
	four, six := m.request(false), m.request(true)
	four[0], six[0] = 0, 129
	head := make([]byte, 20)
	head[0] = 0x45
	f.Add(append(head, four[:]...))
	f.Add(six[:])
	f.Add([]byte{0x4f})
	f.Fuzz(func(t *testing.T, b []byte) {
		if from, m, ok := parseAnswer4(b); ok {
			want := m.request(false)
			if got := b[len(b)-echoSize:]; !from.Is4() || !slices.Equal(got[4:], want[4:]) || got[0] != 0 {
				t.Errorf("%x is read as %+v from %v", b, m, from)
			}
		}
		if m, ok := parseAnswer6(b); ok {
			want := m.request(true)
			if len(b) != echoSize || b[0] != 129 || !slices.Equal(b[4:], want[4:]) {
				t.Errorf("%x is read as %+v", b, m)
			}
		}
	})
}
