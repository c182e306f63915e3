package host_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

var (
	addrA  = netip.MustParseAddr("10.0.0.1")
	addrB  = netip.MustParseAddr("10.0.0.2")
	alias  = netip.MustParseAddr("10.0.0.9")
	nobody = host.HW{2, 0, 0, 0, 0, 0x77}
)

// listener listens on a namespace's eth0.
func listener(t *testing.T, space *nstest.Space) (*host.Wire, <-chan host.Sighting) {
	t.Helper()
	seen := make(chan host.Sighting, 10000)
	w := listen(t, space, func(all []host.Sighting) {
		for _, s := range all {
			seen <- s
		}
	})
	return w, seen
}

// raw sends bytes out of a namespace's eth0 as they are.
func raw(t *testing.T, space *nstest.Space, frame []byte) {
	t.Helper()
	frames(t, space, frame, 1)
}

// frames sends them so many times.
func frames(t *testing.T, space *nstest.Space, frame []byte, n int) {
	t.Helper()
	space.Do(func() {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		to := unix.SockaddrLinklayer{Ifindex: l.Attrs().Index}
		for ; n > 0; n-- {
			if err := unix.Sendto(fd, frame, 0, &to); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// frame is an ARP request for 10.0.0.1, laid out by hand so that the code under
// test is not its own judge.
func frame(source, sender host.HW, ip netip.Addr) []byte {
	b := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	b = append(b, source[:]...)
	b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(b, sender[:]...)
	b = append(b, ip.AsSlice()...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = append(b, addrA.AsSlice()...)
	return append(b, make([]byte, 60-len(b))...)
}

// marker is a frame that is surely seen, behind one that must not be.
func marker(t *testing.T, space *nstest.Space, seen <-chan host.Sighting) {
	t.Helper()
	ip := netip.MustParseAddr("10.0.0.200")
	raw(t, space, frame(nobody, nobody, ip))
	if s := wait(t, "the marker", seen); s.Sender != ip {
		t.Errorf("instead of the marker: %+v", s)
	}
}

func same(t *testing.T, got, want host.Sighting) {
	t.Helper()
	if got.NIC != "eth0" || time.Since(got.At) < 0 || time.Since(got.At) > time.Minute {
		t.Errorf("seen on %q at %v", got.NIC, got.At)
	}
	got.NIC, got.At = "", time.Time{}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAskAndProbeAreAnswered(t *testing.T) {
	k, b := pair(t)
	w, seen := listener(t, k.space)
	_, seenB := listener(t, b)
	hwB := host.HW(b.HW(t, "eth0"))
	answer := func(to netip.Addr) host.Sighting {
		return host.Sighting{Sender: addrB, HW: hwB, Target: to, Reply: true}
	}
	if w.HW() != host.HW(k.space.HW(t, "eth0")) {
		t.Errorf("own hardware address %s", w.HW())
	}
	for _, c := range []struct {
		name string
		ask  func() error
		from netip.Addr
	}{
		{"broadcast", func() error { return w.Ask(addrB, addrA, host.HW{}) }, addrA},
		{"straight", func() error { return w.Ask(addrB, addrA, hwB) }, addrA},
		{"probe", func() error { return w.Probe(addrB) }, netip.IPv4Unspecified()},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.ask(); err != nil {
				t.Fatal(err)
			}
			same(t, wait(t, "the question", seenB), host.Sighting{Sender: c.from, HW: w.HW(), Target: addrB})
			same(t, wait(t, "the answer", seen), answer(c.from))
		})
	}
	if err := w.Ask(addrB, addrA, nobody); err != nil {
		t.Fatal(err)
	}
	marker(t, b, seen) // no answer before it: the question went to somebody else
	if err := w.Ask(netip.MustParseAddr("2001:db8::1"), addrA, host.HW{}); err == nil {
		t.Error("asked for an IPv6 address")
	}
	if err := w.Ask(addrB, netip.Addr{}, host.HW{}); err == nil {
		t.Error("asked in nobody's name")
	}
}

// A NIC whose address somebody removed, or that never had one, still hears.
func TestListenNeedsNoAddress(t *testing.T) {
	a, b := nstest.New(t), nstest.New(t)
	nstest.Cable(t, a, "eth0", b, "eth0")
	b.Address(t, "eth0", "10.0.0.2/24")
	w, seen := listener(t, a)
	if err := w.Probe(addrB); err != nil {
		t.Fatal(err)
	}
	if s := wait(t, "the answer", seen); s.Sender != addrB || !s.Reply {
		t.Errorf("%+v", s)
	}
}

func TestAnnounceIsSeenInBothFormsAndBelieved(t *testing.T) {
	k, b := pair(t)
	w, _ := listener(t, k.space)
	_, seenB := listener(t, b)
	for _, hw := range []host.HW{{}, nobody} {
		b.Neighbour(t, "eth0", alias, [6]byte{2, 0, 0, 0, 0, 0x55})
		if err := w.Announce(alias, hw); err != nil {
			t.Fatal(err)
		}
		if hw.IsZero() {
			hw = w.HW()
		}
		same(t, wait(t, "the request form", seenB), host.Sighting{Sender: alias, HW: hw, Target: alias})
		same(t, wait(t, "the reply form", seenB), host.Sighting{Sender: alias, HW: hw, Target: alias, Reply: true})
		b.Await(t, "the other's kernel believing it", func() bool {
			list, err := netlink.NeighList(0, netlink.FAMILY_V4)
			for _, n := range list {
				if n.IP.Equal(alias.AsSlice()) && len(n.HardwareAddr) == 6 && host.HW(n.HardwareAddr) == hw {
					return true
				}
			}
			return err != nil
		})
	}
}

func TestOnlyOthersAreSeen(t *testing.T) {
	k, b := pair(t)
	w, seen := listener(t, k.space)
	own, other := w.HW(), host.HW(b.HW(t, "eth0"))
	for name, f := range map[string][]byte{
		"sent back by a switch":    frame(own, own, addrA),
		"ours for another":         frame(own, other, alias),
		"another's for us":         frame(other, own, alias),
		"of another VLAN":          tagged(frame(other, other, alias), 7),
		"with a broadcast address": frame(other, host.HW{255, 255, 255, 255, 255, 255}, alias),
	} {
		t.Run(name, func(t *testing.T) {
			raw(t, b, f)
			marker(t, b, seen)
		})
	}
	// A tag of VLAN 0 is a priority and belongs here.
	raw(t, b, tagged(frame(other, other, alias), 0))
	if s := wait(t, "a priority-tagged frame", seen); s.Sender != alias {
		t.Errorf("%+v", s)
	}
	// Nor do we see what we send ourselves.
	if err := w.Announce(alias, host.HW{}); err != nil {
		t.Fatal(err)
	}
	marker(t, b, seen)
}

func tagged(f []byte, vlan uint16) []byte {
	tag := binary.BigEndian.AppendUint16([]byte{0x81, 0}, vlan)
	return append(append(append([]byte{}, f[:12]...), tag...), f[12:]...)
}

func TestMalformedFrameIsSkipped(t *testing.T) {
	k, b := pair(t)
	_, seen := listener(t, k.space)
	short := frame(nobody, nobody, alias)[:30]
	long := frame(nobody, nobody, alias)
	long[19] = 255 // the length of an IP address
	raw(t, b, short)
	raw(t, b, long)
	raw(t, b, append(long, make([]byte, 1000)...))
	marker(t, b, seen)
}

func TestWireOutlivesADownLink(t *testing.T) {
	k, b := pair(t)
	w, seen := listener(t, k.space)
	marker(t, b, seen)
	k.space.Down(t, "eth0")
	if err := w.Probe(addrB); err == nil {
		t.Error("asked on a NIC that is down")
	}
	k.space.Up(t, "eth0")
	k.space.Ready(t, "eth0")
	b.Ready(t, "eth0")
	marker(t, b, seen)
	if err := w.Probe(addrB); err != nil {
		t.Error(err)
	}
	if err := w.Err(); err != nil {
		t.Error(err)
	}
}

func TestQuestionWithoutCarrierIsAnError(t *testing.T) {
	k, b := pair(t)
	w, _ := listener(t, k.space)
	b.Down(t, "eth0")
	k.space.Await(t, "no carrier", func() bool { // both signs of it: the second comes late
		l, err := netlink.LinkByName("eth0")
		return err == nil && l.Attrs().RawFlags&(unix.IFF_LOWER_UP|unix.IFF_RUNNING) == 0
	})
	for name, err := range map[string]error{
		"ask":      w.Ask(addrB, addrA, host.HW{}),
		"probe":    w.Probe(addrB),
		"announce": w.Announce(alias, host.HW{}),
	} {
		if err == nil || !strings.Contains(err.Error(), "no carrier") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWireEndsWithItsNIC(t *testing.T) {
	for name, before := range map[string]func(*testing.T, kernel){
		"while it is up":                  func(*testing.T, kernel) {},
		"while it is down":                func(t *testing.T, k kernel) { k.space.Down(t, "eth0") },
		"and another comes with its name": func(*testing.T, kernel) {},
	} {
		t.Run(name, func(t *testing.T) {
			k, b := pair(t)
			w, seen := listener(t, k.space)
			marker(t, b, seen)
			before(t, k)
			w.Hearing() // does not keep from the reader that the NIC is down
			k.space.Delete(t, "eth0")
			nstest.Cable(t, k.space, "eth0", b, "eth0")
			wait(t, "the Wire's end", w.Done())
			if w.Err() == nil {
				t.Error("no reason")
			}
			if err := w.Probe(addrB); err == nil {
				t.Error("it still speaks")
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			nstest.Gone(t, "host.(*Wire).read")
			_, seen = listener(t, k.space) // and again, on the new one
			marker(t, b, seen)
		})
	}
}

func TestCloseEndsTheReader(t *testing.T) {
	k, b := pair(t)
	w, seen := listener(t, k.space)
	marker(t, b, seen)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-w.Done():
	default:
		t.Error("it did not wait")
	}
	if err := w.Close(); err != nil {
		t.Errorf("the second time: %v", err)
	}
	nstest.Gone(t, "host.(*Wire).read")
	if err := w.Err(); err != nil {
		t.Error(err)
	}
	if err := w.Probe(addrB); err == nil {
		t.Error("it still speaks")
	}
	raw(t, b, frame(nobody, nobody, alias))
	if len(seen) != 0 {
		t.Error("it still hears")
	}
}

func TestCloseWaitsForACallUnderWay(t *testing.T) {
	k, b := pair(t)
	entered, release := make(chan struct{}), make(chan struct{})
	var w *host.Wire
	k.space.Do(func() {
		var err error
		w, err = k.Listen("eth0", host.IPv4, func([]host.Sighting) {
			close(entered)
			<-release
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	raw(t, b, frame(nobody, nobody, alias))
	wait(t, "the call", entered)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-closed:
		t.Error("closed in the middle of a call")
	case <-time.After(200 * time.Millisecond): // the kernel needs 20 to close the socket
	}
	close(release)
	wait(t, "the end of Close", closed)
}

func TestListenRefusesWhatIsNoEthernet(t *testing.T) {
	k, _ := pair(t)
	for _, nic := range []string{"lo", "missing0"} {
		k.space.Do(func() {
			if w, err := k.Listen(nic, host.IPv4, func([]host.Sighting) {}); err == nil {
				t.Errorf("listens on %s", nic)
				_ = w.Close()
			}
		})
	}
}
