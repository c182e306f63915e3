package control

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
)

// maxStatus is how many readers are answered over TCP at a time. They have places of their
// own, and each has its time: one that does not read its answer is cut off.
const maxStatus = 64

// statusDoor is what is answered over TCP: what may be read, and nothing else.
type statusDoor struct {
	on    net.Listener // nil: there is none
	token atomic.Pointer[[sha256.Size]byte]
}

// ListenStatus opens the address at which metrics can be read over TCP. It is called after
// Listen. With a token only those are answered who show it.
func (s *Server) ListenStatus(at netip.AddrPort, token string) error {
	network := "tcp4"
	if at.Addr().Is6() && !at.Addr().Is4In6() {
		network = "tcp6" // "[::]" must not take IPv4 too: nobody wrote that
	}
	ln, err := net.Listen(network, at.String())
	if err != nil {
		return fmt.Errorf("%s: %w", at, systemError(err))
	}
	s.status.on = ln
	s.SetStatusToken(token)
	return nil
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

// SetStatusToken changes the token; empty: none is asked for. It may be called at any time.
func (s *Server) SetStatusToken(token string) {
	if token == "" {
		s.status.token.Store(nil)
		return
	}
	sum := sha256.Sum256([]byte(token))
	s.status.token.Store(&sum)
}

// AsksForToken tells whether a reader over TCP has to show a token.
func (s *Server) AsksForToken() bool { return s.status.token.Load() != nil }

// statusRoutes are what is answered over TCP.
func (s *Server) statusRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics())
	return s.admitted(mux)
}

// admitted lets a reader in who shows the token. Where there is none, the address is one of
// this host alone; then a name of another host in the question is a trick: a web page that
// has its own name lead to this host, to read what only this host should.
func (s *Server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		switch want := s.status.token.Load(); {
		case want == nil && !namesThisHost(r.Host):
			http.Error(w, "ask for an address or for localhost; other names need a token ([status] token_file)", http.StatusMisdirectedRequest)
		case want != nil && !shows(r, want):
			h.Set("WWW-Authenticate", `Bearer realm="aliasdefender"`)
			http.Error(w, "show the token of [status] token_file: Authorization: Bearer TOKEN", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// shows compares in a time that does not depend on where the tokens differ, or on how long
// they are.
func shows(r *http.Request, want *[sha256.Size]byte) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer")
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
