package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Command says what to start on a host.
type Command struct {
	Name string // in the output; "": Argv[0]
	Argv []string
	Env  []string // added to our own environment
	Dir  string
}

// Process is a program on a host. It is killed when the host crashes, when the
// lab is closed, and when this process ends.
type Process struct {
	Name string
	Host *Host

	cmd   *exec.Cmd
	taps  []*tap
	out   *record
	ended chan struct{}
	code  int // valid once ended is closed
}

// Start starts a program on the host. Its output is kept, and written to
// Lab.Output.
func (h *Host) Start(name string, argv ...string) (*Process, error) {
	return h.StartCommand(Command{Name: name, Argv: argv})
}

// StartCommand is Start with an environment and a directory.
func (h *Host) StartCommand(c Command) (*Process, error) {
	if len(c.Argv) == 0 {
		return nil, fmt.Errorf("nothing to start on %s", h.Name)
	}
	if c.Name == "" {
		c.Name = c.Argv[0]
	}
	p := &Process{Name: c.Name, Host: h, out: newRecord(h.lab.Output, h.Name+"/"+c.Name+": ")}
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Dir = c.Dir
	if err := h.launch(p, cmd, p.out, p.out); err != nil {
		return nil, err
	}
	h.lab.mu.Lock()
	h.lab.procs = append(h.lab.procs, p)
	h.lab.mu.Unlock()
	return p, nil
}

// Run runs a program on the host until it ends or ctx does. The code is -1
// when it could not be started or was killed; the reason is then in stderr.
func (h *Host) Run(ctx context.Context, argv ...string) (stdout, stderr string, code int) {
	return h.RunCommand(ctx, Command{Argv: argv})
}

// RunCommand is Run with an environment and a directory.
func (h *Host) RunCommand(ctx context.Context, c Command) (stdout, stderr string, code int) {
	argv := c.Argv
	if len(argv) == 0 {
		return "", "nothing to run", -1
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Dir = c.Dir
	p := &Process{Name: argv[0], Host: h}
	if err := h.launch(p, cmd, &out, &errs); err != nil {
		return "", err.Error(), -1
	}
	<-p.ended
	if ctx.Err() != nil {
		fmt.Fprintf(&errs, "%s on %s: %v\n", argv[0], h.Name, ctx.Err())
	}
	return out.String(), errs.String(), p.code
}

// launch starts the program on the thread of the host's namespace. By that the program is
// in the namespace, and dies with the thread.
func (h *Host) launch(p *Process, cmd *exec.Cmd, stdout, stderr io.Writer) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	p.cmd, p.ended = cmd, make(chan struct{})

	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if h.space == nil {
		return fmt.Errorf("start %s: host %s is down", p.Name, h.Name)
	}
	taps, err := tapped(cmd, stdout, stderr)
	if err != nil {
		return fmt.Errorf("start %s on %s: %w", p.Name, h.Name, err)
	}
	if err := h.space.do(cmd.Start); err != nil {
		for _, t := range taps {
			t.close()
		}
		return fmt.Errorf("start %s on %s: %w", p.Name, h.Name, err)
	}
	for _, t := range taps {
		t.open()
	}
	p.taps = taps
	h.procs = append(h.procs, p)
	go func() {
		cmd.Wait() // the process state has its result
		for _, t := range taps {
			t.drain()
		}
		p.code = cmd.ProcessState.ExitCode()
		close(p.ended)
	}()
	return nil
}

// tapped gives the command its outputs. If both are one writer it gives one tap, so that
// the order of the lines stays.
func tapped(cmd *exec.Cmd, stdout, stderr io.Writer) ([]*tap, error) {
	out, err := newTap(stdout)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out.w, out.w
	if stderr == stdout {
		return []*tap{out}, nil
	}
	errs, err := newTap(stderr)
	if err != nil {
		out.close()
		return nil, err
	}
	cmd.Stderr = errs.w
	return []*tap{out, errs}, nil
}

// Pid returns the process id, as the lab's own process sees it.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the program alone. After its end it returns
// os.ErrProcessDone.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Kill sends SIGKILL to the program alone; whatever it has started goes on.
func (p *Process) Kill() error { return p.Signal(unix.SIGKILL) }

// Freeze sends SIGSTOP and waits until the program stands still: a thread on another
// processor goes on for a moment.
func (p *Process) Freeze() error {
	if err := p.Signal(unix.SIGSTOP); err != nil {
		return err
	}
	for {
		// The kernel reports the stop once the last thread has stopped.
		err := unix.Waitid(unix.P_PID, p.Pid(), nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return fmt.Errorf("waiting for %s on %s to stand still: %w", p.Name, p.Host.Name, err)
		}
	}
}

// Done is closed when the program has ended and its output is complete.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Wait waits for the program's end and returns its exit code; -1 when a signal
// ended it.
func (p *Process) Wait(ctx context.Context) (code int, err error) {
	select {
	case <-p.ended:
		return p.code, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for %s on %s to end: %w", p.Name, p.Host.Name, ctx.Err())
	}
}

// CPU returns the processor time of a program that has ended, its children's
// included; 0 before.
func (p *Process) CPU() time.Duration {
	select {
	case <-p.ended:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	default:
		return 0
	}
}

// Waited returns for how long the program's threads, all together, have been kept waiting
// for a processor since its start; 0 if the program has ended or the kernel does not count
// this (schedstat in proc(5)).
func (p *Process) Waited() (all time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.Pid()))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if fields := strings.Fields(string(text)); err == nil && len(fields) > 1 { // run, waited, times
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			all += time.Duration(n)
		}
	}
	return all
}

// Output returns what the program has written so far, both streams together;
// the last megabyte of it.
func (p *Process) Output() string {
	for _, t := range p.taps {
		t.catchUp()
	}
	return p.out.String()
}

// WaitOutput waits until the program has written text at any time since its start. It is
// an error if the program ends without having written it.
func (p *Process) WaitOutput(ctx context.Context, text string) error {
	for {
		ended := p.hasEnded() // asked first: if it has ended, all its output is there to look at
		found, more := p.out.find(text)
		switch {
		case found:
			return nil
		case ended:
			return fmt.Errorf("%s on %s ended (%s) without writing %q", p.Name, p.Host.Name, p.state(), text)
		}
		select {
		case <-more:
		case <-p.ended:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s on %s to write %q: %w", p.Name, p.Host.Name, text, ctx.Err())
		}
	}
}

func (p *Process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *Process) state() string {
	if p.hasEnded() {
		return p.cmd.ProcessState.String()
	}
	return "running"
}

// record keeps the last part of a program's output and passes it on line by line.
type record struct {
	mu     sync.Mutex
	kept   []byte
	line   []byte // a line that has begun and is not passed on yet
	to     io.Writer
	prefix string
	more   chan struct{} // closed at the next write
}

const recordSize = 1 << 20

func newRecord(to io.Writer, prefix string) *record {
	return &record{to: to, prefix: prefix, more: make(chan struct{})}
}

// Write never fails: a program must not die because of its reader.
func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, b...)
	if over := len(r.kept) - recordSize; over > recordSize {
		r.kept = append(r.kept[:0], r.kept[over:]...)
	}
	if r.to != nil {
		r.line = append(r.line, b...)
		for {
			i := bytes.IndexByte(r.line, '\n')
			if i < 0 {
				break
			}
			fmt.Fprintf(r.to, "%s%s\n", r.prefix, r.line[:i])
			r.line = r.line[i+1:]
		}
	}
	close(r.more)
	r.more = make(chan struct{})
	return len(b), nil
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.kept)
}

func (r *record) find(text string) (found bool, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.kept, []byte(text)), r.more
}
