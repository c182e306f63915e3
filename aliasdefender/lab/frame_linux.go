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

// Operations: those of ARP (RFC 826). A solicitation of neighbour discovery, and an
// advertisement that nobody has asked for, are requests; an answer is a reply.
const (
	Request = 1
	Reply   = 2
)

// Broadcast is everybody's hardware address.
var Broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// AllNodes is everybody's hardware address for ff02::1 (RFC 2464, section 7).
var AllNodes = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}

// Frame is one frame in which a host asks for an address, or tells where one is: of ARP
// for IPv4, and of neighbour discovery (RFC 4861) for IPv6, over Ethernet.
type Frame struct {
	At       time.Time // when the kernel saw it
	FromHost bool      // sent by the port's host, and not to it

	EthSrc, EthDst net.HardwareAddr // of the frame around it
	Op             uint16

	// Of an advertisement, SenderIP is the address that it is about, and TargetIP the same
	// if it answers nobody, else whom it answers. SenderHW is the link-layer address in it
	// or, of an advertisement without one, that of the frame; nil if there is none.
	SenderHW, TargetHW net.HardwareAddr
	SenderIP, TargetIP netip.Addr
	Router             bool // the R flag of an advertisement
	Weak               bool // an advertisement without the Override flag, which moves no entry
}

// Claim reports whether the frame says that ip is at its sender: an announcement or an
// answer.
func (f Frame) Claim(ip netip.Addr) bool {
	return f.SenderIP == ip.WithZone("") && (f.Op == Reply || f.TargetIP == f.SenderIP)
}

// Probe reports whether the frame asks for ip without claiming any address (RFC 5227,
// section 1.1; RFC 4862, section 5.4.2).
func (f Frame) Probe(ip netip.Addr) bool {
	return f.Op == Request && f.SenderIP.IsUnspecified() && f.TargetIP == ip.WithZone("")
}

// ToAll reports whether the frame is for everybody on the segment.
func (f Frame) ToAll() bool {
	return slices.Equal(f.EthDst, Broadcast) || slices.Equal(f.EthDst, AllNodes)
}

// String is the frame in one line.
func (f Frame) String() string {
	op := "asks"
	if f.Op == Reply {
		op = "tells"
	}
	return fmt.Sprintf("%s %s (%s) %s %s (%s)", f.At.Format("15:04:05.000000"), f.SenderIP, f.SenderHW, op, f.TargetIP, f.TargetHW)
}

// Gratuitous returns the claim of ip by mac in the form of an announcement (RFC 5227,
// section 3; RFC 4861, section 7.2.6): of ARP, in the request form.
func Gratuitous(ip netip.Addr, mac net.HardwareAddr) Frame {
	ip = ip.WithZone("")
	f := Frame{
		EthSrc: mac, EthDst: Broadcast, Op: Request,
		SenderHW: mac, SenderIP: ip, TargetHW: make(net.HardwareAddr, 6), TargetIP: ip,
	}
	if ip.Is6() {
		f.EthDst = AllNodes
	}
	return f
}

const (
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
)

func (f Frame) marshal() []byte {
	if f.SenderIP.Is6() {
		return f.marshalNDP()
	}
	b := make([]byte, 0, 42)
	b = append(b, f.EthDst...)
	b = append(b, f.EthSrc...)
	b = binary.BigEndian.AppendUint16(b, etherARP)
	b = append(b, 0, 1, 8, 0, 6, 4) // Ethernet, IPv4, the lengths of their addresses
	b = binary.BigEndian.AppendUint16(b, f.Op)
	b = append(b, f.SenderHW...)
	b = append(b, f.SenderIP.AsSlice()...)
	b = append(b, f.TargetHW...)
	return append(b, f.TargetIP.AsSlice()...)
}

func parseFrame(b []byte) (f Frame, ok bool) {
	if len(b) >= 14 && binary.BigEndian.Uint16(b[12:]) == etherIPv6 {
		return parseNDP(b)
	}
	if len(b) < 42 || binary.BigEndian.Uint16(b[12:]) != etherARP || string(b[14:20]) != "\x00\x01\x08\x00\x06\x04" {
		return f, false
	}
	b = slices.Clone(b[:42])
	return Frame{
		EthDst: b[0:6], EthSrc: b[6:12], Op: binary.BigEndian.Uint16(b[20:]),
		SenderHW: b[22:28], SenderIP: netip.AddrFrom4([4]byte(b[28:32])),
		TargetHW: b[32:38], TargetIP: netip.AddrFrom4([4]byte(b[38:42])),
	}, true
}

// Send sends a frame as it is, right or wrong, from the NIC.
func (n *NIC) Send(f Frame) error {
	if len(f.EthDst) != 6 || len(f.EthSrc) != 6 || len(f.SenderHW) != 6 || len(f.TargetHW) != 6 ||
		!f.SenderIP.IsValid() || f.SenderIP.Is4() != f.TargetIP.Is4() {
		return fmt.Errorf("incomplete frame: %+v", f)
	}
	return n.use(func() error {
		return n.Host.space.do(func() error {
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendto(fd, f.marshal(), 0, &unix.SockaddrLinklayer{Ifindex: n.index})
		})
	})
}

// Sniffer records the frames of ARP and of neighbour discovery at a port, both ways. Frames
// that a fault stops on their way to the port are not recorded; frames that its host sends
// into a fault are. It ends when the port's host crashes or its NIC is made anew: to know
// what the client hears, sniff at the client's port.
type Sniffer struct {
	file *os.File
	raw  syscall.RawConn // the file's
	done sync.WaitGroup

	taking sync.Mutex // held while frames are read and filed, so that their order stays
	lost   error      // the link is gone

	mu     sync.Mutex
	frames []Frame
	more   chan struct{} // closed at the next frame
	closed bool
}

// Sniff starts to record at the port of the NIC's cable.
func (p *Port) Sniff() (*Sniffer, error) {
	return p.SniffOf(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
}

// SniffOf records only frames of ARP whose sender's address is of a subnet of IPv4, or
// also neighbour discovery if that is all of IPv4. The kernel filters them, so that a
// storm of others takes no room of theirs.
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
		if err != nil {
			return err
		}
		s.file = os.NewFile(uintptr(fd), "arp at "+p.name) // non-blocking: reads can be ended
		s.raw, err = s.file.SyscallConn()
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
	filter := onlyOf(senders)
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

// onlyOf passes frames of ARP with senders of the subnet. If that is all of IPv4, it also
// passes solicitations and advertisements of neighbours, which no extension header
// precedes.
func onlyOf(senders netip.Prefix) []unix.SockFilter {
	const (
		load, is, and = unix.BPF_LD | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
		pass, drop    = 1<<16 - 1, 0
	)
	neighbours := uint32(etherIPv6)
	if senders.Bits() > 0 {
		neighbours = etherARP // a second time: nothing comes there
	}
	subnet, mask := senders.Addr().As4(), net.CIDRMask(senders.Bits(), 32)
	return []unix.SockFilter{
		{Code: load | unix.BPF_H, K: 12},
		{Code: is, Jf: 3, K: etherARP},
		{Code: load | unix.BPF_W, K: 28},
		{Code: and, K: binary.BigEndian.Uint32(mask)},
		{Code: is, Jt: 6, Jf: 7, K: binary.BigEndian.Uint32(subnet[:])},
		{Code: is, Jf: 6, K: neighbours},
		{Code: load | unix.BPF_B, K: 20},
		{Code: is, Jf: 4, K: unix.IPPROTO_ICMPV6},
		{Code: load | unix.BPF_B, K: 54},
		{Code: is, Jt: 1, K: solicitation},
		{Code: is, Jf: 1, K: advertisement},
		{Code: unix.BPF_RET | unix.BPF_K, K: pass},
		{Code: unix.BPF_RET | unix.BPF_K, K: drop},
	}
}

func (s *Sniffer) record() {
	defer s.add(nil)
	var err error
	readErr := s.raw.Read(func(fd uintptr) bool {
		err = s.take(int(fd))
		return err != unix.EAGAIN
	})
	_ = errors.Join(readErr, err) // it is closed, or its link is gone
}

// take files what waits at the socket; EAGAIN: nothing does any more. The recorder calls
// it, and whoever asks for the frames: so none that the port has had is missing because
// the recorder was not given a processor yet.
func (s *Sniffer) take(fd int) error {
	s.taking.Lock()
	defer s.taking.Unlock()
	buf, oob := make([]byte, 2048), make([]byte, 128)
	for {
		n, oobn, _, from, err := unix.Recvmsg(fd, buf, oob, 0)
		switch {
		case err == unix.EINTR || err == unix.ENETDOWN && s.bound():
			continue
		case err == unix.ENETDOWN:
			s.lost = err // the other caller finds no error at the socket any more
		}
		if err == unix.EAGAIN && s.lost != nil {
			err = s.lost
		}
		if err != nil {
			return err
		}
		frame, ok := parseFrame(buf[:n])
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

// catchUp files what the port has had by now.
func (s *Sniffer) catchUp() {
	s.raw.Control(func(fd uintptr) { s.take(int(fd)) }) // closed: all is filed
}

// bound reports whether the socket's link still exists: a link that goes down may come up
// again, a deleted one may not.
func (s *Sniffer) bound() bool {
	var at unix.Sockaddr
	s.raw.Control(func(fd uintptr) { at, _ = unix.Getsockname(int(fd)) })
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
func (s *Sniffer) add(f *Frame) {
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

// Frames returns the frames that the port has had so far, oldest first.
func (s *Sniffer) Frames() []Frame {
	s.catchUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.frames)
}

// Last returns the newest frame that fits, if any.
func (s *Sniffer) Last(fits func(Frame) bool) (Frame, bool) {
	s.catchUp()
	s.mu.Lock()
	frames := s.frames // only ever appended to
	s.mu.Unlock()
	for i := len(frames) - 1; i >= 0; i-- {
		if fits(frames[i]) {
			return frames[i], true
		}
	}
	return Frame{}, false
}

// Wait waits for a frame that fits, and returns the oldest one. Frames seen already count
// too.
func (s *Sniffer) Wait(ctx context.Context, fits func(Frame) bool) (Frame, error) {
	for seen := 0; ; {
		s.mu.Lock()
		frames, more, closed := s.frames[seen:], s.more, s.closed
		s.mu.Unlock()
		if i := slices.IndexFunc(frames, fits); i >= 0 {
			return frames[i], nil
		}
		if closed {
			return Frame{}, fmt.Errorf("sniffer: %w", os.ErrClosed)
		}
		seen += len(frames)
		select {
		case <-more:
		case <-ctx.Done():
			return Frame{}, fmt.Errorf("waiting for a frame: %w", ctx.Err())
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
