package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// childEnv makes the test binary a second process: "lock" or "status".
const childEnv = "CONTROL_TEST_CHILD"

func TestMain(m *testing.M) {
	switch verb, socket, _ := strings.Cut(os.Getenv(childEnv), " "); verb {
	case "":
		os.Exit(m.Run())
	case "lock":
		_, err := Acquire(socket)
		fmt.Println(says(err))
		io.Copy(io.Discard, os.Stdin) // hold it until we are killed
	case "reload":
		fmt.Println(says(Dial(socket).Reload(context.Background())))
	case "now":
		_, err := Dial(socket).Now(context.Background(), "")
		fmt.Println(says(err))
	case "status":
		_, err := Dial(socket).Status(context.Background(), false)
		fmt.Println(says(err))
	}
}

func says(err error) string {
	if err != nil {
		return err.Error()
	}
	return "done"
}

// child starts the test binary as another process and returns what it says.
func child(t *testing.T, verb, socket string, attr *syscall.SysProcAttr) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), childEnv+"="+verb+" "+socket)
	cmd.SysProcAttr = attr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child said nothing: %v", err)
	}
	return cmd, strings.TrimSpace(line)
}

// place is a path for a socket: short enough for one, in a directory that
// others may pass.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ad")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "run", "control.sock")
}

func acquire(t *testing.T, socket string) *Lock {
	t.Helper()
	l, err := Acquire(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Release() })
	return l
}

func TestTheSecondMonitorIsToldWhoTheFirstIs(t *testing.T) {
	socket := place(t)
	first, said := child(t, "lock", socket, nil)
	if said != "done" {
		t.Fatalf("the first says %q", said)
	}
	_, err := Acquire(socket)
	held := (*HeldError)(nil)
	if !errors.As(err, &held) || held.PID != first.Process.Pid || held.Socket != socket {
		t.Fatalf("the second gets %v; want the PID %d", err, first.Process.Pid)
	}
	want := fmt.Sprintf("%s: a Monitor with PID %d has this socket already; stop that one, or set another [control] socket for this one", socket, first.Process.Pid)
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestTheLockEndsWithItsProcessHoweverThatEnds(t *testing.T) {
	socket := place(t)
	first, _ := child(t, "lock", socket, nil)
	if _, err := Acquire(socket); err == nil {
		t.Fatal("the lock does not hold")
	}
	first.Process.Kill()
	first.Wait()
	acquire(t, socket)
}

func TestALockGivenUpIsFree(t *testing.T) {
	socket := place(t)
	if err := acquire(t, socket).Release(); err != nil {
		t.Fatal(err)
	}
	if _, said := child(t, "lock", socket, nil); said != "done" {
		t.Errorf("the next one is told %q", said)
	}
}

func TestModesKeepOthersOut(t *testing.T) {
	old := syscall.Umask(0) // the worst one
	defer syscall.Umask(old)
	socket := place(t)
	lock := acquire(t, socket)
	if runtime.GOOS == "linux" {
		ln, err := bind(socket)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket is born with mode %v (%v)", info.Mode(), err)
		}
		ln.Close()
	}
	s := NewServer(lock, "1", Handlers{})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for path, want := range map[string]fs.FileMode{
		filepath.Dir(socket): 0o755,
		socket:               0o600,
		socket + ".lock":     0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o; want %o", path, got, want)
		}
	}
}

// leaveDead leaves a socket as kill -9 does.
func leaveDead(t *testing.T, socket string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
}

func TestADeadSocketIsReplacedAndAnythingElseIsNot(t *testing.T) {
	socket := place(t)
	lock := acquire(t, socket)
	leaveDead(t, socket)
	s := NewServer(lock, "1", Handlers{})
	if err := s.Listen(); err != nil {
		t.Fatalf("a dead socket is in the way: %v", err)
	}
	s.Close()

	if err := os.WriteFile(socket, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "control socket: " + socket + ": is a regular file, not a socket; move it away, or set another [control] socket"
	if err := s.Listen(); says(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if text, _ := os.ReadFile(socket); string(text) != "precious" {
		t.Errorf("the file has become %q", text)
	}
}

// TestWhatStandsInTheSocketsPlaceIsNamed: who starts a Monitor, and who asks for one, hear
// what is there, and it stays there.
func TestWhatStandsInTheSocketsPlaceIsNamed(t *testing.T) {
	link := func(path string) error { return os.Symlink("/nowhere", path) }
	fifo := func(path string) error { return unix.Mkfifo(path, 0o600) }
	dir := func(path string) error { return os.Mkdir(path, 0o755) }
	file := func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) }
	for _, tt := range []struct {
		what string
		put  func(path string) error
	}{{"a FIFO", fifo}, {"a directory", dir}, {"a symbolic link", link}, {"a regular file", file}} {
		t.Run(tt.what, func(t *testing.T) {
			socket := place(t)
			lock := acquire(t, socket)
			if err := tt.put(socket); err != nil {
				t.Fatal(err)
			}
			s := NewServer(lock, "1", Handlers{})
			want := "control socket: " + socket + ": is " + tt.what + ", not a socket; move it away, or set another [control] socket"
			if err := s.Listen(); says(err) != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if tt.what != "a symbolic link" { // which leads to where there is none
				_, err := Dial(socket).Status(t.Context(), false)
				if want := "no Monitor is running: " + socket + " is " + tt.what + ", not a socket; move it away and start one, or name its --settings"; says(err) != want {
					t.Errorf("a client is told %v\nwant %s", err, want)
				}
			}
			if _, err := os.Lstat(socket); err != nil {
				t.Error(err)
			}
			if tt.what == "a regular file" { // is the file of a lock
				return
			}
			other := filepath.Join(filepath.Dir(socket), "other.sock")
			if err := tt.put(other + ".lock"); err != nil {
				t.Fatal(err)
			}
			_, err := Acquire(other)
			if want := "lock of the control socket: " + other + ".lock: is " + tt.what + ", not the file of a lock; move it away, or set another [control] socket"; says(err) != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestTheLockIsNotTakenThroughASymbolicLink(t *testing.T) {
	socket := place(t)
	victim := filepath.Join(filepath.Dir(filepath.Dir(socket)), "victim")
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, socket+".lock"); err != nil {
		t.Fatal(err)
	}
	_, err := Acquire(socket)
	if want := "lock of the control socket: " + socket + ".lock: is a symbolic link, not the file of a lock; move it away, or set another [control] socket"; says(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("the link was followed")
	}
}

func TestADirectoryThatCannotBeMadeIsSaid(t *testing.T) {
	_, err := Acquire("/dev/null/run/control.sock")
	if want := "directory of the control socket: /dev/null: not a directory; move it away, or set another [control] socket"; says(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
