package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ARP operations (RFC 826).
const (
	ARPRequest = 1
	ARPReply   = 2
)

// Broadcast is everybody's hardware address.
var Broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ARP is one ARP frame for IPv4 over Ethernet.
type ARP struct {
	At       time.Time // when the kernel saw it
	FromHost bool      // sent by the port's host, and not to it

	EthSrc, EthDst     net.HardwareAddr // of the frame around it
	Op                 uint16
	SenderHW, TargetHW net.HardwareAddr
	SenderIP, TargetIP netip.Addr
}

// Claim reports whether the frame says that ip is at its sender: a gratuitous
// request or a reply.
func (a ARP) Claim(ip netip.Addr) bool {
	return a.SenderIP == ip && (a.Op == ARPReply || a.TargetIP == ip)
}

// Probe reports whether the frame asks for ip without claiming any address
// (RFC 5227, section 1.1).
func (a ARP) Probe(ip netip.Addr) bool {
	return a.Op == ARPRequest && a.SenderIP == netip.IPv4Unspecified() && a.TargetIP == ip
}

// String is the frame in one line.
func (a ARP) String() string {
	op := "asks"
	if a.Op == ARPReply {
		op = "tells"
	}
	return fmt.Sprintf("%s %s (%s) %s %s (%s)", a.At.Format("15:04:05.000000"), a.SenderIP, a.SenderHW, op, a.TargetIP, a.TargetHW)
}

// Gratuitous returns the claim of ip by mac in the request form, as an
// announcement (RFC 5227, section 3) has it.
func Gratuitous(ip netip.Addr, mac net.HardwareAddr) ARP {
	return ARP{
		EthSrc: mac, EthDst: Broadcast, Op: ARPRequest,
		SenderHW: mac, SenderIP: ip, TargetHW: make(net.HardwareAddr, 6), TargetIP: ip,
	}
}

const etherARP = 0x0806

func (a ARP) marshal() []byte {
	b := make([]byte, 0, 42)
	b = append(b, a.EthDst...)
	b = append(b, a.EthSrc...)
	b = binary.BigEndian.AppendUint16(b, etherARP)
	b = append(b, 0, 1, 8, 0, 6, 4) // Ethernet, IPv4, the lengths of their addresses
	b = binary.BigEndian.AppendUint16(b, a.Op)
	b = append(b, a.SenderHW...)
	b = append(b, a.SenderIP.AsSlice()...)
	b = append(b, a.TargetHW...)
	return append(b, a.TargetIP.AsSlice()...)
}

func parseARP(b []byte) (a ARP, ok bool) {
	if len(b) < 42 || binary.BigEndian.Uint16(b[12:]) != etherARP || string(b[14:20]) != "\x00\x01\x08\x00\x06\x04" {
		return a, false
	}
	b = slices.Clone(b[:42])
	return ARP{
		EthDst: b[0:6], EthSrc: b[6:12], Op: binary.BigEndian.Uint16(b[20:]),
		SenderHW: b[22:28], SenderIP: netip.AddrFrom4([4]byte(b[28:32])),
		TargetHW: b[32:38], TargetIP: netip.AddrFrom4([4]byte(b[38:42])),
	}, true
}

// SendARP sends a frame as it is, right or wrong, from the NIC.
func (n *NIC) SendARP(a ARP) error {
	if len(a.EthDst) != 6 || len(a.EthSrc) != 6 || len(a.SenderHW) != 6 || len(a.TargetHW) != 6 || !a.SenderIP.Is4() || !a.TargetIP.Is4() {
		return fmt.Errorf("incomplete ARP frame: %+v", a)
	}
	return n.use(func() error {
		return n.Host.space.do(func() error {
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendto(fd, a.marshal(), 0, &unix.SockaddrLinklayer{Ifindex: n.index})
		})
	})
}

// Sniffer records the ARP frames at a port, both ways. Frames that a fault stops on their
// way to the port are not recorded; frames that its host sends into a fault are. It ends
// when the port's host crashes or its NIC is made anew: to know what the client hears,
// sniff at the client's port.
type Sniffer struct {
	file *os.File
	done sync.WaitGroup

	mu     sync.Mutex
	frames []ARP
	more   chan struct{} // closed at the next frame
	closed bool
}

// Sniff starts to record at the port of the NIC's cable.
func (p *Port) Sniff() (*Sniffer, error) {
	return p.SniffOf(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
}

// SniffOf records only frames whose sender's address is of a subnet. The kernel filters
// them, so that a storm of others takes no room of theirs.
func (p *Port) SniffOf(senders netip.Prefix) (*Sniffer, error) {
	if !senders.Addr().Is4() {
		return nil, fmt.Errorf("sniff at port %s: ARP has no senders in %v", p.name, senders)
	}
	l := p.sw.lab
	l.mu.Lock()
	index := p.index
	l.mu.Unlock()
	if index == 0 {
		return nil, fmt.Errorf("nothing is plugged into port %s of %s", p.name, p.sw.Name)
	}
	s := &Sniffer{more: make(chan struct{})}
	err := p.sw.space.do(func() error {
		fd, err := openSniffer(index, senders.Masked())
		if err == nil {
			s.file = os.NewFile(uintptr(fd), "arp at "+p.name) // non-blocking: reads can be ended
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sniff at %s of %s: %w", p.name, p.sw.Name, err)
	}
	s.done.Go(s.record)
	l.retain(s)
	return s, nil
}

func openSniffer(index int, senders netip.Prefix) (int, error) {
	// Take all protocols, and filter them below: a socket for ARP alone would miss what
	// leaves, and what a bridge takes.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	subnet, mask := senders.Addr().As4(), net.CIDRMask(senders.Bits(), 32)
	filter := []unix.SockFilter{ // ldh [12]; jeq #arp, 0, 4; ld [28]; and #mask; jeq #subnet, 0, 1; ret #65535; ret #0
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 12},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 4, K: etherARP},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 28},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: binary.BigEndian.Uint32(mask)},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: binary.BigEndian.Uint32(subnet[:])},
		{Code: unix.BPF_RET | unix.BPF_K, K: 65535},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, prog)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	// Room for the announcements of a thousand aliases at a time. In a user namespace it
	// is refused, and the usual room has to be enough.
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<23)
	if err == nil {
		all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
	}
	if err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

func (s *Sniffer) record() {
	defer s.add(nil)
	raw, err := s.file.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 2048)
	oob := make([]byte, 128)
	for {
		var n, oobn int
		var from unix.Sockaddr
		var readErr error
		err := raw.Read(func(fd uintptr) bool {
			n, oobn, _, from, readErr = unix.Recvmsg(int(fd), buf, oob, 0)
			return readErr != unix.EAGAIN
		})
		if err != nil {
			return // closed
		}
		if readErr != nil {
			if readErr == unix.EINTR || readErr == unix.ENETDOWN && s.bound(raw) {
				continue
			}
			return
		}
		frame, ok := parseARP(buf[:n])
		if !ok {
			continue
		}
		frame.At = stamp(oob[:oobn])
		if ll, ok := from.(*unix.SockaddrLinklayer); ok {
			frame.FromHost = ll.Pkttype != unix.PACKET_OUTGOING
		}
		s.add(&frame)
	}
}

// bound reports whether the socket's link still exists: a link that goes down may come up
// again, a deleted one may not.
func (s *Sniffer) bound(raw syscall.RawConn) bool {
	var at unix.Sockaddr
	raw.Control(func(fd uintptr) { at, _ = unix.Getsockname(int(fd)) })
	ll, ok := at.(*unix.SockaddrLinklayer)
	return ok && ll.Ifindex > 0
}

// stamp is the kernel's time of a frame, or now without one.
func stamp(oob []byte) time.Time {
	h, data, _, err := unix.ParseOneSocketControlMessage(oob)
	if err != nil || h.Type != unix.SO_TIMESTAMPNS || len(data) < int(unsafe.Sizeof(unix.Timespec{})) {
		return time.Now()
	}
	ts := *(*unix.Timespec)(unsafe.Pointer(&data[0]))
	return time.Unix(ts.Unix())
}

// add files a frame; nil: no more will come.
func (s *Sniffer) add(f *ARP) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		s.closed = true
	} else {
		s.frames = append(s.frames, *f)
	}
	close(s.more)
	s.more = make(chan struct{})
}

// Frames returns the frames seen so far, oldest first.
func (s *Sniffer) Frames() []ARP {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.frames)
}

// Last returns the newest frame that fits, if any.
func (s *Sniffer) Last(fits func(ARP) bool) (ARP, bool) {
	s.mu.Lock()
	frames := s.frames // only ever appended to
	s.mu.Unlock()
	for i := len(frames) - 1; i >= 0; i-- {
		if fits(frames[i]) {
			return frames[i], true
		}
	}
	return ARP{}, false
}

// Wait waits for a frame that fits, and returns the oldest one. Frames seen already count
// too.
func (s *Sniffer) Wait(ctx context.Context, fits func(ARP) bool) (ARP, error) {
	for seen := 0; ; {
		s.mu.Lock()
		frames, more, closed := s.frames[seen:], s.more, s.closed
		s.mu.Unlock()
		if i := slices.IndexFunc(frames, fits); i >= 0 {
			return frames[i], nil
		}
		if closed {
			return ARP{}, fmt.Errorf("sniffer: %w", os.ErrClosed)
		}
		seen += len(frames)
		select {
		case <-more:
		case <-ctx.Done():
			return ARP{}, fmt.Errorf("waiting for an ARP frame: %w", ctx.Err())
		}
	}
}

// Close ends the recording. The recorded frames can still be read.
func (s *Sniffer) Close() error {
	err := s.file.Close()
	s.done.Wait()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
