package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"sync"
	"time"
)

// versionHeader is on every answer: it tells a Monitor from any other server,
// and one version of it from another.
const versionHeader = "Aliasdefender-Version"

// What one client may cost. A client is a command of ours on this host: it
// asks at once, reads at once and leaves.
const (
	maxClients  = 32               // at a time; more wait at the door
	readWithin  = 2 * time.Second  // the whole question
	writeWithin = 10 * time.Second // the whole of it, answer included
	workWithin  = 5 * time.Second  // what the daemon may take to answer
	maxHeader   = 8 << 10          // bytes
	maxBody     = 64 << 10         // bytes
	endWithin   = time.Second      // answers under way when we end
)

// Refusal is the answer of a daemon that understood an order and does not
// carry it out.
type Refusal struct {
	Kind Kind
	Text string // one line for each thing that is wrong
}

func (r *Refusal) Error() string { return r.Text }

// Kind tells refusals apart where the client has to act differently.
type Kind string

// The kinds of refusals.
const (
	KindConfig Kind = "configuration" // the files have mistakes
	KindBusy   Kind = "busy"          // not now: the daemon is ending, or its loop does not answer
)

// Handlers are what the daemon does for its clients. Each may be called from
// several goroutines at once, and gives up when its context ends. An error
// that is a *Refusal reaches the client as such.
type Handlers struct {
	Status func(ctx context.Context, journal bool) (Snapshot, error)
	Reload func(ctx context.Context) error
	Order  func(ctx context.Context, o Order) ([]Outcome, error)
}

// Server answers on the control socket.
type Server struct {
	lock     *Lock
	version  string
	handlers Handlers
	listener net.Listener
	readers  net.Listener // nil: nobody but its owner may ask

	reading, working, writing time.Duration // the constants above, shorter in tests
}

// NewServer returns the server of the lock's socket: without the lock there is no
// server. It starts nothing.
func NewServer(l *Lock, version string, h Handlers) *Server {
	return &Server{lock: l, version: version, handlers: h, reading: readWithin, working: workWithin, writing: writeWithin}
}

// Listen opens the socket, so that what is wrong with it is known before any
// alias is touched. Clients that come before Serve wait for it.
func (s *Server) Listen() error {
	ln, err := s.lock.listen()
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	s.listener = ln
	// Where readers are no longer wanted, none shall find a socket of those before us.
	_ = sweep(s.lock.socket + ReadersSuffix)
	return nil
}

// Close closes sockets that are not served (Serve closes them itself).
func (s *Server) Close() error {
	if s.readers != nil {
		s.readers.Close()
	}
	return s.listener.Close()
}

// Serve answers until ctx ends, and then gives the answers under way a second.
// It removes the socket. The error is one of the socket; nil after ctx's end.
func (s *Server) Serve(ctx context.Context) error {
	all := s.servings()
	ended := make(chan error, len(all))
	webs := make([]*http.Server, len(all))
	for i, one := range all {
		webs[i] = s.web(ctx, one)
		go func() { ended <- webs[i].Serve(limit(one.on, one.most)) }()
	}
	left := len(all)
	var err error
	select {
	case err = <-ended:
		err = fmt.Errorf("control socket: %w", err)
		left--
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	for _, web := range webs {
		if err != nil || web.Shutdown(last) != nil {
			web.Close() // a client that does not read its answer does not hold us
		}
	}
	for range left {
		<-ended
	}
	return err
}

// web is the server of one socket.
func (s *Server) web(ctx context.Context, one serving) *http.Server {
	web := &http.Server{
		Handler:        http.MaxBytesHandler(s.named(one.routes), maxBody),
		ReadTimeout:    s.reading,
		WriteTimeout:   s.writing,
		MaxHeaderBytes: maxHeader,
		// The requests of a server that ends are not cut off by its context
		// but by the deadline below.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		// It would speak of clients that went away; nobody can act on that.
		ErrorLog: stdlog.New(io.Discard, "", 0),
	}
	// A command asks once; a connection that is kept would hold a place.
	web.SetKeepAlivesEnabled(false)
	return web
}

// routes is the whole interface. Orders are POST. What the client gets for each
// is documented at the client's method.
func (s *Server) routes() *http.ServeMux {
	mux := s.readRoutes()
	mux.Handle("POST /v1/reload", s.answer(s.working, func(r *http.Request) (any, error) {
		return struct{}{}, s.handlers.Reload(r.Context())
	}))
	mux.Handle("POST /v1/orders", s.order())
	return mux
}

// named puts our version on every answer.
func (s *Server) named(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(versionHeader, s.version)
		mux.ServeHTTP(w, r)
	})
}

// failure is the JSON of every answer that is not the one asked for.
type failure struct {
	Kind  Kind   `json:"kind,omitempty"`
	Error string `json:"error"`
}

// answer makes an HTTP handler of a function that may take so long: its value
// or its error as JSON.
func (s *Server) answer(within time.Duration, f func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The server's own deadline for an answer is counted from the question,
		// and would cut off one for which we take our time.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(within + s.writing))
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		value, err := f(r.WithContext(ctx))
		code := http.StatusOK
		if err != nil {
			var refusal *Refusal
			switch {
			case errors.As(err, &refusal):
				code, value = http.StatusConflict, failure{refusal.Kind, refusal.Text}
			case errors.Is(err, context.DeadlineExceeded):
				code, value = http.StatusServiceUnavailable, failure{KindBusy, "the daemon did not answer within " + within.String()}
			case errors.Is(err, errUnknownOrder):
				code, value = http.StatusNotFound, failure{"", err.Error()}
			default:
				code, value = http.StatusInternalServerError, failure{"", err.Error()}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		// A client that left is no fault of ours.
		if snapshot, is := value.(Snapshot); is {
			_ = snapshot.write(w)
		} else {
			_ = json.NewEncoder(w).Encode(value)
		}
	})
}

// limit lets at most n connections of ln be open at a time. Those beyond wait
// in the kernel: descriptors that hanging clients take are not there for the
// questions on which the aliases depend.
func limit(ln net.Listener, n int) net.Listener {
	l := &limited{Listener: ln, places: make(chan struct{}, n), closed: make(chan struct{})}
	l.close = sync.OnceValue(func() error {
		close(l.closed)
		return ln.Close()
	})
	return l
}

type limited struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  func() error // more than once is as once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	p := &placed{Conn: c}
	p.close = sync.OnceValue(func() error {
		<-l.places
		return c.Close()
	})
	return p, nil
}

// Close ends the waiting for a place too.
func (l *limited) Close() error { return l.close() }

// placed is a connection that gives its place back when it is closed.
type placed struct {
	net.Conn
	close func() error
}

func (p *placed) Close() error { return p.close() }
