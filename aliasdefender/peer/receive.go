package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// rest is how long the reader leaves the packets to the kernel after too many useless
// ones.
const rest = time.Millisecond

// receiveAll reads until the socket is closed.
func (c *Channel) receiveAll(ctx context.Context, conn *net.UDPConn) {
	buf := make([]byte, maxDatagram+1) // one more than the longest, to recognise what is too long
	oob := make([]byte, 128)
	for ctx.Err() == nil {
		n, oobn, _, from, err := conn.ReadMsgUDPAddrPort(buf, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if !c.blame(conn) {
				pause(ctx, rest) // short of memory, or something like it
			}
			continue
		}
		if c.tell(conn, buf[:n], oob[:oobn], from) {
			pause(ctx, rest)
		}
	}
}

// tell takes in one packet and tells what it brought, and whether there were too many
// useless ones.
func (c *Channel) tell(conn *net.UDPConn, datagram, oob []byte, from netip.AddrPort) (flooded bool) {
	c.hearing.Lock()
	defer c.hearing.Unlock()
	addr := from.Addr().Unmap()
	beside := readBeside(oob)
	if addr.Zone() != "" {
		addr = zoned(conn, addr, beside.nic)
	}
	heard, event := c.take(datagram, netip.AddrPortFrom(addr, from.Port()), time.Now())
	c.mu.Lock()
	if beside.told {
		c.socket(addr.Is6()).refused = beside.refused
	}
	if src, known := c.sources[addr]; known && event.live && beside.own.IsValid() {
		src.partner.paths[src.path].own = beside.own
	}
	c.mu.Unlock()
	if event.readable != nil && c.o.Readable != nil {
		c.o.Readable(event.partner, *event.readable)
	}
	if heard != nil && c.o.Heard != nil {
		c.o.Heard(*heard)
	}
	return event.flooded
}

// beside is what the kernel tells beside a packet.
type beside struct {
	told    bool
	refused uint32     // if told: how many packets it has dropped
	nic     uint32     // the index of the NIC that the packet came in by, of IPv6 only
	own     netip.Addr // the address that it went to, of IPv6 only
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// event is what a packet brought besides words.
type event struct {
	partner  netip.Addr
	readable *bool // the new state, if it has changed
	flooded  bool
	live     bool // the partner's present process sent it
}

// take judges one packet, the cheapest question first, and counts it.
func (c *Channel) take(datagram []byte, from netip.AddrPort, now time.Time) (h *Heard, e event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	src, known := c.sources[from.Addr()]
	if !known || from.Port() != c.o.Port {
		c.counts[Foreign]++
		e.flooded = !c.useless.take(now)
		return nil, e
	}
	kind := Outer(datagram)
	if kind == Taken && !src.session.Names(datagram) && !c.doubtful.take(now) {
		kind = Unchecked
	}
	if kind == Taken {
		h, e, kind = c.open(src, datagram, now)
	}
	src.counts[kind]++
	if kind != Taken && kind != Duplicate && kind != Late {
		e.flooded = !c.useless.take(now)
	}
	return h, e
}

// open opens a packet that may be the partner's.
func (c *Channel) open(src source, datagram []byte, now time.Time) (*Heard, event, Kind) {
	p := src.partner
	p.now = now
	o, kind := p.session.Open(c.keys, datagram, src.path)
	e := event{partner: p.addr, readable: p.read(o.Authentic, now)}
	if !o.Authentic {
		return nil, e, kind
	}
	if e.live = o.Live; o.Live {
		at := &p.paths[src.path]
		at.heard = now
		at.err, at.local = nil, false
	}
	if o.NewBoot && now.Sub(p.saidAt) < freshSay {
		p.again = true
	}
	if o.NewBoot || o.Answer {
		c.wake()
	}
	if o.NewBoot {
		p.newBoot = true
	}
	if o.Content == nil {
		return nil, e, kind
	}
	words, err := decode(o.Content, p.version)
	if err != nil {
		return nil, e, Malformed
	}
	p.version, p.host = words.Version, words.host
	h := &Heard{Partner: p.addr, At: now, Path: p.paths[src.path].addr, NewBoot: p.newBoot, Message: words.Message,
		Part: words.part, Parts: words.parts, Say: o.Say,
		Host: p.host, Cloned: c.cloned(p.host), FirstForm: !p.session.Second()}
	p.newBoot = false
	return h, e, kind
}

// cloned tells whether a partner's machine has our own number.
func (c *Channel) cloned(host [HostLen]byte) bool {
	return host == c.o.Host && host != [HostLen]byte{}
}

// read notes whether a packet could be read, and returns the new state if that has
// changed; otherwise nil.
func (p *partner) read(authentic bool, now time.Time) *bool {
	if authentic {
		p.unread = 0
		if p.unreadable {
			p.unreadable = false
			return new(true)
		}
		return nil
	}
	if p.unread == 0 {
		p.unreadSince = now
	}
	p.unread++
	if !p.unreadable && p.unread >= unreadableCount && now.Sub(p.unreadSince) >= unreadableAfter {
		p.unreadable = true
		return new(false)
	}
	return nil
}
