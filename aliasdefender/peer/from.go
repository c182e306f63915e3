package peer

import (
	"errors"
	"maps"
	"net/netip"
	"syscall"
)

// SetSources says from which of this host's addresses some addresses of partners are
// written to; of all others the system knows best. It is for a host on which an alias
// stands before the host's own address: the system would choose the alias, and a
// partner reads nothing that comes from there. What the Channel listens on, if one
// address was set, counts for all.
func (c *Channel) SetSources(of map[netip.Addr]netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = maps.Clone(of)
}

// writeTo hands one datagram to the system. A source that the host does not have any
// more is no reason not to be heard.
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
