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
	conn *net.UDPConn
	done sync.WaitGroup
}

func newResponder(s *space, name string) (*responder, error) {
	conn, err := s.listenUDP(netip.AddrPortFrom(netip.IPv4Unspecified(), EchoPort), func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	})
	if err != nil {
		return nil, fmt.Errorf("responder of %s: %w", name, err)
	}
	r := &responder{conn: conn}
	r.done.Go(func() { r.serve(name) })
	return r, nil
}

func (r *responder) serve(name string) {
	buf := make([]byte, 2048)
	oob := make([]byte, unix.CmsgSpace(unix.SizeofInet4Pktinfo))
	for {
		n, oobn, _, from, err := r.conn.ReadMsgUDPAddrPort(buf[:len(buf)-len(name)], oob)
		if err != nil {
			return
		}
		// The control message that told where the question came in also tells from where
		// the answer leaves: from that address, but not by that NIC, because the routes
		// choose the NIC.
		if oobn == len(oob) {
			info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&oob[unix.CmsgLen(0)]))
			info.Ifindex = 0
		}
		n += copy(buf[n:], name)
		r.conn.WriteMsgUDPAddrPort(buf[:n], oob[:oobn], from) // if the answer is lost, the client will notice
	}
}

func (r *responder) close() {
	r.conn.Close()
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
		c, err := lc.ListenPacket(context.Background(), "udp4", at.String())
		if err == nil {
			conn = c.(*net.UDPConn)
		}
		return err
	})
	return conn, err
}
