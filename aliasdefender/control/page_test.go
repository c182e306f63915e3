package control

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// aPage is a page whose stream lasts until its reader is sent away.
type aPage struct {
	opened chan struct{} // has a value for each stream that has begun
	ended  chan struct{} // and for each that has ended
	news   chan string   // what a stream is to carry
}

func newPage() *aPage {
	return &aPage{make(chan struct{}, 200), make(chan struct{}, 200), make(chan string)}
}

func (p *aPage) Routes(mux *http.ServeMux, streams http.HandlerFunc) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the page") })
	mux.HandleFunc("GET /events", streams)
}

func (p *aPage) OpenRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /page.css", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "style") })
}

func (p *aPage) Stream(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "data: 1\n\n")
	_ = http.NewResponseController(w).Flush()
	p.opened <- struct{}{}
	defer func() { p.ended <- struct{}{} }()
	for {
		if r.Context().Err() != nil {
			return // and carries nothing more
		}
		select {
		case <-r.Context().Done():
			return
		case text := <-p.news:
			fmt.Fprintf(w, "data: %s\n\n", text)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

func (p *aPage) SignIn(w http.ResponseWriter, again bool) {
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprintf(w, "sign in, again %t", again)
}

// paged serves a page.
func paged(t *testing.T, token string, change ...func(*Server)) (at string, p *aPage, s *Server) {
	t.Helper()
	p = newPage()
	h := text("held 1\n")
	h.Page = p
	_, at, s = served(t, token, h, change...)
	return at, p, s
}

// browser asks as one does, with its cookies, and follows no redirection.
func browser(t *testing.T, at string) func(method, path, form string) (*http.Response, string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(method, path, form string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+at+path, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := web.Do(r)
		return whole(t, resp, err)
	}
}

// TestABrowserSignsInAndOut: the token comes in the body of a form, and the browser keeps a
// cookie that no script can read, that no other site can have sent, and that is not the token.
func TestABrowserSignsInAndOut(t *testing.T) {
	at, _, s := paged(t, statusToken)
	ask := browser(t, at)
	if resp, body := ask("GET", "/", ""); resp.StatusCode != 401 || body != "sign in, again false" {
		t.Errorf("before: %d %q", resp.StatusCode, body)
	}
	if resp, body := ask("GET", "/page.css", ""); resp.StatusCode != 200 || body != "style" {
		t.Errorf("what the form needs: %d %q", resp.StatusCode, body)
	}
	for _, path := range []string{"/events", "/metrics", "/no"} {
		if resp, _ := ask("GET", path, ""); resp.StatusCode != 401 {
			t.Errorf("%s before: %d", path, resp.StatusCode)
		}
	}
	for form, path := range map[string]string{"token=wrong": "/sign-in", "": "/sign-in?token=" + statusToken, "token=": "/sign-in"} {
		if resp, body := ask("POST", path, form); resp.StatusCode != 401 || body != "sign in, again true" || len(resp.Cookies()) > 0 {
			t.Errorf("%q %q: %d %q", path, form, resp.StatusCode, body)
		}
	}
	resp, _ := ask("POST", "/sign-in", "token="+statusToken)
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/" || len(resp.Cookies()) != 1 {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	if c := resp.Cookies()[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.String(), statusToken) || len(c.Value) != 64 {
		t.Errorf("the cookie is %s", c)
	}
	if resp, body := ask("GET", "/", ""); resp.StatusCode != 200 || body != "the page" || resp.Header.Get(tokenHeader) == "" {
		t.Errorf("after: %d %q", resp.StatusCode, body)
	}
	if resp, _ := ask("POST", "/sign-out", ""); resp.StatusCode != 303 {
		t.Errorf("out: %d", resp.StatusCode)
	}
	if resp, _ := ask("GET", "/", ""); resp.StatusCode != 401 {
		t.Errorf("after that: %d", resp.StatusCode)
	}
	ask("POST", "/sign-in", "token="+statusToken)
	s.SetStatusToken("another-token-of-the-kind")
	if resp, _ := ask("GET", "/", ""); resp.StatusCode != 401 {
		t.Errorf("with another token in force: %d", resp.StatusCode)
	}
}

func TestWithoutATokenThereIsNothingToSignInto(t *testing.T) {
	at, _, _ := paged(t, "")
	ask := browser(t, at)
	if resp, _ := ask("POST", "/sign-in", "token="); resp.StatusCode != 404 || len(resp.Cookies()) > 0 {
		t.Errorf("%d", resp.StatusCode)
	}
	if resp, body := ask("GET", "/", ""); body != "the page" || resp.Header.Get(tokenHeader) != "" {
		t.Errorf("%q", body)
	}
	for _, path := range []string{"/", "/page.css", "/events"} {
		if code, _, _ := asks(t, at, "GET", path, "evil.example.net", ""); code != 421 {
			t.Errorf("a foreign name, %s: %d", path, code)
		}
	}
}

// TestASessionEndsWhereTheUserEndsIt: a cookie that somebody else has seen, as a service on
// another port of the host does, is good for nothing after sign-out, and what it opened ends.
func TestASessionEndsWhereTheUserEndsIt(t *testing.T) {
	at, p, s := paged(t, statusToken)
	ask, other := browser(t, at), browser(t, at)
	resp, _ := ask("POST", "/sign-in", "token="+statusToken)
	seen := resp.Cookies()[0]
	resp, _ = other("POST", "/sign-in", "token="+statusToken)
	if resp.Cookies()[0].Value == seen.Value {
		t.Error("two browsers have the same cookie")
	}
	cookie := "Cookie: " + seen.Name + "=" + seen.Value
	replayed := func() int {
		resp, _ := sent(t, at, "GET", "/", cookie)
		return resp.StatusCode
	}
	if code := replayed(); code != 200 {
		t.Errorf("before: %d", code)
	}
	stream(t, at, cookie)
	<-p.opened
	s.SetStatusToken(statusToken) // a reload with the same token
	if code := replayed(); code != 200 {
		t.Errorf("after a reload: %d", code)
	}
	ask("POST", "/sign-out", "")
	if code := replayed(); code != 401 {
		t.Fatalf("after sign-out: %d", code)
	}
	<-p.ended
	if resp, _ := other("GET", "/", ""); resp.StatusCode != 200 {
		t.Errorf("the other browser: %d", resp.StatusCode)
	}
	other("POST", "/sign-in", "token="+statusToken)
	if n := len(s.status.pass.Load().sessions.open); n != 1 {
		t.Errorf("a browser that signs in twice has %d sessions", n)
	}
}

// sent is the answer to a question with these headers.
func sent(t *testing.T, at, method, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+at+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	return whole(t, resp, err)
}

// whole is an answer with its body.
func whole(t *testing.T, resp *http.Response, err error) (*http.Response, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestSessionsEndWithTimeAndAreBounded: the oldest makes room, and nothing is kept of one that
// has ended.
func TestSessionsEndWithTimeAndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var all sessions
		first, _ := all.begin(ctx)
		time.Sleep(sessionLasts - time.Second)
		second, _ := all.begin(ctx)
		if all.of(first) == nil || all.of(second) == nil || all.of("") != nil || all.of(first[1:]) != nil {
			t.Error("the wrong ones are known")
		}
		shown := all.of(first)
		time.Sleep(time.Second)
		synctest.Wait()
		if all.of(first) != nil || shown.Err() == nil || all.of(second) == nil {
			t.Error("12 hours do not end it")
		}
		for range sessionsMost {
			if _, err := all.begin(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if len(all.open) != sessionsMost || all.of(second) != nil {
			t.Errorf("%d sessions, the oldest is there: %t", len(all.open), all.of(second) != nil)
		}
		stop()
		if _, _ = all.begin(t.Context()); len(all.open) != 1 {
			t.Errorf("%d sessions when all but one have ended", len(all.open))
		}
	})
}

// TestOtherSitesHaveNothingAskedWithTheCookie where the browser says who asks: neither a page of
// another port of this host, for which the cookie is sent, nor a form that signs in or out.
func TestOtherSitesHaveNothingAskedWithTheCookie(t *testing.T) {
	at, _, _ := paged(t, statusToken)
	in, _ := browser(t, at)("POST", "/sign-in", "token="+statusToken)
	cookie := "Cookie: " + in.Cookies()[0].Name + "=" + in.Cookies()[0].Value
	for _, c := range []struct {
		method, path, header string
		want                 int
	}{
		{"GET", "/", "Sec-Fetch-Site: same-origin", 200}, {"GET", "/", "Sec-Fetch-Site: none", 200}, {"GET", "/metrics", "Accept: */*", 200},
		{"GET", "/", "Sec-Fetch-Site: same-site", 401}, {"GET", "/", "Sec-Fetch-Site: cross-site", 401}, // a link leads to the form
		{"GET", "/metrics", "Sec-Fetch-Site: same-site", 403}, {"GET", "/events", "Sec-Fetch-Site: cross-site", 403},
		{"POST", "/sign-out", "Origin: http://evil.example.net", 403}, {"POST", "/sign-out", "Sec-Fetch-Site: same-site", 403},
		{"POST", "/sign-in", "Sec-Fetch-Site: cross-site", 403}, {"GET", "/", "Accept: */*", 200}, // and nobody is signed out
		{"POST", "/sign-out", "Origin: http://" + at, 303},
	} {
		if resp, body := sent(t, at, c.method, c.path, cookie, c.header); resp.StatusCode != c.want {
			t.Errorf("%s %s, %s: %d %q, want %d", c.method, c.path, c.header, resp.StatusCode, body, c.want)
		}
	}
	at, _, _ = paged(t, "")
	for path, want := range map[string]int{"/": 200, "/metrics": 403} {
		if resp, _ := sent(t, at, "GET", path, "Sec-Fetch-Site: cross-site"); resp.StatusCode != want {
			t.Errorf("without a token, %s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// stream opens a stream, and returns what comes.
func stream(t *testing.T, at, header string) *bufio.Reader {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", at, header)
	return bufio.NewReader(c)
}

// carries waits for a line of a stream.
func carries(t *testing.T, in *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("%q does not come: %v", want, err)
		}
		if strings.TrimSpace(line) == want {
			return
		}
	}
}

// TestPagesEndWithTheirToken: who was shown the page by the former one sees no more of it. The
// same token, read again, ends nothing.
func TestPagesEndWithTheirToken(t *testing.T) {
	at, p, s := paged(t, statusToken)
	in := stream(t, at, "Authorization: Bearer "+statusToken)
	<-p.opened
	admits := s.status.admits()
	s.SetStatusToken(statusToken)
	if admits.Err() != nil {
		t.Error("the same token ends what is open")
	}
	p.news <- "after the same token"
	carries(t, in, "data: after the same token")
	s.SetStatusToken("another-token-of-the-kind")
	<-p.ended
	stream(t, at, "Authorization: Bearer another-token-of-the-kind")
	<-p.opened
}

// TestThereIsRoomForQuestionsBesideThePages: as many pages as there may be are open, and the
// next one is told so; Prometheus is answered.
func TestThereIsRoomForQuestionsBesideThePages(t *testing.T) {
	at, p, _ := paged(t, "")
	for range maxStreams {
		stream(t, at, "Accept: */*")
		<-p.opened
	}
	if code, h, body := asks(t, at, "GET", "/events", "", ""); code != 503 || h.Get("Retry-After") == "" || !strings.Contains(body, "close one") {
		t.Errorf("one page too many: %d %q", code, body)
	}
	if code, _, body := asks(t, at, "GET", "/metrics", "", ""); code != 200 || body != "held 1\n" {
		t.Errorf("metrics: %d %q", code, body)
	}
	for clients, want := range map[int]int{1000: 64, maxClients + 72: 64, maxClients + 9: 8, maxClients + 1: 0, 1: 0} {
		s := NewServer(acquire(t, place(t)), "1", Handlers{Page: newPage()})
		s.AtMost(clients)
		if got := s.mostStreams(); got != want {
			t.Errorf("of %d clients %d may be pages, want %d", clients, got, want)
		}
	}
}
