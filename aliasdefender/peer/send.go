package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// writeWithin bounds how long one datagram waits for room in the kernel.
const writeWithin = 50 * time.Millisecond

// sendAll sends what is to be sent, until ctx ends. No other function sends.
func (c *Channel) sendAll(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := c.round(time.Now())
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return
		case <-c.poke:
		case <-timer.C:
		}
	}
}

// round sends everything that is due, and says when the next repeat is.
func (c *Channel) round(now time.Time) (next time.Time) {
	c.mu.Lock()
	partners := c.partners // replaced as a whole, never changed
	c.mu.Unlock()
	for _, p := range partners {
		n := c.due(p, now)
		for _, datagram := range c.send {
			c.write(p, datagram)
		}
		if !n.IsZero() && (next.IsZero() || n.Before(next)) {
			next = n
		}
	}
	return next
}

// due seals into c.send what p has to get now, and says when its next repeat is.
func (c *Channel) due(p *partner, now time.Time) (next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send, c.out = c.send[:0], c.out[:0]
	s := p.session
	switch {
	case p.said != p.begun:
		p.begun, p.again = p.said, false
		p.encode()
		s.Begin(p.enc.parts())
		c.sealAll(p, false)
		p.repeatAt = now.Add(p.repeat)
	case p.again && p.begun > 0:
		p.again = false
		c.sealAll(p, false)
		p.repeatAt = now.Add(p.repeat)
	case p.urgent && !now.Before(p.repeatAt):
		p.left--
		c.sealAll(p, true)
		p.repeatAt = now.Add(p.repeat)
	}
	if s.owed != nil && p.answers.take(now) {
		c.keep(s.Answer(c.keys, c.out))
	}
	s.owed = nil
	if p.urgent && (s.missing == 0 || p.left == 0) {
		p.urgent = false
	}
	if p.urgent {
		return p.repeatAt
	}
	return time.Time{}
}

// encode puts the last Say into the form that the partner's present process
// understands.
func (p *partner) encode() {
	p.enc.first = !p.session.Second()
	p.enc.encode(&p.message, room)
}

// sealAll seals the parts of the last Say, or only those that the partner has not
// acknowledged. For a partner that is not proven it seals a hello instead.
func (c *Channel) sealAll(p *partner, missing bool) {
	s := p.session
	if !s.Proven() {
		c.keep(s.Seal(c.keys, c.out, nil, 0, false))
		return
	}
	if p.enc.first == s.Second() {
		// Another process of the partner's has come since this Say was encoded.
		p.encode()
		s.Recut(p.enc.parts())
	}
	for i := range p.enc.parts() {
		if !missing || !s.acked[i] {
			c.keep(s.Seal(c.keys, c.out, p.enc.content(i), i, p.urgent))
		}
	}
}

// keep puts what was appended to c.out into c.send. If c.out has moved, earlier datagrams
// stay where they were.
func (c *Channel) keep(out []byte) {
	c.send = append(c.send, out[len(c.out):])
	c.out = out
}

// write sends one datagram on every path of p.
func (c *Channel) write(p *partner, datagram []byte) {
	c.mu.Lock()
	paths := p.paths // replaced as a whole; only here and in note are fields set
	c.mu.Unlock()
	for i := range paths {
		c.note(paths[i].addr, c.writeOver(datagram, paths[i].addr), time.Now())
	}
}

// writeOver sends one datagram to one address.
func (c *Channel) writeOver(datagram []byte, addr netip.Addr) error {
	conn, err := c.opened(addr.Is6())
	if err != nil {
		return err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(writeWithin))
	to := netip.AddrPortFrom(addr, c.o.Port)
	err = c.writeTo(conn, datagram, to)
	// The first error that the kernel reports may be about an earlier datagram, on any
	// path.
	for tries := 0; err != nil && tries < 3 && !errors.Is(err, net.ErrClosed); tries++ {
		if !c.blame(conn) && tries > 0 {
			break
		}
		err = c.writeTo(conn, datagram, to)
	}
	return err
}

// note files what became of a datagram that was handed to the kernel.
func (c *Channel) note(addr netip.Addr, err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, known := c.sources[addr]
	if !known {
		return
	}
	p := &s.paths[s.path]
	if err == nil {
		// A refusal comes back only after the datagram has gone. So a refusal that came
		// after the last sending stays until something is heard.
		p.sent = now
		if p.local {
			p.err, p.local = nil, false
		}
		return
	}
	p.err, p.local = cause(err), true
}

// blame files the errors that have come back for earlier datagrams, and says whether
// there were any.
func (c *Channel) blame(conn *net.UDPConn) bool {
	reports := returned(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range reports {
		if s, known := c.sources[r.to]; known {
			s.paths[s.path].err, s.paths[s.path].local = r.err, false
		}
	}
	return len(reports) > 0
}

// report is what the network said about a datagram to an address.
type report struct {
	to  netip.Addr
	err error
}

// cause is the system's own word, without what the packages around it add.
func cause(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		err = e
	}
	return err
}

// PathStatus is one way to a partner.
type PathStatus struct {
	Addr  netip.Addr
	Heard time.Time // when anything from the partner last came over it; zero: never
	Sent  time.Time // when something was last handed to the kernel for it
	Err   error     // what the system or the network said of the last sending; nil: nothing
}

// PartnerStatus is one partner.
type PartnerStatus struct {
	Partner    netip.Addr
	Proven     bool          // its present process is known, and gets words
	Version    string        // as last heard
	Host       [HostLen]byte // as last heard: the number of its machine; zero: none
	Cloned     bool          // that number is our own
	FirstForm  bool          // it understands only the first form of words: see Heard
	Unreadable bool
	Paths      []PathStatus
	Counts     Counts // of the packets from its addresses
}

// Status is a Channel at one moment.
type Status struct {
	Partners []PartnerStatus
	Foreign  uint64 // packets that we read and that came from no partner
	// Refused counts the packets that the kernel dropped for us: packets from hosts that
	// are no partner, and packets for which it had no room. The count was taken at the
	// last packet that was heard; it is zero if the system does not tell.
	Refused uint32
}

// Status returns the state of the Channel. It does not wait.
func (c *Channel) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{Foreign: c.counts[Foreign], Refused: c.four.refused + c.six.refused}
	for _, p := range c.partners {
		one := PartnerStatus{Partner: p.addr, Proven: p.session.Proven(), Version: p.version, Unreadable: p.unreadable, Counts: p.counts,
			Host: p.host, Cloned: c.cloned(p.host), FirstForm: p.session.Proven() && !p.session.Second(),
			Paths: slices.Grow([]PathStatus(nil), len(p.paths))}
		for _, x := range p.paths {
			one.Paths = append(one.Paths, PathStatus{x.addr, x.heard, x.sent, x.err})
		}
		s.Partners = append(s.Partners, one)
	}
	return s
}
