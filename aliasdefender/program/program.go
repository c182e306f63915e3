// Package program runs the administrator's programs, for hooks, checks and recoveries.
// Whatever such a program does, it is gone when its time is over.
//
// A program runs in a process group of its own, in the directory /, with an empty input
// and the environment that it is given. When it has ended, everything left in its group
// is killed. A process that has left the group, as a daemon does, goes on and holds
// nobody up.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// SearchPath is the PATH for such programs: root's, whatever we were started with.
const SearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const (
	// lastOutput is how long output is waited for after the program's end, where something
	// that has left its group still holds the pipe.
	lastOutput = 200 * time.Millisecond
	// endWithin is how long a killed program may take to end: the kernel may hold it, for a
	// disk that hangs.
	endWithin = time.Second
)

// Command is one run of a program.
type Command struct {
	Argv   []string  // the first is its path, which is not searched for
	Env    []string  // all of it
	Output io.Writer // what it writes, both streams together; written to by one goroutine, until Run returns

	Grace time.Duration // between TERM and KILL; 0: it is killed at once

	await func(pid int) bool // nil: awaitEnd; tests make it hang
}

// Runner runs programs, for one part of ours that uses them. It counts those that were left
// behind because not even KILL ends them: a driver holds them. The zero value is ready, and
// may be used by several goroutines.
type Runner struct{ hung atomic.Int32 }

// MostHung is how many programs of a Runner may hang before it runs no more until one of
// them has ended. Those that run by then may come to hang too.
const MostHung = 16

// ErrHung is the error of a program that was not started, because MostHung others hang.
var ErrHung = fmt.Errorf("%d earlier programs still hang", MostHung)

// hangs counts a program until it has ended.
func (r *Runner) hangs(ended <-chan error) {
	r.hung.Add(1)
	go func() {
		<-ended
		r.hung.Add(-1)
	}()
}

// StartError is a program that could not be started.
type StartError struct{ Err error }

func (e *StartError) Error() string { return e.Err.Error() }
func (e *StartError) Unwrap() error { return e.Err }

// ExitError is a program that has ended with another exit code than 0.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// SignalError is a program that a signal of somebody else's has ended.
type SignalError struct{ Signal syscall.Signal }

func (e *SignalError) Error() string {
	return fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
}

// StuckError is a program that has not ended although it was killed.
type StuckError struct{ Err error } // why it was

func (e *StuckError) Error() string { return e.Err.Error() + ", and it cannot be killed" }
func (e *StuckError) Unwrap() error { return e.Err }

// Run runs a program until it has ended or ctx has, which ends the program. It returns
// soon after that, whatever hangs. The error is nil for exit code 0, ErrHung, a
// *StartError, an *ExitError or a *SignalError; after the end of ctx it is its cause, or a
// *StuckError.
func (r *Runner) Run(ctx context.Context, c Command) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case len(c.Argv) == 0:
		return &StartError{errors.New("no program is given")}
	case r.hung.Load() >= MostHung:
		return ErrHung
	}
	read, write, err := os.Pipe()
	if err != nil {
		return &StartError{err}
	}
	defer read.Close() // nothing more is read
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.Env, "/", write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	write.Close() // it is the program's
	if err != nil {
		return &StartError{err}
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		copyAll(c.Output, read)
	}()
	err = r.await(ctx, c, cmd)
	if _, stuck := errors.AsType[*StuckError](err); stuck {
		read.Close()
	} else {
		_ = read.SetReadDeadline(time.Now().Add(lastOutput)) // a pipe has deadlines
	}
	<-said
	return err
}

// await waits for the program's end and kills what it leaves behind. At the end of ctx it
// ends the whole group.
func (r *Runner) await(ctx context.Context, c Command, cmd *exec.Cmd) error {
	group := -cmd.Process.Pid
	ended := make(chan error, 1)
	seeEnd := awaitEnd
	if c.await != nil {
		seeEnd = c.await
	}
	go func() {
		// While the program is not reaped, its number belongs to no other group.
		seen := seeEnd(cmd.Process.Pid)
		if seen {
			_ = syscall.Kill(group, syscall.SIGKILL) // or there is nobody left
		}
		err := cmd.Wait()
		if !seen {
			_ = syscall.Kill(group, syscall.SIGKILL) // a group with anybody in it keeps its number
		}
		ended <- verdict(err)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if c.Grace > 0 {
		_ = syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-ended:
			return context.Cause(ctx)
		case <-time.After(c.Grace):
		}
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	select {
	case <-ended:
	case <-time.After(endWithin):
		r.hangs(ended)
		return &StuckError{context.Cause(ctx)}
	}
	return context.Cause(ctx)
}

// verdict is how a program ended.
func verdict(err error) error {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &SignalError{status.Signal()}
	}
	return &ExitError{exit.ExitCode()}
}

// mostAfter is how much is read at most after the deadline: more than a pipe holds, so that
// what still writes to it does not keep us.
const mostAfter = 1 << 20

// copyAll passes on what comes through a pipe, until its end or the deadline. What stands in
// the pipe at the deadline is passed on too: on a busy machine that may be all of it.
func copyAll(to io.Writer, pipe *os.File) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 32<<10)
	n := 0
	take := func(fd uintptr) error {
		for {
			var err error
			if n, err = syscall.Read(int(fd), buf); err != syscall.EINTR {
				n = max(n, 0)
				return err
			}
		}
	}
	for {
		var readErr error
		err := raw.Read(func(fd uintptr) bool {
			readErr = take(fd)
			return readErr != syscall.EAGAIN
		})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil || readErr != nil || n == 0 {
			return // it has ended, or was closed
		}
		_, _ = to.Write(buf[:n])
	}
	_ = raw.Control(func(fd uintptr) {
		for read := 0; read < mostAfter; read += n {
			if err := take(fd); err != nil || n == 0 {
				return
			}
			_, _ = to.Write(buf[:n])
		}
	})
}
