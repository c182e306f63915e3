package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// frameSize is room for an ARP frame with its padding: 60 bytes and some.
	frameSize = 128

	// downPoll is how often the reader looks whether a NIC that went down is
	// still there. The kernel wakes it for the going down, and not again for the
	// deletion that may follow.
	downPoll = 200 * time.Millisecond
)

// Wire is the ear and the voice for ARP on one NIC.
type Wire struct {
	nic     string
	hw      HW
	conn    *packet.Conn
	raw     syscall.RawConn
	skipped atomic.Uint64
	closing atomic.Bool
	done    chan struct{}
	err     error // set before done is closed
}

// Listen opens the NIC, which needs neither an address nor to be up, and calls
// see for each ARP frame of another host, from one goroutine, in their order.
// see must not block for long and must not call Close.
//
// Who sent a frame is read inside it: one host may announce for another. A frame
// is our own, and not seen, if this NIC's hardware address is its Ethernet
// source or its sender inside, so neither a switch that sends our frames back
// nor a host that announces us for us is taken for a rival. A frame with a VLAN
// tag that no interface of ours has taken off is another segment's.
func (h *Host) Listen(nic string, see func(Sighting)) (*Wire, error) {
	links, err := withKernel(h, func(t *talk) ([]NIC, error) { return retried("interfaces", t.links) })
	if err != nil {
		return nil, err
	}
	n, ok := State{NICs: links}.NIC(nic)
	if !ok {
		return nil, fmt.Errorf("host: listen on %s: no such NIC", nic)
	}
	if n.HW.IsZero() {
		return nil, fmt.Errorf("host: listen on %s: not an Ethernet interface", nic)
	}
	filter, err := bpf.Assemble(onlyThisSegment)
	if err != nil {
		return nil, fmt.Errorf("host: listen on %s: %w", nic, err)
	}
	ifi := &net.Interface{Index: n.Index, Name: nic, HardwareAddr: n.HW[:]}
	conn, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ARP, &packet.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("host: listen on %s: %w", nic, err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("host: listen on %s: %w", nic, err), conn.Close())
	}
	w := &Wire{nic: nic, hw: n.HW, conn: conn, raw: raw, done: make(chan struct{})}
	go w.read(see)
	return w, nil
}

// onlyThisSegment drops what is for another host. That includes every frame of
// a VLAN that has no interface here: the kernel takes the tag off before we see
// the frame, and marks it so; nothing else tells it from one of this segment.
var onlyThisSegment = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OTHERHOST, SkipTrue: 1},
	bpf.RetConstant{Val: frameSize},
	bpf.RetConstant{Val: 0},
}

func (w *Wire) read(see func(Sighting)) {
	defer close(w.done)
	buf := make([]byte, frameSize)
	down := false
	for {
		if down {
			_ = w.conn.SetReadDeadline(time.Now().Add(downPoll))
		}
		n, _, err := w.conn.ReadFrom(buf)
		switch {
		case err == nil:
			if down {
				down = false
				_ = w.conn.SetReadDeadline(time.Time{})
			}
			w.deliver(buf[:n], see)
		case w.closing.Load():
			return
		case errors.Is(err, unix.ENETDOWN):
			down = true
		case errors.Is(err, os.ErrDeadlineExceeded) && w.bound(): // down, or up and quiet
		default: // gone; what comes with its name is another
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = unix.ENODEV
			}
			w.err = fmt.Errorf("host: listen on %s: %w", w.nic, err)
			_ = w.conn.Close()
			return
		}
	}
}

// bound reports whether the NIC is still there, up or down.
func (w *Wire) bound() (yes bool) {
	err := w.raw.Control(func(fd uintptr) {
		sa, err := unix.Getsockname(int(fd))
		ll, ok := sa.(*unix.SockaddrLinklayer)
		yes = err == nil && ok && ll.Ifindex > 0 // -1 once it is gone
	})
	return yes && err == nil
}

func (w *Wire) deliver(frame []byte, see func(Sighting)) {
	s, source, err := decode(frame)
	if err != nil {
		w.skipped.Add(1)
		return
	}
	if source == w.hw || s.HW == w.hw {
		return
	}
	s.NIC, s.At = w.nic, time.Now()
	see(s)
}

// HW returns the NIC's hardware address at the time of Listen. When the NIC gets
// another one, close the Wire and listen again: until then it speaks with the
// old one.
func (w *Wire) HW() HW { return w.hw }

// Skipped returns how many frames came that were no valid ARP.
func (w *Wire) Skipped() uint64 { return w.skipped.Load() }

// Done is closed when the Wire has ended: by Close, or because the NIC is gone
// (a NIC that is down only stays). see is not called any more.
func (w *Wire) Done() <-chan struct{} { return w.done }

// Err returns why the Wire ended by itself, and nil before that or after Close.
func (w *Wire) Err() error {
	select {
	case <-w.done:
		return w.err
	default:
		return nil
	}
}

// Close ends the Wire and waits for a call of see that is under way.
func (w *Wire) Close() error {
	if w.closing.Swap(true) {
		<-w.done
		return nil
	}
	select {
	case <-w.done: // closed itself
		return nil
	default:
	}
	err := w.conn.Close()
	<-w.done
	return err
}

// Ask asks who has target, in the name of from, an address of this host: as a
// broadcast, or, if to is known, straight to that hardware address (RFC 1122,
// 2.3.2.1). The answer comes as a Sighting. An error means that the question was
// not asked: the NIC is down or without carrier, or its queue is full. It never
// blocks.
func (w *Wire) Ask(target, from netip.Addr, to HW) error {
	m := message{source: w.hw, dest: to, sender: from, target: target, senderHW: w.hw, destHW: to}
	if to.IsZero() {
		m.dest = broadcast
	}
	return w.send("ask for", m)
}

// Probe asks who has target without saying who we are, so that nobody learns us
// as its owner: RFC 5227, 2.1.1. Errors are as for Ask.
func (w *Wire) Probe(target netip.Addr) error {
	return w.Ask(target, netip.IPv4Unspecified(), HW{})
}

// Announce tells everybody that hw, or this NIC if hw is zero, has the alias, as
// a request and as a reply. Errors are as for Ask; both are tried.
func (w *Wire) Announce(alias netip.Addr, hw HW) error {
	if hw.IsZero() {
		hw = w.hw
	}
	var errs []error
	for _, m := range announcement(alias, hw, w.hw) {
		errs = append(errs, w.send("announce", m))
	}
	return errors.Join(errs...)
}

func (w *Wire) send(what string, m message) error {
	b, err := m.encode()
	if err == nil {
		err = w.write(b)
	}
	if err != nil {
		return fmt.Errorf("host: %s %s on %s: %w", what, m.target, w.nic, err)
	}
	return nil
}

// write sends a frame or fails at once. The socket does not block and is bound
// to the NIC, so this is write(2) rather than the connection's own, which waits.
func (w *Wire) write(frame []byte) error {
	var err error
	control := w.raw.Control(func(fd uintptr) {
		if err = running(int(fd), w.nic); err == nil {
			_, err = unix.Write(int(fd), frame)
		}
	})
	return errors.Join(control, err)
}

// running returns an error unless the NIC could send. Without carrier it is up to
// queue and driver whether a dropped frame is an error, and a question that never
// left must not pass for one that nobody answered. This sign comes up to a second
// late; Read has the carrier at once.
func running(fd int, nic string) error {
	req, err := unix.NewIfreq(nic)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return err
	}
	switch flags := req.Uint16(); {
	case flags&unix.IFF_UP == 0:
		return unix.ENETDOWN
	case flags&unix.IFF_RUNNING == 0:
		return fmt.Errorf("no carrier: %w", unix.ENETDOWN)
	}
	return nil
}
