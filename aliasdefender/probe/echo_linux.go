package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

const (
	echoSize   = 16  // an ICMP header and a token
	answerSize = 128 // the longest IPv4 header, an answer, and one byte that shows that it is longer

	// answerRoom is the least that the kernel counts for an answer that waits to be read.
	// Some NICs' drivers use a page for each answer: these need earBuffer.
	answerRoom = 1024
	earBuffer  = mostAsked * 4096 / 2 // the kernel doubles it
)

// errFull: the kernel keeps more unsent questions than the socket's buffer may hold.
var errFull = errors.New("the socket's buffer is full")

// mark is what tells one question from another: id and sequence number, as in RFC 792
// and RFC 4443, 4.1, and a random number, because those two can be guessed.
type mark struct {
	id, seq uint16
	token   uint64
}

// request is the echo request as it is sent. One of IPv6 has no checksum: that covers the
// IPv6 header too, and who makes the header adds it.
func (m mark) request(six bool) (b [echoSize]byte) {
	b[0] = byte(ipv4.ICMPTypeEcho)
	if six {
		b[0] = byte(ipv6.ICMPTypeEchoRequest)
	}
	binary.BigEndian.PutUint16(b[4:], m.id)
	binary.BigEndian.PutUint16(b[6:], m.seq)
	binary.BigEndian.PutUint64(b[8:], m.token)
	if !six {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// checksum is RFC 1071's.
func checksum(b [echoSize]byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// parseAnswer4 reads an IPv4 packet with an echo reply that is as long as ours are.
func parseAnswer4(packet []byte) (from netip.Addr, m mark, ok bool) {
	if len(packet) < ipv4.HeaderLen {
		return from, m, false
	}
	m, ok = parseReply(packet[min(int(packet[0]&0x0f)*4, len(packet)):], byte(ipv4.ICMPTypeEchoReply))
	return netip.AddrFrom4([4]byte(packet[12:16])), m, ok
}

// parseAnswer6 reads an ICMPv6 echo reply that is as long as ours are. A raw IPv6 socket
// is given no header: the kernel tells beside the packet who sent it.
func parseAnswer6(message []byte) (mark, bool) {
	return parseReply(message, byte(ipv6.ICMPTypeEchoReply))
}

func parseReply(b []byte, reply byte) (m mark, ok bool) {
	if len(b) != echoSize || b[0] != reply {
		return m, false
	}
	return mark{binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint64(b[8:])}, true
}

// rawICMP opens a raw socket that neither blocks nor outlives an exec. The kernel lets in
// the messages of one type, or of none.
func rawICMP(six bool, hears int) (int, error) {
	domain, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if six {
		domain, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if six {
		block := unix.ICMPv6Filter{} // RFC 3542, 3.2; a bit that is set blocks
		for i := range block.Data {
			block.Data[i] = ^uint32(0)
		}
		if hears != nothing {
			block.Data[hears/32] &^= 1 << (hears % 32)
		}
		err = unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &block)
	} else {
		block := -1 // raw(7): the types up to 31 only
		if hears != nothing {
			block &^= 1 << hears
		}
		err = unix.SetsockoptInt(fd, unix.SOL_RAW, unix.ICMP_FILTER, block)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, os.NewSyscallError("setsockopt", err)
	}
	return fd, nil
}

// nothing is the type of message that a socket hears that hears none.
const nothing = -1

// openListener opens a socket that hears the echo replies with this id, from any host,
// and tells how many of them it keeps until they are read.
func openListener(six bool, id uint16) (listener *os.File, room int, err error) {
	reply := int(ipv4.ICMPTypeEchoReply)
	if six {
		reply = int(ipv6.ICMPTypeEchoReply)
	}
	fd, err := rawICMP(six, reply)
	if err != nil {
		return nil, 0, err
	}
	room, err = prepareEar(fd, six, id)
	if err != nil {
		_ = unix.Close(fd)
		return nil, 0, err
	}
	return os.NewFile(uintptr(fd), "icmp"), room, nil
}

func prepareEar(fd int, six bool, id uint16) (room int, err error) {
	// The process is not woken by answers to other programs' questions. A raw IPv4 socket
	// has the IP header before the message, one of IPv6 has not.
	load := []bpf.Instruction{bpf.LoadMemShift{Off: 0}, bpf.LoadIndirect{Off: 4, Size: 2}}
	if six {
		load = []bpf.Instruction{bpf.LoadAbsolute{Off: 4, Size: 2}}
	}
	if err := attach(fd, append(load,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(id), SkipFalse: 1},
		bpf.RetConstant{Val: answerSize},
		bpf.RetConstant{Val: 0},
	)); err != nil {
		return 0, err
	}
	// What came before the filters is nobody's answer, and would be reported as one that
	// waits: of ICMPv6 there is always something.
	for err := error(nil); err != unix.EAGAIN; {
		if _, err = unix.Read(fd, make([]byte, 1)); err != nil && err != unix.EAGAIN && err != unix.EINTR {
			return 0, os.NewSyscallError("read", err)
		}
	}
	// Beyond the system's limit where we may (CAP_NET_ADMIN), otherwise up to it.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, earBuffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, earBuffer); err != nil {
			return 0, os.NewSyscallError("setsockopt", err)
		}
	}
	granted, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return granted / answerRoom, os.NewSyscallError("getsockopt", err)
}

func attach(fd int, filter []bpf.Instruction) error {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		prog[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}))
}

// nicIndex is the index of the NIC that is the zone of a link-local address.
func nicIndex(raw syscall.RawConn, nic string) (index uint32, err error) {
	ifr, err := unix.NewIfreq(nic)
	if err != nil {
		return 0, err
	}
	if e := raw.Control(func(fd uintptr) { err = unix.IoctlIfreq(int(fd), unix.SIOCGIFINDEX, ifr) }); e != nil {
		return 0, e
	}
	return ifr.Uint32(), os.NewSyscallError("ioctl "+nic, err)
}

// sender sends questions. One caller uses it at a time.
type sender struct {
	fd      int
	to      unix.Sockaddr // to4 or to6
	to4     unix.SockaddrInet4
	to6     unix.SockaddrInet6
	control []byte // IP_PKTINFO or IPV6_PKTINFO
	source  []byte // the address in it
	nic     []byte // the NIC's index in it
}

// openSender opens a socket that hears nothing.
func openSender(six bool) (*sender, error) {
	fd, err := rawICMP(six, nothing)
	if err != nil {
		return nil, err
	}
	v := &sender{fd: fd}
	if six {
		v.to, v.control = &v.to6, unix.PktInfo6(&unix.Inet6Pktinfo{})
		info := v.control[unix.CmsgLen(0):]
		v.source, v.nic = info[:16], info[16:20]
	} else {
		v.to, v.control = &v.to4, unix.PktInfo4(&unix.Inet4Pktinfo{})
		info := v.control[unix.CmsgLen(0):]
		v.nic, v.source = info[:4], info[4:8]
	}
	return v, nil
}

// send sends one question by the NIC with this index, 0 for any, or fails at once.
func (v *sender) send(q Question, nic uint32, m mark) error {
	six := q.Target.Is6()
	b := m.request(six)
	clear(v.source) // zero: the kernel chooses
	if six {
		v.to6.Addr = q.Target.As16()
		binary.NativeEndian.PutUint32(v.nic, nic)
		if q.Source.IsValid() {
			from := q.Source.As16()
			copy(v.source, from[:])
		}
	} else {
		v.to4.Addr = q.Target.As4()
		if q.Source.IsValid() {
			from := q.Source.As4()
			copy(v.source, from[:])
		}
	}
	_, err := unix.SendmsgN(v.fd, b[:], v.control, v.to, unix.MSG_DONTWAIT)
	switch {
	case err == nil:
		return nil
	case err == syscall.EAGAIN, err == syscall.ENOBUFS:
		return errFull
	case q.Source.IsValid():
		return fmt.Errorf("from %s: %w", q.Source, os.NewSyscallError("sendmsg", err))
	}
	return os.NewSyscallError("sendmsg", err)
}

func (v *sender) close() error { return os.NewSyscallError("close", unix.Close(v.fd)) }
