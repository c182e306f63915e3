package peer

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"syscall"
)

// SetSources says from which of this host's addresses partners are written to, by the
// partner's address; for all other partners the system chooses. It is for a host on which
// an alias stands before the host's own address: the system would choose the alias, and a
// partner reads nothing that comes from an alias. Where the Channel listens on one address
// of a family only, that address is used for all of the family.
func (c *Channel) SetSources(of map[netip.Addr]netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = maps.Clone(of)
}

// writeTo hands one datagram to the system. If the host no longer has the source, the
// datagram goes out from another address: it should be heard all the same.
func (c *Channel) writeTo(conn *net.UDPConn, datagram []byte, to netip.AddrPort) error {
	c.mu.Lock()
	from := c.from[to.Addr()]
	c.mu.Unlock()
	if own, _ := c.listensOn(to.Addr().Is6()); from.BitLen() == to.Addr().BitLen() && !own.IsValid() {
		err := writeFrom(conn, datagram, from, to)
		if !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENETUNREACH) {
			return err
		}
	}
	return writeFrom(conn, datagram, netip.Addr{}, to)
}

// writeFrom writes from an address of this host; the zero Addr: of the system's choice.
func writeFrom(conn *net.UDPConn, datagram []byte, from netip.Addr, to netip.AddrPort) error {
	oob, err := sentFrom(conn, from, to.Addr())
	if err != nil {
		return err
	}
	if oob == nil {
		_, err = conn.WriteToUDPAddrPort(datagram, to)
		return err
	}
	_, _, err = conn.WriteMsgUDPAddrPort(datagram, oob, netip.AddrPortFrom(to.Addr().WithZone(""), to.Port()))
	return err
}
