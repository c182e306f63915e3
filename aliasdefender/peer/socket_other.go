//go:build !linux

package peer

import (
	"net"
	"net/netip"
	"syscall"
)

// On other systems the reader judges alone, errors from the network are not read, and we
// cannot choose the address that a datagram is sent from.

func prepare(six, bound bool) func(_, _ string, _ syscall.RawConn) error { return nil }

func setFilter(*net.UDPConn, bool, uint16, []netip.Addr) error { return nil }

func readBeside([]byte) beside { return beside{} }

func zoned(_ *net.UDPConn, a netip.Addr, _ uint32) netip.Addr { return a }

func sentFrom(_ *net.UDPConn, _, _ netip.Addr) ([]byte, error) { return nil, nil }

func returned(*net.UDPConn) []report { return nil }
