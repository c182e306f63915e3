package control

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const statusToken = "correct-horse-battery-staple"

// served serves metrics over TCP too, and returns its address.
func served(t *testing.T, token string, h Handlers, change ...func(*Server)) (socket, at string, s *Server) {
	t.Helper()
	socket, _ = serve(t, h, append(change, func(made *Server) {
		s = made
		if err := s.ListenStatus(netip.MustParseAddrPort("127.0.0.1:0"), token); err != nil {
			t.Fatal(err)
		}
		at = s.status.on.Addr().String()
	})...)
	return socket, at, s
}

// text answers with that text.
func text(answer string) Handlers {
	return Handlers{Status: quick, Metrics: func(context.Context) ([]byte, string, error) { return []byte(answer), "text/plain; version=0.0.4", nil }}
}

// asks asks over TCP.
func asks(t *testing.T, at, method, path, host, auth string) (code int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+at+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(all)
}

// overSocket asks on a unix socket.
func overSocket(t *testing.T, socket, path string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.0\r\n\r\n", path)
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestMetricsAreReadOnEachSocket(t *testing.T) {
	socket, at, _ := served(t, "", text("held 1\n"))
	if code, h, body := asks(t, at, http.MethodGet, "/metrics", "", ""); code != 200 || body != "held 1\n" || h.Get("Content-Type") != "text/plain; version=0.0.4" {
		t.Errorf("over TCP: %d, %v, %q", code, h, body)
	}
	if got := overSocket(t, socket, "/metrics"); !strings.HasSuffix(got, "\r\n\r\nheld 1\n") {
		t.Errorf("on the control socket: %q", got)
	}
	socket, _, _ = read(t, text("held 1\n"))
	if got := overSocket(t, socket+ReadersSuffix, "/metrics"); !strings.HasSuffix(got, "\r\n\r\nheld 1\n") {
		t.Errorf("on the readers' socket: %q", got)
	}
}

// TestOverTCPNothingElseIsAnswered: no order, and none of what only this host's users may read.
func TestOverTCPNothingElseIsAnswered(t *testing.T) {
	h := text("")
	h.Status = func(context.Context, bool) (Snapshot, error) { t.Error("Status was asked"); return Snapshot{}, nil }
	h.Reload = func(context.Context, bool) error { t.Error("a reload was ordered"); return nil }
	h.Order = func(context.Context, Order) ([]Outcome, error) { t.Error("an order was given"); return nil, nil }
	_, at, _ := served(t, "", h)
	for path, want := range map[string]int{"/v1/status": 404, "/v1/reload": 404, "/v1/orders": 404, "/": 404, "/metrics": 405} {
		if code, _, body := asks(t, at, http.MethodPost, path, "", ""); code != want {
			t.Errorf("POST %s: %d %q, want %d", path, code, body, want)
		}
	}
}

func TestOnlyWhoShowsTheTokenIsAnswered(t *testing.T) {
	_, at, s := served(t, statusToken, text("held 1\n"))
	for auth, want := range map[string]int{
		"Bearer " + statusToken: 200, "bearer  " + statusToken: 200,
		"": 401, statusToken: 401, "Bearer": 401, "Bearer ": 401, "Basic " + statusToken: 401, "Bearer " + statusToken + "x": 401,
		"Bearer " + statusToken[:len(statusToken)-1]: 401, "Bearer " + strings.ToUpper(statusToken): 401,
	} {
		code, h, body := asks(t, at, http.MethodGet, "/metrics", "metrics.example.net", auth)
		if code != want || want == 401 && (h.Get("WWW-Authenticate") == "" || strings.Contains(body, "held")) {
			t.Errorf("%q: %d, %v, %q", auth, code, h, body)
		}
	}
	s.SetStatusToken("another-token-of-the-kind")
	if code, _, _ := asks(t, at, http.MethodGet, "/metrics", "", "Bearer "+statusToken); code != 401 {
		t.Errorf("the former token: %d", code)
	}
	if code, _, _ := asks(t, at, http.MethodGet, "/metrics", "", "Bearer another-token-of-the-kind"); code != 200 {
		t.Errorf("the new token: %d", code)
	}
}

// TestAForeignNameIsNotAnsweredWithoutAToken: a page in a browser on this host, whose name
// leads to 127.0.0.1, must not read what only this host should.
func TestAForeignNameIsNotAnsweredWithoutAToken(t *testing.T) {
	_, at, _ := served(t, "", text("held 1\n"))
	for host, want := range map[string]int{"": 200, "localhost:9720": 200, "LOCALHOST": 200, "[::1]:9720": 200, "127.0.0.1": 200, "evil.example.net:9720": 421, "localhost.evil.example.net": 421} {
		if code, _, body := asks(t, at, http.MethodGet, "/metrics", host, ""); code != want || want != 200 && strings.Contains(body, "held") {
			t.Errorf("%q: %d %q, want %d", host, code, body, want)
		}
	}
}

func TestAnAddressThatIsTakenIsSaid(t *testing.T) {
	_, at, _ := served(t, "", text(""))
	other := NewServer(acquire(t, place(t)), "1", Handlers{})
	if err := other.ListenStatus(netip.MustParseAddrPort(at), ""); says(err) != at+": address already in use" {
		t.Errorf("got %v", err)
	}
}

func TestAMonitorThatCannotTellIsNoEmptyPage(t *testing.T) {
	_, at, _ := served(t, "", Handlers{Status: quick, Metrics: func(context.Context) ([]byte, string, error) {
		return nil, "", context.DeadlineExceeded
	}})
	if code, _, _ := asks(t, at, http.MethodGet, "/metrics", "", ""); code != 503 {
		t.Errorf("code %d", code)
	}
}

// TestReadersThatAreStuckHoldNobodyUp: as many readers as there may be ask, and do not read.
// The control socket answers meanwhile, and the next reader does when the first of them has
// lost its place.
func TestReadersThatAreStuckHoldNobodyUp(t *testing.T) {
	const most, size = 8, 8 << 20 // more than both ends' buffers take
	socket, at, _ := served(t, "", text(strings.Repeat("held 1\n\n", size/8)), func(s *Server) {
		s.overTCP, s.writing, s.working = most, 3*time.Second, time.Second
	})
	for range most {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", at)
	}
	if _, err := Dial(socket).Status(t.Context(), false); err != nil {
		t.Errorf("the control socket: %v", err)
	}
	// A busy machine may not read the whole answer in its time; then one asks again.
	for deadline := time.Now().Add(time.Minute); ; {
		n, err := readAll(at)
		if err == nil && n == size {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the next reader: %d bytes, %v", n, err)
		}
	}
}

// readAll reads the metrics, and tells how much that was.
func readAll(at string) (int64, error) {
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := web.Get("http://" + at + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.Copy(io.Discard, resp.Body)
}
