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

// mark is what tells one question from another: id and sequence number, as in RFC 792,
// and a random number, because those two can be guessed.
type mark struct {
	id, seq uint16
	token   uint64
}

// request is the echo request as it is sent.
func (m mark) request() (b [echoSize]byte) {
	b[0] = byte(ipv4.ICMPTypeEcho)
	binary.BigEndian.PutUint16(b[4:], m.id)
	binary.BigEndian.PutUint16(b[6:], m.seq)
	binary.BigEndian.PutUint64(b[8:], m.token)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
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

// parseAnswer reads an IPv4 packet with an echo reply that is as long as ours are.
func parseAnswer(packet []byte) (from netip.Addr, m mark, ok bool) {
	if len(packet) < ipv4.HeaderLen {
		return from, m, false
	}
	b := packet[min(int(packet[0]&0x0f)*4, len(packet)):]
	if len(b) != echoSize || b[0] != byte(ipv4.ICMPTypeEchoReply) {
		return from, m, false
	}
	m = mark{binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint64(b[8:])}
	return netip.AddrFrom4([4]byte(packet[12:16])), m, true
}

// rawICMP opens a raw socket that neither blocks nor outlives an exec.
func rawICMP() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMP)
	return fd, os.NewSyscallError("socket", err)
}

// openListener opens a socket that hears the echo replies with this id, from any host,
// and tells how many of them it keeps until they are read.
func openListener(id uint16) (listener *os.File, room int, err error) {
	fd, err := rawICMP()
	if err != nil {
		return nil, 0, err
	}
	room, err = prepareEar(fd, id)
	if err != nil {
		_ = unix.Close(fd)
		return nil, 0, err
	}
	return os.NewFile(uintptr(fd), "icmp"), room, nil
}

func prepareEar(fd int, id uint16) (room int, err error) {
	// The process is not woken by answers to other programs' questions. A raw IPv4 socket
	// has the IP header before the message.
	if err := attach(fd, []bpf.Instruction{
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(ipv4.ICMPTypeEchoReply), SkipFalse: 3},
		bpf.LoadIndirect{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(id), SkipFalse: 1},
		bpf.RetConstant{Val: answerSize},
		bpf.RetConstant{Val: 0},
	}); err != nil {
		return 0, err
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

// sender sends questions. One caller uses it at a time.
type sender struct {
	fd      int
	to      unix.SockaddrInet4
	control []byte // IP_PKTINFO
	source  []byte // the address in it
}

// openSender opens a socket that hears nothing.
func openSender() (*sender, error) {
	fd, err := rawICMP()
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_RAW, unix.ICMP_FILTER, -1); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	v := &sender{fd: fd, control: unix.PktInfo4(&unix.Inet4Pktinfo{})}
	v.source = v.control[unix.CmsgLen(0)+4:][:4] // it follows the interface's index
	return v, nil
}

// send sends one question or fails at once.
func (v *sender) send(q Question, m mark) error {
	b := m.request()
	v.to.Addr = q.Target.As4()
	clear(v.source) // zero: the kernel chooses
	if q.Source.IsValid() {
		from := q.Source.As4()
		copy(v.source, from[:])
	}
	_, err := unix.SendmsgN(v.fd, b[:], v.control, &v.to, unix.MSG_DONTWAIT)
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
