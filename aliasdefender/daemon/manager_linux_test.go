package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/sdnotify"
	"alias-defender/aliasdefender/sdnotify/sdnotifytest"
)

// asked is the notifier that the environment asks for.
func asked(t *testing.T) *sdnotify.Notifier {
	t.Helper()
	n, err := sdnotify.FromEnvironment()
	if err != nil || n == nil {
		t.Fatalf("%v, %v", n, err)
	}
	return n
}

func TestManagerIsToldFromStartToEnd(t *testing.T) {
	for name, path := range map[string]string{"a path": sdnotifytest.Path(t), "an abstract socket": "@aliasdefender-test-" + fmt.Sprint(os.Getpid())} {
		t.Run(name, func(t *testing.T) {
			f := sdnotifytest.Start(t, path, time.Minute)
			d := newDaemon(t, 2, quiet(), asked(t))
			good, err := os.ReadFile(d.table)
			must(t, err)
			d.start()
			expect := func(what, until, wantStatus string, want ...string) {
				t.Helper()
				states, status := f.Told(until)
				if diff := cmp.Diff(want, states); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
				if !regexp.MustCompile("^(" + wantStatus + ")$").MatchString(status) {
					t.Errorf("%s: the status is %q", what, status)
				}
			}
			reload := func(text string) {
				t.Helper()
				must(t, os.WriteFile(d.table, []byte(text), 0o644))
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
			if n := f.Beats(time.Now().Add(50 * time.Millisecond)); n != 0 {
				t.Errorf("%d beats after the end", n)
			}
		})
	}
}

func TestStatusIsToldWhenItChanges(t *testing.T) {
	f := sdnotifytest.Start(t, sdnotifytest.Path(t), 0)
	d := newDaemon(t, 2, quiet(), asked(t))
	d.monitor.reportEvery = 20 * time.Millisecond
	d.start()
	f.Told("READY=1")
	d.host.mu.Lock()
	d.host.dead = true
	d.host.mu.Unlock()
	var said []string
	for len(said) == 0 || said[len(said)-1] != "STATUS=holding 2 of 2 aliases" {
		said = append(said, f.Next()...)
	}
	if !slices.Equal(said, slices.Compact(slices.Clone(said))) {
		t.Errorf("said twice: %q", said)
	}
}

// Until then the loop turns, and the process is no Monitor yet.
func TestReadyIsAfterTheFirstReadingOfTheHost(t *testing.T) {
	f := sdnotifytest.Start(t, sdnotifytest.Path(t), time.Second)
	d := newDaemon(t, 1, quiet(), asked(t))
	d.host.kernel = make(chan struct{})
	d.start()
	for beats := 0; beats < 3; {
		for _, line := range f.Next() {
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
	f.Told("READY=1")
}

// A loop without work for a long time, here by a rhythm of 20 s, feeds the
// watchdog too.
func TestAQuietLoopFeedsTheWatchdog(t *testing.T) {
	f := sdnotifytest.Start(t, sdnotifytest.Path(t), 400*time.Millisecond)
	d := newDaemon(t, 1, quiet(), asked(t))
	d.rhythm("20s")
	d.start()
	f.Told("READY=1")
	// 20 are due in 2 s, and four would keep it quiet.
	if n := mostBeats(f, 2*time.Second, 10); n < 10 {
		t.Errorf("%d beats in 2 s", n)
	}
}

// mostBeats counts the beats in a time, and again up to ten times where there are fewer
// than wanted: the machine may not let them come.
func mostBeats(f sdnotifytest.Manager, d time.Duration, want int) (most int) {
	for range 10 {
		if most = max(most, f.Beats(time.Now().Add(d))); most >= want {
			break
		}
	}
	return most
}

func TestALoopThatHangsFeedsNoWatchdogWhileTheProcessLives(t *testing.T) {
	f := sdnotifytest.Start(t, sdnotifytest.Path(t), 200*time.Millisecond)
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
	f.Told("READY=1")
	if n := mostBeats(f, time.Second, 5); n < 5 {
		t.Fatalf("%d beats in a second while all is well", n)
	}
	gate <- struct{}{}
	for !slices.Contains(f.Next(), "STATUS=the loop does not answer") { // it is the process that says so
	}
	if n := f.Beats(time.Now().Add(time.Second)); n != 0 {
		t.Errorf("%d beats of a loop that hangs", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.defender.Tally(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the loop does not hang: %v", err)
	}
}

func TestAMonitorThatNobodyAsksReloads(t *testing.T) {
	os.Unsetenv(sdnotify.SocketEnv)
	n, err := sdnotify.FromEnvironment()
	if n != nil || err != nil {
		t.Fatalf("%v, %v", n, err)
	}
	d := newDaemon(t, 1, quiet(), n)
	d.start()
	d.until("served by the partner", heldBy("partner"))
	must(t, control.Dial(d.socket).Reload(t.Context()))
}
