package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveRoom is how much the kernel keeps while the reader does not run.
const receiveRoom = 1 << 20 // bytes

// prepare sets up a socket before it is bound, to an address or to all.
func prepare(six, bound bool) func(_, _ string, conn syscall.RawConn) error {
	return func(_, _ string, conn syscall.RawConn) error {
		var err error
		set := func(fd uintptr, level, option, value int, what string) {
			if e := unix.SetsockoptInt(int(fd), level, option, value); e != nil && err == nil {
				err = fmt.Errorf("%s: %w", what, e)
			}
		}
		if e := conn.Control(func(fd uintptr) {
			// When the host starts, the address may not be there yet. Errors from the network
			// come back with the address that the datagram went to.
			if six {
				if bound { // otherwise datagrams could be sent from addresses that are gone
					set(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1, "IPV6_FREEBIND")
				}
				set(fd, unix.SOL_IPV6, unix.IPV6_RECVERR, 1, "IPV6_RECVERR")
				set(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO")
			} else {
				set(fd, unix.SOL_IP, unix.IP_FREEBIND, 1, "IP_FREEBIND")
				set(fd, unix.SOL_IP, unix.IP_RECVERR, 1, "IP_RECVERR")
			}
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
}

// readBeside reads what the kernel adds to a packet that it delivers: how many it has
// dropped (SO_RXQ_OVFL), and on an IPv6 socket to which address and by which NIC it came
// (IPV6_RECVPKTINFO).
func readBeside(oob []byte) (b beside) {
	for len(oob) > 0 {
		head, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return b
		}
		oob = rest
		switch {
		case head.Level == unix.SOL_SOCKET && head.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			b.told, b.refused = true, binary.NativeEndian.Uint32(data)
		case head.Level == unix.SOL_IPV6 && head.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			b.own, b.nic = netip.AddrFrom16([16]byte(data)), binary.NativeEndian.Uint32(data[16:])
		}
	}
	return b
}

// zoned is a link-local address with the NIC of that index as its zone. Package net keeps
// the names of NICs for a minute; the kernel knows the present ones.
func zoned(conn *net.UDPConn, a netip.Addr, nic uint32) netip.Addr {
	sys, err := conn.SyscallConn()
	if err != nil {
		return a.WithZone("")
	}
	name := ""
	_ = sys.Control(func(fd uintptr) { name = nicName(fd, nic) })
	return a.WithZone(name)
}

// nicName is empty for a NIC that is gone.
func nicName(fd uintptr, nic uint32) string {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return ""
	}
	ifr.SetUint32(nic)
	if unix.IoctlIfreq(int(fd), unix.SIOCGIFNAME, ifr) != nil {
		return ""
	}
	return ifr.Name()
}

// sentFrom is what makes the kernel send a datagram from that address of this host, if
// there is one, and to a link-local address by its NIC (ip(7), IP_PKTINFO; RFC 3542, 6.1).
func sentFrom(conn *net.UDPConn, from, to netip.Addr) ([]byte, error) {
	switch {
	case !from.IsValid() && to.Zone() == "":
		return nil, nil
	case to.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()}), nil
	}
	info := unix.Inet6Pktinfo{}
	if from.IsValid() {
		info.Addr = from.As16()
	}
	if nic := to.Zone(); nic != "" {
		sys, err := conn.SyscallConn()
		if err != nil {
			return nil, err
		}
		ifr, err := unix.NewIfreq(nic)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", nic, err)
		}
		if e := sys.Control(func(fd uintptr) { err = unix.IoctlIfreq(int(fd), unix.SIOCGIFINDEX, ifr) }); e != nil || err != nil {
			return nil, fmt.Errorf("%s: %w", nic, errors.Join(e, err))
		}
		info.Ifindex = ifr.Uint32()
	}
	return unix.PktInfo6(&info), nil
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
			switch to := to.(type) {
			case *unix.SockaddrInet4:
				r.to = netip.AddrFrom4(to.Addr)
			case *unix.SockaddrInet6:
				if r.to = netip.AddrFrom16(to.Addr); to.ZoneId != 0 {
					r.to = r.to.WithZone(nicName(fd, to.ZoneId))
				}
			}
			if messages, err := unix.ParseSocketControlMessage(oob[:n]); err == nil {
				for _, m := range messages {
					v4 := m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR
					v6 := m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR
					if (v4 || v6) && len(m.Data) >= 4 {
						r.err = syscall.Errno(binary.NativeEndian.Uint32(m.Data)) // ee_errno of struct sock_extended_err
					}
				}
			}
			all = append(all, r)
		}
	})
	return all
}
