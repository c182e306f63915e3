package probe

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"alias-defender/aliasdefender/host/nstest"
)

// plan is the addresses of a segment.
type plan struct {
	name                string
	loopback            netip.Addr
	here, there, other  netip.Addr // other: there's second address
	dead, gone, nowhere netip.Addr // two neighbours that are not there, and an address without a route
	stranger            netip.Addr // of the other family
}

var plans = []plan{
	{
		name: "IPv4", loopback: loopback, here: here, there: there, other: other,
		dead: netip.MustParseAddr("10.0.0.99"), gone: netip.MustParseAddr("10.0.0.98"), nowhere: netip.MustParseAddr("192.0.2.1"),
		stranger: netip.MustParseAddr("::1"),
	},
	{
		name: "IPv6", loopback: loopback6, here: here6, there: netip.MustParseAddr("2001:db8::2"), other: netip.MustParseAddr("2001:db8::3"),
		dead: netip.MustParseAddr("2001:db8::99"), gone: netip.MustParseAddr("2001:db8::98"), nowhere: netip.MustParseAddr("2001:db8:1::1"),
		stranger: loopback,
	},
	{
		name: "IPv6, link-local", loopback: netip.MustParseAddr("fe80::1%eth0"), here: netip.MustParseAddr("fe80::1%eth0"),
		there: netip.MustParseAddr("fe80::2%eth0"), other: netip.MustParseAddr("fe80::3%eth0"),
		dead: netip.MustParseAddr("fe80::99%eth0"), gone: netip.MustParseAddr("fe80::98%eth0"), nowhere: netip.MustParseAddr("fe80::2%eth7"),
		stranger: loopback,
	},
}

func (p *plan) six() bool { return p.here.Is6() }

// prefix is an address with the length of the segment's prefix.
func (p *plan) prefix(a netip.Addr) string {
	if p.six() {
		return a.WithZone("").String() + "/64"
	}
	return a.String() + "/24"
}

// raw is how package net calls the family's raw ICMP sockets.
func (p *plan) raw() string {
	if p.six() {
		return "ip6:ipv6-icmp"
	}
	return "ip4:icmp"
}

// sysctls is where the family's are, below /proc/sys/net.
func (p *plan) sysctls() string {
	if p.six() {
		return "ipv6"
	}
	return "ipv4"
}

// question and answer are the family's types of echo.
func (p *plan) question() icmp.Type {
	if p.six() {
		return ipv6.ICMPTypeEchoRequest
	}
	return ipv4.ICMPTypeEcho
}

func (p *plan) answer() icmp.Type {
	if p.six() {
		return ipv6.ICMPTypeEchoReply
	}
	return ipv4.ICMPTypeEchoReply
}

// errors are what other hosts say of a question that they did not pass on, with the
// head of what they did not pass on.
func (p *plan) errors(e echo) []icmp.Message {
	if p.six() {
		head := make([]byte, ipv6.HeaderLen, ipv6.HeaderLen+8)
		head[0], head[5], head[6], head[7] = 0x60, echoSize, 58, 64
		here, there := p.here.As16(), p.there.As16()
		copy(head[8:], here[:])
		copy(head[24:], there[:])
		head = append(head, 128, 0, 0, 0, byte(e.id>>8), byte(e.id), 0, 0)
		const prohibited = 1 // RFC 4443, 3.1
		return []icmp.Message{
			{Type: ipv6.ICMPTypeDestinationUnreachable, Code: prohibited, Body: &icmp.DstUnreach{Data: head}},
			{Type: ipv6.ICMPTypeTimeExceeded, Body: &icmp.TimeExceeded{Data: head}},
			{Type: ipv6.ICMPTypePacketTooBig, Body: &icmp.PacketTooBig{MTU: 1280, Data: head}},
		}
	}
	asked := ipv4.Header{Version: 4, Len: 20, TotalLen: 52, TTL: 64, Protocol: 1, Src: p.here.AsSlice(), Dst: p.there.AsSlice()}
	head, _ := asked.Marshal()
	head = append(head, 8, 0, 0, 0, byte(e.id>>8), byte(e.id), 0, 0)
	const prohibited = 10 // host administratively prohibited, RFC 1122, 3.2.2.1
	return []icmp.Message{
		{Type: ipv4.ICMPTypeDestinationUnreachable, Code: prohibited, Body: &icmp.DstUnreach{Data: head}},
		{Type: ipv4.ICMPTypeTimeExceeded, Body: &icmp.TimeExceeded{Data: head}},
	}
}

// echo is a question that has come, or an answer that is to go.
type echo struct {
	from    netip.Addr // of an answer
	typ     icmp.Type
	id, seq int
	data    string
	refused bool // errors go instead of the answer
}

// reply has the other host answer as a test wants: handle gets each question,
// with from, type and data as the right answer has them, and sends what it likes.
func (s *segment) reply(t *testing.T, handle func(q echo, send func(echo))) {
	t.Helper()
	ignore := "ipv4/icmp_echo_ignore_all"
	if s.six() {
		ignore = "ipv6/icmp/echo_ignore_all"
	}
	sysctl(t, s.b, ignore, "1")
	socks := map[netip.Addr]*net.IPConn{}
	s.b.Do(func() {
		for _, ip := range []netip.Addr{s.there, s.other} {
			q, err := numbered(Question{Target: ip})
			if err != nil {
				t.Fatal(err)
			}
			c, err := net.ListenIP(s.raw(), ipAddr(q.Target))
			if err != nil {
				t.Fatal(err)
			}
			socks[ip] = c
		}
	})
	send := func(e echo) {
		all := []icmp.Message{{Type: e.typ, Body: &icmp.Echo{ID: e.id, Seq: e.seq, Data: []byte(e.data)}}}
		if e.refused {
			all = s.errors(e)
		}
		for _, m := range all {
			b, err := m.Marshal(nil)
			if err == nil {
				_, err = socks[e.from].WriteToIP(b, ipAddr(s.here.WithZone(""))) // a link-local socket is bound to its NIC
			}
			if err != nil && !errors.Is(err, net.ErrClosed) { // the test has what it wanted
				t.Error(err)
			}
		}
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, _, err := socks[s.there].ReadFromIP(buf)
			if err != nil {
				return
			}
			m, err := icmp.ParseMessage(s.question().Protocol(), buf[:n])
			if err != nil || m.Type != s.question() {
				continue
			}
			body := m.Body.(*icmp.Echo)
			handle(echo{from: s.there, typ: s.answer(), id: body.ID, seq: body.Seq, data: string(body.Data)}, send)
		}
	})
	t.Cleanup(func() {
		for _, c := range socks {
			_ = c.Close()
		}
		done.Wait()
	})
}

func sysctl(t *testing.T, s *nstest.Space, name, value string) {
	t.Helper()
	s.Do(func() {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	})
}
