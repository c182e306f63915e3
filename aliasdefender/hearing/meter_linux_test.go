package hearing_test

import (
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/hearing"
)

// socket is a UDP socket with little room, its meter, and somebody who sends to it.
func socket(t *testing.T) (m *hearing.Meter, raw syscall.RawConn, send func(n int)) {
	t.Helper()
	l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, err := net.DialUDP("udp4", nil, l.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := l.SetReadBuffer(8192); err != nil {
		t.Fatal(err)
	}
	if raw, err = l.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	if m, err = hearing.NewMeter(raw); err != nil {
		t.Fatal(err)
	}
	return m, raw, func(n int) {
		t.Helper()
		for range n {
			if _, err := c.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// receive takes one packet out, as a reader does.
func receive(t *testing.T, m *hearing.Meter, raw syscall.RawConn) (n int, at time.Time, err error) {
	t.Helper()
	if err := raw.Control(func(fd uintptr) { n, at, err = m.Receive(fd, make([]byte, 16)) }); err != nil {
		t.Fatal(err)
	}
	return n, at, err
}

// stamping waits until the kernel stamps packets when they arrive: it begins a
// moment after it was asked to.
func stamping(t *testing.T, m *hearing.Meter, raw syscall.RawConn, send func(int)) {
	t.Helper()
	for over := time.Now().Add(20 * time.Second); time.Now().Before(over); runtime.Gosched() {
		send(1)
		sent := time.Now()
		if _, at, err := receive(t, m, raw); err != nil || at.Before(sent) {
			return
		}
	}
	t.Fatal("the kernel stamps nothing")
}

func TestPacketsThatWaitAreLate(t *testing.T) {
	m, raw, send := socket(t)
	stamping(t, m, raw, send)
	if r := m.Report(); r != (hearing.Report{}) {
		t.Fatalf("with nothing there: %+v", r)
	}
	begin := time.Now()
	send(2)
	sent := time.Now()
	<-time.After(20 * time.Millisecond) // this is what is measured
	waited := time.Since(sent)          // read first: the test may have to wait for a processor after it
	if r := m.Report(); r.Late <= 0 || r.Late < waited/2 || r.Lost != 0 {
		t.Errorf("two packets wait since %v: %+v", waited, r)
	}
	m.Begin()
	for i := range 2 {
		n, at, err := receive(t, m, raw)
		if err != nil || n != 16 || at.Before(begin) || at.After(sent) {
			t.Errorf("packet %d: %d bytes, dated %v after it was sent, %v", i, n, at.Sub(sent), err)
		}
	}
	if _, _, err := receive(t, m, raw); err != unix.EAGAIN {
		t.Errorf("a third packet: %v", err)
	}
	waited = time.Since(sent)
	if r := m.Report(); r.Late < waited/2 {
		t.Errorf("they are in the reader's hands since %v: %+v", waited, r)
	}
	m.Done()
	if r := m.Report(); r.Late != 0 {
		t.Errorf("when they are delivered: %+v", r)
	}
}

func TestPacketsWithoutRoomAreLost(t *testing.T) {
	m, raw, send := socket(t)
	send(100)
	kept := 0
	lost := m.Report().Lost
	for {
		if _, _, err := receive(t, m, raw); err != nil {
			break
		}
		kept++
	}
	if kept == 0 || lost == 0 || kept+int(lost) != 100 {
		t.Errorf("of 100 packets %d were kept and %d lost", kept, lost)
	}
	if again := m.Report().Lost; again != lost {
		t.Errorf("%d were lost, and later %d", lost, again)
	}
	send(1)
	if again := m.Report().Lost; again != lost {
		t.Errorf("there is room again, and %d were lost", again)
	}
}

func TestAClosedSocketRepeatsWhatWasKnown(t *testing.T) {
	l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	m, err := hearing.NewMeter(raw)
	if err != nil {
		t.Fatal(err)
	}
	was := m.Report()
	l.Close()
	if now := m.Report(); now != was {
		t.Errorf("%+v, and closed %+v", was, now)
	}
}

func TestMeasuringLeavesNothingBehind(t *testing.T) {
	m, raw, send := socket(t)
	buf := make([]byte, 16)
	read := func(fd uintptr) { m.Receive(fd, buf) }
	send(1)
	if n := testing.AllocsPerRun(100, func() {
		m.Begin()
		m.Report()
		raw.Control(read)
		m.Done()
	}); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}

// TestALookDoesNotKeepTheReaderAsleep: what the kernel has to say is what wakes it.
func TestALookDoesNotKeepTheReaderAsleep(t *testing.T) {
	m, raw, _ := socket(t)
	raw.Control(func(fd uintptr) {
		// The error of a socket stays until somebody reads it, and so does its sign.
		if err := unix.Connect(int(fd), &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		unix.Write(int(fd), []byte{1})
		m.Report()
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, 0); n != 1 || err != nil || poll[0].Revents&unix.POLLERR == 0 {
			t.Errorf("after a look: %d, %v, %#x", n, err, poll[0].Revents)
		}
	})
}

// TestALookKeepsNoNewsFromTheReader: the kernel tells each error of a socket once, and
// whoever reads first gets it.
func TestALookKeepsNoNewsFromTheReader(t *testing.T) {
	gone, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialUDP("udp4", nil, gone.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	gone.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	m, err := hearing.NewMeter(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ looks, waiting int }{{0, 0}, {1, 0}, {2, 0}, {1, 1}, {2, 1}} {
		for range x.waiting { // to itself, as if the other had sent it
			back, err := net.DialUDP("udp4", gone.LocalAddr().(*net.UDPAddr), c.LocalAddr().(*net.UDPAddr))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := back.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
			back.Close()
		}
		if _, err := c.Write([]byte{1}); err != nil { // on loopback the refusal is there when this returns
			t.Fatal(err)
		}
		for range x.looks {
			if r := m.Report(); r.Lost != 0 {
				t.Errorf("%+v", r)
			}
		}
		refused := 0
		for range x.waiting + 1 {
			switch _, _, err := receive(t, m, raw); err {
			case unix.ECONNREFUSED:
				refused++
			case nil:
			default:
				t.Errorf("%+v: %v", x, err)
			}
		}
		if refused != 1 {
			t.Errorf("%+v: refused %d times", x, refused)
		}
		if _, _, err := receive(t, m, raw); err != unix.EAGAIN {
			t.Errorf("%+v, again: %v", x, err)
		}
	}
}
