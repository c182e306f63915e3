package lab

import (
	"bytes"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slowly is a reader of a program's output that a busy machine has not had run yet.
type slowly struct {
	got   bytes.Buffer
	first chan struct{} // closed when it has something
	on    chan struct{} // closed when it may go on
}

func (s *slowly) Write(b []byte) (int, error) {
	if s.got.Len() == 0 {
		s.got.Write(b)
		close(s.first)
		<-s.on
		return len(b), nil
	}
	return s.got.Write(b)
}

func TestTapLosesNothingOfAProgramThatHasEnded(t *testing.T) {
	s := &slowly{first: make(chan struct{}), on: make(chan struct{})}
	tap, err := newTap(s)
	if err != nil {
		t.Fatal(err)
	}
	program, descendant := dup(t, tap.w), dup(t, tap.w) // which holds the output open
	tap.open()
	program.WriteString("first ")
	<-s.first
	program.WriteString("and last")
	program.Close()
	// As drain does it, but surely before the reader comes to the rest.
	tap.r.SetReadDeadline(time.Unix(0, 1))
	close(s.on)
	tap.drain()
	if got := s.got.String(); got != "first and last" {
		t.Errorf("%q", got)
	}
	if _, err := descendant.WriteString("later"); err == nil {
		t.Error("the tap is open after it was drained")
	}
}

func dup(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := os.NewFile(uintptr(fd), "output")
	t.Cleanup(func() { d.Close() })
	return d
}

// TestWhatAProgramHasWrittenIsInItsOutput although its reader had no processor since.
func TestWhatAProgramHasWrittenIsInItsOutput(t *testing.T) {
	var got bytes.Buffer
	tap, err := newTap(&got)
	if err != nil {
		t.Fatal(err)
	}
	defer tap.close()
	tap.w.WriteString("just now") // nobody reads yet
	tap.catchUp()
	if got.String() != "just now" {
		t.Errorf("%q", got.String())
	}
}

// TestWhatAPortHasHadIsAmongTheFrames although the recorder had no processor since.
func TestWhatAPortHasHadIsAmongTheFrames(t *testing.T) {
	x := newRig(t)
	x.takes(x.a)
	x.must(x.client(alias).WaitAnswer(x.ctx, "a")) // the segment forwards
	recorded, err := x.c.Port().Sniff()
	x.must(err)
	s := &Sniffer{more: make(chan struct{})} // nobody records
	x.must(x.sw.space.do(func() error {
		fd, err := openSniffer(x.c.Port().index, netip.PrefixFrom(netip.IPv4Unspecified(), 0))
		if err != nil {
			return err
		}
		s.file = os.NewFile(uintptr(fd), "a sniffer")
		s.raw, err = s.file.SyscallConn()
		return err
	}))
	defer s.file.Close()
	x.must(x.a.NIC("eth0").Send(Gratuitous(alias, x.a.NIC("eth0").MAC)))
	claim := func(f Frame) bool { return f.Claim(alias) }
	_, err = recorded.Wait(x.ctx, claim)
	x.must(err)
	if _, ok := s.Last(claim); !ok {
		t.Errorf("the claim is not among %v", s.Frames())
	}
}
