package peer

import (
	"errors"
	"maps"
	"net/netip"
	"syscall"
)

// SetSources says from which of this host's addresses partners are written to, by the
// partner's address; for all other partners the system chooses. It is for a host on which
// an alias stands before the host's own address: the system would choose the alias, and a
// partner reads nothing that comes from an alias. If the Channel listens on one address
// only, that address is used for all.
func (c *Channel) SetSources(of map[netip.Addr]netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = maps.Clone(of)
}

// writeTo hands one datagram to the system. If the host no longer has the source, the
// datagram goes out from another address: it should be heard all the same.
func (c *Channel) writeTo(datagram []byte, to netip.AddrPort) error {
	c.mu.Lock()
	from := c.from[to.Addr()]
	c.mu.Unlock()
	if from.IsValid() && !c.o.Listen.IsValid() {
		if oob := sentFrom(from); oob != nil {
			_, _, err := c.conn.WriteMsgUDPAddrPort(datagram, oob, to)
			if !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENETUNREACH) {
				return err
			}
		}
	}
	_, err := c.conn.WriteToUDPAddrPort(datagram, to)
	return err
}
