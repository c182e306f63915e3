package daemon

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/metrics"
)

// pageLives is for how long a page is given to whoever asks: however many do, the loop is
// asked once in that time.
const pageLives = time.Second

// pageWithin is how long the loop may take to tell what it knows.
const pageWithin = 5 * time.Second

// pages is the text of the metrics, made at most once in a while.
type pages struct {
	make func(context.Context) ([]byte, error)

	mu   sync.Mutex
	last *onePage // nil: none was made yet
}

// onePage is one text. Nobody changes it once done is closed.
type onePage struct {
	done chan struct{}
	text []byte
	err  error
	at   time.Time // when its making began
}

// get is the present page. It waits while one is being made, and no longer than ctx.
func (p *pages) get(ctx context.Context) ([]byte, string, error) {
	p.mu.Lock()
	one := p.last
	if one == nil || one.over() && time.Since(one.at) >= pageLives {
		one = &onePage{done: make(chan struct{}), at: time.Now()}
		p.last = one
		// Beside, because others wait for the same page: it must not end with the reader
		// who asked first.
		go func() {
			within, cancel := context.WithTimeout(context.Background(), pageWithin)
			defer cancel()
			one.text, one.err = p.make(within)
			close(one.done)
		}()
	}
	p.mu.Unlock()
	select {
	case <-one.done:
		return one.text, metrics.ContentType, one.err
	case <-ctx.Done():
		return nil, "", errors.New("the loop does not answer")
	}
}

// over tells whether the page is made.
func (o *onePage) over() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// page makes the text of the metrics.
func (m *monitor) page(ctx context.Context) ([]byte, error) {
	s, err := m.status(ctx, false)
	if err != nil {
		return nil, err
	}
	source := metrics.Source{Snapshot: s, Events: m.events.counted, Stale: m.failed.Load() != nil, Go: runtime.Version()}
	if m.events.disk != nil {
		source.Dropped = m.events.disk.Dropped()
	}
	return metrics.Write(source), nil
}

// openStatus opens the address of [status] listen. If it cannot, the Monitor keeps the
// aliases alive all the same.
func (m *monitor) openStatus(server *control.Server) {
	m.server = server
	s := m.settings.Status
	if !s.Listen.IsValid() {
		return
	}
	if err := server.ListenStatus(s.Listen, string(s.Token)); err != nil {
		m.unlistened = "[status] listen has no effect: " + err.Error()
		m.event("no_status").Error(m.unlistened)
	}
}

// useStatus puts another token in force. Where the address would change too, which takes a
// restart, the present address stays, and so must a token of its own: files that go to a
// loopback address, and so need none, must not open the present one to everybody.
func (m *monitor) useStatus(now config.Status) {
	if m.server == nil || now.Token == "" && now.Listen != m.settings.Status.Listen {
		return
	}
	m.server.SetStatusToken(string(now.Token))
}
