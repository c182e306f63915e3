package host

import (
	"bytes"
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
	// answerWithin bounds how long a caller waits for the kernel. The kernel answers at
	// once or not at all; in that case some driver keeps the lock of all changes.
	answerWithin = 5 * time.Second

	// answerSize holds the longest answer: the kernel puts no more than 32 KB of
	// a list into one.
	answerSize = 64 << 10

	// atOnce is how many requests go out in one system call. Each acknowledgement takes 1
	// KB of the receive buffer, which has 208 KB if nobody has changed that.
	atOnce = 128

	// atOnceIPv6 is how many of them may be about addresses of IPv6: the kernel takes ten
	// times as long for one, and others wait for their turn with it.
	atOnceIPv6 = 64
)

// talk is a socket to the kernel's routing, for one goroutine.
type talk struct {
	fd   int
	seq  uint32
	send func(fd int, b []byte) (int, error)
	over *atomic.Bool // nobody waits for it any longer

	turns *sync.RWMutex // the Host's
	*buffers
}

// buffers are kept between talks: the host is read every second, or more often.
type buffers struct {
	in    [answerSize]byte
	out   []byte
	addrs []entry
	names map[string]string
}

var spare = sync.Pool{New: func() any { return &buffers{names: map[string]string{}} }}

// text returns b as a string, the same one for the same bytes.
func (b *buffers) text(v []byte) string {
	v = bytes.TrimRight(v, "\x00")
	s, ok := b.names[string(v)]
	if !ok {
		if len(b.names) >= 4096 { // the host makes and deletes interfaces all day
			clear(b.names)
		}
		s = string(v)
		b.names[s] = s
	}
	return s
}

// withKernel has f talk to the kernel of the namespace that the calling thread is in. f
// runs on a goroutine of its own: a system call that the kernel does not let go cannot be
// ended, only left behind. Until it comes back every other call fails at once, so that no
// more of them are left behind.
func withKernel[T any](h *Host, f func(*talk) (T, error)) (v T, err error) {
	if h.stuck.Load() > 0 {
		return v, ErrNoAnswer
	}
	fd, err := dial(h.within / 2) // half: what was answered before then still counts
	if err != nil {
		return v, err
	}
	type result struct {
		v   T
		err error
	}
	answer := make(chan result, 1)
	var over atomic.Bool // set by whichever comes first, the answer or the deadline
	go func() {
		b := spare.Get().(*buffers)
		v, err := f(&talk{fd: fd, send: h.send, over: &over, turns: &h.turns, buffers: b})
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
		h.stuck.Add(-1) // it has ended just now
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
	// With it the kernel lists only what was asked for, such as one table of routes. A
	// kernel before Linux 4.20 does not know it and lists everything.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	limit := unix.NsecToTimeval(within.Nanoseconds())
	err = errors.Join(
		os.NewSyscallError("connect", unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})),
		os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)))
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// do sends the requests, each of which wants an acknowledgement, and returns the error of
// each one. A request that nobody waits for any longer is not begun: by the time that the
// kernel answers again an alias may be another host's. Other calls get their turn between
// one portion and the next.
func (t *talk) do(requests []*nl.NetlinkRequest) []error {
	errs := make([]error, len(requests))
	for i := range errs {
		errs[i] = ErrNoAnswer
	}
	for from := 0; from < len(requests) && !t.over.Load(); {
		n := portion(requests[from:])
		if err := t.doAtOnce(requests[from:from+n], errs[from:]); err != nil {
			for i := from; i < len(errs); i++ {
				if errs[i] == ErrNoAnswer {
					errs[i] = err
				}
			}
			break
		}
		from += n
	}
	return errs
}

// portion is how many of the requests go out in one system call.
func portion(requests []*nl.NetlinkRequest) int {
	ofIPv6 := 0
	for i, r := range requests {
		if m, ok := r.Data[0].(*nl.IfAddrmsg); ok && m.Family == unix.AF_INET6 {
			ofIPv6++
		}
		if i == atOnce || ofIPv6 > atOnceIPv6 {
			return i
		}
	}
	return len(requests)
}

func (t *talk) doAtOnce(requests []*nl.NetlinkRequest, errs []error) error {
	t.turns.Lock()
	defer t.turns.Unlock()
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

// dump asks for everything of a kind, and calls each for every entry.
func (t *talk) dump(typ uint16, query []byte, reply uint16, each func(entry []byte) error) error {
	t.seq++
	order := binary.NativeEndian
	t.out = order.AppendUint32(t.out[:0], uint32(unix.NLMSG_HDRLEN+len(query)))
	t.out = order.AppendUint16(t.out, typ)
	t.out = order.AppendUint16(t.out, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	t.out = order.AppendUint32(t.out, t.seq)
	t.out = order.AppendUint32(t.out, 0)
	t.out = append(t.out, query...)
	return t.list(reply, each)
}

// one asks for one entry and an acknowledgement.
func (t *talk) one(r *nl.NetlinkRequest, reply uint16, each func(entry []byte) error) error {
	t.seq++
	r.Seq = t.seq
	t.out = append(t.out[:0], r.Serialize()...)
	return t.list(reply, each)
}

// list sends the question and calls each for every message of the type reply; the message
// is only lent. An answer to an earlier question is ignored.
func (t *talk) list(reply uint16, each func(entry []byte) error) error {
	t.turns.RLock()
	defer t.turns.RUnlock()
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
				if bad == nil { // the rest is read nevertheless
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
	return messages(t.in[:n], f)
}

// messages calls f for each message of a datagram.
func messages(b []byte, f func(m unix.NlMsghdr, data []byte) error) error {
	order := binary.NativeEndian
	for len(b) > 0 {
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

// attributes calls f for each attribute of a message.
func attributes(b []byte, f func(typ uint16, v []byte)) error {
	order := binary.NativeEndian
	for len(b) > 0 {
		if len(b) < unix.SizeofRtAttr {
			return unix.EBADMSG
		}
		length := int(order.Uint16(b))
		if length < unix.SizeofRtAttr || length > len(b) {
			return unix.EBADMSG
		}
		f(order.Uint16(b[2:])&nl.NLA_TYPE_MASK, b[unix.SizeofRtAttr:length])
		b = b[min((length+3)&^3, len(b)):]
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
