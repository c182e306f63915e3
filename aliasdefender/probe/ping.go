// Package probe answers one question: does an address answer?
//
// It asks by ICMP or ICMPv6, once, and has three answers: yes; no answer; and an error,
// which means that nothing is known. It refuses to know which address is asked and why,
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
	"strconv"
	"sync/atomic"
	"time"

	//lint:ignore SA1019 Nobody maintains it any more; what it lacks is made up for below.
	"github.com/go-ping/ping"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// maxFailures is up to how many errors in a row of reading one answer are taken for news
// about the target; more mean that the socket does not work.
const maxFailures = 8

// Question is one echo request (RFC 792; RFC 4443, 4.1).
type Question struct {
	// Target is of either family, and a link-local one of IPv6 has its NIC as zone: it is
	// asked on that NIC, and answers on others do not count.
	Target netip.Addr

	// Source is an address of this host, of the target's family; zero: the kernel's
	// choice. A link-local one needs no zone where the target has one. A deprecated
	// address is as good as any; from a tentative one the kernel does not send.
	Source  netip.Addr
	Timeout time.Duration // how long an answer counts, from the sending on

	// Send sends the echo request instead of the kernel, to a hardware address of the
	// caller's choice; nil: the kernel sends it. Source is then the caller's choice too,
	// and the checksum of ICMPv6 its work.
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
	q, err := numbered(q)
	if err != nil {
		return false, err
	}
	e, err := openEcho(q)
	if err != nil {
		return false, err
	}
	p := ping.New("")
	p.SetIPAddr(ipAddr(q.Target)) // an address: nothing to resolve
	p.SetPrivileged(true)
	p.SetLogger(ping.NoopLogger{})
	p.Source = e.source(q.Target) // the address that the listener hears on
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
	target, source := q.Target, q.Source
	switch {
	case !target.IsValid() || target.Is4In6():
		return errors.New("neither an IPv4 nor an IPv6 address")
	case target.Is6() && target.IsLinkLocalUnicast() != (target.Zone() != ""):
		return errors.New("a link-local address needs its NIC as zone, and no other has one")
	case source.IsValid() && (source.BitLen() != target.BitLen() || source.Is4In6()):
		return fmt.Errorf("from %s: not of the target's family", source)
	case source.Zone() != "" && target.Zone() != "" && source.Zone() != target.Zone():
		return fmt.Errorf("from %s: on another NIC than the target", source)
	case q.Timeout <= 0:
		return fmt.Errorf("timeout %v: no time to answer", q.Timeout)
	}
	return nil
}

// ipAddr is the address as package net has it.
func ipAddr(a netip.Addr) *net.IPAddr { return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()} }

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

// numbered is the question with the number of its NIC as the zone of both addresses.
// Package net keeps the names of NICs for a minute: a NIC that was made anew under its
// name would be taken for the former one.
func numbered(q Question) (Question, error) {
	zone := q.Target.Zone()
	if zone == "" {
		zone = q.Source.Zone()
	}
	if zone == "" {
		return q, nil
	}
	nic, err := net.InterfaceByName(zone)
	if err != nil {
		return q, fmt.Errorf("%s: %w", zone, err)
	}
	for _, a := range []*netip.Addr{&q.Target, &q.Source} {
		if a.Is6() && a.IsLinkLocalUnicast() {
			*a = a.WithZone(strconv.Itoa(nic.Index))
		}
	}
	return q, nil
}

// openEcho connects a raw socket to the target: the kernel then chooses the source, knows
// at once whether there is a route, and keeps away what other hosts send, and other NICs'
// hosts if the target is link-local.
func openEcho(q Question) (*listener, error) {
	network := "ip4:icmp"
	if q.Target.Is6() {
		network = "ip6:ipv6-icmp"
	}
	var source *net.IPAddr
	if q.Source.IsValid() {
		source = ipAddr(q.Source)
	}
	conn, err := net.DialIP(network, source, ipAddr(q.Target))
	if err != nil {
		return nil, err
	}
	return &listener{conn}, nil
}

// source is the address that the socket is bound to, with the zone that it has beside the
// target.
func (e *listener) source(target netip.Addr) string {
	own := *e.conn.LocalAddr().(*net.IPAddr)
	if own.Zone != "" && target.Zone() != "" {
		own.Zone = target.Zone()
	}
	return own.String()
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
			sender, _ := netip.AddrFromSlice(from.IP)
			if sender.Unmap() == target.WithZone("") && isAnswer(buf[:n], target.Is6(), id) {
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
// id has sent, by ICMP or ICMPv6.
func isAnswer(b []byte, six bool, id int) bool {
	var reply icmp.Type = ipv4.ICMPTypeEchoReply
	if six {
		reply = ipv6.ICMPTypeEchoReply
	}
	m, err := icmp.ParseMessage(reply.Protocol(), b)
	if err != nil || m.Type != reply {
		return false
	}
	echo, ok := m.Body.(*icmp.Echo)
	return ok && echo.ID == id && echo.Seq == 0
}
