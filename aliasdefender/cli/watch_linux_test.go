package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
)

// terminal opens a terminal: what a user has, and what the program gets.
func terminal(t *testing.T) (user, tty *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 100}); err != nil {
		t.Fatal(err)
	}
	return user, tty
}

// shown is a Monitor whose holder the test says.
type shown struct {
	holder atomic.Value
	named  []string // names its settings
}

func newShown(t *testing.T) *shown {
	t.Helper()
	dir, err := os.MkdirTemp("", "ad") // t.TempDir has too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &shown{named: []string{"--settings", filepath.Join(dir, "toml")}}
	s.holder.Store("partner")
	socket := filepath.Join(dir, "sock")
	put(t, s.named[1], fmt.Sprintf("[control]\nsocket = %q\n", socket))
	lock, err := control.Acquire(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := control.NewServer(lock, "test", control.Handlers{Status: func(context.Context, bool) (control.Snapshot, error) {
		return control.Snapshot{Version: "test", Now: time.Now(), Problems: []string{"a name \x1b[2J of others"}, Aliases: []control.Alias{
			{Alias: "10.0.0.8", Prefix: 24, NIC: "eth0:1", Holder: s.holder.Load().(string), Why: "so"},
		}}, nil
	}})
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		lock.Release()
	})
	return s
}

// reader reads what a terminal shows.
type reader struct {
	t    *testing.T
	from *os.File
	text bytes.Buffer
}

// until reads until something is there since what was awaited before.
func (r *reader) until(want string) {
	r.t.Helper()
	before, part := r.text.Len(), make([]byte, 4096)
	for !strings.Contains(r.text.String()[before:], want) {
		n, err := r.from.Read(part)
		if err != nil {
			r.t.Fatalf("%v, before %q in %q", err, want, r.text.String())
		}
		r.text.Write(part[:n])
	}
}

var sequences = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]")

func TestStatusWatchRedrawsAndGivesTheTerminalBack(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		end  func(user *os.File, p *os.Process)
		has  string // one of the sequences
		not  string
	}{
		{"q", []string{"TERM=xterm"}, func(user *os.File, _ *os.Process) { io.WriteString(user, "q") }, red, ""},
		{"Ctrl-C", []string{"TERM=xterm"}, func(user *os.File, _ *os.Process) { io.WriteString(user, "x\x03") }, otherPage[:8], ""},
		{"TERM", []string{"TERM=xterm"}, func(_ *os.File, p *os.Process) { p.Signal(syscall.SIGTERM) }, restPage, ""},
		{"without colour", []string{"TERM=xterm", "NO_COLOR=1"}, func(user *os.File, _ *os.Process) { io.WriteString(user, "q") }, home, red},
		{"a terminal that cannot be driven", []string{"TERM=dumb"}, func(_ *os.File, p *os.Process) { p.Signal(os.Interrupt) }, "", "\x1b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShown(t)
			user, tty := terminal(t)
			was, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, append(s.named, "Status", "--watch")...)
			cmd.Env = append(os.Environ(), append([]string{"NO_COLOR="}, c.env...)...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			r := &reader{t: t, from: user}
			r.until("eth0:1  partner")
			s.holder.Store("us")
			r.until("eth0:1  us")
			c.end(user, cmd.Process)
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ends with %v", err)
			}
			tty.WriteString("over")
			r.until("over")
			text := r.text.String()
			if !strings.Contains(text, c.has) || c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("want in it %q, and not %q: %q", c.has, c.not, text)
			}
			if !strings.Contains(text, `problem: a name \u001b[2J of others`) {
				t.Errorf("what others named drives the terminal, or its word is lost: %q", text)
			}
			if c.has != "" && !strings.HasSuffix(text, firstPage+"over") {
				t.Errorf("the terminal is not given back: %q", text)
			}
			is, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
			if d := cmp.Diff(was, is); d != "" || err != nil {
				t.Errorf("its settings are others, %v:\n%s", err, d)
			}
		})
	}
}

func TestStatusWatchIntoAPipeIsPlain(t *testing.T) {
	s := newShown(t)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, append(s.named, "Status", "--watch")...)
	cmd.Stdout, cmd.Env = in, append(os.Environ(), "TERM=xterm")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	r := &reader{t: t, from: out}
	r.until("problem: ")
	s.holder.Store("us")
	r.until("eth0:1  us")
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if text := r.text.String(); !regexp.MustCompile(`(?s)^--- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\nALIAS .* of others\n\n--- `).MatchString(text) || sequences.MatchString(text) {
		t.Errorf("%q", text)
	}
}

func TestStatusWatchGoesOnWithoutAMonitor(t *testing.T) {
	a := newApp(Options{Version: "test", Stdout: io.Discard, Stderr: io.Discard})
	if got := a.look(t.Context(), filepath.Join(t.TempDir(), "none")); !strings.HasPrefix(got, "problem: no Monitor is running: there is no socket ") {
		t.Errorf("%q", got)
	}
}

func TestStatusIsDrawnInTheRoomThereIs(t *testing.T) {
	at := time.Date(2026, 3, 2, 5, 12, 9, 0, time.Local)
	for _, c := range []struct {
		text          string
		width, height int
		colour        bool
		want          []string
	}{
		{"a\nb\n", 40, 24, true, []string{"a", "b", "05:12:09  q quits"}},
		{"a\nb\nc\nd\n", 40, 4, true, []string{"a", "b", "... and 2 more lines", "05:12:09  q quits"}},
		{"äbcdefgh\n", 6, 24, true, []string{"äbcde", "05:12"}},
		{"x ALARM: y\nwarning: z\n", 40, 24, true, []string{red + "x ALARM: y" + plain, yellow + "warning: z" + plain, "05:12:09  q quits"}},
		{"x ALARM: y\n", 40, 24, false, []string{"x ALARM: y", "05:12:09  q quits"}},
		{"a\n", 1, 1, false, []string{"", ""}},
	} {
		p := &sheet{colour: c.colour}
		want := home + strings.Join(c.want, restLine+"\r\n") + restLine + restPage
		if d := cmp.Diff(want, p.drawn(c.text, c.width, c.height, at)); d != "" {
			t.Errorf("%q at %d x %d: %s", c.text, c.width, c.height, d)
		}
	}
}
