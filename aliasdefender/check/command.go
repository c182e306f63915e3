package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"alias-defender/aliasdefender/config"
)

const (
	// mostHung is how many commands may be left behind that could not be killed, because
	// a driver holds them. No more are run until one of them has ended.
	mostHung = 16

	// endWithin is how long a killed command may take to end.
	endWithin = time.Second

	// restWithin is how long is waited for the last output once a command has ended: what
	// it has left running in another group may keep its output open.
	restWithin = 100 * time.Millisecond
)

// command runs a program: exit code 0 is good. No shell reads it. It has a process group
// of its own, which is killed when the time is over, and when the program has ended: it
// leaves nothing behind. Its input is empty, its folder is /.
func (q *Questions) command(ctx context.Context, c config.Check) Answer {
	select {
	case q.hung <- struct{}{}:
	default:
		return unknown(fmt.Sprintf("not run: %d earlier commands still hang", mostHung))
	}
	r, w, err := os.Pipe()
	if err != nil {
		<-q.hung
		return unknown("cannot be run: " + plainStart(err))
	}
	cmd := exec.Command(c.Command[0], c.Command[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/", "AD_CHECK=" + c.Name}
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		<-q.hung
		return unknown("cannot be run: " + plainStart(err))
	}
	out := tail{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer r.Close()
		io.Copy(&out, r) // its end, and the deadline below, are no errors
	}()
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		// Whatever it has started belongs to its group, and so the group's number is not
		// another's.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		r.SetReadDeadline(time.Now().Add(restWithin))
		<-q.hung
		done <- err
	}()
	a := Answer{}
	select {
	case err = <-done:
		<-read
		a = ended(err)
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		a = failing(fmt.Sprintf("timeout: killed after %s", config.Tidy(c.Timeout)))
		select {
		case <-done:
			<-read
		case <-time.After(endWithin):
			a = failing(fmt.Sprintf("timeout: not done within %s, and it cannot be killed", config.Tidy(c.Timeout)))
		}
	}
	a.Output = clean(out.bytes())
	return a
}

// ended is the answer of a command that has ended.
func ended(err error) Answer {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return good("exit code 0")
	case !errors.As(err, &exit):
		return unknown("it is not known how it ended: " + err.Error())
	}
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return failing(fmt.Sprintf("ended by signal %d (%s)", int(s.Signal()), s.Signal()))
	}
	return failing(fmt.Sprintf("exit code %d", exit.ExitCode()))
}

// plainStart is why a program could not be started.
func plainStart(err error) string {
	var sys syscall.Errno
	if errors.As(err, &sys) {
		return sys.Error()
	}
	return err.Error()
}

// tail keeps the last OutputMost bytes of what is written to it, and throws the rest away:
// a flood costs time, and no memory.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write keeps the end of p.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if len(p) > OutputMost {
		p = p[len(p)-OutputMost:]
	}
	if over := len(t.buf) + len(p) - OutputMost; over > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[over:])]
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.buf...)
}
