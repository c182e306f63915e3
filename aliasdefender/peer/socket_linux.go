package peer

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// receiveRoom is how much the kernel keeps while the reader does not run.
const receiveRoom = 1 << 20 // bytes

// prepare sets up a socket before it is bound.
func prepare(_, _ string, conn syscall.RawConn) error {
	var err error
	set := func(fd uintptr, level, option, value int, what string) {
		if e := unix.SetsockoptInt(int(fd), level, option, value); e != nil && err == nil {
			err = fmt.Errorf("%s: %w", what, e)
		}
	}
	if e := conn.Control(func(fd uintptr) {
		// When the host starts, the address may not be there yet.
		set(fd, unix.SOL_IP, unix.IP_FREEBIND, 1, "IP_FREEBIND")
		// Errors from the network come back with the address that the datagram went to.
		set(fd, unix.SOL_IP, unix.IP_RECVERR, 1, "IP_RECVERR")
		set(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1, "SO_RXQ_OVFL")
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveRoom) != nil {
			// Without CAP_NET_ADMIN the kernel quietly gives no more than
			// net.core.rmem_max.
			set(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveRoom, "SO_RCVBUF")
		}
	}); e != nil {
		return e
	}
	return err
}

// Offsets for the filter: it sees a packet from the UDP header on, and reaches the IP
// header by an offset of its own (SKF_NET_OFF in linux/filter.h).
const (
	udpSource  = 0
	udpHeader  = 8
	ipSource   = 0xfff00000 + 12
	maxSources = 200 // a filter jumps over 255 instructions at most
)

// setFilter has the kernel drop packets that come from no partner or are no datagrams of
// ours, before they take room or time. Packets that pass are judged again.
func setFilter(conn *net.UDPConn, port uint16, sources []netip.Addr) error {
	if len(sources) > maxSources {
		sources = nil // the filter passes all sources; the reader alone judges
	}
	begins := uint32(magic[0])<<24 | uint32(magic[1])<<16 | uint32(magic[2])<<8
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: udpHeader + sealedAt, SkipTrue: uint8(6 + len(sources))},
		bpf.LoadAbsolute{Off: udpSource, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: uint8(4 + len(sources))},
		bpf.LoadAbsolute{Off: udpHeader, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffffff00},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: begins, SkipTrue: uint8(1 + len(sources))},
		bpf.LoadAbsolute{Off: ipSource, Size: 4},
	}
	for i, a := range sources {
		octets := a.As4()
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(octets[:]), SkipTrue: uint8(len(sources) - i)})
	}
	if len(sources) == 0 {
		program = append(program[:1], bpf.RetConstant{Val: 0xffff})
	} else {
		program = append(program, bpf.RetConstant{}, bpf.RetConstant{Val: 0xffff})
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	sys, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	if e := sys.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	}); e != nil {
		return e
	}
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	return nil
}

// refused reads how many packets the kernel has dropped. The kernel adds the number to a
// packet that it delivers (SO_RXQ_OVFL, the only thing that we ask it to add).
func refused(oob []byte) (uint32, bool) {
	at := unix.CmsgLen(0)
	if len(oob) < at+4 {
		return 0, false
	}
	return binary.NativeEndian.Uint32(oob[at:]), true
}

// sentFrom is what makes the kernel send a datagram from that address (ip(7),
// IP_PKTINFO).
func sentFrom(from netip.Addr) []byte {
	if !from.Is4() {
		return nil
	}
	return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()})
}

// returned reads the errors that the network has returned for datagrams that we sent,
// with the addresses that those went to.
func returned(conn *net.UDPConn) (all []report) {
	sys, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	var data [1]byte
	var oob [512]byte
	_ = sys.Control(func(fd uintptr) {
		for {
			_, n, _, to, err := unix.Recvmsg(int(fd), data[:], oob[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			r := report{}
			if to, ok := to.(*unix.SockaddrInet4); ok {
				r.to = netip.AddrFrom4(to.Addr)
			}
			if messages, err := unix.ParseSocketControlMessage(oob[:n]); err == nil {
				for _, m := range messages {
					if m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR && len(m.Data) >= 4 {
						r.err = syscall.Errno(binary.NativeEndian.Uint32(m.Data)) // ee_errno of struct sock_extended_err
					}
				}
			}
			all = append(all, r)
		}
	})
	return all
}
