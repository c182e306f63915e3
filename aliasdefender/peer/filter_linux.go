package peer

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets for the filter: it sees a packet from the UDP header on, and reaches the IP
// header by an offset of its own (SKF_NET_OFF in linux/filter.h).
const (
	udpSource  = 0
	udpHeader  = 8
	ipHeader   = 0xfff00000
	ipSource   = ipHeader + 12
	ip6Source  = ipHeader + 8
	maxSources = 200 // what more would cost each packet
)

// setFilter has the kernel drop packets that come from no partner or are no datagrams of
// ours, before they take room or time. Packets that pass are judged again. The sources
// are of the socket's family, without zones.
func setFilter(conn *net.UDPConn, six bool, port uint16, sources []netip.Addr) error {
	raw, err := bpf.Assemble(filter(six, port, sources))
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

// filter is the program. Each test of it is followed by the answer.
func filter(six bool, port uint16, sources []netip.Addr) []bpf.Instruction {
	pass, drop := bpf.RetConstant{Val: 0xffff}, bpf.RetConstant{}
	begins := uint32(magic[0])<<24 | uint32(magic[1])<<16 | uint32(magic[2])<<8
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: udpHeader + sealedAt, SkipTrue: 1},
		drop,
		bpf.LoadAbsolute{Off: udpSource, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(port), SkipTrue: 1},
		drop,
		bpf.LoadAbsolute{Off: udpHeader, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffffff00},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: begins, SkipTrue: 1},
		drop,
	}
	if len(sources) > maxSources {
		return append(program, pass) // the reader alone judges who sent it
	}
	if !six {
		program = append(program, bpf.LoadAbsolute{Off: ipSource, Size: 4})
	}
	for _, a := range sources {
		if !six {
			octets := a.As4()
			program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(octets[:]), SkipTrue: 1}, pass)
			continue
		}
		octets := a.As16()
		for i := 12; i >= 0; i -= 4 { // the end first: there they differ
			program = append(program,
				bpf.LoadAbsolute{Off: ip6Source + uint32(i), Size: 4},
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(octets[i:]), SkipTrue: uint8(i/4*2 + 1)})
		}
		program = append(program, pass)
	}
	return append(program, drop)
}
