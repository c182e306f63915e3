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
	"time"
)

// versionHeader is on every answer: it tells a Monitor from any other server, and one
// version from another.
const versionHeader = "Aliasdefender-Version"

// What one client may cost. A client is a command of ours on this host: it asks at once,
// reads at once and leaves.
const (
	maxClients  = 32               // at a time; a client that says nothing makes room for the next
	readWithin  = 2 * time.Second  // the whole question
	writeWithin = 10 * time.Second // from the question to the end of the answer
	workWithin  = 5 * time.Second  // what the daemon may take to answer
	maxHeader   = 8 << 10          // bytes
	maxBody     = 64 << 10         // bytes
	endWithin   = time.Second      // for answers under way when we end
)

// Refusal is the answer of a daemon that understood an order but does not carry it out.
type Refusal struct {
	Kind Kind
	Text string // one line for each thing that is wrong
}

func (r *Refusal) Error() string { return r.Text }

// Kind tells refusals apart where the client has to act differently.
type Kind string

// The kinds of refusals.
const (
	KindConfig    Kind = "configuration" // the files have mistakes
	KindDrop      Kind = "drop"          // the files lack rows of aliases that this host holds, or of routes that it keeps
	KindBusy      Kind = "busy"          // not now: the daemon is ending, or its loop does not answer
	KindObserving Kind = "observing"     // the Monitor only observes
	KindNoAlias   Kind = "no alias"      // the daemon has none of that address
	KindTooMany   Kind = "too many"      // of that many aliases at once it cannot be told
)

// Handlers are what the daemon does for its clients. Each may be called from several
// goroutines at once, and gives up when its context ends. If the error is a *Refusal, the
// client gets a *Refusal too.
type Handlers struct {
	Status func(ctx context.Context, journal bool) (Snapshot, error)
	Now    func(ctx context.Context, alias string) ([]Now, error) // of one alias; empty: of all
	Reload func(ctx context.Context, drop bool) error
	Order  func(ctx context.Context, o Order) ([]Outcome, error)
	Drill  func(ctx context.Context, alias string) (Drill, error)

	// Metrics returns the text for Prometheus, and its content type.
	Metrics func(ctx context.Context) (text []byte, kind string, err error)

	Page Page // over TCP; nil: there is none
}

// Server answers on the control socket.
type Server struct {
	lock     *Lock
	version  string
	handlers Handlers
	listener net.Listener
	clients  int          // at a time
	overTCP  int          // the same over TCP
	readers  net.Listener // nil: only the owner may ask
	status   statusDoor

	reading, working, writing time.Duration // the constants above, shorter in tests
}

// NewServer returns the server for the lock's socket: without the lock there is no
// server. It starts nothing.
func NewServer(l *Lock, version string, h Handlers) *Server {
	return &Server{lock: l, version: version, handlers: h, clients: maxClients, overTCP: maxStatus, reading: readWithin, working: workWithin, writing: writeWithin}
}

// AtMost bounds how many clients there may be at a time, below the usual 32, and below
// the usual 72 over TCP: each client takes a descriptor. The verbs come first. Call
// AtMost before Serve.
func (s *Server) AtMost(clients int) {
	s.clients, s.overTCP = min(s.clients, max(clients, 1)), min(s.overTCP, max(clients-s.clients, 1))
}

// Listen opens the socket, so that any trouble with it is known before an alias is
// touched. Clients that come before Serve wait.
func (s *Server) Listen() error {
	ln, err := s.lock.listen()
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	s.listener = ln
	// If readers are no longer wanted, they must not find a socket of an earlier Monitor.
	_ = sweep(s.lock.socket + ReadersSuffix)
	return nil
}

// Close closes sockets that are not being served (Serve closes its own).
func (s *Server) Close() error {
	for _, ln := range []net.Listener{s.readers, s.status.on} {
		if ln != nil {
			ln.Close()
		}
	}
	return s.listener.Close()
}

// Serve answers until ctx ends. Then it gives the answers under way one second, and
// removes the socket. The error is the socket's; it is nil if ctx has ended.
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
	s.status.end() // what a page is sent has no end of its own
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	for _, web := range webs {
		if err != nil || web.Shutdown(last) != nil {
			web.Close() // a client that does not read its answer must not hold us up
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
		Handler:           http.MaxBytesHandler(s.named(one.routes), maxBody),
		ReadHeaderTimeout: s.reading,
		ReadTimeout:       s.reading,
		WriteTimeout:      s.writing,
		MaxHeaderBytes:    maxHeader,
		// When the server ends, the deadline below cuts off requests under way, and not
		// their context.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		// It would only report clients that went away; nobody can act on that.
		ErrorLog: stdlog.New(io.Discard, "", 0),
	}
	// A command asks once; a connection that is kept open would hold a place.
	web.SetKeepAlivesEnabled(false)
	return web
}

// routes is the whole interface. Orders are POST. The client's methods document what the
// client gets for each.
func (s *Server) routes() *http.ServeMux {
	mux := s.readRoutes()
	mux.Handle("POST /v1/reload", s.answer(s.working, func(r *http.Request) (any, error) {
		return struct{}{}, s.handlers.Reload(r.Context(), r.URL.Query().Get("drop") == "1")
	}))
	mux.Handle("POST /v1/orders", s.order())
	mux.Handle("POST /v1/drill", s.drill())
	return mux
}

// named puts our version on every answer.
func (s *Server) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(versionHeader, s.version)
		next.ServeHTTP(w, r)
	})
}

// failure is the JSON of every answer that is not the one asked for.
type failure struct {
	Kind  Kind   `json:"kind,omitempty"`
	Error string `json:"error"`
}

// within gives a handler that long, and its client the time to read the answer after that:
// the server's own deadline counts from the question, and would cut off an answer for which
// we take our time.
func (s *Server) within(d time.Duration, f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + s.writing))
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		f(w, r.WithContext(ctx))
	})
}

// answer makes an HTTP handler of a function that may take that long: the client gets its
// value or its error as JSON.
func (s *Server) answer(within time.Duration, f func(*http.Request) (any, error)) http.Handler {
	return s.within(within, func(w http.ResponseWriter, r *http.Request) {
		value, err := f(r)
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
		// It is not our fault if the client has left.
		if snapshot, is := value.(Snapshot); is {
			_ = snapshot.Write(w)
		} else {
			_ = json.NewEncoder(w).Encode(value)
		}
	})
}
