package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve runs a server until the test's end, and returns its socket and a
// function that ends it earlier.
func serve(t *testing.T, h Handlers, change ...func(*Server)) (socket string, end func()) {
	t.Helper()
	socket = place(t)
	s := NewServer(acquire(t, socket), "1.2.3", h)
	for _, f := range change {
		f(s)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- s.Serve(ctx)
		close(ended)
	}()
	end = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(end)
	return socket, end
}

// foreign listens on a socket with a handler that is not ours.
func foreign(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	socket := place(t)
	if err := os.Mkdir(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: h}
	go web.Serve(ln)
	t.Cleanup(func() { web.Close() })
	return socket
}

func status(s string) error {
	_, err := Dial(s).Status(context.Background(), false)
	return err
}

func TestASnapshotArrivesAsItWasSent(t *testing.T) {
	now := time.Date(2000, 10, 1, 12, 0, 0, 0, time.UTC)
	sent := Snapshot{
		Version: "1.2.3", PID: 42, Started: now, Now: now.Add(time.Minute), Problems: []string{"one"},
		Aliases: []Alias{{
			Alias: "172.16.1.2", Prefix: 24, NIC: "eth0:1", Role: "primary", Holder: "us", Since: now,
			Partner: Peer{Name: "b", Addr: "172.16.1.5", Answer: "answered"},
			Facts:   []Fact{{Name: "router", Value: "answered", Since: now, Asked: now}, {Name: "service", Value: "unknown"}},
			Journal: []Entry{{At: now, Row: "W10", Action: "take", Reason: "primary"}},
		}},
	}
	var asked []bool
	socket, _ := serve(t, Handlers{Status: func(_ context.Context, journal bool) (Snapshot, error) {
		asked = append(asked, journal)
		return sent, nil
	}})
	for _, journal := range []bool{false, true} {
		got, err := Dial(socket).Status(t.Context(), journal)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sent, got); d != "" {
			t.Error(d)
		}
	}
	if d := cmp.Diff([]bool{false, true}, asked); d != "" {
		t.Errorf("the wish for the journal: %s", d)
	}
}

func TestARefusalArrivesWithItsKindAndAllItsLines(t *testing.T) {
	refusal := &Refusal{KindConfig, "hostname.alias:1: one\nhostname.alias:2: two"}
	socket, _ := serve(t, Handlers{Reload: func(context.Context) error { return fmt.Errorf("wrapped: %w", refusal) }})
	err := Dial(socket).Reload(t.Context())
	got := (*Refusal)(nil)
	if !errors.As(err, &got) || *got != *refusal {
		t.Errorf("got %v; want %v", err, refusal)
	}
}

func TestEveryAnswerThatIsNoneIsOneLineThatSaysWhatToDo(t *testing.T) {
	versioned := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(versionHeader, "0.9")
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	absent := place(t)
	deadSocket := place(t)
	leaveDead(t, deadSocket)
	failing, _ := serve(t, Handlers{Status: func(context.Context, bool) (Snapshot, error) { return Snapshot{}, errors.New("no idea") }})
	ending, _ := serve(t, Handlers{Status: func(context.Context, bool) (Snapshot, error) {
		return Snapshot{}, &Refusal{KindBusy, "the daemon has ended"}
	}})
	stuck, _ := serve(t, Handlers{Status: func(ctx context.Context, _ bool) (Snapshot, error) {
		<-ctx.Done()
		return Snapshot{}, ctx.Err()
	}}, func(s *Server) { s.working = time.Millisecond })

	for _, c := range []struct{ name, socket, want string }{
		{"no socket", absent,
			"no Monitor is running: there is no socket SOCKET; start one, or name its --settings"},
		{"a dead socket", deadSocket,
			"no Monitor is running: the socket SOCKET is left over from a Monitor that died; start it again"},
		{"another program", foreign(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }),
			"SOCKET: the program that answers there is not an Alias Defender Monitor; check [control] socket"},
		{"an older Monitor", foreign(t, versioned(404, "404 page not found")),
			"SOCKET: the running Monitor has version 0.9 and does not know this order; restart it, or use the program of its version"},
		{"an answer of another kind", foreign(t, versioned(200, `{"pid": "x"}`)),
			"SOCKET: the running Monitor has version 0.9, and this program does not understand its answer (json: cannot unmarshal string into Go struct field Snapshot.pid of type int); restart it, or use the program of its version"},
		{"an error of another kind", foreign(t, versioned(500, "<html>")),
			"SOCKET: the running Monitor has version 0.9, and this program does not understand its answer (status 500 Internal Server Error); restart it, or use the program of its version"},
		{"no answer at all", foreign(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			"SOCKET: the Monitor closed the connection without an answer; it may be ending; try again"},
		{"a failure", failing, "SOCKET: the Monitor failed: no idea; look at its log"},
		{"a daemon that ends", ending, "SOCKET: the Monitor cannot answer now: the daemon has ended; try again, and look at its log"},
		{"a loop that hangs", stuck, "SOCKET: the Monitor cannot answer now: the daemon did not answer within 1ms; try again, and look at its log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := strings.ReplaceAll(c.want, "SOCKET", c.socket)
			err := status(c.socket)
			if says(err) != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if missing := c.socket == absent || c.socket == deadSocket; errors.Is(err, ErrNotRunning) != missing {
				t.Errorf("is ErrNotRunning: %v; want %v", !missing, missing)
			}
		})
	}
}

func TestAMonitorThatDoesNotAnswerIsNotWaitedForForEver(t *testing.T) {
	release := make(chan struct{})
	socket := foreign(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	c := Dial(socket)
	c.web.Timeout = time.Millisecond
	_, err := c.Status(t.Context(), false)
	if want := socket + ": the Monitor there does not answer; it may be stopped or overloaded; look at its log"; says(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(socket).Status(ctx, false); says(err) != socket+": interrupted" {
		t.Errorf("interrupted: %v", err)
	}
}

func TestAnotherUserIsToldToBeRoot(t *testing.T) {
	socket, _ := serve(t, Handlers{Status: func(context.Context, bool) (Snapshot, error) { return Snapshot{}, nil }})
	var attr *syscall.SysProcAttr
	if os.Getuid() == 0 {
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	} else if err := os.Chmod(socket, 0); err != nil { // is to us as root's is
		t.Fatal(err)
	}
	_, said := child(t, "status", socket, attr)
	if want := socket + ": permission denied: its Monitor runs as another user; run as root, or, for Status and Why, as a member of the group that [control] readers names"; said != want {
		t.Errorf("got  %s\nwant %s", said, want)
	}
}

// TestClientsThatHangCostNothing fills every place with clients that connect
// and say nothing.
func TestClientsThatHangCostNothing(t *testing.T) {
	socket, end := serve(t,
		Handlers{Status: func(context.Context, bool) (Snapshot, error) { return Snapshot{}, nil }},
		func(s *Server) { s.reading = 50 * time.Millisecond })
	for range maxClients + 8 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if err := status(socket); err != nil {
		t.Errorf("the one that asks gets no answer: %v", err)
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /v1/status HTTP/1.1\r\n") // and no more
	end()
	if err := status(socket); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
}

func TestAPlaceIsGivenBackOnce(t *testing.T) {
	socket := place(t)
	if err := os.Mkdir(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	inner, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ln := limit(inner, 1)
	for range 3 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		in, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		in.Close()
	}
	waiting := make(chan error)
	full, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	go func() {
		_, err := ln.Accept()
		waiting <- err
	}()
	ln.Close()
	if err := <-waiting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("who waits for a place when the listener closes gets %v", err)
	}
	if err := ln.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
