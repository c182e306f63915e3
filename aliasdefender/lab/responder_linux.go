package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EchoPort is the UDP port at which every host answers: with the question, followed by
// the host's name.
const EchoPort = 7

// responder is the service of one host. It answers from the address that was
// asked, as a service bound to the alias would.
type responder struct {
	conns []*net.UDPConn // one for each family
	done  sync.WaitGroup
}

func newResponder(s *space, name string, ipv6 bool) (*responder, error) {
	r := &responder{}
	families := []struct {
		all          netip.Addr
		level, which int
	}{{netip.IPv4Unspecified(), unix.IPPROTO_IP, unix.IP_PKTINFO}, {netip.IPv6Unspecified(), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO}}
	if !ipv6 {
		families = families[:1]
	}
	for _, f := range families {
		conn, err := s.listenUDP(netip.AddrPortFrom(f.all, EchoPort), func(fd int) error {
			return unix.SetsockoptInt(fd, f.level, f.which, 1)
		})
		if err != nil {
			r.close()
			return nil, fmt.Errorf("responder of %s: %w", name, err)
		}
		r.conns = append(r.conns, conn)
		r.done.Go(func() { serve(conn, name) })
	}
	return r, nil
}

func serve(conn *net.UDPConn, name string) {
	buf := make([]byte, 2048)
	oob := make([]byte, 128)
	for {
		n, oobn, _, from, err := conn.ReadMsgUDPAddrPort(buf[:len(buf)-len(name)], oob)
		if err != nil {
			return
		}
		// The control message that told where the question came in also tells from where
		// the answer leaves: from that address, but not by that NIC, because the routes
		// choose the NIC. A link-local address has none without the NIC.
		switch oobn {
		case unix.CmsgSpace(unix.SizeofInet4Pktinfo):
			(*unix.Inet4Pktinfo)(unsafe.Pointer(&oob[unix.CmsgLen(0)])).Ifindex = 0
		case unix.CmsgSpace(unix.SizeofInet6Pktinfo):
			if info := (*unix.Inet6Pktinfo)(unsafe.Pointer(&oob[unix.CmsgLen(0)])); !from.Addr().IsLinkLocalUnicast() {
				info.Ifindex = 0
			}
		}
		n += copy(buf[n:], name)
		conn.WriteMsgUDPAddrPort(buf[:n], oob[:oobn], from) // if the answer is lost, the client will notice
	}
}

func (r *responder) close() {
	for _, conn := range r.conns {
		conn.Close()
	}
	r.done.Wait()
}

// listenUDP opens a UDP socket in the namespace.
func (s *space) listenUDP(at netip.AddrPort, option func(fd int) error) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if ctlErr := c.Control(func(fd uintptr) {
			// Room for what comes while we do not run. In a user namespace it is refused,
			// and the usual room has to be enough.
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<21)
			err = option(int(fd))
		}); ctlErr != nil {
			return ctlErr
		}
		return err
	}}
	var conn *net.UDPConn
	err := s.do(func() error {
		network := "udp4"
		if at.Addr().Is6() {
			network = "udp6" // and no mapped addresses of IPv4 on it
		}
		c, err := lc.ListenPacket(context.Background(), network, at.String())
		if err == nil {
			conn = c.(*net.UDPConn)
		}
		return err
	})
	return conn, err
}
