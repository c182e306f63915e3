package hearing

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// stampAt is where the kernel's time stamp is in what it adds to a packet. We ask
	// the kernel to add nothing else. It has seconds and nanoseconds, 8 bytes each.
	stampAt   = (unsafe.Sizeof(unix.Cmsghdr{}) + wordSize - 1) &^ (wordSize - 1)
	stampSize = 16
	wordSize  = unsafe.Sizeof(uintptr(0))

	memInfoDrops = 8 // SK_MEMINFO_DROPS in linux/sock_diag.h
	memInfoVars  = 9 // SK_MEMINFO_VARS
)

// Meter measures one socket. One goroutine reads; Report may be called from another.
type Meter struct {
	raw  syscall.RawConn
	in   message      // fields of the reader
	held atomic.Int64 // since when the reader has had packets in its hands, in Unix nanoseconds; 0: it has none

	mu      sync.Mutex // guards the following
	peek    message
	one     [1]byte
	look    func(fd uintptr) // bound once, so that a report makes no garbage
	dropped uint32           // as the kernel told last
	report  Report
	news    error // news that a look took away from the reader: the kernel tells each only once
}

// message is what the kernel fills in for one packet. It is reused, so that thousands
// of packets a second make no garbage.
type message struct {
	head  unix.Msghdr
	part  unix.Iovec
	extra [64]byte
	from  unix.RawSockaddrInet6 // of which an IPv4 socket fills in less
}

// NewMeter prepares a socket: the kernel stamps each packet with the time of its
// arrival. A kernel before Linux 5.1 cannot do this; there no packet is ever late.
func NewMeter(raw syscall.RawConn) (*Meter, error) {
	m := &Meter{raw: raw}
	m.in.set()
	m.peek.set()
	m.look = m.measure
	var err error
	if control := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
	}); control != nil {
		return nil, control
	}
	if err != nil && err != unix.ENOPROTOOPT {
		return nil, fmt.Errorf("time stamps: %w", err)
	}
	return m, nil
}

func (m *message) set() {
	m.head.Iov = &m.part
	m.head.SetIovlen(1)
	m.head.Name = (*byte)(unsafe.Pointer(&m.from))
}

// receive reads one packet. A packet without a time stamp arrived now.
func (m *message) receive(fd uintptr, b []byte, flags int) (n int, arrived time.Time, err error) {
	m.part.Base = &b[0]
	m.part.SetLen(len(b))
	m.head.Control = &m.extra[0]
	m.head.SetControllen(len(m.extra))
	m.head.Namelen = uint32(unsafe.Sizeof(m.from))
	r, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&m.head)), uintptr(flags|unix.MSG_DONTWAIT))
	m.part.Base = nil
	if errno != 0 {
		return 0, time.Time{}, errno
	}
	return int(r), m.stamp(time.Now()), nil
}

// stamp converts the kernel's wall clock into this process's time, which does not
// move when the clock is corrected. A stamp in the future counts as now.
func (m *message) stamp(now time.Time) time.Time {
	if uintptr(m.head.Controllen) < stampAt+stampSize {
		return now
	}
	at := time.Unix(int64(binary.NativeEndian.Uint64(m.extra[stampAt:])), int64(binary.NativeEndian.Uint64(m.extra[stampAt+8:])))
	return now.Add(-max(now.Round(0).Sub(at), 0))
}

// Begin says that the reader is about to take packets out of the kernel's queue.
func (m *Meter) Begin() { m.held.CompareAndSwap(0, time.Now().UnixNano()) }

// Done says that the reader has delivered everything that it took.
func (m *Meter) Done() { m.held.Store(0) }

// Receive takes one packet, and tells when it arrived at this host. If the packet is
// longer than b, the rest is lost. It does not wait: EAGAIN means that there is none.
// Any other error is news about the socket, such as ENETDOWN.
func (m *Meter) Receive(fd uintptr, b []byte) (n int, arrived time.Time, err error) {
	n, arrived, err = m.in.receive(fd, b, 0)
	if err == unix.EAGAIN {
		m.mu.Lock() // a look that runs now may have taken the news, or not
		if m.news != nil {
			err, m.news = m.news, nil
		}
		m.mu.Unlock()
	}
	if at := arrived.Round(0).UnixNano(); err == nil && at < m.held.Load() {
		m.held.Store(at)
	}
	return n, arrived, err
}

// Sender is who sent the packet that was received last, without a zone, and for a
// link-local one the index of the NIC that it came in by. It is for the reader of an IPv6
// socket, whose packets come without their header; of any other socket it is the zero
// Addr.
func (m *Meter) Sender() (from netip.Addr, nic uint32) {
	if m.in.head.Namelen != uint32(unsafe.Sizeof(m.in.from)) || m.in.from.Family != unix.AF_INET6 {
		return netip.Addr{}, 0
	}
	return netip.AddrFrom16(m.in.from.Addr), m.in.from.Scope_id
}

// Report looks how well the socket hears. It does not wait. Of a socket that is
// closed it repeats what was known.
func (m *Meter) Report() Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	// The kernel's queue comes first: a packet that leaves it after this look is in
	// the reader's hands at the next.
	if m.raw.Control(m.look) != nil {
		return m.report
	}
	if held := m.held.Load(); held != 0 {
		m.report.Late = max(m.report.Late, time.Duration(time.Now().UnixNano()-held))
	}
	return m.report
}

// measure reads what the kernel knows.
func (m *Meter) measure(fd uintptr) {
	m.report.Late = 0
	// If nothing waits, do not touch the socket: a waiting reader would not be woken
	// for news that this look has taken.
	if waiting, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil && waiting > 0 {
		switch _, arrived, err := m.peek.receive(fd, m.one[:], unix.MSG_PEEK); err {
		case nil:
			m.report.Late = time.Since(arrived)
		case unix.EAGAIN, unix.EINTR:
		default:
			m.news = err
		}
	}
	var info [memInfoVars]uint32
	size := uint32(unsafe.Sizeof(info))
	if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0); errno == 0 {
		m.report.Lost += uint64(info[memInfoDrops] - m.dropped) // it counts modulo 2^32
		m.dropped = info[memInfoDrops]
	}
}
