package lab

import (
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tap reads what a program writes. Unlike the pipes of os/exec it does not wait for
// descendants that hold the output open, and on a busy machine it does not lose what the
// program wrote just before its end.
type tap struct {
	r, w   *os.File
	to     io.Writer
	copied chan struct{}
}

// newTap makes a tap whose w is for the program to write to.
func newTap(to io.Writer) (*tap, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &tap{r: r, w: w, to: to, copied: make(chan struct{})}, nil
}

// open begins to read, once the program has w.
func (t *tap) open() {
	t.w.Close()
	go func() {
		defer close(t.copied)
		io.Copy(t.to, t.r) // when drain sets a deadline, it ends with an error
	}()
}

// drain reads what is left after the program's end, and closes the tap.
func (t *tap) drain() {
	defer t.r.Close()
	t.r.SetReadDeadline(time.Unix(0, 1))
	<-t.copied
	raw, err := t.r.SyscallConn()
	if err != nil {
		return
	}
	t.r.SetReadDeadline(time.Time{})
	buf := make([]byte, 1<<16)
	raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.Read(int(fd), buf)
			if n <= 0 && err != unix.EINTR {
				return true
			}
			t.to.Write(buf[:max(n, 0)])
		}
	})
}

// close undoes newTap if the program could not be started.
func (t *tap) close() {
	t.r.Close()
	t.w.Close()
}
