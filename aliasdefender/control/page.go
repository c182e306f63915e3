package control

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"time"
)

// Page is the page for browsers.
type Page interface {
	Routes(mux *http.ServeMux, streams http.HandlerFunc) // what a reader is answered who was admitted
	OpenRoutes(mux *http.ServeMux)                       // what anybody is answered
	Stream(w http.ResponseWriter, r *http.Request)       // an answer without an end
	SignIn(w http.ResponseWriter, again bool)            // asks for the token
}

// streams answers with a stream where there is a place. A page that is open holds a
// connection for as long as it is; some places are left for questions.
func (s *Server) streams() http.HandlerFunc {
	places := make(chan struct{}, s.mostStreams())
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			s.handlers.Page.Stream(w, r)
		default:
			w.Header().Set("Retry-After", "10")
			http.Error(w, "as many pages are open as there may be; close one", http.StatusServiceUnavailable)
		}
	}
}

// mostStreams is how many pages may be open: of the places over TCP all but a ninth.
func (s *Server) mostStreams() int {
	const each = maxStatus / forQuestions
	return s.overTCP - (s.overTCP+each-1)/each
}

// pass is a token, and the browsers that have shown it. Their cookie's name is made of the
// token and of the host's name: two Monitors that are reached through tunnels have the same host
// for a browser, and must not overwrite each other's.
type pass struct {
	sum      [sha256.Size]byte
	name     string
	sessions sessions
}

func newPass(token string) *pass {
	host, _ := os.Hostname() // hosts that do not know their name share one
	h := hmac.New(sha256.New, []byte(token))
	h.Write([]byte("aliasdefender name " + host))
	return &pass{sum: sha256.Sum256([]byte(token)), name: "aliasdefender_" + hex.EncodeToString(h.Sum(nil))[:8]}
}

// has tells whether a text is the token, in a time that does not depend on where the two
// differ, or on how long they are.
func (p *pass) has(token string) bool {
	got := sha256.Sum256([]byte(token))
	return hmac.Equal(got[:], p.sum[:])
}

// shown is the number of the session that a browser shows; empty: none.
func (p *pass) shown(r *http.Request) string {
	c, err := r.Cookie(p.name)
	if err != nil {
		return ""
	}
	return c.Value
}

// session is for as long as the session lasts that a browser shows; nil: it shows none. A page of
// another site, or of another port of this host, shows none: a browser sends the cookie along
// with what a page of another port asks too.
func (p *pass) session(r *http.Request) context.Context {
	if otherOrigin(r) {
		return nil
	}
	return p.sessions.of(p.shown(r))
}

// otherOrigin tells whether a page of another origin asks. Browsers say so to addresses of their own
// host and over TLS; without the header nobody knows.
func otherOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return true
}

// set gives a browser the cookie, or with an empty value takes it away. No script can read it,
// and no page of another host can have it sent.
func (p *pass) set(w http.ResponseWriter, value string) {
	c := &http.Cookie{Name: p.name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	}
	http.SetCookie(w, c)
}

// signRoutes are what a browser signs in and out by. The token comes in the body of a form,
// and so is in no address, history or log of a proxy. A form of another site does neither.
func (s *Server) signRoutes(mux *http.ServeMux) {
	own := http.NewCrossOriginProtection()
	mux.Handle("POST /sign-in", own.Handler(http.HandlerFunc(s.signIn)))
	mux.Handle("POST /sign-out", own.Handler(http.HandlerFunc(s.signOut)))
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	admits := s.status.admits() // before the token is looked at: it may change meanwhile
	want := s.status.pass.Load()
	switch {
	case want == nil:
		http.NotFound(w, r)
		return
	case !want.has(r.PostFormValue("token")):
		s.handlers.Page.SignIn(w, true)
		return
	}
	number, err := want.sessions.begin(admits)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	want.sessions.end(want.shown(r)) // the browser forgets that number
	want.set(w, number)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	if want := s.status.pass.Load(); want != nil {
		want.sessions.end(want.shown(r))
		want.set(w, "")
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
