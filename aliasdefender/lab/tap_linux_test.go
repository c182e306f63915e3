package lab

import (
	"bytes"
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
