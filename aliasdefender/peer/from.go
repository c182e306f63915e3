package peer

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// SetSources sets the source addresses for each partner, by the partner's address, the
// best one first. For all other partners the system chooses. In IPv6 the Channel uses the
// one among them that the partner last wrote to over that path, because the partner knows
// that address. SetSources is for a host whose system would choose an address that the
// partner does not know: an alias that stands before the own address, or in IPv6 a
// temporary address or the newest one. A partner reads nothing that comes from such an
// address. If the Channel listens on only one address of a family, it uses that address
// for all of the family.
func (c *Channel) SetSources(of map[netip.Addr][]netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = maps.Clone(of)
}

// writtenFrom is the address of this host that one of a partner's is written to from; the
// zero Addr: the system chooses.
func (c *Channel) writtenFrom(to netip.Addr) netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := c.from[to]
	if src, known := c.sources[to]; known && slices.Contains(from, src.partner.paths[src.path].own) {
		return src.partner.paths[src.path].own
	}
	if len(from) > 0 {
		return from[0]
	}
	return netip.Addr{}
}

// writeTo hands one datagram to the system. If the host no longer has the source, the
// datagram goes out from another address: it should be heard all the same.
func (c *Channel) writeTo(conn *net.UDPConn, datagram []byte, to netip.AddrPort) error {
	from := c.writtenFrom(to.Addr())
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
