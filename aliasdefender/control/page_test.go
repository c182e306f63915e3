package control

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
)

// aPage is a page whose stream lasts until its reader is sent away.
type aPage struct {
	opened chan struct{} // has a value for each stream that has begun
	ended  chan struct{} // and for each that has ended
}

func newPage() *aPage { return &aPage{make(chan struct{}, 200), make(chan struct{}, 200)} }

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
	<-r.Context().Done()
	p.ended <- struct{}{}
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

// stream opens a stream.
func stream(t *testing.T, at, auth string) {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", at, auth)
}

// TestPagesEndWithTheirToken: who was shown the page by the former one sees no more of it. The
// same token, read again, ends nothing.
func TestPagesEndWithTheirToken(t *testing.T) {
	at, p, s := paged(t, statusToken)
	stream(t, at, statusToken)
	<-p.opened
	s.SetStatusToken(statusToken)
	select {
	case <-p.ended:
		t.Fatal("the same token ended it")
	default:
	}
	s.SetStatusToken("another-token-of-the-kind")
	<-p.ended
	stream(t, at, "another-token-of-the-kind")
	<-p.opened
}

// TestThereIsRoomForQuestionsBesideThePages: as many pages as there may be are open, and the
// next one is told so; Prometheus is answered.
func TestThereIsRoomForQuestionsBesideThePages(t *testing.T) {
	at, p, _ := paged(t, "")
	for range maxStreams {
		stream(t, at, "")
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
