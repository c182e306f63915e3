package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// socket is one family's, under the Channel's mu.
type socket struct {
	conn    *net.UDPConn // nil: not open
	err     error        // why not
	tried   time.Time    // when it was last tried in vain
	refused uint32       // packets that the kernel dropped
}

// openAgain is how long a family's socket that could not be opened is left alone.
const openAgain = time.Second

// socket is that of a family.
func (c *Channel) socket(six bool) *socket {
	if six {
		return &c.six
	}
	return &c.four
}

// listensOn is the own address of a family; the zero Addr: any. ok tells whether the
// family is spoken at all.
func (c *Channel) listensOn(six bool) (at netip.Addr, ok bool) {
	if len(c.o.Listen) == 0 {
		return netip.Addr{}, true
	}
	if i := slices.IndexFunc(c.o.Listen, func(a netip.Addr) bool { return a.Is6() == six }); i >= 0 {
		return c.o.Listen[i], true
	}
	return netip.Addr{}, false
}

// Listen opens the sockets that are not open yet. Packets that come before Run wait in
// them. Listen opens the IPv6 socket once a partner has an IPv6 address, or if the
// Options name an IPv6 address to listen on. If IPv4 is open and IPv6 cannot be opened,
// as on a system without it, that is not an error: the status of the paths says so, and
// the Channel tries again.
func (c *Channel) Listen() error {
	_, four := c.listensOn(false)
	_, six := c.listensOn(true)
	if four {
		if _, err := c.opened(false); err != nil {
			return err
		}
	}
	c.mu.Lock()
	if six = six && len(c.o.Listen) > 0; !six {
		for a := range c.sources {
			six = six || a.Is6()
		}
	}
	c.mu.Unlock()
	if six {
		if _, err := c.opened(true); err != nil && !four {
			return err
		}
	}
	return nil
}

// opened is the socket of a family, which it opens if it is not open. Of two calls at a
// time one opens it, for both: a second socket would find the port taken.
func (c *Channel) opened(six bool) (*net.UDPConn, error) {
	c.opening.Lock()
	defer c.opening.Unlock()
	s := c.socket(six)
	c.mu.Lock()
	conn, err, rests := s.conn, s.err, time.Since(s.tried) < openAgain
	c.mu.Unlock()
	if conn != nil || err != nil && rests {
		return conn, err
	}
	if conn, err = c.bind(six); err == nil {
		err = c.use(conn, six)
	}
	if err != nil {
		conn, err = nil, fmt.Errorf("peer channel: %w", err)
		c.mu.Lock()
		s.err, s.tried = err, time.Now()
		c.mu.Unlock()
	}
	return conn, err
}

// use makes a socket that was just opened the family's. Only then is its filter made:
// the partners may have changed while it was being opened, and whoever changes them from
// now on finds it. One that cannot have its filter is taken away before it is closed, so
// that nobody finds it closed.
func (c *Channel) use(conn *net.UDPConn, six bool) error {
	s := c.socket(six)
	c.mu.Lock()
	s.conn, s.err = conn, nil
	begin := c.begin
	c.mu.Unlock()
	if err := c.admit(conn, six); err != nil {
		c.mu.Lock()
		s.conn = nil
		c.mu.Unlock()
		return errors.Join(err, conn.Close())
	}
	if begin != nil {
		begin(conn)
	}
	return nil
}

func (c *Channel) bind(six bool) (*net.UDPConn, error) {
	network, at := "udp4", netip.IPv4Unspecified()
	if six {
		network, at = "udp6", netip.IPv6Unspecified() // IPv6 only: package net sees to that
	}
	own, _ := c.listensOn(six)
	if own.IsValid() {
		at = own
	}
	config := net.ListenConfig{Control: prepare(six, own.IsValid())}
	l, err := config.ListenPacket(context.Background(), network, netip.AddrPortFrom(at, c.o.Port).String())
	if err != nil {
		return nil, err
	}
	return l.(*net.UDPConn), nil
}

// Run talks until ctx ends, and then closes the sockets. It opens the sockets first if
// Listen was not called. If that fails, it returns the error; it returns no other error.
func (c *Channel) Run(ctx context.Context) error {
	if err := c.Listen(); err != nil {
		return err
	}
	var readers, sender sync.WaitGroup
	begin := func(conn *net.UDPConn) { readers.Go(func() { c.receiveAll(ctx, conn) }) }
	c.mu.Lock()
	c.begin = begin
	open := []*net.UDPConn{c.four.conn, c.six.conn}
	c.mu.Unlock()
	for _, conn := range open {
		if conn != nil {
			begin(conn)
		}
	}
	sender.Go(func() { c.sendAll(ctx) })
	<-ctx.Done()
	c.closeAll()
	sender.Wait() // it may have opened one meanwhile
	c.closeAll()
	readers.Wait()
	return nil
}

func (c *Channel) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range []*socket{&c.four, &c.six} {
		if s.conn != nil {
			s.conn.Close()
		}
	}
}
