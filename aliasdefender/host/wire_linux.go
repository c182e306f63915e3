package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/hearing"
)

const (
	// frameSize is room for an ARP frame with its padding: 60 bytes and some.
	frameSize = 128

	// packetSize is room for the longest IPv6 packet in its frame: a message's checksum
	// covers all of its options, and one that hosts believe must not be too long for us.
	packetSize = atPacket + 40 + 1<<16 - 1

	// batch is how many frames are read before they are delivered, if that many are
	// there.
	batch = 256

	// hearBuffer and sayBuffer have room for a thousand aliases at once: for the answers
	// to their frames, and for the frames. A frame takes up to 4 KB. Only in such a burst
	// is the room used.
	hearBuffer = 4 << 20
	sayBuffer  = 4 << 20

	// downPoll is how often the reader looks whether a NIC that went down is still there.
	// The kernel wakes the reader when the NIC goes down, but not when it is then
	// deleted.
	downPoll = 200 * time.Millisecond
)

// Wire is the listener and the sender on one Side of this host: of ARP, or of neighbour
// discovery.
type Wire struct {
	nic     string
	index   int
	family  Family
	hw      HW
	conn    *packet.Conn
	raw     syscall.RawConn
	meter   *hearing.Meter
	closing atomic.Bool
	done    chan struct{}
	err     error // set before done is closed

	sender sender

	// Of IPv6 alone.
	wanting sync.Mutex // of groups
	groups  groups
	want    atomic.Pointer[map[netip.Addr]struct{}] // nil: everything
	forwarding
}

// Listen opens one Side of the NIC, which needs neither an address nor to be up. It calls
// see with the frames of other hosts, from one goroutine, in their order: with one frame
// as soon as it comes, with up to 256 if several have come. The frames are valid only
// during the call. see must not block for long and must not call Close.
//
// In IPv4 these are ARP requests and replies. In IPv6 they are neighbour solicitations
// and advertisements that are valid (RFC 4861, 7.1.1 and 7.1.2) and come directly after
// the IPv6 header. Listen does not hear others: no host has a reason to send them, and an
// attacker who wants to claim an address behind our back can just as well send to each
// victim alone.
//
// Listen reads inside the frame who the sender is, because one host may announce for
// another. A frame is our own if this NIC's hardware address is its Ethernet source or
// the sender inside it; Listen does not pass it to see. So neither a switch that returns
// our frames nor a host that announces us in our place counts as a rival. A frame with a
// VLAN tag that no interface of ours has removed belongs to another segment.
func (h *Host) Listen(nic string, f Family, see func([]Sighting)) (*Wire, error) {
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
	protocol, segment := unix.ETH_P_ARP, onlyThisSegment
	if f == IPv6 {
		protocol, segment = unix.ETH_P_IPV6, onlyNeighbours
	}
	filter, err := bpf.Assemble(segment)
	if err != nil {
		return nil, fmt.Errorf("host: listen on %s: %w", nic, err)
	}
	ifi := &net.Interface{Index: n.Index, Name: nic, HardwareAddr: n.HW[:]}
	conn, err := packet.Listen(ifi, packet.Raw, protocol, &packet.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("host: listen on %s: %w", nic, err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("host: listen on %s: %w", nic, err), conn.Close())
	}
	w := &Wire{nic: nic, index: n.Index, family: f, hw: n.HW, conn: conn, raw: raw, done: make(chan struct{})}
	w.meter, err = hearing.NewMeter(raw)
	err = errors.Join(err, w.widen(), w.sender.open(w))
	if f == IPv6 {
		err = errors.Join(err, w.join(nil), w.forwarding.open(nic))
	}
	if err != nil {
		w.forwarding.close()
		return nil, errors.Join(fmt.Errorf("host: listen on %s: %w", nic, err), conn.Close())
	}
	go w.read(see)
	return w, nil
}

// widen makes room for bursts: beyond the system's limit where we may (with
// CAP_NET_ADMIN), otherwise up to that limit.
func (w *Wire) widen() (err error) {
	control := w.raw.Control(func(fd uintptr) {
		for _, o := range []struct{ force, normal, size int }{
			{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, hearBuffer},
			{unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sayBuffer},
		} {
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, o.force, o.size) != nil {
				err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, o.normal, o.size))
			}
		}
	})
	return errors.Join(control, os.NewSyscallError("setsockopt", err))
}

func (w *Wire) read(see func([]Sighting)) {
	defer close(w.done)
	defer w.forwarding.close()
	e := newReader(w)
	down := false
	for {
		if down {
			_ = w.conn.SetReadDeadline(time.Now().Add(downPoll))
		}
		err := e.hear()
		if len(e.seen) > 0 {
			see(e.seen)
		}
		w.meter.Done()
		switch {
		case err == nil:
			if down {
				down = false
				_ = w.conn.SetReadDeadline(time.Time{})
			}
		case w.closing.Load():
			return
		case errors.Is(err, unix.ENETDOWN):
			down = true
		case errors.Is(err, os.ErrDeadlineExceeded) && w.bound(): // down, or up and quiet
		default: // gone; a NIC that comes with its name is another one
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

// Hearing tells how well the Wire hears: how much the kernel had no room for, and how
// long the oldest frame has waited that see has not got yet. It never blocks.
func (w *Wire) Hearing() hearing.Report { return w.meter.Report() }

// HW returns the NIC's hardware address at the time of Listen. When the NIC gets another
// one, close the Wire and listen again: until then the Wire uses the old one.
func (w *Wire) HW() HW { return w.hw }

// Done is closed when the Wire has ended: by Close, or because the NIC is gone (not
// because it is down). After that see is not called again.
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
	case <-w.done: // it ended by itself
		return nil
	default:
	}
	err := w.conn.Close()
	<-w.done
	return err
}
