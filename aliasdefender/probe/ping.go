// Package probe answers one question: does an address answer?
//
// It asks by ICMP, once, and has three answers: yes; no answer; and an error, which
// means that nothing is known. It refuses to know which address is asked and why,
// how many missed answers make a silence, and what follows from one.
//
// Ping uses go-ping, which is used nowhere else. Pinger, on Linux, uses sockets that
// all questions share. Both keep the same contract.
package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	//lint:ignore SA1019 Nobody maintains it any more; what it lacks is made up for below.
	"github.com/go-ping/ping"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// maxFailures is up to how many errors in a row of reading one answer are taken for news
// about the target; more mean that the socket does not work.
const maxFailures = 8

// Question is one echo request (RFC 792).
type Question struct {
	Target  netip.Addr    // IPv4
	Source  netip.Addr    // an address of this host; zero: the kernel's choice
	Timeout time.Duration // how long an answer counts, from the sending on

	// Send sends the echo request instead of the kernel, to a hardware address of the
	// caller's choice; nil: the kernel sends it. Source is then the caller's choice too.
	// Only a Pinger can do that. Send must not wait.
	Send func(icmp []byte) error
}

// Ping sends one echo request and returns true as soon as the target itself has answered
// it, and false if it has not by the timeout. Late answers, answers to other questions,
// and answers from other hosts do not count.
//
// An error means that the target could not be asked, or not until the end: no route, no
// permission, a source that is not ours, a context that ended before the timeout. Ping
// does not notice a link that is up but has no carrier: a caller that asks by a NIC must
// know about that, or an unplugged cable looks like silence.
//
// Ping opens its sockets on the caller's thread, needs CAP_NET_RAW, and leaves neither
// socket nor goroutine behind. The price is paid when nobody answers: go-ping's reader
// looks up in random pauses that grow with the time it has waited, so false comes up to
// Timeout late, and never more than about 100 ms.
func Ping(ctx context.Context, q Question) (bool, error) {
	answered, err := ask(ctx, q)
	if err != nil {
		return false, fmt.Errorf("ping %s: %w", q.Target, err)
	}
	return answered, nil
}

func ask(ctx context.Context, q Question) (bool, error) {
	if err := check(q); err != nil {
		return false, err
	}
	if q.Send != nil {
		return false, errors.New("needs the sockets that all pings share")
	}
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	e, err := openEcho(q)
	if err != nil {
		return false, err
	}
	p := ping.New("")
	p.SetIPAddr(&net.IPAddr{IP: q.Target.AsSlice()}) // an address: nothing to resolve
	p.SetPrivileged(true)
	p.SetLogger(ping.NoopLogger{})
	p.Source = e.conn.LocalAddr().String() // the address that the listener hears on
	p.Timeout = q.Timeout
	p.Interval = math.MaxInt64 // ask once
	p.RecordRtts = false

	// go-ping recognises its own question by a random number in it, but does not tell who
	// answered. The listener knows that. It is an answer when both say so, in either
	// order.
	var known, heard atomic.Bool
	is := func(mine, others *atomic.Bool) {
		if mine.Store(true); others.Load() {
			p.Stop()
		}
	}
	p.OnRecv = func(*ping.Packet) { is(&known, &heard) }

	start := time.Now()
	listened := make(chan error, 1)
	go func() {
		listened <- e.listen(q.Target, p.ID(), start.Add(q.Timeout), func() { is(&heard, &known) })
	}()
	cut, stop := watch(ctx, p, start.Add(q.Timeout))
	ran := p.Run()
	stop()
	closed := e.conn.Close()
	deaf := <-listened
	switch {
	case known.Load() && heard.Load():
		return true, nil
	case ran != nil:
		return false, ran
	case *cut:
		return false, context.Cause(ctx)
	}
	return false, errors.Join(deaf, closed)
}

func check(q Question) error {
	switch {
	case !q.Target.Is4():
		return errors.New("not an IPv4 address")
	case q.Source.IsValid() && !q.Source.Is4():
		return fmt.Errorf("from %s: not an IPv4 address", q.Source)
	case q.Timeout <= 0:
		return fmt.Errorf("timeout %v: no time to answer", q.Timeout)
	}
	return nil
}

// watch stops p when ctx ends. cut tells afterwards whether that was before the deadline;
// stop waits for everything that watch has started.
func watch(ctx context.Context, p *ping.Pinger, deadline time.Time) (cut *bool, stop func()) {
	cut = new(bool)
	done := make(chan struct{})
	unused := context.AfterFunc(ctx, func() {
		*cut = time.Now().Before(deadline)
		p.Stop()
		close(done)
	})
	return cut, func() {
		if !unused() {
			<-done
		}
	}
}

// listener hears what one host sends us by ICMP.
type listener struct {
	conn *net.IPConn
}

// openEcho connects a raw socket to the target: the kernel then chooses the source, knows
// at once whether there is a route, and keeps away what other hosts send.
func openEcho(q Question) (*listener, error) {
	var source *net.IPAddr
	if q.Source.IsValid() {
		source = &net.IPAddr{IP: q.Source.AsSlice()}
	}
	conn, err := net.DialIP("ip4:icmp", source, &net.IPAddr{IP: q.Target.AsSlice()})
	if err != nil {
		return nil, err
	}
	return &listener{conn}, nil
}

// listen calls heard for the first answer with this id, and returns after it, at the
// deadline, or when the socket is closed. An error means that the socket does not work.
func (e *listener) listen(target netip.Addr, id int, deadline time.Time, heard func()) error {
	if err := e.conn.SetReadDeadline(deadline); err != nil {
		return ignoreEnd(err)
	}
	buf := make([]byte, 1500)
	failures := 0
	for {
		n, from, err := e.conn.ReadFromIP(buf)
		switch {
		case err == nil:
			if sender, _ := netip.AddrFromSlice(from.IP); sender.Unmap() == target && isAnswer(buf[:n], id) {
				heard()
				return nil
			}
		case ignoreEnd(err) == nil:
			return nil
		default:
			// A connected socket is told what other hosts say of the target, such as a
			// firewall's "prohibited". That is no answer, and an answer may still come.
			if failures++; failures > maxFailures {
				return err
			}
		}
	}
}

func ignoreEnd(err error) error {
	var timeout net.Error
	if errors.Is(err, net.ErrClosed) || errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	return err
}

// isAnswer reports whether b is the answer to the only question that a pinger with this
// id has sent.
func isAnswer(b []byte, id int) bool {
	m, err := icmp.ParseMessage(ipv4.ICMPTypeEchoReply.Protocol(), b)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply {
		return false
	}
	echo, ok := m.Body.(*icmp.Echo)
	return ok && echo.ID == id && echo.Seq == 0
}
