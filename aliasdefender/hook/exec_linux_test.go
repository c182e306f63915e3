package hook

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host/nstest"
	"alias-defender/aliasdefender/program"
)

// ran runs the test binary as a hook, and returns what it wrote.
func ran(t *testing.T, ctx context.Context, seen func(string), args ...string) ([]string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lines []string
	err = new(programs).run(ctx, append(config.Program{self, asHook}, args...), []string{"A=b c", "PATH=/bin"}, func(line string) {
		mu.Lock()
		lines = append(lines, line)
		mu.Unlock()
		if seen != nil {
			seen(line)
		}
	})
	return lines, err
}

func TestAProgramGetsItsEnvironmentAndNoOther(t *testing.T) {
	lines, err := ran(t, t.Context(), nil, "say")
	want := "env A=b c PATH=/bin\ndir / group true\nstdin 0 EOF"
	if got := strings.Join(lines, "\n"); err != nil || got != want {
		t.Errorf("%v, %s\nwant %s", err, got, want)
	}
}

func TestHowAProgramEndsIsTold(t *testing.T) {
	_, err := ran(t, t.Context(), nil, "exit")
	if code, ok := errors.AsType[*program.ExitError](err); !ok || code.Code != 7 || err.Error() != "exit code 7" {
		t.Errorf("exit: %v", err)
	}
	if _, err = ran(t, t.Context(), nil, "die"); err == nil || err.Error() != "ended by signal 9 (killed)" {
		t.Errorf("signal: %v", err)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := new(programs).run(t.Context(), config.Program{plain}, nil, nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("not executable: %v", err)
	}
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	if lines, err := ran(t, over, nil, "say"); err == nil || err.Error() != "over" || lines != nil {
		t.Errorf("begun after its time: %v, %q", err, lines)
	}
}

// What a hook writes can be read, and nobody takes it for lines of ours.
func TestOutputIsBoundedAndCleaned(t *testing.T) {
	lines, err := ran(t, t.Context(), nil, "flood")
	if err != nil {
		t.Fatal(err)
	}
	if lines[0] != strings.Repeat("x", program.LongestLine) || lines[1] != `event =moved action=take \x1b[2J`+"\uFFFD" {
		t.Errorf("%d bytes, %q", len(lines[0]), lines[1])
	}
	total := 0
	for _, l := range lines {
		total += len(l)
		if strings.Contains(l, "event=") || len(l) > program.LongestLine {
			t.Errorf("%q", l)
		}
	}
	last := lines[len(lines)-1]
	if total > program.MostOutput+4096 || !strings.HasPrefix(last, "(and ") || !strings.HasSuffix(last, " bytes more)") {
		t.Errorf("%d bytes, at last %q", total, last)
	}
}

// A hook that sleeps on is ended, also one that does not want to.
func TestAProgramIsEndedAtItsTime(t *testing.T) {
	for _, what := range []string{"sleep", "deaf"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		began := time.Now()
		lines, err := ran(t, ctx, func(string) { cancel(errors.New("its time is over")) }, what)
		if err == nil || err.Error() != "its time is over" || len(lines) != 1 {
			t.Errorf("%s: %v, %q", what, err, lines)
		}
		if took := time.Since(began); what == "deaf" && took < grace {
			t.Errorf("it ignores TERM, and was killed after %v", took)
		}
	}
}

// What a hook leaves behind in its group is gone with it, although it ignores TERM and
// holds the output.
func TestNothingOfAProgramIsLeft(t *testing.T) {
	lines, err := ran(t, t.Context(), nil, "fork")
	if err != nil {
		t.Fatal(err)
	}
	nstest.Ended(t, pidIn(t, lines))
}

// What has made a session of its own stays, and holds nobody up.
func TestADaemonThatAHookStartsHoldsNobodyUp(t *testing.T) {
	lines, err := ran(t, t.Context(), nil, "fork", "session")
	if err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, lines)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("it was killed with the hook: %v", err)
	}
	nstest.Ended(t, pid)
}

func pidIn(t *testing.T, lines []string) int {
	t.Helper()
	for _, l := range lines {
		if number, ok := strings.CutPrefix(l, "child "); ok {
			pid, err := strconv.Atoi(number)
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no child in %q", lines)
	return 0
}
