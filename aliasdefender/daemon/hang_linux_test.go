package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/logs"
	"alias-defender/aliasdefender/sdnotify"
	"alias-defender/aliasdefender/sdnotify/sdnotifytest"
	"alias-defender/aliasdefender/store"
)

// hungDisk never finishes a write.
type hungDisk struct {
	*store.File
	never <-chan struct{}
}

func (d hungDisk) Write(store.Kept) (bool, error) { <-d.never; return false, nil }

// forever is closed at the end of the test: whatever waits for it hangs until then.
func forever(t *testing.T) chan struct{} {
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	return never
}

// fullPipe is a file whose reader does not read. A write to it holds the thread, as a
// write to a blocked standard error does.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	var p [2]int
	must(t, unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	for err := error(nil); err == nil; {
		_, err = unix.Write(p[1], make([]byte, 4096))
	}
	must(t, unix.SetNonblock(p[1], false))
	w := os.NewFile(uintptr(p[1]), "full pipe")
	t.Cleanup(func() { unix.Close(p[0]); w.Close() })
	return w
}

// sayings is a standard error; the test looks at its first lines.
type sayings chan string

func (s sayings) Write(b []byte) (int, error) {
	select {
	case s <- string(b):
	default:
	}
	return len(b), nil
}

// Each of these hangs before the partner dies. The alias comes here all the
// same, and Status answers.
func TestNothingThatHangsHoldsUpTheMonitor(t *testing.T) {
	for name, hang := range map[string]func(*testing.T) *daemon{
		"the name server does not answer": func(t *testing.T) *daemon {
			d := newDaemon(t, 2, quiet(), nil)
			text, err := os.ReadFile(d.table)
			must(t, err)
			must(t, os.WriteFile(d.table, []byte(strings.Replace(string(text), fakePartner.String(), "partner.example", 1)), 0o644))
			d.options.Config, err = d.load()
			must(t, err)
			never, asked := forever(t), make(chan struct{}, 16)
			d.options.Resolve = func(context.Context, string, host.Family) ([]netip.Addr, error) {
				asked <- struct{}{}
				<-never
				return nil, errors.New("never")
			}
			d.start()
			<-asked
			return d
		},
		"the reader of standard error does not read": func(t *testing.T) *daemon {
			log, end := logs.Open(logs.Options{To: logs.Stderr, Level: "debug", Stderr: fullPipe(t)})
			d := newDaemon(t, 1, log, nil)
			d.start()
			t.Cleanup(end)
			return d
		},
		"syslog does not read": func(t *testing.T) *daemon {
			path := filepath.Join(filepath.Dir(sdnotifytest.Path(t)), "log")
			unread, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
			must(t, err)
			t.Cleanup(func() { unread.Close() })
			said := make(sayings, 1)
			log, end := logs.Open(logs.Options{To: logs.Syslog, Level: "info", Stderr: said, SyslogSocket: path})
			t.Cleanup(end)
			for range 10_000 {
				log.Info("more than the socket and the queue have room for")
			}
			if text := <-said; !strings.Contains(text, "syslog accepts no lines") {
				t.Errorf("said %q", text)
			}
			d := newDaemon(t, 1, log, nil)
			d.start()
			return d
		},
		"the disk of the state file hangs": func(t *testing.T) *daemon {
			d := newDaemon(t, 2, quiet(), nil)
			d.diskIs(hungDisk{d.memory.file, forever(t)})
			d.start()
			d.until("served by the partner", heldBy("partner"))
			out, err := control.Dial(d.socket).Order(t.Context(), control.Order{Alias: netip.MustParseAddr("10.0.1.2"), Remove: true})
			if err != nil || len(out) != 1 || !out[0].Done || !strings.Contains(out[0].NotRemembered, "its disk does not answer") {
				t.Errorf("RemoveAlias answers %+v, %v", out, err)
			}
			s := d.until("known", func(control.Snapshot) bool { return true })
			if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "its disk does not answer") {
				t.Errorf("the problems are %q", s.Problems)
			}
			_, err = control.Dial(d.socket).Order(t.Context(), control.Order{Alias: netip.MustParseAddr("10.0.1.2")})
			must(t, err)
			return d
		},
		"the disk of the files hangs at a reload": func(t *testing.T) *daemon {
			d := newDaemon(t, 1, quiet(), nil)
			never, loading := forever(t), make(chan struct{}, 1)
			d.load = func() (*config.Config, error) {
				loading <- struct{}{}
				<-never
				return nil, errors.New("never")
			}
			d.start()
			d.signals <- syscall.SIGHUP
			<-loading
			return d
		},
		"clients ask for 1,000 aliases and do not read": func(t *testing.T) *daemon {
			d := newDaemon(t, 1000, quiet(), nil)
			d.rhythm("1s") // this is one machine
			d.start()
			for range 8 {
				c, err := net.Dial("unix", d.socket)
				must(t, err)
				t.Cleanup(func() { c.Close() })
				_, err = io.WriteString(c, "GET /v1/status?journal=1 HTTP/1.1\r\nHost: x\r\n\r\n")
				must(t, err)
				_, err = c.Read(make([]byte, 1)) // it is being answered
				must(t, err)
			}
			return d
		},
		"the service manager does not read": func(t *testing.T) *daemon {
			f := sdnotifytest.Start(t, sdnotifytest.Path(t), time.Second)
			fill, err := net.Dial("unixgram", f.Path)
			must(t, err)
			defer fill.Close()
			must(t, fill.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
			for err == nil {
				_, err = fill.Write([]byte("X=1\n"))
			}
			n, err := sdnotify.FromEnvironment()
			must(t, err)
			d := newDaemon(t, 1, quiet(), n)
			d.start()
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := hang(t)
			d.until("served by the partner", func(s control.Snapshot) bool {
				return !slices.ContainsFunc(s.Aliases, func(a control.Alias) bool { return a.Reason != "served" })
			})
			d.host.mu.Lock()
			d.host.dead = true
			d.host.mu.Unlock()
			d.until("taken", heldBy("us"))
		})
	}
}
