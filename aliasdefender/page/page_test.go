package page

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

var anAlias = record.Alias{Addr: netip.MustParseAddr("172.16.1.2"), NIC: "eth0"}

// snapshot is one of a host that has the alias.
func snapshot() control.Snapshot {
	return control.Snapshot{Version: "1", Now: time.Now(), Started: time.Now(), Aliases: []control.Alias{{
		Alias: "172.16.1.2", Prefix: 24, NIC: "eth0:1", Role: "primary", Holder: "us", Row: "H9", Why: "held",
		Partner: control.Peer{Name: "other", Answer: "answered"}, Facts: []control.Fact{},
	}}}
}

// serves is a page that is served, with what its Monitor says.
func serves(t *testing.T, o Options) (p *Page, at string) {
	t.Helper()
	if o.Snapshot == nil {
		o.Snapshot = func(context.Context) (control.Snapshot, error) { return snapshot(), nil }
	}
	p = New(o)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	mux := http.NewServeMux()
	p.Routes(mux, p.Stream)
	p.OpenRoutes(mux)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	t.Cleanup(web.CloseClientConnections)
	return p, web.URL
}

// reader reads a stream.
type reader struct {
	t    *testing.T
	in   *bufio.Reader
	from io.Closer
	kept map[string][]string // what came before it was waited for, by name, but for snapshots
}

func opens(t *testing.T, at string) *reader {
	t.Helper()
	resp, err := http.Get(at + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return newReader(t, resp.Body, resp.Body)
}

func newReader(t *testing.T, in io.Reader, from io.Closer) *reader {
	return &reader{t, bufio.NewReader(in), from, map[string][]string{}}
}

// next is the next message of that name, decoded. Events may come before the first snapshot.
func (r *reader) next(name string, into any) {
	r.t.Helper()
	kind, data := name, ""
	if kept := r.kept[name]; len(kept) > 0 {
		data, r.kept[name] = kept[0], kept[1:]
	} else {
		for kind, data = r.message(); kind != name; kind, data = r.message() {
			if kind != "state" {
				r.kept[kind] = append(r.kept[kind], data)
			}
		}
	}
	if err := json.Unmarshal([]byte(data), into); err != nil {
		r.t.Fatalf("%v in %q", err, data)
	}
}

// message is the next message of any name.
func (r *reader) message() (kind, data string) {
	r.t.Helper()
	for {
		line, err := r.in.ReadString('\n')
		if err != nil {
			r.t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return kind, data
		}
		if text, ok := strings.CutPrefix(line, "event: "); ok {
			kind = text
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			data += text + "\n"
		}
	}
}

// told is a message with a snapshot.
type told struct {
	Host   string
	Error  string
	Next   int64
	Status *control.Snapshot
}

func moved(run record.Run, seq uint64, action rules.Action, at time.Time) record.Event {
	return record.Event{Run: run, Seq: seq, Time: at, Kind: record.Moved, Alias: anAlias, Decision: record.Decision{Action: action.String()}}
}

// TestAReaderSeesWhatTheMonitorSays: the snapshot, what the event log has, and then what happens.
func TestAReaderSeesWhatTheMonitorSays(t *testing.T) {
	began := time.Now().Add(-time.Minute)
	p, at := serves(t, Options{Host: "a", Load: func(each func(record.Event)) error {
		each(moved(1, 7, rules.Take, began))
		each(record.Event{Run: 1, Seq: 8, Time: began.Add(10 * time.Second), Kind: record.Ended})
		each(moved(2, 1, rules.Release, began.Add(10*time.Second))) // the page heard it, and the disk has it too
		return errors.New("a file cannot be read")
	}})
	p.Put(moved(2, 1, rules.Release, began.Add(10*time.Second)))
	r := opens(t, at)
	var s told
	if r.next("state", &s); s.Host != "a" || s.Status.Aliases[0].Holder != "us" {
		t.Errorf("%+v", s)
	}
	var events []record.Event
	if r.next("all", &events); len(events) != 3 || events[0].Run != 1 || events[2].Run != 2 {
		t.Errorf("%+v", events)
	}
	p.Put(moved(2, 2, rules.Take, began.Add(20*time.Second)))
	p.Put(record.Event{Run: 2, Seq: 3, Time: began, Kind: record.Lasts, Alias: anAlias})
	p.Put(record.Event{Run: 2, Seq: 4, Time: began, Kind: "drill_passed", Text: "a kind of a later Monitor"})
	var news []record.Event
	for len(news) < 2 {
		var some []record.Event
		r.next("more", &some)
		news = append(news, some...)
	}
	if news[0].Seq != 2 || news[1].Kind != "drill_passed" {
		t.Errorf("%+v", news)
	}
	if text := get(t, at+"/timeline.svg?seconds=300&width=700", 200); !strings.Contains(text, "a had it for 10.0 s") || !strings.Contains(text, "a kind of a later Monitor") {
		t.Error(text)
	}
	if text := get(t, at+"/timeline.json?alias=172.16.1.2&nic=eth0:1", 200); !strings.Contains(text, `"who":"a"`) {
		t.Error(text)
	}
	get(t, at+"/timeline.svg?alias=10.0.0.1&nic=eth0", 404)
}

func get(t *testing.T, url string, want int) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s: %d %v %s", url, resp.StatusCode, err, text)
	}
	return string(text)
}

// TestNobodyLooksSoNothingIsMade: neither snapshots nor a reading of the disk.
func TestNobodyLooksSoNothingIsMade(t *testing.T) {
	var made, read atomic.Int32
	p, at := serves(t, Options{
		Snapshot: func(context.Context) (control.Snapshot, error) { made.Add(1); return snapshot(), nil },
		Load:     func(func(record.Event)) error { read.Add(1); return nil },
	})
	for i := range 100 {
		p.Put(moved(1, uint64(i+1), rules.Take, time.Now()))
	}
	get(t, at+"/", 200)
	if made.Load() != 0 || read.Load() != 0 {
		t.Errorf("%d snapshots, %d readings", made.Load(), read.Load())
	}
	var events []record.Event
	if opens(t, at).next("all", &events); len(events) != 100 {
		t.Errorf("%d events", len(events))
	}
	opens(t, at).next("all", &events)
	if read.Load() != 1 {
		t.Errorf("the disk was read %d times", read.Load())
	}
}

// TestALoopThatDoesNotAnswerIsSaid, and the stream goes on.
func TestALoopThatDoesNotAnswerIsSaid(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	_, at := serves(t, Options{Snapshot: func(context.Context) (control.Snapshot, error) {
		if broken.Load() {
			return control.Snapshot{}, errors.New("the loop does not answer")
		}
		return snapshot(), nil
	}})
	r := opens(t, at)
	var s told
	if r.next("state", &s); s.Status != nil || s.Error != "the loop does not answer" {
		t.Errorf("%+v", s)
	}
	broken.Store(false)
	for s.Status == nil {
		s = told{}
		r.next("state", &s)
	}
}

// TestABrowserMayLoadThisPagesFilesOnly, and text in them is no script.
func TestABrowserMayLoadThisPagesFilesOnly(t *testing.T) {
	_, at := serves(t, Options{})
	for path, want := range map[string]string{"/": "text/html; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/page.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml"} {
		resp, err := http.Get(at + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Security-Policy"); got != policy || resp.Header.Get("Content-Type") != want || resp.Header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
	for _, strange := range []string{"unsafe", "http", "*", "data:"} {
		if strings.Contains(policy+drawingPolicy, strange) {
			t.Errorf("the policy has %s", strange)
		}
	}
	js := string(content("page.js"))
	for _, markup := range []string{"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "DOMParser", "setHTML", "srcdoc", "new Function"} {
		if strings.Contains(js, markup) {
			t.Errorf("page.js has %s", markup)
		}
	}
	for _, name := range []string{"index.html", "signin.html"} {
		text := string(content(name))
		for _, inline := range []string{"style=", "<style", " onclick", " onload", "javascript:", "://"} {
			if strings.Contains(text, inline) {
				t.Errorf("%s has %s", name, inline)
			}
		}
		if strings.Count(text, "<script") != strings.Count(text, `<script src="/`) {
			t.Errorf("%s has an inline script", name)
		}
	}
	w := httptest.NewRecorder()
	New(Options{}).SignIn(w, true)
	if w.Code != 401 || !strings.Contains(w.Body.String(), "That is not the token") || w.Header().Get("Content-Security-Policy") != policy {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
