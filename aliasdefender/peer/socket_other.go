//go:build !linux

package peer

import (
	"net"
	"net/netip"
	"syscall"
)

// On other systems the reader judges alone, errors from the network are not read, and we
// cannot choose the address that a datagram is sent from.

func prepare(_, _ string, _ syscall.RawConn) error { return nil }

func setFilter(*net.UDPConn, uint16, []netip.Addr) error { return nil }

func refused([]byte) (uint32, bool) { return 0, false }

func sentFrom(netip.Addr) []byte { return nil }

func returned(*net.UDPConn) []report { return nil }
