package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
)

// fakeManager is a service manager's socket.
type fakeManager struct {
	*net.UnixConn
	t    *testing.T
	path string
}

// managerPath is one for its socket.
func managerPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(filepath.Dir(socketPath(t)), "notify")
}

// startManager listens, and has the environment name it.
func startManager(t *testing.T, path string, watchdog time.Duration) fakeManager {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	t.Setenv(notifySocketEnv, path)
	if watchdog > 0 {
		t.Setenv(watchdogEnv, fmt.Sprint(watchdog.Microseconds()))
		t.Setenv(watchdogPIDEnv, fmt.Sprint(os.Getpid()))
	}
	return fakeManager{c, t, path}
}

// next is the next message, its lines.
func (f fakeManager) next() []string {
	f.t.Helper()
	must(f.t, f.SetReadDeadline(time.Now().Add(20*time.Second)))
	b := make([]byte, 4096)
	n, err := f.Read(b)
	must(f.t, err)
	if n == 0 || b[n-1] != '\n' {
		f.t.Fatalf("%q does not end with a line", b[:n])
	}
	return strings.Split(string(b[:n-1]), "\n")
}

// told is what is said of states until one of them, and the status then. What
// changes from run to run is left out.
func (f fakeManager) told(until string) (states []string, status string) {
	f.t.Helper()
	for {
		for _, line := range f.next() {
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

// beats counts messages with a beat until a moment.
func (f fakeManager) beats(until time.Time) (n int) {
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

// asked is the notifier that the environment asks for.
func asked(t *testing.T) *notifier {
	t.Helper()
	n, err := environmentNotifier()
	if err != nil || n == nil {
		t.Fatalf("%v, %v", n, err)
	}
	return n
}

func TestManagerIsToldFromStartToEnd(t *testing.T) {
	for name, path := range map[string]string{"a path": managerPath(t), "an abstract socket": "@aliasdefender-test-" + fmt.Sprint(os.Getpid())} {
		t.Run(name, func(t *testing.T) {
			f := startManager(t, path, time.Minute)
			d := newDaemon(t, 2, quiet(), asked(t))
			good, err := os.ReadFile(d.app.aliases)
			must(t, err)
			d.start()
			expect := func(what, until, wantStatus string, want ...string) {
				t.Helper()
				states, status := f.told(until)
				if diff := cmp.Diff(want, states); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
				if !regexp.MustCompile("^(" + wantStatus + ")$").MatchString(status) {
					t.Errorf("%s: the status is %q", what, status)
				}
			}
			reload := func(text string) {
				t.Helper()
				must(t, os.WriteFile(d.app.aliases, []byte(text), 0o644))
				d.signals <- syscall.SIGHUP
			}
			expect("start", "READY=1", "holding 0 of 2 aliases.*", "READY=1")
			d.until("served by the partner", heldBy("partner"))
			reload("nonsense\n")
			expect("a bad file", "READY=1", "holding 0 of 2 aliases; the last reload changed nothing: 1 mistake in the files",
				"RELOADING=1", "MONOTONIC_USEC", "READY=1")
			reload(string(good))
			expect("a good file", "READY=1", "holding 0 of 2 aliases", "RELOADING=1", "MONOTONIC_USEC", "READY=1")
			row, _, _ := strings.Cut(string(good), "\n")
			reload(row + "\n")
			expect("an alias less", "READY=1", "holding 0 of 1 alias", "RELOADING=1", "MONOTONIC_USEC", "READY=1")
			d.signals <- syscall.SIGTERM
			expect("the end", "STOPPING=1", "ending", "STOPPING=1")
			<-d.ended
			if n := f.beats(time.Now().Add(50 * time.Millisecond)); n != 0 {
				t.Errorf("%d beats after the end", n)
			}
		})
	}
}

func TestStatusIsToldWhenItChanges(t *testing.T) {
	f := startManager(t, managerPath(t), 0)
	d := newDaemon(t, 2, quiet(), asked(t))
	d.monitor.reportEvery = 20 * time.Millisecond
	d.start()
	f.told("READY=1")
	d.host.mu.Lock()
	d.host.dead = true
	d.host.mu.Unlock()
	var said []string
	for len(said) == 0 || said[len(said)-1] != "STATUS=holding 2 of 2 aliases" {
		said = append(said, f.next()...)
	}
	if !slices.Equal(said, slices.Compact(slices.Clone(said))) {
		t.Errorf("said twice: %q", said)
	}
}

// A reload takes a moment; the manager is told of the time, in its own clock,
// at which it began.
func TestReloadingCarriesTheTimeOfItsBegin(t *testing.T) {
	n := &notifier{filled: make(chan struct{}, 1), isReady: true}
	n.reloading()
	what, ok, _ := n.take()
	if !ok || !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\n$`).MatchString(what.message()) {
		t.Errorf("told %q", what.message())
	}
}

// Until then the loop turns, and the process is no Monitor yet.
func TestReadyIsAfterTheFirstReadingOfTheHost(t *testing.T) {
	f := startManager(t, managerPath(t), time.Second)
	d := newDaemon(t, 1, quiet(), asked(t))
	d.host.kernel = make(chan struct{})
	d.start()
	for beats := 0; beats < 3; {
		for _, line := range f.next() {
			switch line {
			case "WATCHDOG=1":
				beats++
			case "STATUS=reading the network of this host":
			default:
				t.Fatalf("told %q", line)
			}
		}
	}
	close(d.host.kernel)
	f.told("READY=1")
}

func TestNothingIsToldAfterTheEnd(t *testing.T) {
	n := &notifier{filled: make(chan struct{}, 1), isReady: true}
	n.stopping()
	n.take()
	n.reloading()
	n.reloaded("reloaded")
	n.line("holding 1 of 1 alias")
	if what, ok, _ := n.take(); ok {
		t.Errorf("told %q", what.message())
	}
}

func TestAReloadDoesNotMakeAMonitorReady(t *testing.T) {
	n := &notifier{filled: make(chan struct{}, 1)}
	n.reloading()
	n.reloaded("half way")
	if what, _, _ := n.take(); what.message() != "STATUS=half way\n" {
		t.Errorf("told %q", what.message())
	}
}

// A loop without work for a long time, here by a rhythm of 20 s, feeds the
// watchdog too.
func TestAQuietLoopFeedsTheWatchdog(t *testing.T) {
	f := startManager(t, managerPath(t), 400*time.Millisecond)
	d := newDaemon(t, 1, quiet(), asked(t))
	d.rhythm("20s")
	d.start()
	f.told("READY=1")
	// 20 are due in 2 s, and four would keep it quiet.
	if n := f.beats(time.Now().Add(2 * time.Second)); n < 10 {
		t.Errorf("%d beats in 2 s", n)
	}
}

func TestALoopThatHangsFeedsNoWatchdogWhileTheProcessLives(t *testing.T) {
	f := startManager(t, managerPath(t), 200*time.Millisecond)
	d := newDaemon(t, 1, quiet(), asked(t))
	d.monitor.reportEvery = 100 * time.Millisecond
	hang := make(chan struct{})
	boottime := d.options.Boottime
	gate := make(chan struct{}, 1) // holds the loop while it is full
	d.options.Boottime = func() time.Duration {
		select {
		case gate <- struct{}{}:
			<-gate
		case <-hang:
		}
		return boottime()
	}
	d.start()
	t.Cleanup(func() { close(hang) }) // before the daemon is ended
	f.told("READY=1")
	if n := f.beats(time.Now().Add(time.Second)); n < 5 {
		t.Fatalf("%d beats in a second while all is well", n)
	}
	gate <- struct{}{}
	for !slices.Contains(f.next(), "STATUS=the loop does not answer") { // it is the process that says so
	}
	if n := f.beats(time.Now().Add(time.Second)); n != 0 {
		t.Errorf("%d beats of a loop that hangs", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.defender.Tally(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the loop does not hang: %v", err)
	}
}

func TestBeatsAreFewerThanTurnsAndOftenEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notifier{watchdog: 20 * time.Second, turned: make(chan struct{}, 1), filled: make(chan struct{}, 1)}
		last, most, beats := time.Now(), time.Duration(0), 0
		for range 60_000 { // ten minutes of turns, each 10 ms
			n.beat()
			if what, _, _ := n.take(); what.beat {
				most = max(most, time.Since(last))
				last, beats = time.Now(), beats+1
			}
			time.Sleep(10 * time.Millisecond)
		}
		if most > n.watchdog/2 || beats > 300 {
			t.Errorf("%d beats in ten minutes, %v apart at most", beats, most)
		}
	})
}

func TestEnvironmentIsTakenAndWhatIsWrongInItSaid(t *testing.T) {
	pid := fmt.Sprint(os.Getpid())
	for _, c := range []struct {
		name, socket, usec, pid string
		path                    string
		watchdog                time.Duration
		err                     string
	}{
		{"nobody asks", "", "20000000", pid, "", 0, ""},
		{"no watchdog", "/run/n", "", "", "/run/n", 0, ""},
		{"a watchdog", "/run/n", "20000000", pid, "/run/n", 20 * time.Second, ""},
		{"a watchdog for whoever it is", "@n", "20000000", "", "@n", 20 * time.Second, ""},
		{"a watchdog for another process", "/run/n", "20000000", "1", "/run/n", 0, ""},
		{"a socket of another kind", "vsock:2:1", "20000000", pid, "", 0,
			"NOTIFY_SOCKET=vsock:2:1 is no socket that can be told: the service manager will not hear that this Monitor is ready"},
		{"a watchdog of nonsense", "/run/n", "soon", pid, "/run/n", 0, "WATCHDOG_USEC=soon is no number of microseconds: the watchdog is not fed"},
		{"a watchdog of no time", "/run/n", "0", pid, "/run/n", 0, "WATCHDOG_USEC=0 is no number of microseconds: the watchdog is not fed"},
		{"a watchdog beyond all time", "/run/n", "9223372036854775807", pid, "/run/n", 0,
			"WATCHDOG_USEC=9223372036854775807 is no number of microseconds: the watchdog is not fed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(notifySocketEnv, c.socket)
			t.Setenv(watchdogEnv, c.usec)
			t.Setenv(watchdogPIDEnv, c.pid)
			n, err := environmentNotifier()
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("the error is %v", err)
			}
			if n == nil {
				n = &notifier{}
			}
			if n.path != c.path || n.watchdog != c.watchdog {
				t.Errorf("told on %q each %v", n.path, n.watchdog)
			}
			for _, name := range []string{notifySocketEnv, watchdogEnv, watchdogPIDEnv} {
				if _, there := os.LookupEnv(name); there {
					t.Errorf("%s is left for what we start", name)
				}
			}
		})
	}
}

func TestAManagerThatComesLateIsToldTheNewest(t *testing.T) {
	path := managerPath(t)
	said := make(chan error, 100)
	n := &notifier{path: path, pause: time.Millisecond, filled: make(chan struct{}, 1), ended: make(chan struct{}), watchdog: time.Second}
	n.turned = make(chan struct{}, 1)
	n.start(func(err error) { said <- err })
	n.beat()
	n.ready("holding 0 of 1 alias")
	if err := <-said; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("said %v", err)
	}
	for range 5 {
		n.reloading()
		n.reloaded("holding 1 of 1 alias")
	}
	f := startManager(t, path, 0)
	states, status := f.told("READY=1")
	if len(states) > 2*notifyRoom || status != "holding 1 of 1 alias" {
		t.Errorf("told %q and the status %q", states, status)
	}
	n.stopping()
	n.end()
	states, _ = f.told("STOPPING=1")
	if len(said) != 0 {
		t.Errorf("one outage is said again, after %q: %v", states, <-said)
	}
}

// full is a notifier whose manager's socket is full.
func full(t *testing.T) (fakeManager, *notifier) {
	t.Helper()
	f := startManager(t, managerPath(t), time.Second)
	n := asked(t)
	n.pause = 10 * time.Millisecond
	said := make(chan error, 100)
	n.start(func(err error) { said <- err })
	for {
		n.ready("ready")
		select {
		case err := <-said:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			return f, n
		default:
		}
	}
}

// Nobody reads: who tells goes on, and whoever reads then finds the truth in
// what comes last.
func TestAManagerThatDoesNotReadDelaysNobody(t *testing.T) {
	f, n := full(t)
	n.reloading()
	n.reloaded("reloaded")
	n.beat()
	n.stopping()
	states, status := f.told("STOPPING=1")
	if want := []string{"RELOADING=1", "MONOTONIC_USEC", "READY=1", "STOPPING=1"}; !slices.Equal(want, states[len(states)-4:]) || status != "ending" {
		t.Errorf("at last told %q and %q", states[len(states)-4:], status)
	}
	n.end()
}

func TestTheEndDoesNotWaitForAManagerThatDoesNotRead(t *testing.T) {
	_, n := full(t)
	n.stopping()
	n.end()
	<-n.ended // given up, not left behind
}

func TestNobodyIsToldWhereNobodyAsks(t *testing.T) {
	os.Unsetenv(notifySocketEnv)
	n, err := environmentNotifier()
	if n != nil || err != nil {
		t.Fatalf("%v, %v", n, err)
	}
	d := newDaemon(t, 1, quiet(), n)
	d.start()
	d.until("served by the partner", heldBy("partner"))
	must(t, control.Dial(d.socket).Reload(t.Context()))
}
