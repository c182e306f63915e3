package program

import (
	"bytes"
	"context"
	"errors"
	"io"
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
	err := new(Runner).Run(ctx, Command{Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=" + SearchPath}, Output: &out})
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
	err = new(Runner).Run(t.Context(), Command{Argv: []string{"/nowhere/own"}})
	if _, ok := errors.AsType[*StartError](err); !ok || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not there: %v", err)
	}
	if err := new(Runner).Run(t.Context(), Command{}); err == nil || err.Error() != "no program is given" {
		t.Errorf("none: %v", err)
	}
}

// What cannot be killed is counted, for each Runner by itself. It is played by an end that
// nobody sees.
func TestNoMoreAreRunWhileManyHang(t *testing.T) {
	var r, other Runner
	release := make(chan struct{})
	ctx, cancel := context.WithCancelCause(t.Context())
	hangs := Command{Argv: []string{"/bin/sh", "-c", "exec sleep 1000"}, Env: []string{"PATH=" + SearchPath}, Output: io.Discard}
	began := make(chan struct{}, MostHung)
	hangs.await = func(pid int) bool {
		began <- struct{}{}
		<-release
		return awaitEnd(pid)
	}
	ends := make(chan error, MostHung)
	for range MostHung {
		go func() { ends <- r.Run(ctx, hangs) }()
	}
	for range MostHung {
		<-began
	}
	cancel(errors.New("its time is over"))
	for range MostHung {
		if _, stuck := errors.AsType[*StuckError](<-ends); !stuck {
			t.Fatal("it was killed")
		}
	}
	one := Command{Argv: []string{"/bin/sh", "-c", "exit 7"}, Output: io.Discard}
	if err := r.Run(t.Context(), one); err != ErrHung || err.Error() != "16 earlier programs still hang" {
		t.Errorf("one more: %v", err)
	}
	if err := other.Run(t.Context(), one); err == ErrHung {
		t.Errorf("another user's: %v", err)
	}
	close(release)
	for r.Run(t.Context(), one) == ErrHung {
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
	err := new(Runner).Run(t.Context(), Command{
		Argv: []string{"/bin/sh", "-c", "echo first; sleep 0.1; echo and last"}, Env: []string{"PATH=" + SearchPath}, Output: h,
		await: func(pid int) bool {
			seen := awaitEnd(pid)
			time.AfterFunc(2*lastOutput, func() { close(on) })
			return seen
		},
	})
	if err != nil || h.String() != "first\nand last\n" {
		t.Errorf("%q, %v", h.String(), err)
	}
}

// slow is a reader of output that is slower than what writes it.
type slow struct{ bytes.Buffer }

func (s *slow) Write(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Buffer.Write(b)
}

// TestWhatLeavesTheGroupAndFloodsHoldsNobodyUp: the flood is read for a moment. The program
// ends once its child has left the group and floods.
func TestWhatLeavesTheGroupAndFloodsHoldsNobodyUp(t *testing.T) {
	// Then its pipe is closed, and it ends by that.
	const flood = `l=y; while test ${#l} -lt 4096; do l=$l$l; done
		n=0; while echo $l; do n=$((n+1)); test $n != 100 || kill -USR1 $1; done`
	const script = "trap 'exit 0' USR1; setsid sh -c '" + flood + "' sh $$ & wait; exit 1"
	var out slow
	err := new(Runner).Run(t.Context(), Command{Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=" + SearchPath}, Output: &out})
	if err != nil || out.Len() == 0 || strings.Trim(out.String(), "y\n") != "" {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
}
