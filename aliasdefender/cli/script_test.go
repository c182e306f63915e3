package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"alias-defender/aliasdefender/control"
)

// TestScripts plays the command lines of testdata/script: what is typed, what is
// printed, and the exit code, for which a script uses "code".
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// The scripts' own directory has too long a path for a socket.
			dir, err := os.MkdirTemp("", "ad")
			e.Defer(func() { os.RemoveAll(dir) })
			e.Setenv("SOCKET", filepath.Join(dir, "control.sock"))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":     runForCode,
			"settings": writeSettings,
			"monitor":  serveSnapshot,
		},
	})
}

// runForCode is "code N ARG...": it runs the program and expects that exit code.
func runForCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(program, args[1:]...); err != nil {
		ended := (*exec.ExitError)(nil)
		if !errors.As(err, &ended) {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d; want %d", got, want)
	}
}

// writeSettings is "settings FILE": it adds the socket to the file.
func writeSettings(ts *testscript.TestScript, _ bool, args []string) {
	text := ""
	if b, err := os.ReadFile(ts.MkAbs(args[0])); err == nil {
		text = string(b)
	}
	text += fmt.Sprintf("\n[control]\nsocket = %q\n", ts.Getenv("SOCKET"))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// serveSnapshot is "monitor FILE [MISTAKE]": a Monitor that answers on the socket
// with that snapshot, and answers Reload with the mistake.
func serveSnapshot(ts *testscript.TestScript, _ bool, args []string) {
	var s control.Snapshot
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &s))
	l, err := control.Acquire(ts.Getenv("SOCKET"))
	ts.Check(err)
	server := control.NewServer(l, s.Version, control.Handlers{
		Status: func(context.Context, bool) (control.Snapshot, error) { return s, nil },
		Reload: func(context.Context, bool) error {
			if len(args) > 1 {
				return &control.Refusal{Kind: control.KindConfig, Text: strings.ReplaceAll(args[1], `\n`, "\n")}
			}
			return nil
		},
	})
	ts.Check(server.Listen())
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		server.Serve(ctx)
		close(ended)
	}()
	ts.Defer(func() {
		end()
		<-ended
		l.Release()
	})
}

func TestAnAgeIsShownByItsTwoWeightiestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59*time.Second + 9e8: "59s", 61 * time.Second: "1m01s",
		time.Hour + 5*time.Minute + time.Second: "1h05m", 49*time.Hour + time.Minute: "2d01h",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v is shown as %s; want %s", d, got, want)
		}
	}
}

func TestStatusIsWellOnlyWhereNobodyNeedsToLook(t *testing.T) {
	for _, c := range []struct {
		name string
		s    control.Snapshot
		want bool
	}{
		{"all well", control.Snapshot{Aliases: []control.Alias{{}, {}}}, true},
		{"one alias with a level", control.Snapshot{Aliases: []control.Alias{{}, {Level: "warning"}}}, false},
		{"a problem of the daemon", control.Snapshot{Aliases: []control.Alias{{}}, Problems: []string{"x"}}, false},
	} {
		if got := c.s.Tally().Well(); got != c.want {
			t.Errorf("%s: well is %v", c.name, got)
		}
	}
}
