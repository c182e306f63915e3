package host

import (
	"time"

	"golang.org/x/sys/unix"
)

// reader reads a Wire's frames, many in one go, into memory that it keeps.
type reader struct {
	w    *Wire
	buf  []byte
	seen []Sighting // in this go
	some bool       // frames came, even if none of them counts as seen
	err  error

	drained func(fd uintptr) bool // drain, bound once
}

func newReader(w *Wire) *reader {
	e := &reader{w: w, buf: make([]byte, frameSize), seen: make([]Sighting, 0, batch)}
	if w.family == IPv6 {
		e.buf = make([]byte, packetSize)
	}
	e.drained = e.drain
	return e
}

// hear waits until there is a frame and reads all that are there, up to the capacity of
// seen.
func (e *reader) hear() error {
	e.seen, e.some, e.err = e.seen[:0], false, nil
	if err := e.w.raw.Read(e.drained); err != nil {
		return err
	}
	return e.err
}

// drain is called with the socket when it may have frames; it returns false to wait for
// more.
func (e *reader) drain(fd uintptr) bool {
	e.w.meter.Begin()
	for len(e.seen) < cap(e.seen) {
		n, at, err := e.w.meter.Receive(fd, e.buf)
		switch err {
		case nil:
			e.some = true
			e.take(e.buf[:n], at)
		case unix.EINTR:
		case unix.EAGAIN:
			if !e.some {
				e.w.meter.Done()
			}
			return e.some
		default:
			e.err = err
			return true
		}
	}
	return true
}

func (e *reader) take(frame []byte, at time.Time) {
	read := decode
	if e.w.family == IPv6 {
		read = decodeND
	}
	s, source, err := read(frame)
	if err != nil || source == e.w.hw || s.HW == e.w.hw || !e.w.wants(s) {
		return
	}
	if e.w.family == IPv6 {
		s.Sender, s.Target = Zoned(s.Sender, e.w.nic), Zoned(s.Target, e.w.nic)
	}
	s.NIC, s.At = e.w.nic, at
	e.seen = append(e.seen, s)
}

// wants tells whether a frame that the filter of IPv6 has let through speaks of a wanted
// address; that filter looks at a part of each.
func (w *Wire) wants(s Sighting) bool {
	want := w.want.Load()
	if want == nil {
		return true
	}
	_, sender := (*want)[s.Sender]
	_, target := (*want)[s.Target]
	return sender || target && !s.Reply
}
