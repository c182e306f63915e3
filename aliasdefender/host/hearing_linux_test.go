package host_test

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

// storm sends so many ARP frames about one address out of a namespace's eth0.
func storm(t *testing.T, space *nstest.Space, ip netip.Addr, n int) {
	t.Helper()
	frames(t, space, frame(nobody, nobody, ip), n)
}

// stamping waits until the kernel stamps packets when they arrive: it begins a moment
// after the first socket has asked it to.
func stamping(t *testing.T) {
	t.Helper()
	l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	m, err := hearing.NewMeter(raw)
	if err != nil {
		t.Fatal(err)
	}
	for over := time.Now().Add(nstest.Patience); time.Now().Before(over); runtime.Gosched() {
		if _, err := l.WriteTo([]byte{1}, l.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		sent := time.Now()
		stamped := false
		if err := raw.Control(func(fd uintptr) {
			_, at, err := m.Receive(fd, make([]byte, 1))
			stamped = err == nil && at.Before(sent)
		}); err != nil {
			t.Fatal(err)
		}
		if stamped {
			return
		}
	}
	t.Fatal("the kernel stamps nothing")
}

// TestLostAndWaitingFramesAreReported: a reader that is held up has frames waiting,
// and when the socket is full others are lost; neither is silence.
func TestLostAndWaitingFramesAreReported(t *testing.T) {
	stamping(t)
	k, b := pair(t)
	entered, release, last := make(chan struct{}), make(chan struct{}), make(chan host.Sighting, 1)
	calls := 0
	w := listen(t, k.space, func(all []host.Sighting) {
		if calls++; calls == 1 {
			close(entered)
			<-release
		}
		for _, s := range all {
			if s.Sender == addrB {
				last <- s
			}
		}
	})
	idle := func() {
		t.Helper()
		for over := time.Now().Add(nstest.Patience); w.Hearing().Late != 0; runtime.Gosched() {
			if time.Now().After(over) {
				t.Fatalf("the reader is not done: %+v", w.Hearing())
			}
		}
	}
	idle() // it looks once whether anything has come
	if h := w.Hearing(); h.Lost != 0 {
		t.Errorf("before anything came: %+v", h)
	}
	begin := time.Now()
	storm(t, b, alias, 1)
	wait(t, "the first call", entered)
	if h := w.Hearing(); h.Lost != 0 || h.Late <= 0 || h.Late > time.Since(begin) {
		t.Errorf("a frame is in the reader's hands since %v at most: %+v", time.Since(begin), h)
	}
	storm(t, b, addrB, 1)
	sent := time.Now()
	storm(t, b, alias, 50000)
	waited := time.Since(sent) // read first: the test may have to wait for a processor after it
	h := w.Hearing()
	if h.Lost == 0 || h.Late < waited/2 {
		t.Errorf("of 50,000 frames that nobody reads since %v: %+v", waited, h)
	}
	if again := w.Hearing(); again.Lost != h.Lost || again.Late < h.Late {
		t.Errorf("%+v, and then %+v", h, again)
	}
	close(release)
	if s := wait(t, "the second frame", last); s.At.Before(begin) || s.At.After(sent) {
		t.Errorf("dated %v after its arrival", s.At.Sub(sent))
	}
	idle()
	if now := w.Hearing(); now.Lost != h.Lost {
		t.Errorf("%d were lost, and %d when all was read", h.Lost, now.Lost)
	}
}

// TestStormOfOthersDoesNotReachTheListener: what speaks of nothing wanted is dropped
// by the kernel, and takes no room from what does.
func TestStormOfOthersDoesNotReachTheListener(t *testing.T) {
	k, b := pair(t)
	release := make(chan struct{})
	seen := make(chan host.Sighting, 100)
	w := listen(t, k.space, func(all []host.Sighting) {
		for _, s := range all {
			seen <- s
		}
		<-release
	})
	hear := func(ip netip.Addr) {
		t.Helper()
		if s := wait(t, "a frame about "+ip.String(), seen); s.Sender != ip {
			t.Errorf("%v is heard, want %v", s.Sender, ip)
		}
	}
	want := func(addrs ...netip.Addr) {
		t.Helper()
		if err := w.Want(addrs); err != nil {
			t.Fatal(err)
		}
	}
	want(alias, netip.MustParseAddr("2001:db8::1"))
	storm(t, b, addrB, 1)
	storm(t, b, alias, 1)
	hear(alias)
	target := netip.MustParseAddr("10.0.0.77") // frame's requests ask for 10.0.0.1
	storm(t, b, target, 50000)
	storm(t, b, alias, 1)
	if h := w.Hearing(); h.Lost != 0 {
		t.Errorf("a storm about others: %+v", h)
	}
	close(release)
	hear(alias)

	want(addrA) // as a target
	storm(t, b, target, 1)
	hear(target)
	want(target)
	storm(t, b, alias, 1)
	storm(t, b, target, 1)
	hear(target)
	many := manyAddrs(4000)
	want(append(many, alias)...)
	storm(t, b, many[3999], 1)
	hear(many[3999])
	storm(t, b, target, 1)
	storm(t, b, alias, 1)
	hear(alias)
	want()
	storm(t, b, alias, 1)
	want(target)
	storm(t, b, target, 1)
	hear(target)
}
