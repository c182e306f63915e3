package check

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
)

// command runs a program: exit code 0 is good. No shell reads it.
func (q *Questions) command(ctx context.Context, c config.Check) Answer {
	if problem := config.LookAtProgram(c.Command[0]); problem != "" { // others may have come to change it since
		return unknown("not run: " + c.Command[0] + " " + problem)
	}
	out := tail{}
	err := q.programs.Run(ctx, program.Command{
		Argv: c.Command, Env: []string{"PATH=" + program.SearchPath, "LC_ALL=C", "HOME=/", "AD_CHECK=" + c.Name},
		Output: &out,
	})
	a := ended(ctx, c, err)
	a.Output = clean(out.bytes())
	return a
}

// ended is the answer of a command that has ended.
func ended(ctx context.Context, c config.Check, err error) Answer {
	start, never := errors.AsType[*program.StartError](err)
	_, stuck := errors.AsType[*program.StuckError](err)
	_, exit := errors.AsType[*program.ExitError](err)
	_, signal := errors.AsType[*program.SignalError](err)
	switch {
	case err == nil:
		return good("exit code 0")
	case err == program.ErrHung:
		return unknown("not run: " + err.Error())
	case never:
		return unknown("cannot be run: " + plainStart(start))
	case exit, signal:
		return failing(err.Error())
	case stuck:
		return failing(fmt.Sprintf("timeout: not done within %s, and it cannot be killed", config.Tidy(c.Timeout)))
	case ctx.Err() != nil:
		return failing(fmt.Sprintf("timeout: killed after %s", config.Tidy(c.Timeout)))
	}
	return unknown("it is not known how it ended: " + err.Error())
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
