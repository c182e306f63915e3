package lab

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Span is a time in which one host had, or answered for, an address.
type Span struct {
	By       string
	From, To time.Time
	Open     bool // it has not ended
}

// Length is how long it was.
func (s Span) Length() time.Duration { return s.To.Sub(s.From) }

// Gap is a time without service: from the sending of the last answered question to that
// of the next one.
type Gap struct {
	From, To      time.Time
	Before, After string // who answered; "": nobody yet
	Open          bool   // nobody has answered since
}

// Length is how long it was; of an open gap, how long so far.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

// Report sums up what a client saw in a stretch of time.
type Report struct {
	From, To time.Time
	Sent     int // questions
	Answered int
	Lost     int // not answered, and too late now
	Longest  Gap // the longest that touches the stretch; it may begin before it

	// Silence is the longest time in which no answer arrived. It is longer than the gap
	// if questions waited in a queue for an ARP answer, and were answered late.
	Silence time.Duration
	// Stall is the longest time between two questions: our own lateness. A gap that is
	// not much longer says nothing.
	Stall time.Duration
	By    map[string]int // answers by host
}

// Report sums up from one moment to another; a zero to means now.
func (c *Client) Report(from, to time.Time) Report {
	if to.IsZero() {
		to = time.Now()
	}
	r := Report{From: from, To: to, By: map[string]int{}}
	lo, hi := c.window(from, to)
	now := int64(time.Since(c.start))
	names := c.allNames()
	counts := make([]int, len(names))
	var sentBefore, gotBefore int64
	for n := lo - 1; n >= c.oldest() && gotBefore == 0; n-- {
		gotBefore = c.at(n).got.Load()
	}
	for n := lo; n < hi; n++ {
		q := c.at(n)
		sent, got := q.sent.Load(), q.got.Load()
		r.Sent++
		if n > lo {
			r.Stall = max(r.Stall, time.Duration(sent-sentBefore))
		}
		sentBefore = sent
		switch {
		case got != 0:
			r.Answered++
			counts[q.by.Load()]++
			if gotBefore != 0 {
				r.Silence = max(r.Silence, time.Duration(got-gotBefore))
			}
			gotBefore = max(gotBefore, got)
		case now-sent > int64(c.within):
			r.Lost++
		}
	}
	for i, n := range counts {
		if n > 0 {
			r.By[names[i]] = n
		}
	}
	for _, g := range c.Gaps(from, to, 0) {
		if g.Length() > r.Longest.Length() {
			r.Longest = g
		}
	}
	return r
}

// Gap returns the longest gap since a moment, such as that of a fault.
func (c *Client) Gap(since time.Time) Gap { return c.Report(since, time.Time{}).Longest }

// Gaps returns, in order, all gaps longer than over that touch the stretch; a zero to
// means now. The last gap is open if the answers end before to.
func (c *Client) Gaps(from, to time.Time, over time.Duration) []Gap {
	if to.IsZero() {
		to = time.Now()
	}
	lo, hi := c.window(from, to)
	names := c.allNames()
	// The gap in which the stretch begins began before it.
	last := Gap{From: from}
	for n := lo - 1; n >= c.oldest(); n-- {
		if q := c.at(n); q.got.Load() != 0 {
			last.From, last.Before = c.time(q.sent.Load()), names[q.by.Load()]
			break
		}
	}
	if last.Before == "" && from.Before(c.start) {
		last.From = c.start
	}
	var gaps []Gap
	for n := lo; n < hi; n++ {
		q := c.at(n)
		if q.got.Load() == 0 {
			continue
		}
		sent, by := c.time(q.sent.Load()), names[q.by.Load()]
		if sent.Sub(last.From) > over {
			last.To, last.After = sent, by
			gaps = append(gaps, last)
		}
		last = Gap{From: sent, Before: by}
	}
	// And the gap in which it ends may have ended since.
	last.To, last.Open = to, true
	for n, end := hi, c.sent.Load(); n < end; n++ {
		if q := c.at(n); q.got.Load() != 0 {
			last.To, last.After, last.Open = c.time(q.sent.Load()), names[q.by.Load()], false
			break
		}
	}
	if last.Length() > over {
		gaps = append(gaps, last)
	}
	return gaps
}

// Spans returns who answered over time: each span reaches from the sending of
// its first answered question to that of its last, gaps included.
func (c *Client) Spans(from, to time.Time) []Span {
	if to.IsZero() {
		to = time.Now()
	}
	lo, hi := c.window(from, to)
	names := c.allNames()
	var spans []Span
	for n := lo; n < hi; n++ {
		q := c.at(n)
		if q.got.Load() == 0 {
			continue
		}
		sent, by := c.time(q.sent.Load()), names[q.by.Load()]
		if len(spans) == 0 || spans[len(spans)-1].By != by {
			spans = append(spans, Span{By: by, From: sent})
		}
		spans[len(spans)-1].To = sent
	}
	if len(spans) > 0 {
		spans[len(spans)-1].Open = true
	}
	return spans
}

// window returns the numbers of the questions sent in [from, to).
func (c *Client) window(from, to time.Time) (lo, hi int64) {
	first, end := c.oldest(), c.sent.Load()
	search := func(t time.Time) int64 {
		since := int64(t.Sub(c.start))
		return first + int64(sort.Search(int(end-first), func(i int) bool {
			return c.at(first+int64(i)).sent.Load() >= since
		}))
	}
	return search(from), search(to)
}

// oldest is the number of the oldest question that is surely still in the ring: while a
// report is made the sender may be overwriting older ones.
func (c *Client) oldest() int64 {
	size := int64(len(c.ring))
	return max(0, c.sent.Load()-size+size/16+1)
}

func (c *Client) at(n int64) *question    { return &c.ring[n%int64(len(c.ring))] }
func (c *Client) time(ns int64) time.Time { return c.start.Add(time.Duration(ns)) }

func (c *Client) allNames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.names)
}

// WaitAnswer waits until a question asked from now on is answered by the named host; "":
// by any host.
func (c *Client) WaitAnswer(ctx context.Context, by string) error {
	w := &waiter{first: c.sent.Load(), by: by, found: make(chan struct{})}
	c.mu.Lock()
	c.waiters = append(c.waiters, w)
	c.waiting.Add(1)
	c.mu.Unlock()
	select {
	case <-w.found:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.waiters, w); i >= 0 {
		c.waiters = slices.Delete(c.waiters, i, i+1)
		c.waiting.Add(-1)
	}
	if by == "" {
		by = "anybody"
	}
	return fmt.Errorf("waiting for an answer of %s for %s: %w", by, c.Target, ctx.Err())
}

// wake ends the waits that an answer fulfils.
func (c *Client) wake(number int64, by int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiters = slices.DeleteFunc(c.waiters, func(w *waiter) bool {
		if number < w.first || w.by != "" && w.by != c.names[by] {
			return false
		}
		close(w.found)
		c.waiting.Add(-1)
		return true
	})
}

// WaitSilent waits until no answer has come for d.
func (c *Client) WaitSilent(ctx context.Context, d time.Duration) error {
	for began := time.Now(); ; {
		open := time.Duration(0)
		if gaps := c.Gaps(began, time.Time{}, 0); len(gaps) > 0 && gaps[len(gaps)-1].Open {
			open = min(gaps[len(gaps)-1].Length(), time.Since(began))
		}
		if open >= d {
			return nil
		}
		timer := time.NewTimer(d - open)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting for silence of %s: %w", c.Target, ctx.Err())
		}
	}
}
