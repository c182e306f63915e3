package examples

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// who is the name whose TXT record says which host's DNS server has answered.
const who = "who.home.arpa."

// resolver asks a DNS server for who again and again, and keeps what became of each
// question. It never asks twice: a client that does gets an answer where this one has a
// loss.
type resolver struct {
	server netip.Addr
	conn   *net.UDPConn
	done   sync.WaitGroup

	mu    sync.Mutex
	asked []question
	news  chan struct{} // closed at each answer
}

// question has the host that has answered, if one has.
type question struct {
	at time.Time
	by string
}

// resolves starts to ask the server at an address from a host.
func resolves(t *testing.T, h *lab.Host, server netip.Addr) *resolver {
	t.Helper()
	r := &resolver{server: server, news: make(chan struct{})}
	stage.Must(t, h.Do(func() (err error) {
		// Not connected: what the server's host says of a port that nobody has is then no
		// error here, and the next question is asked.
		r.conn, err = net.ListenUDP("udp", nil)
		return err
	}))
	stop := make(chan struct{})
	r.done.Go(func() { r.ask(stop) })
	r.done.Go(func() { r.listen() })
	t.Cleanup(func() { close(stop); r.conn.Close(); r.done.Wait() })
	return r
}

// ask sends a question at each tick; its number among all is its ID.
func (r *resolver) ask(stop <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		r.mu.Lock()
		id := len(r.asked)
		r.asked = append(r.asked, question{at: time.Now()})
		r.mu.Unlock()
		m := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: uint16(id), RecursionDesired: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(who), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}},
		}
		if b, err := m.Pack(); err == nil {
			r.conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(r.server, 53)) // what cannot be sent is lost
		}
	}
}

// listen files the answers that come from the very address that was asked.
func (r *resolver) listen() {
	buf := make([]byte, 1500)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		var m dnsmessage.Message
		if err != nil || from.Addr().Unmap() != r.server || m.Unpack(buf[:n]) != nil || len(m.Answers) != 1 {
			continue
		}
		txt, ok := m.Answers[0].Body.(*dnsmessage.TXTResource)
		r.mu.Lock()
		// The newest question of that ID: IDs begin anew after 65,536.
		for i := len(r.asked) - 1; ok && i >= 0; i-- {
			if uint16(i) == m.ID {
				r.asked[i].by = txt.TXT[0]
				break
			}
		}
		close(r.news)
		r.news = make(chan struct{})
		r.mu.Unlock()
	}
}

// wait waits until a host answers a question that was asked from now on.
func (r *resolver) wait(ctx context.Context, by string) error {
	from := time.Now()
	for {
		r.mu.Lock()
		news := r.news
		found := slices.ContainsFunc(r.since(from), func(q question) bool { return q.by == by })
		r.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("no DNS answer of %s at %s: %w", by, r.server, ctx.Err())
		}
	}
}

// since are the questions since a moment, with r.mu locked.
func (r *resolver) since(from time.Time) []question {
	i, _ := slices.BinarySearchFunc(r.asked, from, func(q question, from time.Time) int { return q.at.Compare(from) })
	return r.asked[i:]
}

// report tells of the questions since a moment who has answered, in order and each once in
// a row, how many were lost before the last answer, and the longest time without one.
func (r *resolver) report(from time.Time) (order []string, lost int, gap time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unanswered, last := 0, from
	for _, q := range r.since(from) {
		if q.by == "" {
			unanswered++
			continue
		}
		if len(order) == 0 || order[len(order)-1] != q.by {
			order = append(order, q.by)
		}
		gap = max(gap, q.at.Sub(last))
		lost, last = lost+unanswered, q.at
		unanswered = 0
	}
	return order, lost, gap
}
