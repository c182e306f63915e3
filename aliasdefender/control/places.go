package control

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// limit lets at most n connections of ln be open at a time: descriptors that hanging
// clients hold are missing for the questions on which the aliases depend. When all places
// are taken, the client that has said nothing for the longest time makes room for the
// next one; a command of ours asks at once. If all have asked, the next client waits at
// the door, and those after it wait in the kernel.
func limit(ln net.Listener, n int) net.Listener {
	l := &limited{Listener: ln, places: make(chan struct{}, n), closed: make(chan struct{})}
	l.close = sync.OnceValue(func() error {
		close(l.closed)
		return ln.Close()
	})
	return l
}

type limited struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  func() error // it may be called more than once

	mu   sync.Mutex
	open []*placed // oldest first
}

func (l *limited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case l.places <- struct{}{}:
	default:
		l.makeRoom()
		select {
		case l.places <- struct{}{}:
		case <-l.closed:
			c.Close()
			return nil, net.ErrClosed
		}
	}
	p := &placed{Conn: c}
	p.close = sync.OnceValue(func() error {
		l.mu.Lock()
		l.open = slices.DeleteFunc(l.open, func(o *placed) bool { return o == p })
		l.mu.Unlock()
		err := c.Close()
		<-l.places
		return err
	})
	l.mu.Lock()
	l.open = append(l.open, p)
	l.mu.Unlock()
	return p, nil
}

// makeRoom closes the connection that has said nothing for the longest time, if there is
// one.
func (l *limited) makeRoom() {
	l.mu.Lock()
	i := slices.IndexFunc(l.open, func(p *placed) bool { return !p.spoke.Load() })
	var idle *placed
	if i >= 0 {
		idle = l.open[i]
	}
	l.mu.Unlock()
	if idle != nil {
		idle.Close()
	}
}

// Close also ends the wait for a place.
func (l *limited) Close() error { return l.close() }

// placed is a connection that gives its place back when it is closed.
type placed struct {
	net.Conn
	spoke atomic.Bool // something has come from it
	close func() error
}

func (p *placed) Read(b []byte) (n int, err error) {
	if n, err = p.Conn.Read(b); n > 0 {
		p.spoke.Store(true)
	}
	return n, err
}

func (p *placed) Close() error { return p.close() }
