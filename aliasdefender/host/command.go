package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// commandWithin is how long a program of the system may take. One that brings an
	// address up waits while the kernel looks for a duplicate.
	commandWithin = 10 * time.Second

	// maxCommands is how many may hang at a time, so that a system on which none returns
	// is not filled with them.
	maxCommands = 8
)

// Runner runs a program of the system and returns its standard output. The error contains
// what the program wrote to standard error, or says that the program was not there, or
// that it was ended because ctx or its time was over.
type Runner func(ctx context.Context, name string, args ...string) (stdout string, err error)

// SystemDirs are where Solaris and illumos have ifconfig and its like.
var SystemDirs = []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"}

// Programs is a Runner for the programs in dirs; the first directory that has the program
// counts. The Runner does not use the user's PATH and language, because the output has to
// be parsed.
//
// The Runner kills a program that takes longer than 10 s, with everything that it has
// started. It leaves a program behind that cannot be killed because a driver holds it.
func Programs(dirs ...string) Runner {
	free := make(chan struct{}, maxCommands)
	return func(ctx context.Context, name string, args ...string) (string, error) {
		command := strings.Join(append([]string{name}, args...), " ")
		path, err := find(name, dirs)
		if err != nil {
			return "", fmt.Errorf("%s: %w", command, err)
		}
		select {
		case free <- struct{}{}:
		default:
			return "", fmt.Errorf("%s: not run: %d earlier programs still hang", command, maxCommands)
		}
		ctx, cancel := context.WithTimeoutCause(ctx, commandWithin, fmt.Errorf("killed: took longer than %v", commandWithin))
		defer cancel()
		stdout, err := runGroup(ctx, path, args, []string{"LC_ALL=C", "PATH=" + strings.Join(SystemDirs, ":")}, func() { <-free })
		if err != nil {
			err = fmt.Errorf("%s: %w", command, err)
		}
		return stdout, err
	}
}

func find(name string, dirs []string) (string, error) {
	for _, dir := range dirs {
		// With a slash in it, LookPath does not look into PATH.
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("not in %s", strings.Join(dirs, ", "))
}

// runGroup runs a program in a process group of its own, which is killed when
// ctx ends, and calls ended once it is really gone.
func runGroup(ctx context.Context, path string, args, env []string, ended func()) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &stdout, &stderr
	// A Ctrl-C meant for us must not reach an ifconfig that is half way.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // for a process that left the group and keeps the pipe open
	if err := cmd.Start(); err != nil {
		ended()
		return "", err
	}
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		ended()
		done <- err
	}()
	select {
	case err := <-done:
		return stdout.String(), said(err, stderr.String())
	case <-ctx.Done():
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the leader is not reaped yet, or the group is gone
	select {
	case <-done:
	case <-time.After(2 * cmd.WaitDelay):
	}
	return "", context.Cause(ctx)
}

// said joins how a program ended with its first line on standard error.
func said(err error, stderr string) error {
	line, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	if exit := (*exec.ExitError)(nil); err == nil || !errors.As(err, &exit) || line == "" {
		return err
	}
	return fmt.Errorf("%s (%w)", line, err)
}
