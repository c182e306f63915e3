package probe

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"

	"alias-defender/aliasdefender/host/nstest"
)

// pinger is what is tested: Ping, and whatever comes beside it.
type pinger func(context.Context, Question) (bool, error)

var (
	here  = netip.MustParseAddr("10.0.0.1")
	there = netip.MustParseAddr("10.0.0.2")
	other = netip.MustParseAddr("10.0.0.3") // the same host's second address

	here6 = netip.MustParseAddr("2001:db8::1")

	loopback  = netip.MustParseAddr("127.0.0.1")
	loopback6 = netip.MustParseAddr("::1")
)

const (
	soon = 150 * time.Millisecond // for a question that is asked in vain
	ages = 2 * nstest.Patience    // for one that must end before it
)

// segment is this host, and one whose kernel leaves echo requests to the test.
type segment struct {
	plan
	ping pinger
	a, b *nstest.Space
}

// contract tests a pinger with addresses of either family. Each row has its own network,
// and a pinger opened in it.
func contract(t *testing.T, open func(testing.TB) pinger) {
	for _, p := range plans {
		t.Run(p.name, func(t *testing.T) { contractFor(t, p, open) })
	}
}

func contractFor(t *testing.T, p plan, open func(testing.TB) pinger) {
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
			s := &segment{plan: p, a: nstest.New(t), b: nstest.New(t)}
			nstest.Cable(t, s.a, "eth0", s.b, "eth0")
			s.a.Address(t, "eth0", p.prefix(p.here))
			s.b.Address(t, "eth0", p.prefix(p.there))
			s.b.Address(t, "eth0", p.prefix(p.other))
			if p.six() {
				s.a.Serves(t, "eth0", p.here)
				s.b.Serves(t, "eth0", p.there)
				s.b.Serves(t, "eth0", p.other)
			}
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

func loopbackAnswers(t *testing.T, s *segment) {
	s.expect(t, Question{Target: s.loopback, Timeout: ages}, true)
}

func segmentAnswers(t *testing.T, s *segment) {
	s.expect(t, Question{Target: s.there, Timeout: ages}, true)
	s.expect(t, Question{Target: s.there, Source: s.here, Timeout: ages}, true)
}

// shortTimeout: a machine that is busy may miss a few of 5 ms.
func shortTimeout(t *testing.T, s *segment) {
	for range 200 {
		answered, err := s.ask(t.Context(), Question{Target: s.there, Timeout: 5 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if answered {
			s.reply(t, func(echo, func(echo)) {})
			s.expect(t, Question{Target: s.there, Timeout: 5 * time.Millisecond}, false)
			return
		}
	}
	t.Error("never answered")
}

// deadNeighbour: also after the kernel has given up its ARP.
func deadNeighbour(t *testing.T, s *segment) {
	s.expect(t, Question{Target: s.dead, Timeout: soon}, false)
	sysctl(t, s.a, s.sysctls()+"/neigh/eth0/retrans_time_ms", "10")
	s.expect(t, Question{Target: s.gone, Timeout: 4 * soon}, false)
}

func unknown(t *testing.T, s *segment) {
	ctx := t.Context()
	s.fails(t, "no route", ctx, Question{Target: s.nowhere, Timeout: ages})
	s.fails(t, "a source that is not ours", ctx, Question{Target: s.there, Source: s.other, Timeout: ages})
	s.fails(t, "no time", ctx, Question{Target: s.there})
	s.fails(t, "less than no time", ctx, Question{Target: s.there, Timeout: -1})
	s.fails(t, "from the other family", ctx, Question{Target: s.there, Source: s.stranger, Timeout: ages})
	s.fails(t, "IPv4 in IPv6", ctx, Question{Target: netip.MustParseAddr("::ffff:127.0.0.1"), Timeout: ages})
	if s.six() {
		s.fails(t, "which NIC?", ctx, Question{Target: netip.MustParseAddr("fe80::2"), Timeout: ages})
		s.fails(t, "a zone that says nothing", ctx, Question{Target: netip.MustParseAddr("2001:db8::2%eth0"), Timeout: ages})
		s.fails(t, "a source on another NIC", ctx, Question{Target: netip.MustParseAddr("fe80::2%eth0"), Source: netip.MustParseAddr("fe80::1%lo"), Timeout: ages})
	}
	forbid(t, s.a)
	s.fails(t, "own firewall", ctx, Question{Target: s.there, Timeout: ages})
	s.a.Down(t, "eth0")
	s.fails(t, "link down", ctx, Question{Target: s.there, Timeout: ages})
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
		table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "test"})
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
	s.fails(t, "cancelled meanwhile", ctx, Question{Target: s.there, Timeout: ages})
	s.fails(t, "cancelled before", ctx, Question{Target: s.there, Timeout: ages})
	short, end := context.WithTimeout(t.Context(), soon)
	defer end()
	s.fails(t, "a deadline before the timeout", short, Question{Target: s.there, Timeout: ages})
}

func wrongSender(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		q.from = s.other
		send(q)
	})
	s.expect(t, Question{Target: s.there, Timeout: soon}, false)

	s.reply(t, func(q echo, send func(echo)) {
		right := q
		q.from = s.other
		send(q)
		send(right)
	})
	s.expect(t, Question{Target: s.there, Timeout: ages}, true)
}

func wrongNumbers(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		id := q.id
		q.id ^= 1
		send(q)
		q.id, q.seq = id, q.seq+1
		send(q)
	})
	s.expect(t, Question{Target: s.there, Timeout: soon}, false)
}

// wrongPayload: two pingers, or two programs, with the same number.
func wrongPayload(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		q.data = strings.Repeat("x", len(q.data))
		send(q)
		q.data = ""
		send(q)
	})
	s.expect(t, Question{Target: s.there, Timeout: soon}, false)
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
		s.expect(t, Question{Target: s.there, Timeout: soon}, false)
	}
}

func echoRequest(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		answer := q
		q.typ = s.question()
		send(q)
		answer.from = s.other // right but for the sender
		send(answer)
	})
	s.expect(t, Question{Target: s.there, Timeout: soon}, false)
}

// prohibited: a firewall that rejects, rather than drops, and then lets through.
func prohibited(t *testing.T, s *segment) {
	reject := func(q echo, send func(echo)) {
		q.refused = true
		send(q)
	}
	s.reply(t, reject)
	s.expect(t, Question{Target: s.there, Timeout: soon}, false)
	s.reply(t, func(q echo, send func(echo)) {
		reject(q, send)
		send(q)
	})
	s.expect(t, Question{Target: s.there, Timeout: ages}, true)
}

func duplicate(t *testing.T, s *segment) {
	s.reply(t, func(q echo, send func(echo)) {
		for range 10 {
			send(q)
		}
	})
	s.expect(t, Question{Target: s.there, Timeout: ages}, true)
}

// manyAtOnce: every raw socket hears every answer.
func manyAtOnce(t *testing.T, s *segment) {
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			q, want := Question{Target: s.there, Timeout: ages}, true
			if i%2 == 1 {
				q, want = Question{Target: s.dead, Timeout: 2 * soon}, false
			}
			s.expect(t, q, want)
		})
	}
	all.Wait()
}

func nothingLeft(t *testing.T, s *segment) {
	s.expect(t, Question{Target: s.there, Timeout: ages}, true) // opens what Go opens once
	before := files(t)
	ended, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for i, q := range []Question{
		{Target: s.there, Timeout: ages},
		{Target: s.dead, Timeout: soon},
		{Target: s.dead, Timeout: 5 * time.Millisecond},
		{Target: s.nowhere, Timeout: soon},
		{Target: s.there, Source: s.other, Timeout: soon},
		{Target: s.dead, Timeout: ages}, // until the context ends
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
