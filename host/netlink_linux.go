package host

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// answerWithin bounds how long a caller waits for the kernel, which answers
	// at once or not at all: some driver then keeps the lock of all changes.
	answerWithin = 5 * time.Second

	// answerSize holds the longest answer: the kernel puts no more than 32 KB of
	// a list into one.
	answerSize = 64 << 10

	// atOnce is how many requests go out in one system call. Each one's
	// acknowledgement takes 1 KB of the receive buffer, which has 208 KB if
	// nobody changed that.
	atOnce = 128
)

// talk is a socket to the kernel's routing, for one goroutine.
type talk struct {
	fd   int
	seq  uint32
	send func(fd int, b []byte) (int, error)
	*buffers
}

type buffers struct {
	in  [answerSize]byte
	out []byte
}

var spare = sync.Pool{New: func() any { return new(buffers) }}

// withKernel has f talk to the kernel of the namespace that the calling thread
// is in. f runs on a goroutine of its own, for a system call that the kernel
// does not let go cannot be ended, only left behind. Until it comes back every
// other call fails at once, rather than being left behind as well.
func withKernel[T any](h *Host, f func(*talk) (T, error)) (v T, err error) {
	if h.stuck.Load() > 0 {
		return v, ErrNoAnswer
	}
	fd, err := dial(h.within / 2) // what was answered before still counts
	if err != nil {
		return v, err
	}
	type result struct {
		v   T
		err error
	}
	answer := make(chan result, 1)
	var over atomic.Bool // for the first of the two
	go func() {
		b := spare.Get().(*buffers)
		v, err := f(&talk{fd: fd, send: h.send, buffers: b})
		spare.Put(b)
		_ = unix.Close(fd)
		if over.Swap(true) {
			h.stuck.Add(-1)
		}
		answer <- result{v, err}
	}()
	late := time.NewTimer(h.within)
	defer late.Stop()
	select {
	case r := <-answer:
		return r.v, r.err
	case <-late.C:
		h.stuck.Add(1)
		if !over.Swap(true) {
			return v, ErrNoAnswer
		}
		h.stuck.Add(-1) // it is just done
		r := <-answer
		return r.v, r.err
	}
}

// dial opens a socket that only the kernel can answer on.
func dial(within time.Duration) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	limit := unix.NsecToTimeval(within.Nanoseconds())
	err = errors.Join(
		os.NewSyscallError("connect", unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})),
		os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)))
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// do sends the requests, each of which wants an acknowledgement, and returns
// what became of each one.
func (t *talk) do(requests []*nl.NetlinkRequest) []error {
	errs := make([]error, len(requests))
	for i := range errs {
		errs[i] = ErrNoAnswer
	}
	for from := 0; from < len(requests); from += atOnce {
		if err := t.doAtOnce(requests[from:min(from+atOnce, len(requests))], errs[from:]); err != nil {
			for i := from; i < len(errs); i++ {
				if errs[i] == ErrNoAnswer {
					errs[i] = err
				}
			}
			break
		}
	}
	return errs
}

func (t *talk) doAtOnce(requests []*nl.NetlinkRequest, errs []error) error {
	first := t.seq + 1
	t.out = t.out[:0]
	for _, r := range requests {
		t.seq++
		r.Seq = t.seq
		t.out = append(t.out, r.Serialize()...)
	}
	if err := t.write(); err != nil {
		return err
	}
	for left := len(requests); left > 0; {
		err := t.read(func(m unix.NlMsghdr, data []byte) error {
			i := int(m.Seq - first)
			if m.Type != unix.NLMSG_ERROR || i < 0 || i >= len(requests) {
				return nil
			}
			errs[i] = failure(data)
			left--
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// list asks for a list, or for one entry and an acknowledgement, and has each
// take what is of the type reply; it is only lent. An answer to an earlier
// question is passed over.
func (t *talk) list(r *nl.NetlinkRequest, reply uint16, each func(entry []byte) error) error {
	t.seq++
	r.Seq = t.seq
	t.out = append(t.out[:0], r.Serialize()...)
	if err := t.write(); err != nil {
		return err
	}
	var changed, bad error
	for done := false; !done; {
		err := t.read(func(m unix.NlMsghdr, data []byte) error {
			if m.Seq != t.seq {
				return nil
			}
			if m.Flags&unix.NLM_F_DUMP_INTR != 0 {
				changed = nl.ErrDumpInterrupted
			}
			switch m.Type {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				done = true
				return failure(data)
			case reply:
				if bad == nil { // and the rest is read nevertheless
					bad = each(data)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(bad, changed)
}

// dump asks for all that there is of a kind.
func (t *talk) dump(typ int, query nl.NetlinkRequestData, reply uint16, each func(entry []byte) error) error {
	r := nl.NewNetlinkRequest(typ, unix.NLM_F_DUMP)
	r.AddData(query)
	return t.list(r, reply, each)
}

func (t *talk) write() error {
	_, err := t.send(t.fd, t.out)
	return os.NewSyscallError("send", err)
}

// read waits for an answer and calls f for each message in it.
func (t *talk) read(f func(m unix.NlMsghdr, data []byte) error) error {
	n, err := unix.Read(t.fd, t.in[:])
	for err == unix.EINTR {
		n, err = unix.Read(t.fd, t.in[:])
	}
	switch {
	case err == unix.EAGAIN:
		return ErrNoAnswer
	case err != nil:
		return os.NewSyscallError("read", err)
	}
	order := binary.NativeEndian
	for b := t.in[:n]; len(b) > 0; {
		if len(b) < unix.NLMSG_HDRLEN {
			return unix.EBADMSG
		}
		m := unix.NlMsghdr{Len: order.Uint32(b), Type: order.Uint16(b[4:]), Flags: order.Uint16(b[6:]), Seq: order.Uint32(b[8:])}
		if m.Len < unix.NLMSG_HDRLEN || int64(m.Len) > int64(len(b)) {
			return unix.EBADMSG
		}
		if err := f(m, b[unix.NLMSG_HDRLEN:m.Len]); err != nil {
			return err
		}
		b = b[min((int(m.Len)+3)&^3, len(b)):] // each begins on a multiple of four
	}
	return nil
}

// failure reads the error of NLMSG_ERROR or NLMSG_DONE; there may be none.
func failure(data []byte) error {
	if len(data) < 4 {
		return nil
	}
	if errno := int32(binary.NativeEndian.Uint32(data)); errno != 0 {
		return unix.Errno(-errno)
	}
	return nil
}
