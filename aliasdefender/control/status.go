package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
)

// How many readers are answered over TCP at a time: those who have the page open, and those
// who ask something, as Prometheus does. They have places of their own, and each has its time:
// one that does not read its answer is cut off.
const (
	maxStreams   = 64
	forQuestions = 8
	maxStatus    = maxStreams + forQuestions
)

// tokenHeader tells a page that a token was asked for.
const tokenHeader = "Aliasdefender-Token"

// sendBuffer is how much of an answer the kernel may keep for one reader who does not read.
const sendBuffer = 256 << 10

// statusDoor is what is answered over TCP: what may be read, and nothing else.
type statusDoor struct {
	on   net.Listener         // nil: there is none
	pass atomic.Pointer[pass] // nil: nobody has to show a token

	mu    sync.Mutex
	open  context.Context // ends with the token: answers under way must not outlive it
	close context.CancelFunc
}

// admits is for as long as who was admitted now stays so.
func (d *statusDoor) admits() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.open, d.close = context.WithCancel(context.Background())
	}
	return d.open
}

// end ends what is being answered.
func (d *statusDoor) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open != nil {
		d.close()
		d.open = nil
	}
}

// ListenStatus opens the address at which metrics can be read over TCP. Call it after
// Listen. If there is a token, the Server answers only readers who show it.
func (s *Server) ListenStatus(at netip.AddrPort, token string) error {
	network := "tcp4"
	if at.Addr().Is6() && !at.Addr().Is4In6() {
		network = "tcp6" // "[::]" must not take IPv4 too: nobody wrote that
	}
	ln, err := net.Listen(network, at.String())
	if err != nil {
		return fmt.Errorf("%s: %w", at, systemError(err))
	}
	s.status.on = frugal{ln}
	s.SetStatusToken(token)
	return nil
}

// frugal bounds what the kernel keeps of an answer that nobody reads.
type frugal struct{ net.Listener }

func (f frugal) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
	return c, err
}

// systemError is what the system says, without the address that is said anyway.
func systemError(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok || inner.Unwrap() == nil {
			return err
		}
		err = inner.Unwrap()
	}
}

// SetStatusToken changes the token; empty: readers need none. One goroutine at a time may
// call it, at any time. Open pages, and sessions, end with the former token.
func (s *Server) SetStatusToken(token string) {
	was := s.status.pass.Load()
	if was == nil && token == "" || was != nil && was.has(token) {
		return // the same as before
	}
	var now *pass
	if token != "" {
		now = newPass(token)
	}
	s.status.pass.Store(now)
	s.status.end()
}

// AsksForToken tells whether a reader over TCP has to show a token.
func (s *Server) AsksForToken() bool { return s.status.pass.Load() != nil }

// statusRoutes are what is answered over TCP.
func (s *Server) statusRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics())
	open := http.NewServeMux()
	if page := s.handlers.Page; page != nil {
		page.Routes(mux, s.streams())
		page.OpenRoutes(open)
		s.signRoutes(open)
	}
	open.Handle("/", s.admitted(mux))
	return s.reached(open)
}

// reached refuses questions that a web page has sent by a trick. Where there is no token the
// address is one of this host alone; then a name of another host in the question means that
// a page has its own name lead to this host, to read what only this host should.
func (s *Server) reached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if s.status.pass.Load() == nil && !namesThisHost(r.Host) {
			http.Error(w, "ask for an address or for localhost; other names need a token ([status] token_file)", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admitted lets a reader in who shows the token, or the cookie of a browser that has shown it.
// What a page of another origin asks is refused, other than a link to the page itself.
func (s *Server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if otherOrigin(r) && r.URL.Path != "/" {
			http.Error(w, "a page of another site, or of another port of this host, has asked for this", http.StatusForbidden)
			return
		}
		admits := s.status.admits() // before the token is looked at: it may change meanwhile
		want := s.status.pass.Load()
		if want != nil && !shows(r, want) {
			admits = want.session(r)
		}
		if admits == nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="aliasdefender"`)
			if s.handlers.Page != nil && r.Method == http.MethodGet && r.URL.Path == "/" {
				s.handlers.Page.SignIn(w, false)
				return
			}
			http.Error(w, "show the token of [status] token_file: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		if want != nil {
			w.Header().Set(tokenHeader, "asked for") // so there is something to sign out of
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(admits, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// shows tells whether a reader shows the token in a header.
func shows(r *http.Request, want *pass) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return want.has(strings.TrimSpace(token)) && strings.EqualFold(scheme, "Bearer")
}

// namesThisHost tells whether the question names an address, or localhost.
func namesThisHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}

// metrics answers with the text that the daemon makes.
func (s *Server) metrics() http.Handler {
	return s.within(s.working, func(w http.ResponseWriter, r *http.Request) {
		text, kind, err := s.handlers.Metrics(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(text) // it is not our fault if the reader has left
	})
}
