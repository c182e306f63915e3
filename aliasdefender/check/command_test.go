package check

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
)

// run puts the question of a command that plays what.
func run(t *testing.T, within time.Duration, what string) Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return NewQuestions().Ask(ctx, config.Check{Name: "own", Kind: config.CheckCommand, Timeout: within, Command: []string{os.Args[0], "play", what}})
}

func TestACommandsExitCodeIsTheAnswer(t *testing.T) {
	for what, want := range map[string]Answer{
		"good": {Good, "exit code 0", "all is well"},
		"bad":  {Failing, "exit code 3", "no answer from the \\u001b[31mdatabase"},
		"dies": {Failing, "ended by signal 9 (killed)", ""},
	} {
		if got := run(t, time.Minute, what); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
}

func TestACommandThatHangsIsKilledAtItsTimeout(t *testing.T) {
	got := run(t, 300*time.Millisecond, "hangs")
	for tries := 5; tries > 0 && strings.Contains(got.Reason, "cannot be killed"); tries-- { // a busy machine ends it late
		got = run(t, 300*time.Millisecond, "hangs")
	}
	if got.State != Failing || got.Reason != "timeout: killed after 300ms" {
		t.Errorf("%+v", got)
	}
}

func TestAFloodIsBoundedAndItsEndIsKept(t *testing.T) {
	got := Answer{}
	for within := 250 * time.Millisecond; len(got.Output) == 0 && within < time.Minute; within *= 2 { // a busy machine starts it late
		got = run(t, within, "floods")
	}
	if got.State != Failing || len(got.Output) > OutputMost || len(got.Output) < OutputMost/2 || !strings.Contains(got.Output, "end of a line") {
		t.Errorf("%s %q: %d bytes", got.State, got.Reason, len(got.Output))
	}
}

func TestWhatCannotBeRunIsUnknown(t *testing.T) {
	plain := t.TempDir() + "/plain"
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/nowhere/own": "not run: /nowhere/own does not exist; name a program that does",
		plain:          "cannot be run: permission denied",
	} {
		got := NewQuestions().Ask(t.Context(), config.Check{Kind: config.CheckCommand, Timeout: time.Minute, Command: []string{path}})
		if got.State != Unknown || got.Reason != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestTheEnvironmentOfACommandIsItsOwn(t *testing.T) {
	t.Setenv("SECRET", "of the Monitor")
	got := run(t, time.Minute, "environment").Output
	if want := "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/ AD_CHECK=own\n/"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Nothing is known of a service whose command is not run.
func TestMoreHangingCommandsThanThereMayBeAreNotRun(t *testing.T) {
	got := ended(t.Context(), config.Check{Kind: config.CheckCommand, Timeout: time.Minute}, program.ErrHung)
	if got.State != Unknown || got.Reason != "not run: 16 earlier programs still hang" {
		t.Errorf("%+v", got)
	}
}
