package program

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a program does at its end is asked of sh, which every system has.
func run(t *testing.T, ctx context.Context, script string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Command{Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=" + SearchPath}, Output: &out}.Run(ctx)
	return out.String(), err
}

func TestHowAProgramEndsIsTold(t *testing.T) {
	if out, err := run(t, t.Context(), "echo well; pwd"); err != nil || out != "well\n/\n" {
		t.Errorf("%q, %v", out, err)
	}
	_, err := run(t, t.Context(), "exit 7")
	if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Code != 7 || err.Error() != "exit code 7" {
		t.Errorf("exit: %v", err)
	}
	_, err = run(t, t.Context(), "kill -9 $$")
	if s, ok := errors.AsType[*SignalError](err); !ok || s.Signal != syscall.SIGKILL || err.Error() != "ended by signal 9 (killed)" {
		t.Errorf("signal: %v", err)
	}
	err = Command{Argv: []string{"/nowhere/own"}}.Run(t.Context())
	if _, ok := errors.AsType[*StartError](err); !ok || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not there: %v", err)
	}
	if err := (Command{}).Run(t.Context()); err == nil || err.Error() != "no program is given" {
		t.Errorf("none: %v", err)
	}
}

// TestEndedIsCalledOnce, whatever becomes of the program.
func TestEndedIsCalledOnce(t *testing.T) {
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("its time is over"))
	for name, tt := range map[string]struct {
		ctx  context.Context
		argv []string
	}{
		"it ends":            {t.Context(), []string{"/bin/sh", "-c", ":"}},
		"it cannot be run":   {t.Context(), []string{"/nowhere/own"}},
		"it is over already": {over, []string{"/bin/sh", "-c", ":"}},
	} {
		n := 0
		err := Command{Argv: tt.argv, Output: &bytes.Buffer{}, Ended: func() { n++ }}.Run(tt.ctx)
		if n != 1 {
			t.Errorf("%s: called %d times, %v", name, n, err)
		}
	}
}

// held is a reader of output that a busy machine does not let run.
type held struct {
	bytes.Buffer
	on <-chan struct{}
}

func (h *held) Write(b []byte) (int, error) {
	<-h.on
	return h.Buffer.Write(b)
}

// TestOutputIsNotLostOnABusyMachine: its reader comes to run long after the end.
func TestOutputIsNotLostOnABusyMachine(t *testing.T) {
	on := make(chan struct{})
	h := &held{on: on}
	err := Command{
		Argv: []string{"/bin/sh", "-c", "echo first; sleep 0.1; echo and last"}, Env: []string{"PATH=" + SearchPath}, Output: h,
		Ended: func() { time.AfterFunc(2*lastOutput, func() { close(on) }) },
	}.Run(t.Context())
	if err != nil || h.String() != "first\nand last\n" {
		t.Errorf("%q, %v", h.String(), err)
	}
}

// TestWhatLeavesTheGroupAndFloodsHoldsNobodyUp: the flood is read for a moment.
func TestWhatLeavesTheGroupAndFloodsHoldsNobodyUp(t *testing.T) {
	// Then its pipe is closed, and it ends by that.
	if out, err := run(t, t.Context(), "setsid yes & exit 0"); err != nil || strings.Trim(out, "y\n") != "" {
		t.Errorf("%v, %d bytes", err, len(out))
	}
}
