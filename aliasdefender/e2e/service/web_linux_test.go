package service

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// web is the check of the stories: each half second, failing after two answers.
const web = `
[check.web]
http = "http://127.0.0.1/"
contains = "</html>"
interval = "500ms"
timeout = "300ms"
fall = 2
rise = 2
`

// nginx starts a web server on a host: one process, whose pages name the host. It waits
// until the server answers.
func nginx(t *testing.T, h *lab.Host, more string) *lab.Process {
	t.Helper()
	stage.Wanted(t, "nginx", "nginx-light")
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	stage.Place(t, conf, "daemon off;\n"+stage.NginxConf(dir, "stderr", fmt.Sprintf("\t\tlisten 80;\n\t\tlocation = / { return 200 \"<html>%s</html>\\n\"; }\n%s", h.Name, more)))
	p, err := h.Start("nginx", "nginx", "-p", dir, "-c", conf, "-e", "stderr")
	stage.Must(t, err)
	ctx, tick := stage.Patiently(t), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := fetch(h, netip.MustParseAddr("127.0.0.1")); err == nil {
			return p
		}
		select {
		case <-tick.C:
		case <-p.Done():
			t.Fatalf("nginx on %s has ended: %s", h.Name, p.Output())
		case <-ctx.Done():
			t.Fatalf("nginx on %s does not answer: %s", h.Name, p.Output())
		}
	}
}

// fetch asks for the page at an address, from a host, and returns the name in it.
func fetch(h *lab.Host, at netip.Addr) (name string, err error) {
	page, err := stage.Page(h, at, fetchWithin)
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(page), "<html>"), "</html>"), err
}

// fetchWithin is how long the reader waits for a page, and for each part of it: on a busy
// machine a server needs long. It is less than the second after which TCP asks again: what
// is sent to a host that no longer has the alias counts as lost.
const fetchWithin = 900 * time.Millisecond

// reader is a client that asks for the page at the alias, again and again.
type reader struct {
	mu    sync.Mutex
	pages []page
	done  sync.WaitGroup
}

// page is one question of a reader.
type page struct {
	at, to time.Time // asked, and answered or given up
	by     string    // empty: lost
	err    error     // why it was lost
}

func (p page) String() string {
	return fmt.Sprintf("asked at %s, given up after %v: %v", p.at.Format("15:04:05.000"), p.to.Sub(p.at).Round(time.Millisecond), p.err)
}

// read starts a reader on the pair's client. It ends with the test.
func read(t *testing.T, p *pair.Pair) *reader {
	r := &reader{}
	ctx, cancel := context.WithCancel(context.Background())
	r.done.Go(func() {
		for ctx.Err() == nil {
			at := time.Now()
			by, err := fetch(p.User, p.Alias)
			if err != nil {
				by = ""
			}
			r.mu.Lock()
			r.pages = append(r.pages, page{at, time.Now(), by, err})
			r.mu.Unlock()
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() { cancel(); r.done.Wait() })
	return r
}

// heardLater is how much later than the kernel the lab may learn, on a busy machine, who has
// the alias.
const heardLater = 20 * time.Millisecond

// lost are the questions since then that were lost, but for those under way while the alias
// moved: a connection ends with the host that has it.
func (r *reader) lost(p *pair.Pair, from time.Time) (lost []page) {
	spans := p.Holders.Spans()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.pages {
		moved := false
		for i := range len(spans) - 1 {
			move := []time.Time{spans[i].To, spans[i+1].From} // in a hand-over the second comes first
			from, to := slices.MinFunc(move, time.Time.Compare), slices.MaxFunc(move, time.Time.Compare)
			moved = moved || !q.to.Before(from.Add(-heardLater)) && !q.at.After(to)
		}
		if q.by == "" && !q.at.Before(from) && !moved {
			lost = append(lost, q)
		}
	}
	return lost
}

// wait waits until the reader gets pages from a host that it asked for after a moment, and
// returns how many it lost until the first of them.
func (r *reader) wait(t *testing.T, host string, from time.Time) (lost int, after time.Duration) {
	t.Helper()
	ctx, tick := stage.Patiently(t), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		lost = 0
		r.mu.Lock()
		for _, p := range r.pages {
			if p.at.After(from) && p.by == "" {
				lost++
			}
			if p.at.After(from) && p.by == host {
				r.mu.Unlock()
				return lost, p.at.Sub(from)
			}
		}
		r.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the reader gets no page from %q", host)
		}
	}
}

// wellOn waits until a host knows that its service is in that state.
func wellOn(t *testing.T, p *pair.Pair, h *lab.Host, state string) {
	t.Helper()
	stage.Until(t, p, h, "service "+state, func(_ control.Snapshot, a control.Alias) bool {
		for _, f := range a.Facts {
			if f.Name == "service" {
				return f.Value == state
			}
		}
		return false
	})
}

// inOrder requires that a Monitor has logged these, one after the other.
func inOrder(t *testing.T, m *lab.Process, fields ...string) {
	t.Helper()
	for _, f := range fields {
		stage.Said(t, m, f)
	}
	rest := m.Output()
	for _, f := range fields {
		_, after, found := strings.Cut(rest, f)
		if !found {
			t.Errorf("%q is not said after what comes before it of %q:\n%s", f, fields, m.Output())
			return
		}
		rest = after
	}
}
