package control

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// read serves both sockets, and returns their path and what makes a process a
// reader: one of the group for whom the control socket is closed.
func read(t *testing.T, h Handlers) (socket string, reader, stranger *syscall.SysProcAttr) {
	t.Helper()
	socket = place(t)
	s := NewServer(acquire(t, socket), "1.2.3", h)
	group := fmt.Sprint(os.Getgid())
	if os.Getuid() == 0 {
		group = "65533"
		reader = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65533}}
		stranger = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	for _, err := range []error{s.Listen(), s.ListenReaders(group)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(socket, 0); err != nil { // is to us as root's is
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if _, err := os.Lstat(socket + ReadersSuffix); err == nil {
			t.Error("the readers' socket is left")
		}
	})
	return socket, reader, stranger
}

func TestReadersMayAskAndOrderNothing(t *testing.T) {
	socket, reader, _ := read(t, Handlers{
		Status: func(context.Context, bool) (Snapshot, error) { return Snapshot{}, nil },
		Now:    func(context.Context, string) ([]Now, error) { return nil, nil },
		Reload: func(context.Context, bool) error { t.Error("a reader's order was carried out"); return nil },
	})
	if _, said := child(t, "status", socket, reader); said != "done" {
		t.Errorf("Status: %s", said)
	}
	if _, said := child(t, "now", socket, reader); said != "done" {
		t.Errorf("Now: %s", said)
	}
	if _, said := child(t, "reload", socket, reader); !strings.HasPrefix(said, socket+": permission denied") {
		t.Errorf("Reload: %s", said)
	}
	// Nor one that goes to the readers' socket by itself.
	if _, said := child(t, "reload", socket+ReadersSuffix, reader); !strings.Contains(said, "does not know this order") {
		t.Errorf("Reload on the readers' socket: %s", said)
	}
	if info, err := os.Stat(socket + ReadersSuffix); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

func TestWhoIsNoReaderIsToldOfBothWays(t *testing.T) {
	socket, _, stranger := read(t, Handlers{Status: func(context.Context, bool) (Snapshot, error) { return Snapshot{}, nil }})
	if stranger == nil {
		if err := os.Chmod(socket+ReadersSuffix, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, said := child(t, "status", socket, stranger); !strings.Contains(said, "run as root, or, for Status and Why, as a member of the group") {
		t.Errorf("said: %s", said)
	}
}

// Both sockets of a Monitor that was killed are there, and nobody behind them. That is
// what a reader's monitoring has to hear, and not that it may not ask.
func TestAReaderIsToldThatTheMonitorHasDied(t *testing.T) {
	socket := place(t)
	acquire(t, socket) // makes the directory
	for path, mode := range map[string]os.FileMode{socket: 0o600, socket + ReadersSuffix: 0o666} {
		left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		left.SetUnlinkOnClose(false)
		left.Close()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	var reader *syscall.SysProcAttr
	if os.Getuid() == 0 {
		reader = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65533}}
	} else if err := os.Chmod(socket, 0); err != nil {
		t.Fatal(err)
	}
	if _, said := child(t, "status", socket, reader); !strings.Contains(said, ErrNotRunning.Error()) {
		t.Errorf("said: %s", said)
	}
}

// As chown does it: a name first, then a number, of which there need not be a group.
func TestAGroupIsKnownByItsNameOrItsNumber(t *testing.T) {
	for group, want := range map[string]int{"root": 0, "0": 0, "2147483647": 1<<31 - 1} {
		if gid, err := GroupID(group); err != nil || gid != want {
			t.Errorf("%s: %d, %v; want %d", group, gid, err, want)
		}
	}
	for _, group := range []string{"no-such-group", "-1", "2147483648", "1e3", ""} {
		if gid, err := GroupID(group); err == nil {
			t.Errorf("%q is group %d", group, gid)
		}
	}
}

func TestAGroupThatDoesNotExistIsSaid(t *testing.T) {
	s := NewServer(acquire(t, place(t)), "1.2.3", Handlers{})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.ListenReaders("no-such-group"); err == nil || !strings.Contains(err.Error(), `no group "no-such-group" in /etc/group`) {
		t.Errorf("got %v", err)
	}
}

// A Monitor that was killed left its readers' socket; the next one has no readers.
func TestASocketForReadersThatIsNotWantedGoes(t *testing.T) {
	socket := place(t)
	lock := acquire(t, socket)
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket + ReadersSuffix, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	s := NewServer(lock, "1.2.3", Handlers{})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := os.Lstat(socket + ReadersSuffix); err == nil {
		t.Error("it is still there")
	}
}
