package host_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

// listen listens on a namespace's eth0.
func listen(t testing.TB, space *nstest.Space, see func([]host.Sighting)) *host.Wire {
	t.Helper()
	h, err := host.New()
	if err != nil {
		t.Fatal(err)
	}
	var w *host.Wire
	space.Do(func() { w, err = h.Listen("eth0", host.IPv4, see) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// burst is how many aliases are announced at once: more than a socket has room
// for by itself.
func burst() int {
	if nstest.Limited() {
		return 200
	}
	return 2000
}

// manyAddrs are n addresses of 10.1.0.0/16.
func manyAddrs(n int) (all []netip.Addr) {
	for i := range n {
		all = append(all, netip.AddrFrom4([4]byte{10, 1, byte(i / 200), byte(1 + i%200)}))
	}
	return all
}

// The reader is held up until all have come: the socket has to keep them.
func TestABurstIsHeardWhole(t *testing.T) {
	n := 2 * burst()
	k, b := pair(t)
	entered, release, all := make(chan struct{}), make(chan struct{}), make(chan struct{})
	counts := map[netip.Addr]int{}
	got, calls := 0, 0
	listen(t, k.space, func(seen []host.Sighting) {
		if calls++; calls == 1 {
			close(entered)
			<-release
		}
		for _, s := range seen {
			if s.NIC != "eth0" || s.At.IsZero() {
				t.Errorf("%+v", s)
			}
			counts[s.Sender]++
		}
		if got += len(seen); got == n {
			close(all)
		}
	})
	says, _ := listener(t, b)
	addrs := manyAddrs(n / 2)
	for i, addr := range addrs {
		if err := says.Announce(addr, host.HW{}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			wait(t, "the first call", entered)
		}
	}
	close(release)
	wait(t, "all of them", all)
	for _, addr := range addrs {
		if counts[addr] != 2 {
			t.Errorf("%s was heard %d times", addr, counts[addr])
		}
	}
	if calls > 2+n/100 {
		t.Errorf("%d frames in %d calls", n, calls)
	}
}

// slow makes eth0 send next to nothing, out of a queue of so many bytes.
func slow(t *testing.T, space *nstest.Space, queue uint32) {
	t.Helper()
	space.Do(func() {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.QdiscAdd(&netlink.Tbf{
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			Rate:       1000, Limit: queue, Buffer: 4 << 20, // in 64 ns: it saves up a few frames
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestABurstFindsRoomWhileTheNICIsSlow(t *testing.T) {
	k, _ := pair(t)
	w, _ := listener(t, k.space)
	slow(t, k.space, 1<<24)
	for i, addr := range manyAddrs(burst()) {
		if err := w.Announce(addr, host.HW{}); err != nil {
			t.Fatalf("announcement %d: %v", i, err)
		}
	}
}

func TestAFrameThatFindsNoRoomIsAnError(t *testing.T) {
	k, _ := pair(t)
	w, _ := listener(t, k.space)
	slow(t, k.space, 1000)
	refused := 0
	for _, addr := range manyAddrs(1000) {
		if err := w.Ask(addr, addrA, host.HW{}); errors.Is(err, unix.ENOBUFS) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused < 900 {
		t.Errorf("%d of 1000 refused", refused)
	}
}

func TestSpeakingAndHearingLeaveNothingBehind(t *testing.T) {
	k, b := pair(t)
	heard := make(chan int, 1000)
	listen(t, k.space, func(seen []host.Sighting) { heard <- len(seen) })
	w := listen(t, b, func([]host.Sighting) {})
	hw := host.HW(k.space.HW(t, "eth0"))
	if n := testing.AllocsPerRun(200, func() {
		err := errors.Join(w.Ask(addrA, addrB, hw), w.Probe(alias), w.Announce(alias, host.HW{}))
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 4; n += <-heard {
		}
	}); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}
