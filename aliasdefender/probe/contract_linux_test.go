package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"alias-defender/aliasdefender/host/nstest"
)

// pinger is what is tested: Ping, and whatever comes beside it.
type pinger func(context.Context, Question) (bool, error)

var (
	here  = netip.MustParseAddr("10.0.0.1")
	there = netip.MustParseAddr("10.0.0.2")
	other = netip.MustParseAddr("10.0.0.3") // the same host's second address

	loopback = netip.MustParseAddr("127.0.0.1")
)

const (
	soon = 150 * time.Millisecond // for a question that is asked in vain
	ages = 2 * nstest.Patience    // for one that must end before it
)

// segment is this host, and one whose kernel leaves echo requests to the test.
type segment struct {
	ping pinger
	a, b *nstest.Space
}

// contract tests a pinger. Each row has its own network, and a pinger opened in it.
func contract(t *testing.T, open func(testing.TB) pinger) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *segment)
	}{
		{"loopback answers", loopbackAnswers},
		{"a host on the segment answers", segmentAnswers},
		{"a short timeout is long enough", shortTimeout},
		{"a dead neighbour is silent", deadNeighbour},
		{"what cannot be asked is an error", unknown},
		{"a context that ends is an error", contextEnds},
		{"another sender's answer is none", wrongSender},
		{"an answer to another id or sequence number is none", wrongNumbers},
		{"an answer to another question is none", wrongPayload},
		{"a late answer is none, for this question and the next", lateAnswer},
		{"the target's own question is no answer", echoRequest},
		{"somebody's \"prohibited\" is no answer, and no end", prohibited},
		{"twice the same answer is one", duplicate},
		{"many at once do not mix", manyAtOnce},
		{"nothing is left behind", nothingLeft},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &segment{a: nstest.New(t), b: nstest.New(t)}
			nstest.Cable(t, s.a, "eth0", s.b, "eth0")
			s.a.Address(t, "eth0", here.String()+"/24")
			s.b.Address(t, "eth0", there.String()+"/24")
			s.b.Address(t, "eth0", other.String()+"/24")
			s.a.Do(func() { s.ping = open(t) })
			c.test(t, s)
		})
	}
}

// ask pings on the first host.
func (s *segment) ask(ctx context.Context, q Question) (answered bool, err error) {
	s.a.Do(func() { answered, err = s.ping(ctx, q) })
	return answered, err
}

func (s *segment) expect(t *testing.T, q Question, want bool) {
	t.Helper()
	start := time.Now()
	got, err := s.ask(t.Context(), q)
	took := time.Since(start)
	switch {
	case err != nil:
		t.Errorf("%s: %v", q.Target, err)
	case got != want:
		t.Errorf("%s: answered: %v", q.Target, got)
	case !want && took < q.Timeout:
		t.Errorf("%s: silent after %v of %v", q.Target, took, q.Timeout)
	case took > nstest.Patience:
		t.Errorf("%s: took %v", q.Target, took)
	}
}

func (s *segment) fails(t *testing.T, what string, ctx context.Context, q Question) {
	t.Helper()
	start := time.Now()
	answered, err := s.ask(ctx, q)
	if answered || err == nil {
		t.Errorf("%s: %v, no error", what, answered)
	} else if !strings.Contains(err.Error(), q.Target.String()) {
		t.Errorf("%s: %q does not name the target", what, err)
	}
	if took := time.Since(start); took > nstest.Patience {
		t.Errorf("%s: took %v", what, took)
	}
}

// echo is a question that has come, or an answer that is to go.
type echo struct {
	from    netip.Addr // of an answer
	typ     icmp.Type
	id, seq int
	data    string
}

// reply has the other host answer as a test wants: handle gets each question,
// with from, type and data as the right answer has them, and sends what it likes.
func (s *segment) reply(t *testing.T, handle func(q echo, send func(echo))) {
	t.Helper()
	sysctl(t, s.b, "icmp_echo_ignore_all", "1")
	socks := map[netip.Addr]*net.IPConn{}
	s.b.Do(func() {
		for _, ip := range []netip.Addr{there, other} {
			c, err := net.ListenIP("ip4:icmp", &net.IPAddr{IP: ip.AsSlice()})
			if err != nil {
				t.Fatal(err)
			}
			socks[ip] = c
		}
	})
	send := func(e echo) {
		m := icmp.Message{Type: e.typ, Body: &icmp.Echo{ID: e.id, Seq: e.seq, Data: []byte(e.data)}}
		if e.typ == ipv4.ICMPTypeDestinationUnreachable {
			asked := ipv4.Header{Version: 4, Len: 20, TotalLen: 52, TTL: 64, Protocol: 1, Src: here.AsSlice(), Dst: there.AsSlice()}
			head, err := asked.Marshal()
			if err != nil {
				t.Error(err)
			}
			const prohibited = 10 // host administratively prohibited, RFC 1122, 3.2.2.1
			m.Code, m.Body = prohibited, &icmp.DstUnreach{Data: append(head, 8, 0, 0, 0, byte(e.id>>8), byte(e.id), 0, 0)}
		}
		b, err := m.Marshal(nil)
		if err == nil {
			_, err = socks[e.from].WriteToIP(b, &net.IPAddr{IP: here.AsSlice()})
		}
		if err != nil && !errors.Is(err, net.ErrClosed) { // the test has what it wanted
			t.Error(err)
		}
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, _, err := socks[there].ReadFromIP(buf)
			if err != nil {
				return
			}
			m, err := icmp.ParseMessage(1, buf[:n])
			if err != nil || m.Type != ipv4.ICMPTypeEcho {
				continue
			}
			body := m.Body.(*icmp.Echo)
			handle(echo{there, ipv4.ICMPTypeEchoReply, body.ID, body.Seq, string(body.Data)}, send)
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
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	})
}

func loopbackAnswers(t *testing.T, s *segment) {
	s.expect(t, Question{Target: loopback, Timeout: ages}, true)
}

func segmentAnswers(t *testing.T, s *segment) {
	s.expect(t, Question{Target: there, Timeout: ages}, true)
	s.expect(t, Question{Target: there, Source: here, Timeout: ages}, true)
}

// shortTimeout: a machine that is busy may miss a few of 5 ms.
func shortTimeout(t *testing.T, s *segment) {
	for range 200 {
		answered, err := s.ask(t.Context(), Question{Target: there, Timeout: 5 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if answered {
			s.reply(t, func(echo, func(echo)) {})
			s.expect(t, Question{Target: there, Timeout: 5 * time.Millisecond}, false)
			return
		}
	}
	t.Error("never answered")
}

// deadNeighbour: also after the kernel has given up its ARP.
func deadNeighbour(t *testing.T, s *segment) {
	s.expect(t, Question{Target: netip.MustParseAddr("10.0.0.99"), Timeout: soon}, false)
	sysctl(t, s.a, "neigh/eth0/retrans_time_ms", "10")
	s.expect(t, Question{Target: netip.MustParseAddr("10.0.0.98"), Timeout: 4 * soon}, false)
}

func unknown(t *testing.T, s *segment) {
	ctx := t.Context()
	s.fails(t, "no route", ctx, Question{Target: netip.MustParseAddr("192.0.2.1"), Timeout: ages})
	s.fails(t, "a source that is not ours", ctx, Question{Target: there, Source: other, Timeout: ages})
	s.fails(t, "no time", ctx, Question{Target: there})
	s.fails(t, "less than no time", ctx, Question{Target: there, Timeout: -1})
	s.fails(t, "IPv6", ctx, Question{Target: netip.MustParseAddr("::1"), Timeout: ages})
	s.fails(t, "from IPv6", ctx, Question{Target: there, Source: netip.MustParseAddr("::1"), Timeout: ages})
	forbid(t, s.a)
	s.fails(t, "own firewall", ctx, Question{Target: there, Timeout: ages})
	s.a.Down(t, "eth0")
	s.fails(t, "link down", ctx, Question{Target: there, Timeout: ages})
}

// forbid has the host's own firewall refuse to send ICMP.
func forbid(t *testing.T, s *nstest.Space) {
	t.Helper()
	s.Do(func() {
		c, err := nftables.New()
		if err != nil {
			t.Fatal(err)
		}
		drop := nftables.ChainPolicyDrop
		table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "test"})
		c.AddChain(&nftables.Chain{Name: "out", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter, Policy: &drop})
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	})
}

func contextEnds(t *testing.T, s *segment) {
	ctx, cancel := context.WithCancel(t.Context())
	s.reply(t, func(echo, func(echo)) { cancel() })
	s.fails(t, "cancelled meanwhile", ctx, Question{Target: there, Timeout: ages})
	s.fails(t, "cancelled before", ctx, Question{Target: there, Timeout: ages})
	short, end := context.WithTimeout(t.Context(), soon)
	defer end()
	s.fails(t, "a deadline before the timeout", short, Question{Target: there, Timeout: ages})
}

func wrongSender(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		q.from = other
		send(q)
	})
	s.expect(t, Question{Target: there, Timeout: soon}, false)

	s.reply(t, func(q echo, send func(echo)) {
		right := q
		q.from = other
		send(q)
		send(right)
	})
	s.expect(t, Question{Target: there, Timeout: ages}, true)
}

func wrongNumbers(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		id := q.id
		q.id ^= 1
		send(q)
		q.id, q.seq = id, q.seq+1
		send(q)
	})
	s.expect(t, Question{Target: there, Timeout: soon}, false)
}

// wrongPayload: two pingers, or two programs, with the same number.
func wrongPayload(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		q.data = strings.Repeat("x", len(q.data))
		send(q)
		q.data = ""
		send(q)
	})
	s.expect(t, Question{Target: there, Timeout: soon}, false)
}

func lateAnswer(t *testing.T, s *segment) {
	var earlier []echo
	s.reply(t, func(q echo, send func(echo)) {
		for _, e := range earlier {
			send(e)
		}
		earlier = append(earlier, q)
	})
	for range 3 {
		s.expect(t, Question{Target: there, Timeout: soon}, false)
	}
}

func echoRequest(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		answer := q
		q.typ = ipv4.ICMPTypeEcho
		send(q)
		answer.from = other // right but for the sender
		send(answer)
	})
	s.expect(t, Question{Target: there, Timeout: soon}, false)
}

// prohibited: a firewall that rejects, rather than drops, and then lets through.
func prohibited(t *testing.T, s *segment) {
	reject := func(q echo, send func(echo)) {
		for range 3 {
			q.typ = ipv4.ICMPTypeDestinationUnreachable
			send(q)
		}
	}
	s.reply(t, reject)
	s.expect(t, Question{Target: there, Timeout: soon}, false)
	s.reply(t, func(q echo, send func(echo)) {
		reject(q, send)
		send(q)
	})
	s.expect(t, Question{Target: there, Timeout: ages}, true)
}

func duplicate(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		for range 10 {
			send(q)
		}
	})
	s.expect(t, Question{Target: there, Timeout: ages}, true)
}

// manyAtOnce: every raw socket hears every answer.
func manyAtOnce(t *testing.T, s *segment) {
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			q, want := Question{Target: there, Timeout: ages}, true
			if i%2 == 1 {
				q, want = Question{Target: netip.MustParseAddr("10.0.0.99"), Timeout: 2 * soon}, false
			}
			s.expect(t, q, want)
		})
	}
	all.Wait()
}

func nothingLeft(t *testing.T, s *segment) {
	s.expect(t, Question{Target: there, Timeout: ages}, true) // opens what Go opens once
	before := files(t)
	ended, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for i, q := range []Question{
		{Target: there, Timeout: ages},
		{Target: netip.MustParseAddr("10.0.0.99"), Timeout: soon},
		{Target: netip.MustParseAddr("10.0.0.99"), Timeout: 5 * time.Millisecond},
		{Target: netip.MustParseAddr("192.0.2.1"), Timeout: soon},
		{Target: there, Source: other, Timeout: soon},
		{Target: netip.MustParseAddr("10.0.0.99"), Timeout: ages}, // until the context ends
	} {
		ctx := t.Context()
		if q.Timeout == ages && i > 0 {
			ctx = ended
		}
		_, _ = s.ask(ctx, q)
		if after := files(t); after != before {
			t.Errorf("%+v: %d files before, %d after", q, before, after)
		}
		nstest.Gone(t, "go-ping/ping.", "probe.ask", "probe.(*listener)", "probe.watch", "probe.(*Pinger).wait")
	}
}

func files(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
