package check

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
)

// page is the check of a page with the defaults; change changes it.
func page(url string, change ...func(*config.Check)) config.Check {
	c := config.Check{Name: "web", Kind: config.CheckHTTP, Timeout: time.Minute,
		HTTP: config.HTTP{URL: url, Method: "GET", Status: []config.StatusRange{{First: 200, Last: 399}}, Redirects: true, VerifyTLS: true}}
	for _, f := range change {
		f(&c)
	}
	return c
}

func ask(t *testing.T, c config.Check) Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), c.Timeout)
	defer cancel()
	return NewQuestions().Ask(ctx, c)
}

func soon(c *config.Check) { c.Timeout = 200 * time.Millisecond }

func TestEachFaultOfAPageIsFailingWithItsReason(t *testing.T) {
	stop := make(chan struct{})
	site := http.NewServeMux()
	site.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<html>%s %s %s</html>\n", r.Method, r.Host, r.Header.Get("X-Probe"))
	})
	site.HandleFunc("/500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	site.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	site.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	site.HandleFunc("/steps/{n}", func(w http.ResponseWriter, r *http.Request) {
		if n, _ := strconv.Atoi(r.PathValue("n")); n > 0 {
			http.Redirect(w, r, fmt.Sprint("/steps/", n-1), http.StatusFound)
		}
	})
	site.HandleFunc("/silent", func(http.ResponseWriter, *http.Request) { <-stop })
	site.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for tick := time.NewTicker(time.Millisecond); r.Context().Err() == nil; <-tick.C {
			fmt.Fprintln(w, "<html>")
			w.(http.Flusher).Flush()
		}
	})
	site.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", bodyMost) + "</html>"))
	})
	site.HandleFunc("/torn", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "<html>")
	})
	server := httptest.NewServer(site)
	defer server.Close()
	defer close(stop)
	ends := func(c *config.Check) { c.Contains = "</html>" }
	matches := func(c *config.Check) { c.HTTP.Matches = `</html>\s*$` }
	for _, tt := range []struct {
		name  string
		check config.Check
		state State
		want  string
	}{
		{"good", page(server.URL+"/ok", ends, matches), Good, "status 200"},
		{"the header Host", page(server.URL+"/ok", func(c *config.Check) {
			c.HTTP.Host, c.HTTP.Method, c.Contains = "www.example.org", "POST", "<html>POST www.example.org yes<"
			c.HTTP.Headers = map[string]string{"X-Probe": "yes"}
		}), Good, "status 200"},
		{"status", page(server.URL + "/500"), Failing, "status 500, not one of those wanted"},
		{"a redirect", page(server.URL+"/moved", ends), Good, "status 200"},
		{"a redirect that is not followed", page(server.URL+"/moved", func(c *config.Check) { c.HTTP.Redirects = false }), Good, "status 302"},
		{"as many redirects as are followed", page(server.URL + "/steps/10"), Good, "status 200"},
		{"one more", page(server.URL + "/steps/11"), Failing, "redirect loop: more than 10 redirects"},
		{"redirect loop", page(server.URL + "/loop"), Failing, "redirect loop: more than 10 redirects"},
		{"body", page(server.URL+"/ok", func(c *config.Check) { c.Contains = "welcome" }), Failing, `status 200, but the page does not contain "welcome"`},
		{"no match", page(server.URL+"/ok", func(c *config.Check) { c.HTTP.Matches = "^x" }), Failing, `status 200, but the page does not match "^x"`},
		{"beyond the limit", page(server.URL+"/large", ends), Failing, `status 200, but the first 1048576 bytes of the page does not contain "</html>"`},
		{"silent", page(server.URL+"/silent", soon), Failing, "timeout: not done within 200ms, while "},
		{"a body without an end", page(server.URL+"/endless", soon), Failing, "timeout: not done within 200ms, while "},
		{"a body that is cut off", page(server.URL + "/torn"), Failing, "the connection was closed before the answer was whole"},
	} {
		if got := ask(t, tt.check); got.State != tt.state || got.Reason != tt.want && (tt.check.Timeout == time.Minute || !strings.HasPrefix(got.Reason, tt.want)) {
			t.Errorf("%s: %s, %q; want %s, %q", tt.name, got.State, got.Reason, tt.state, tt.want)
		}
	}
}

func TestCertificatesAreForTheNameOfTheSettings(t *testing.T) {
	var asked string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = r.TLS.ServerName + " " + r.Host }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	server.StartTLS()
	defer server.Close()
	trust := func(c *config.Check) {
		c.HTTP.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	}
	named := func(name string) func(*config.Check) { return func(c *config.Check) { c.HTTP.Host = name } }
	if got := ask(t, page(server.URL)); got.State != Failing || got.Reason != "bad certificate: certificate signed by unknown authority" {
		t.Errorf("%+v", got)
	}
	if got := ask(t, page(server.URL, func(c *config.Check) { c.HTTP.VerifyTLS = false })); got.State != Good {
		t.Errorf("not verified: %+v", got)
	}
	if got := ask(t, page(server.URL, trust, named("example.com:8443"))); got.State != Good || asked != "example.com example.com:8443" {
		t.Errorf("of the name in it: %+v, asked for %s", got, asked)
	}
	if got := ask(t, page(server.URL, trust, named("other.org"))); got.State != Failing || !strings.HasPrefix(got.Reason, "bad certificate: certificate is valid for ") {
		t.Errorf("of another name: %+v", got)
	}
}

func TestRefusedIsFailing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	want := "connection refused: " + l.Addr().String()
	for _, c := range []config.Check{page("http://" + l.Addr().String()), {Kind: config.CheckTCP, Timeout: time.Minute, Address: l.Addr().String()}} {
		if got := ask(t, c); got.State != Failing || got.Reason != want {
			t.Errorf("%s: %+v", c.Kind, got)
		}
	}
}

// A resolver that hangs, or has no such name, says nothing about the service.
func TestANameThatCannotBeResolvedIsUnknown(t *testing.T) {
	q := NewQuestions()
	for _, tt := range []struct {
		resolve func(context.Context, string) ([]netip.Addr, error)
		want    string
	}{
		{func(ctx context.Context, _ string) ([]netip.Addr, error) { <-ctx.Done(); return nil, ctx.Err() }, "the name cannot be resolved: no answer within "},
		{func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }, "the name cannot be resolved: no such host"},
		{func(context.Context, string) ([]netip.Addr, error) { return nil, nil }, "the name cannot be resolved: the name web.example has no address"},
	} {
		q.resolve = tt.resolve
		for _, c := range []config.Check{page("http://web.example/", soon), {Kind: config.CheckTCP, Timeout: 100 * time.Millisecond, Address: "web.example:80"}} {
			ctx, cancel := context.WithTimeout(t.Context(), c.Timeout)
			if got := q.Ask(ctx, c); got.State != Unknown || !strings.HasPrefix(got.Reason, tt.want) {
				t.Errorf("%s: %+v, want %q", c.Kind, got, tt.want)
			}
			cancel()
		}
	}
}

// What this host lacks is no fault of the service's.
func TestAFaultOfThisHostIsUnknown(t *testing.T) {
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENETUNREACH, syscall.EPERM} {
		wrapped := &net.OpError{Op: "dial", Err: err}
		if got := broken(t.Context(), &stage{}, config.Check{}, wrapped); got.State != Unknown {
			t.Errorf("%v: %+v", err, got)
		}
	}
	if got := broken(t.Context(), &stage{}, config.Check{}, &net.OpError{Op: "read", Err: syscall.ECONNRESET}); got != failing("connection reset by peer") {
		t.Errorf("%+v", got)
	}
}

// What net/http says of a server that speaks first is no text for an administrator.
func TestAServerThatSpeaksFirstIsNoHTTP(t *testing.T) {
	if got := broken(t.Context(), &stage{}, config.Check{}, errors.New("readLoopPeekFailLocked: %!w(<nil>)")); got != failing("it speaks before it is asked: this is no HTTP") {
		t.Errorf("%+v", got)
	}
}

func TestTCPSendsAndListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 64)
				switch n, _ := c.Read(buf); string(buf[:n]) {
				case "PING\n":
					fmt.Fprint(c, "+PO")
					fmt.Fprint(c, "NG\r\n")
				case "FLOOD\n":
					for err == nil {
						_, err = fmt.Fprint(c, strings.Repeat("x", 4096))
					}
				case "HANG\n":
					_, _ = c.Read(buf)
				}
			}()
		}
	}()
	check := func(send, contains string, within time.Duration) Answer {
		return ask(t, config.Check{Kind: config.CheckTCP, Timeout: within, Address: l.Addr().String(), Send: send, Contains: contains})
	}
	for _, tt := range []struct {
		got  Answer
		want Answer
	}{
		{check("", "", time.Minute), good("connected")},
		{check("PING\n", "+PONG", time.Minute), good("connected, and heard what was wanted")},
		{check("PING\n", "-ERR", time.Minute), failing(`the answer does not contain "-ERR"`)},
		{check("FLOOD\n", "y", time.Minute), failing(`the first 65536 bytes of the answer do not contain "y"`)},
	} {
		if tt.got != tt.want {
			t.Errorf("%+v, want %+v", tt.got, tt.want)
		}
	}
	if got := check("HANG\n", "y", 200*time.Millisecond); got.State != Failing || !strings.HasPrefix(got.Reason, "timeout: not done within 200ms, while ") {
		t.Errorf("%+v", got)
	}
}
