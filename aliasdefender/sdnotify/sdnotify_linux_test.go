package sdnotify

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/sdnotify/sdnotifytest"
)

// asked is the notifier that the environment asks for.
func asked(t *testing.T) *Notifier {
	t.Helper()
	n, err := FromEnvironment()
	if err != nil || n == nil {
		t.Fatalf("%v, %v", n, err)
	}
	return n
}

// A reload takes a moment; the manager is told of the time, in its own clock,
// at which it began.
func TestReloadingCarriesTheTimeOfItsBegin(t *testing.T) {
	n := &Notifier{filled: make(chan struct{}, 1), isReady: true}
	n.Reloading()
	what, ok, _ := n.take()
	if !ok || !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\n$`).MatchString(what.message()) {
		t.Errorf("told %q", what.message())
	}
}

func TestNothingIsToldAfterTheEnd(t *testing.T) {
	n := &Notifier{filled: make(chan struct{}, 1), isReady: true}
	n.Stopping()
	n.take()
	n.Reloading()
	n.Reloaded("reloaded")
	n.Line("holding 1 of 1 alias")
	if what, ok, _ := n.take(); ok {
		t.Errorf("told %q", what.message())
	}
}

func TestAReloadDoesNotMakeAMonitorReady(t *testing.T) {
	n := &Notifier{filled: make(chan struct{}, 1)}
	n.Reloading()
	n.Reloaded("half way")
	if what, _, _ := n.take(); what.message() != "STATUS=half way\n" {
		t.Errorf("told %q", what.message())
	}
}

func TestBeatsAreFewerThanTurnsAndOftenEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Notifier{watchdog: 20 * time.Second, filled: make(chan struct{}, 1)}
		last, most, beats := time.Now(), time.Duration(0), 0
		for range 60_000 { // ten minutes of turns, each 10 ms
			n.Beat()
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
			"NOTIFY_SOCKET=vsock:2:1 is not a usable socket: the service manager will not hear that this Monitor is ready"},
		{"a watchdog of nonsense", "/run/n", "soon", pid, "/run/n", 0, "WATCHDOG_USEC=soon is not a number of microseconds: the watchdog is not fed"},
		{"a watchdog of no time", "/run/n", "0", pid, "/run/n", 0, "WATCHDOG_USEC=0 is not a number of microseconds: the watchdog is not fed"},
		{"a watchdog beyond all time", "/run/n", "9223372036854775807", pid, "/run/n", 0,
			"WATCHDOG_USEC=9223372036854775807 is not a number of microseconds: the watchdog is not fed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(SocketEnv, c.socket)
			t.Setenv(WatchdogEnv, c.usec)
			t.Setenv(WatchdogPIDEnv, c.pid)
			n, err := FromEnvironment()
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("the error is %v", err)
			}
			if n == nil {
				n = &Notifier{}
			}
			if n.path != c.path || n.watchdog != c.watchdog {
				t.Errorf("told on %q each %v", n.path, n.watchdog)
			}
			for _, name := range []string{SocketEnv, WatchdogEnv, WatchdogPIDEnv} {
				if _, there := os.LookupEnv(name); there {
					t.Errorf("%s is left for what we start", name)
				}
			}
		})
	}
}

func TestAManagerThatComesLateIsToldTheNewest(t *testing.T) {
	path := sdnotifytest.Path(t)
	said := make(chan error, 100)
	n := &Notifier{path: path, pause: time.Millisecond, filled: make(chan struct{}, 1), ended: make(chan struct{}), watchdog: time.Second}
	n.Start(func(err error) { said <- err })
	n.Beat()
	n.Ready("holding 0 of 1 alias")
	if err := <-said; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("said %v", err)
	}
	for range 5 {
		n.Reloading()
		n.Reloaded("holding 1 of 1 alias")
	}
	f := sdnotifytest.Start(t, path, 0)
	states, status := f.Told("READY=1")
	if len(states) > 2*room || status != "holding 1 of 1 alias" {
		t.Errorf("told %q and the status %q", states, status)
	}
	n.Stopping()
	n.End()
	states, _ = f.Told("STOPPING=1")
	if len(said) != 0 {
		t.Errorf("one outage is said again, after %q: %v", states, <-said)
	}
}

// full is a notifier whose manager's socket is full.
func full(t *testing.T) (sdnotifytest.Manager, *Notifier) {
	t.Helper()
	f := sdnotifytest.Start(t, sdnotifytest.Path(t), time.Second)
	n := asked(t)
	n.pause = 10 * time.Millisecond
	said := make(chan error, 100)
	n.Start(func(err error) { said <- err })
	for {
		n.Ready("ready")
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
	n.Reloading()
	n.Reloaded("reloaded")
	n.Beat()
	n.Stopping()
	states, status := f.Told("STOPPING=1")
	if want := []string{"RELOADING=1", "MONOTONIC_USEC", "READY=1", "STOPPING=1"}; !slices.Equal(want, states[len(states)-4:]) || status != "ending" {
		t.Errorf("at last told %q and %q", states[len(states)-4:], status)
	}
	n.End()
}

func TestTheEndDoesNotWaitForAManagerThatDoesNotRead(t *testing.T) {
	_, n := full(t)
	n.Stopping()
	n.End()
	<-n.ended // given up, not left behind
}

func TestNobodyIsToldWhereNobodyAsks(t *testing.T) {
	os.Unsetenv(SocketEnv)
	n, err := FromEnvironment()
	if n != nil || err != nil {
		t.Fatalf("%v, %v", n, err)
	}
	n.Beat()
	n.Reloading()
	n.Reloaded("reloaded")
	n.Stopping()
	if n.BeatEvery() != 0 {
		t.Error("nobody asks, and the loop has to turn for it")
	}
}
