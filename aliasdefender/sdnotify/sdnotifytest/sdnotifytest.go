// Package sdnotifytest is a service manager for tests: a socket that hears how a
// process is. Only tests may import it.
package sdnotifytest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Manager is a service manager's socket.
type Manager struct {
	*net.UnixConn
	Path string
	t    *testing.T
}

// Path is a path for its socket: short, as that of a socket must be.
func Path(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ad")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "notify")
}

// Start listens, and has the environment of this process name it; with a watchdog
// that wants to hear of it that often, 0: never.
func Start(t *testing.T, path string, watchdog time.Duration) Manager {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	if watchdog > 0 {
		t.Setenv("WATCHDOG_USEC", fmt.Sprint(watchdog.Microseconds()))
		t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	}
	return Manager{c, path, t}
}

// Next is the next message, its lines.
func (f Manager) Next() []string {
	f.t.Helper()
	must(f.t, f.SetReadDeadline(time.Now().Add(time.Minute)))
	b := make([]byte, 4096)
	n, err := f.Read(b)
	must(f.t, err)
	if n == 0 || b[n-1] != '\n' {
		f.t.Fatalf("%q does not end with a line", b[:n])
	}
	return strings.Split(string(b[:n-1]), "\n")
}

// Told is what is said of states until one of them, and the status then. What
// changes from run to run is left out.
func (f Manager) Told(until string) (states []string, status string) {
	f.t.Helper()
	for {
		for _, line := range f.Next() {
			switch name, value, _ := strings.Cut(line, "="); name {
			case "STATUS":
				status = value
			case "WATCHDOG":
			case "MONOTONIC_USEC":
				states = append(states, name)
			default:
				states = append(states, line)
			}
		}
		if len(states) > 0 && states[len(states)-1] == until {
			return states, status
		}
	}
}

// Beats counts messages with a beat until a moment.
func (f Manager) Beats(until time.Time) (n int) {
	f.t.Helper()
	must(f.t, f.SetReadDeadline(until))
	b := make([]byte, 4096)
	for {
		k, err := f.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		}
		must(f.t, err)
		n += strings.Count(string(b[:k]), "WATCHDOG=1\n")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
