package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"alias-defender/aliasdefender/config"
)

const (
	// grace is how long a program has between TERM and KILL.
	grace = 500 * time.Millisecond
	// lastOutput is how long output is read after the program's end, where something that
	// has left its process group still holds the pipe.
	lastOutput = 200 * time.Millisecond
)

// ExitError is a program that has ended with another exit code than 0.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// runProgram runs a program with that environment and no other, in a process group of its
// own, in the directory /, with nothing to read. What it writes comes to out, a line at a
// time, as far as limits (output.go) allow.
//
// When it has ended, whatever is left of its group is killed; so is the whole group soon
// after the end of ctx, whose cause is then the error. The error is an *ExitError for an
// exit code.
func runProgram(ctx context.Context, p config.Program, env []string, out func(string)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close() // nothing more is read
	cmd := exec.Command(p[0], p[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, "/", write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	write.Close() // it is the program's
	if err != nil {
		return err
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		readOutput(read, out)
	}()
	err = endGroup(ctx, cmd)
	_ = read.SetReadDeadline(time.Now().Add(lastOutput)) // a pipe has deadlines
	<-said
	return err
}

// endGroup waits for a program's end and kills what it leaves behind. At the end of ctx it
// ends the whole group.
func endGroup(ctx context.Context, cmd *exec.Cmd) error {
	group := -cmd.Process.Pid
	ended := make(chan error, 1)
	go func() {
		// While the program is not reaped, its number belongs to no other group.
		seen := awaitEnd(cmd.Process.Pid)
		if seen {
			_ = syscall.Kill(group, syscall.SIGKILL) // or there is nobody left
		}
		err := cmd.Wait()
		if !seen {
			_ = syscall.Kill(group, syscall.SIGKILL)
		}
		ended <- verdict(err)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = syscall.Kill(group, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(grace):
		_ = syscall.Kill(group, syscall.SIGKILL)
		select {
		case <-ended:
		case <-time.After(2 * grace): // the kernel holds it: a disk that hangs, say
			return fmt.Errorf("%w, and it cannot be killed", context.Cause(ctx))
		}
	}
	return context.Cause(ctx)
}

// verdict is how a program ended.
func verdict(err error) error {
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Errorf("ended by signal %d (%s)", int(status.Signal()), status.Signal())
	}
	return &ExitError{exit.ExitCode()}
}
