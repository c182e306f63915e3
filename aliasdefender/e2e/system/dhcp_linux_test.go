package system

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// leaseTime is how long an address from this server is good: short, so that a lease
// can be lost during a test.
const leaseTime = 20 * time.Second

// dhcpServer gives each host its address (RFC 2131), unless it is told to be silent
// or to refuse. It broadcasts all answers.
type dhcpServer struct {
	conn net.PacketConn
	own  map[string]netip.Prefix // by hardware address

	mu   sync.Mutex // guards the two below
	mode dhcpMode
}

type dhcpMode int

const (
	dhcpAnswers dhcpMode = iota
	dhcpSilent           // the server is down
	dhcpRefuses          // the server knows nothing of the lease: DHCPNAK
)

// The messages and options of RFC 2132 that are used.
const (
	dhcpDiscover, dhcpOffer, dhcpRequest, dhcpAck, dhcpNak = 1, 2, 3, 5, 6

	optionMask, optionRouter, optionLease, optionType, optionServer, optionEnd = 1, 3, 51, 53, 54, 255

	dhcpHead = 240 // bytes of a message before its options, with the magic cookie
)

// serveDHCP makes the host answer until the test's end.
func serveDHCP(t *testing.T, h *lab.Host, own map[string]netip.Prefix) *dhcpServer {
	t.Helper()
	s := &dhcpServer{own: own}
	stage.Must(t, h.Do(func() (err error) {
		socket := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			var failed error
			err := c.Control(func(fd uintptr) {
				failed = unix.BindToDevice(int(fd), "eth0")
			})
			if err != nil {
				return err
			}
			return failed
		}}
		s.conn, err = socket.ListenPacket(context.Background(), "udp4", ":67")
		return err
	}))
	var done sync.WaitGroup
	done.Go(s.serve)
	t.Cleanup(func() {
		s.conn.Close()
		done.Wait()
	})
	return s
}

// set changes how it answers.
func (s *dhcpServer) set(mode dhcpMode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

func (s *dhcpServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, _, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		s.mu.Lock()
		mode := s.mode
		s.mu.Unlock()
		if answer := s.answer(buf[:n], mode); answer != nil {
			s.conn.WriteTo(answer, &net.UDPAddr{IP: net.IPv4bcast, Port: 68})
		}
	}
}

// answer makes the answer to a message; nil: none.
func (s *dhcpServer) answer(b []byte, mode dhcpMode) []byte {
	if len(b) < dhcpHead || mode == dhcpSilent {
		return nil
	}
	own, known := s.own[net.HardwareAddr(b[28:34]).String()]
	if !known {
		return nil
	}
	kind := byte(0)
	switch dhcpType(b[dhcpHead:]) {
	case dhcpDiscover:
		kind = dhcpOffer
	case dhcpRequest:
		kind = dhcpAck
	default:
		return nil
	}
	if mode == dhcpRefuses {
		if kind == dhcpOffer {
			return nil
		}
		kind = dhcpNak
	}
	a := make([]byte, dhcpHead)
	a[0], a[1], a[2] = 2, 1, 6 // a reply, Ethernet, hardware addresses of 6 bytes
	copy(a[4:8], b[4:8])       // the transaction
	a[10] = 0x80               // broadcast
	copy(a[28:44], b[28:44])   // the hardware address
	copy(a[236:240], []byte{99, 130, 83, 99})
	server := routerAddr.Addr().As4()
	a = append(a, optionType, 1, kind, optionServer, 4)
	a = append(a, server[:]...)
	if kind != dhcpNak {
		ip := own.Addr().As4()
		copy(a[16:20], ip[:])
		a = append(a, optionMask, 4)
		a = append(a, net.CIDRMask(own.Bits(), 32)...)
		a = append(a, optionRouter, 4)
		a = append(a, server[:]...)
		a = append(a, optionLease, 4)
		a = binary.BigEndian.AppendUint32(a, uint32(leaseTime/time.Second))
	}
	return append(a, optionEnd)
}

// dhcpType is the message type in these options; 0: not said.
func dhcpType(options []byte) byte {
	for len(options) >= 2 && options[0] != optionEnd {
		if options[0] == 0 { // padding
			options = options[1:]
			continue
		}
		n := 2 + int(options[1])
		if options[0] == optionType && len(options) >= 3 {
			return options[2]
		}
		if n > len(options) {
			return 0
		}
		options = options[n:]
	}
	return 0
}
