package page

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// pipes is a listener within a bubble: each who connects gets the other end of a pipe, which
// keeps nothing of what nobody reads.
type pipes struct {
	come   chan net.Conn
	closed chan struct{}
	close  func() error
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.come:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipes) Close() error   { return l.close() }
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// bubble serves a page in a bubble, whose time goes on when all wait. asks sends a question, and
// returns what comes.
func bubble(t *testing.T, o Options, play func(t *testing.T, p *Page, asks func(path string) net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		if o.Snapshot == nil {
			o.Snapshot = func(context.Context) (control.Snapshot, error) { return snapshot(), nil }
		}
		p := New(o)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = p.Run(ctx) })
		ln := &pipes{come: make(chan net.Conn), closed: make(chan struct{})}
		ln.close = sync.OnceValue(func() error { close(ln.closed); return nil })
		mux := http.NewServeMux()
		p.Routes(mux, p.Stream)
		web := &http.Server{Handler: mux}
		web.SetKeepAlivesEnabled(false)
		running.Go(func() { _ = web.Serve(ln) })
		var open []net.Conn
		play(t, p, func(path string) net.Conn {
			here, there := net.Pipe()
			open = append(open, here)
			ln.come <- there
			if _, err := io.WriteString(here, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			return here
		})
		for _, c := range open {
			c.Close()
		}
		web.Close()
		stop()
		running.Wait()
	})
}

// body is what an answer has.
func body(t *testing.T, c net.Conn) io.Reader {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	return resp.Body
}

func readsStream(t *testing.T, c net.Conn) *reader { return newReader(t, body(t, c), c) }

func (p *Page) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.readers
}

// TestWhatHappensIsShownAtOnce and not only when the next second is over.
func TestWhatHappensIsShownAtOnce(t *testing.T) {
	var made atomic.Int32
	bubble(t, Options{Snapshot: func(context.Context) (control.Snapshot, error) {
		made.Add(1)
		return snapshot(), nil
	}}, func(t *testing.T, p *Page, asks func(string) net.Conn) {
		r := readsStream(t, asks("/events"))
		var s told
		r.next("state", &s)
		first := time.Now()
		time.Sleep(300 * time.Millisecond)
		p.Put(moved(1, 1, rules.Release, time.Now()))
		p.Put(moved(1, 2, rules.Take, time.Now())) // both are in the next one
		r.next("state", &s)
		if late := time.Since(first); late != 300*time.Millisecond {
			t.Errorf("shown after %v", late)
		}
		p.Put(moved(1, 3, rules.Release, time.Now()))
		r.next("state", &s)
		if late := time.Since(first); late != 400*time.Millisecond {
			t.Errorf("the next one after %v", late)
		}
		if n := made.Load(); n != 3 {
			t.Errorf("it took %d snapshots", n)
		}
	})
}

// TestASlowSnapshotSaysWhenTheNextOneComes, so that a reader does not take the page for dead.
func TestASlowSnapshotSaysWhenTheNextOneComes(t *testing.T) {
	var takes atomic.Int64
	bubble(t, Options{Snapshot: func(context.Context) (control.Snapshot, error) {
		time.Sleep(time.Duration(takes.Load()))
		return snapshot(), nil
	}},
		func(t *testing.T, _ *Page, asks func(string) net.Conn) {
			r := readsStream(t, asks("/events"))
			var s told
			r.next("state", &s)
			for _, c := range []struct{ takes, next time.Duration }{{300 * time.Millisecond, 6 * time.Second}, {2 * time.Second, waitMost}, {0, every}} {
				promised := time.Duration(s.Next) * time.Millisecond
				takes.Store(int64(c.takes))
				before := time.Now()
				r.next("state", &s)
				if waited := time.Since(before); waited != promised+c.takes {
					t.Errorf("it comes after %v, and not after %v and %v", waited, promised, c.takes)
				}
				if s.Next != c.next.Milliseconds() {
					t.Errorf("it says %d ms, want %v", s.Next, c.next)
				}
			}
		})
}

// TestAReaderWhoIsStuckHoldsNobodyUp: others go on, and it is cut off in the end.
func TestAReaderWhoIsStuckHoldsNobodyUp(t *testing.T) {
	large := snapshot()
	large.Aliases[0].Why = strings.Repeat("held ", 1<<16)
	bubble(t, Options{Snapshot: func(context.Context) (control.Snapshot, error) { return large, nil }},
		func(t *testing.T, p *Page, asks func(string) net.Conn) {
			var stuck []net.Conn
			for range 25 {
				stuck = append(stuck, asks("/events"))
			}
			r := readsStream(t, asks("/events"))
			began := time.Now()
			for range 3 {
				var s told
				if r.next("state", &s); len(s.Status.Aliases[0].Why) != 5<<16 {
					t.Error("it is not whole")
				}
			}
			if n := p.count(); n != 26 {
				t.Errorf("%d readers", n)
			}
			for i := range 10000 {
				p.Put(moved(1, uint64(i+1), rules.Take, time.Now()))
			}
			for time.Since(began) < chunkWithin {
				var s told
				r.next("state", &s)
			}
			synctest.Wait()
			if n := p.count(); n != 1 {
				t.Errorf("%d readers after %v", n, time.Since(began))
			}
			for _, c := range stuck {
				if _, err := io.Copy(io.Discard, c); err != nil {
					t.Errorf("it ends with %v", err)
				}
			}
		})
}

// TestAReaderWhoReadsSlowlyIsCutOffToo: it must not hold an old snapshot for minutes.
func TestAReaderWhoReadsSlowlyIsCutOffToo(t *testing.T) {
	large := snapshot()
	large.Aliases[0].Why = strings.Repeat("held ", 1<<20)
	bubble(t, Options{Snapshot: func(context.Context) (control.Snapshot, error) { return large, nil }},
		func(t *testing.T, _ *Page, asks func(string) net.Conn) {
			c := asks("/events")
			began := time.Now()
			piece := make([]byte, 7<<10)
			for {
				if _, err := io.ReadFull(c, piece); err != nil {
					break
				}
				time.Sleep(time.Second)
			}
			if held := time.Since(began); held < messageWithin || held > messageWithin+2*time.Second {
				t.Errorf("cut off after %v", held)
			}
		})
}

// TestNoEventIsLostInABurst: a page is first told the newest thousand, and then all that happens,
// unless it is more than are kept; then it begins anew.
func TestNoEventIsLostInABurst(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, p *Page, asks func(string) net.Conn) {
		n := uint64(0)
		put := func(some int) {
			for range some {
				n++
				p.Put(moved(1, n, rules.Take, time.Now()))
			}
		}
		put(1700)
		r := readsStream(t, asks("/events"))
		var events []record.Event
		if r.next("all", &events); len(events) != eventsMost || events[eventsMost-1].Seq != n {
			t.Fatalf("%d events first", len(events))
		}
		synctest.Wait()
		put(900) // before the reader can be sent any
		for next := uint64(1701); next <= n; {
			r.next("more", &events)
			for _, e := range events {
				if e.Seq != next {
					t.Fatalf("event %d comes where %d should", e.Seq, next)
				}
				next++
			}
			if len(events) > batch {
				t.Errorf("%d events at once", len(events))
			}
		}
		put(3500)
		if r.next("all", &events); len(events) != eventsMost || events[eventsMost-1].Seq != n {
			t.Errorf("%d events after more than are kept", len(events))
		}
	})
}

// TestNobodyIsShownWhatIsOld: what the last readers saw, when they had left long ago.
func TestNobodyIsShownWhatIsOld(t *testing.T) {
	var alias atomic.Value
	alias.Store("172.16.1.2")
	bubble(t, Options{Snapshot: func(context.Context) (control.Snapshot, error) {
		s := snapshot()
		s.Aliases[0].Alias = alias.Load().(string)
		return s, nil
	}}, func(t *testing.T, p *Page, asks func(string) net.Conn) {
		c := asks("/events")
		var s told
		readsStream(t, c).next("state", &s)
		c.Close()
		time.Sleep(time.Hour)
		if n := p.count(); n != 0 {
			t.Fatalf("%d readers", n)
		}
		alias.Store("172.16.1.9") // after a reload
		text, err := io.ReadAll(body(t, asks("/timeline.svg")))
		if err != nil || !strings.Contains(string(text), alias.Load().(string)) {
			t.Errorf("the timeline: %v\n%s", err, text)
		}
		time.Sleep(time.Hour)
		alias.Store("172.16.1.10")
		if readsStream(t, asks("/events")).next("state", &s); s.Status.Aliases[0].Alias != alias.Load() {
			t.Errorf("the first news: %v", s.Status.Aliases[0].Alias)
		}
	})
}

// TestWhatHappensTooOftenToBeRecordedIsInTheTimeline, before a reader has come and after, and is
// not in the list.
func TestWhatHappensTooOftenToBeRecordedIsInTheTimeline(t *testing.T) {
	bubble(t, Options{Host: "a", Load: func(func(record.Event)) error { return nil }}, func(t *testing.T, p *Page, asks func(string) net.Conn) {
		rec := record.New(p)
		put := func(action rules.Action, recorded bool) {
			e := moved(0, 0, action, time.Now())
			if recorded {
				rec.Record(e)
			} else {
				rec.Repeat(e)
			}
			time.Sleep(10 * time.Second)
		}
		table := func() string {
			text, err := io.ReadAll(body(t, asks("/timeline.json?seconds=60")))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		put(rules.Take, true)
		put(rules.Release, false)
		put(rules.Take, false)
		put(rules.Release, true)
		put(rules.Take, false)
		if text := table(); strings.Count(text, `"who":"a"`) != 3 {
			t.Errorf("before: %s", text)
		}
		put(rules.Release, false)
		put(rules.Take, false)
		if text := table(); strings.Count(text, `"who":"a"`) != 3 { // the oldest is no longer in the minute
			t.Errorf("after: %s", text)
		}
		var events []record.Event
		if readsStream(t, asks("/events")).next("all", &events); len(events) != 2 {
			t.Errorf("%d events in the list", len(events))
		}
	})
}

// TestTheEventLogIsNotTakenInAfterTheEnd: the disk may hang until then.
func TestTheEventLogIsNotTakenInAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		p := New(Options{Snapshot: func(context.Context) (control.Snapshot, error) { return control.Snapshot{}, errors.New("ends") }, Load: func(each func(record.Event)) error {
			<-hangs
			each(moved(1, 1, rules.Take, time.Now()))
			return nil
		}})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = p.Run(ctx) })
		defer p.join()()
		synctest.Wait()
		stop()
		running.Wait()
		close(hangs)
		synctest.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.story != nil || len(p.events.all) > 0 {
			t.Error("it was taken in")
		}
	})
}

// A reader that lacks one event that is not kept any more begins anew, as one that lacks many.
func TestAReaderThatLacksAnEventBeginsAnew(t *testing.T) {
	var l events
	for range 2*eventsMost + 1 { // the oldest go at the last one
		l.add(record.Event{})
	}
	oldest := l.next - uint64(len(l.all))
	for next, want := range map[uint64]bool{oldest - 2: true, oldest - 1: true, oldest: false, l.next: false} {
		if _, anew, _ := l.after(place{next: next}); anew != want {
			t.Errorf("at %d, and the oldest is %d: anew %v", next, oldest, anew)
		}
	}
}

// A browser tells the minutes that its clock is behind UTC.
func TestADrawingHasTheTimeOfItsReader(t *testing.T) {
	for minutes, want := range map[string]int{"-120": 2 * 3600, "300": -5 * 3600, "": 0, "1441": 0, "x": 0} {
		if _, got := time.Now().In(asked(url.Values{"zone": {minutes}}).zone).Zone(); got != want {
			t.Errorf("zone=%s: %d s ahead of UTC, want %d", minutes, got, want)
		}
	}
}
