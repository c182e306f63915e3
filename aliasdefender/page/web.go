package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/timeline"
)

//go:embed files
var files embed.FS

// policy lets a browser load this page's own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// drawingPolicy is that of a drawing: nothing but its own style sheet, named by its hash.
var drawingPolicy = func() string {
	sum := sha256.Sum256([]byte(timeline.Style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'"
}()

// types are those of the files, by how their names end.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// Routes adds what a reader is answered who has been admitted.
func (p *Page) Routes(mux *http.ServeMux, streams http.HandlerFunc) {
	mux.HandleFunc("GET /{$}", file("index.html"))
	mux.HandleFunc("GET /page.js", file("page.js"))
	mux.HandleFunc("GET /events", streams)
	mux.HandleFunc("GET /timeline.svg", p.drawing)
	mux.HandleFunc("GET /timeline.json", p.table)
}

// OpenRoutes adds what anybody is answered: what the page that asks for the token needs. It
// tells nothing.
func (p *Page) OpenRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /page.css", file("page.css"))
	mux.HandleFunc("GET /icon.svg", file("icon.svg"))
}

// Stream answers with what happens.
func (p *Page) Stream(w http.ResponseWriter, r *http.Request) { p.stream(w, r) }

// wrongToken is put into the page that asks for the token.
const wrongToken = `<p id="wrong" role="alert">That is not the token. It is the line in the file that <code>token_file</code> names, on the host itself.</p>`

// SignIn answers with a page that asks for the token; again: another one was wrong.
func (p *Page) SignIn(w http.ResponseWriter, again bool) {
	text := content("signin.html")
	if again {
		text = bytes.Replace(text, []byte("<!-- wrong -->"), []byte(wrongToken), 1)
	}
	head(w, ".html", policy)
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write(text)
}

func head(w http.ResponseWriter, kind, policy string) {
	h := w.Header()
	h.Set("Content-Type", types[kind])
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin") // without it a browser does not say which page a form was sent from
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// content is a file of the page.
func content(name string) []byte {
	text, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err) // it comes with the program
	}
	return text
}

func file(name string) http.HandlerFunc {
	text := content(name)
	return func(w http.ResponseWriter, _ *http.Request) {
		head(w, name[strings.LastIndexByte(name, '.'):], policy)
		_, _ = w.Write(text)
	}
}

// Bounds of what may be asked of a drawing.
const (
	rowsMost    = 8
	secondsMost = 366 * 24 * 3600
)

// question is what a drawing is to show.
type question struct {
	alias, nic string // empty: the first few
	length     time.Duration
	width      int
	zone       *time.Location
}

// asked reads a question. What is missing or cannot be meant has its default.
func asked(q url.Values) question {
	number := func(name string, least, usual, most int) int {
		n, err := strconv.Atoi(q.Get(name))
		if err != nil || n < least || n > most {
			return usual
		}
		return n
	}
	return question{
		alias: q.Get("alias"), nic: q.Get("nic"),
		length: time.Duration(number("seconds", 10, 3600, secondsMost)) * time.Second,
		width:  number("width", 200, 800, 3000),
		// As JavaScript has it: minutes that the browser's clock is behind UTC.
		zone: time.FixedZone("", -60*number("zone", -24*60, 0, 24*60)),
	}
}

var errNoAlias = errors.New("this Monitor has no such alias")

// chart is what the question asks for.
func (p *Page) chart(ctx context.Context, q question) (timeline.Chart, error) {
	s, err := p.present(ctx)
	if err != nil {
		return timeline.Chart{}, err
	}
	now := time.Now().In(q.zone)
	c := timeline.Chart{
		Title: fmt.Sprintf("Who had the alias in the last %s", timeline.Lasting(q.length)),
		From:  now.Add(-q.length), To: now, Width: q.width, Bare: true,
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range s.Aliases {
		a := &s.Aliases[i]
		if q.alias != "" && (a.Alias != q.alias || a.NIC != q.nic) {
			continue
		}
		partner := a.Partner.Name
		if partner == "" || partner == p.o.Host {
			partner = "partner"
		}
		row := p.story.Row(recorded(a), a.Alias, p.o.Host, partner)
		if a.Role == "shared" {
			row.Lanes = row.Lanes[:1] // what the other hosts do nobody asks
		}
		c.Rows = append(c.Rows, row)
		if len(c.Rows) == rowsMost {
			break
		}
	}
	if q.alias != "" && len(c.Rows) == 0 {
		return c, errNoAlias
	}
	return c, nil
}

// present is the newest snapshot, once the event log is read.
func (p *Page) present(ctx context.Context) (*control.Snapshot, error) {
	leave := p.join()
	defer leave()
	for {
		p.mu.Lock()
		s, changed, read := p.last, p.changed, p.story != nil
		p.mu.Unlock()
		if s != nil && read {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// recorded is the alias as events name it.
func recorded(a *control.Alias) record.Alias {
	addr, _ := netip.ParseAddr(a.Alias) // the zero Addr is no alias of an event
	nic, _, _ := strings.Cut(a.NIC, ":")
	return record.Alias{Addr: addr.WithZone(""), NIC: nic}
}

// drawn answers a question about the timeline by f.
func (p *Page) drawn(w http.ResponseWriter, r *http.Request, f func(timeline.Chart)) {
	within, cancel := context.WithTimeout(r.Context(), snapshotWithin)
	defer cancel()
	switch c, err := p.chart(within, asked(r.URL.Query())); {
	case errors.Is(err, errNoAlias):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, "the loop or the disk does not answer", http.StatusServiceUnavailable)
	default:
		f(c)
	}
}

// drawing answers with the timeline as SVG.
func (p *Page) drawing(w http.ResponseWriter, r *http.Request) {
	p.drawn(w, r, func(c timeline.Chart) {
		head(w, ".svg", drawingPolicy)
		_, _ = w.Write(c.SVG())
	})
}

// table answers with the same as a table.
func (p *Page) table(w http.ResponseWriter, r *http.Request) {
	p.drawn(w, r, func(c timeline.Chart) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(c.Table())
	})
}
