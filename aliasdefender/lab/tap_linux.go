package lab

import (
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tap reads what a program writes. Unlike the pipes of os/exec it does not wait for
// descendants that hold the output open, and on a busy machine it does not lose what the
// program wrote just before its end.
type tap struct {
	r, w   *os.File
	raw    syscall.RawConn // r's
	to     io.Writer
	copied chan struct{} // closed when nothing more is waited for

	taking sync.Mutex // held while something is read and passed on, so that the order stays
}

// newTap makes a tap whose w is for the program to write to.
func newTap(to io.Writer) (*tap, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	raw, err := r.SyscallConn()
	return &tap{r: r, w: w, raw: raw, to: to, copied: make(chan struct{})}, err
}

// open begins to read, once the program has w.
func (t *tap) open() {
	t.w.Close()
	go func() {
		defer close(t.copied)
		t.raw.Read(func(fd uintptr) bool { return t.take(int(fd)) }) // when drain sets a deadline, it ends
	}()
}

// take passes on what has been written, and tells whether no more can come.
func (t *tap) take(fd int) (ended bool) {
	t.taking.Lock()
	defer t.taking.Unlock()
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case n > 0:
			t.to.Write(buf[:n])
		case err != unix.EINTR:
			return err != unix.EAGAIN
		}
	}
}

// catchUp passes on what the program has written by now: the reader may not have been
// given a processor since.
func (t *tap) catchUp() {
	t.raw.Control(func(fd uintptr) { t.take(int(fd)) }) // closed: all is passed on
}

// drain reads what is left after the program's end, and closes the tap.
func (t *tap) drain() {
	defer t.r.Close()
	t.r.SetReadDeadline(time.Unix(0, 1))
	<-t.copied
	t.catchUp()
}

// close undoes newTap if the program could not be started.
func (t *tap) close() {
	t.r.Close()
	t.w.Close()
}
