package control

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
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

// pass is a token, and the cookie of a browser that has shown it. The cookie is made of the
// token: it outlives a restart of the Monitor, ends with the token, and does not tell it. Its
// name is made of the token too: two Monitors that are reached through tunnels have the same
// host for a browser, and must not overwrite each other's.
type pass struct {
	sum          [sha256.Size]byte
	cookie, name string
}

func newPass(token string) *pass {
	of := func(what string) string {
		h := hmac.New(sha256.New, []byte(token))
		h.Write([]byte("aliasdefender " + what))
		return hex.EncodeToString(h.Sum(nil))
	}
	return &pass{sha256.Sum256([]byte(token)), of("cookie"), "aliasdefender_" + of("name")[:8]}
}

// has tells whether a text is the token, in a time that does not depend on where the two
// differ, or on how long they are.
func (p *pass) has(token string) bool {
	got := sha256.Sum256([]byte(token))
	return hmac.Equal(got[:], p.sum[:])
}

// seenBy tells whether a browser shows the cookie.
func (p *pass) seenBy(r *http.Request) bool {
	c, err := r.Cookie(p.name)
	return err == nil && hmac.Equal([]byte(c.Value), []byte(p.cookie))
}

// set gives a browser the cookie, or with an empty value takes it away. No script can read it,
// and no other site's page can have it sent.
func (p *pass) set(w http.ResponseWriter, value string) {
	c := &http.Cookie{Name: p.name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	}
	http.SetCookie(w, c)
}

// signRoutes are what a browser signs in and out by. The token comes in the body of a form,
// and so is in no address, history or log of a proxy.
func (s *Server) signRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /sign-in", func(w http.ResponseWriter, r *http.Request) {
		want := s.status.pass.Load()
		switch {
		case want == nil:
			http.NotFound(w, r)
		case !want.has(r.PostFormValue("token")):
			s.handlers.Page.SignIn(w, true)
		default:
			want.set(w, want.cookie)
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	})
	mux.HandleFunc("POST /sign-out", func(w http.ResponseWriter, r *http.Request) {
		if want := s.status.pass.Load(); want != nil {
			want.set(w, "")
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
}
