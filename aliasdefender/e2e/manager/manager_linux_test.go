package manager

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
	"alias-defender/aliasdefender/sdnotify/sdnotifytest"
)

// watched is a Monitor with a partner, and with the unit's watchdog time.
func watched(t *testing.T) (*pair.Pair, *lab.Process, sdnotifytest.Manager) {
	t.Helper()
	path := sdnotifytest.Path(t)
	f := sdnotifytest.Start(t, path, 0)
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Env: []string{"WATCHDOG_USEC=20000000"}})
	m, err := p.Start(p.A)
	stage.Must(t, err)
	if states, _ := f.Told("READY=1"); len(states) != 1 {
		t.Fatalf("told %q", states)
	}
	return p, m, f
}

// The program from its start, as a unit would start it, to its end. When it says that
// it is ready, it answers Status.
func TestMonitorTellsAManagerInTheLab(t *testing.T) {
	p, m, f := watched(t)
	if out, errs, _ := p.Run(stage.Patiently(t), p.A, "Status"); !strings.Contains(out, pair.Alias.String()) {
		t.Errorf("Status of a Monitor that is ready: %s%s", out, errs)
	}
	stage.Held(t, p, "a")
	status(t, f, "holding 1 of 1 alias")
	reload := func(text, status string) {
		t.Helper()
		stage.Must(t, os.WriteFile(p.File(p.A, "hostname.alias"), []byte(text), 0o644))
		stage.Must(t, m.Signal(unix.SIGHUP))
		states, got := f.Told("READY=1")
		if diff := cmp.Diff([]string{"RELOADING=1", "MONOTONIC_USEC", "READY=1"}, states); diff != "" {
			t.Errorf("a reload (-want +got):\n%s", diff)
		}
		if got != status {
			t.Errorf("the status is %q, want %q", got, status)
		}
	}
	good, err := os.ReadFile(p.File(p.A, "hostname.alias"))
	stage.Must(t, err)
	reload("nonsense\n", "holding 1 of 1 alias; the last reload changed nothing: 1 mistake in the files")
	reload(string(good), "holding 1 of 1 alias")
	stage.Must(t, m.Signal(unix.SIGUSR2))
	if states, status := f.Told("STOPPING=1"); len(states) != 1 || status != "ending" {
		t.Errorf("at the end %q and %q", states, status)
	}
	stage.Ended(t, m)
}

// status reads messages until the status is that one.
func status(t *testing.T, f sdnotifytest.Manager, want string) {
	t.Helper()
	for {
		if slices.Contains(f.Next(), "STATUS="+want) {
			return
		}
	}
}

// What the watchdog does to a Monitor leaves the alias where it is. A restart
// follows, because the unit does not except that exit code.
func TestWhatTheWatchdogEndsKeepsItsAliasForTheNext(t *testing.T) {
	p, m, _ := watched(t)
	stage.Held(t, p, "a")
	from := time.Now()
	stage.Must(t, m.Signal(unix.SIGABRT))
	code, err := m.Wait(stage.Patiently(t))
	stage.Must(t, err)
	if code != 2 || !strings.Contains(m.Output(), "defender.(*loop).") {
		t.Errorf("exit %d, and it does not say where it stood:\n%s", code, m.Output())
	}
	unit, err := os.ReadFile(filepath.Join("..", "..", "..", "init", "aliasdefender.service"))
	stage.Must(t, err)
	for _, line := range []string{"WatchdogSignal=SIGABRT", "RestartPreventExitStatus=3 4", "Restart=always"} {
		if !strings.Contains(string(unit), "\n"+line+"\n") {
			t.Errorf("the unit has no line %s", line)
		}
	}
	m, err = p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "action=adopt")
	stage.Held(t, p, "a")
	if n := p.Holders.Tenure(from, time.Time{}).Takes; n != 0 {
		t.Errorf("it was put on %d times", n)
	}
}
