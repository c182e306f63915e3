package lab

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func hasDefaultRoute(routes string) bool {
	for _, line := range strings.Split(routes, "\n") {
		if f := strings.Fields(line); len(f) > 7 && f[1] == "00000000" && f[7] == "00000000" {
			return true
		}
	}
	return false
}

// lockedBuffer is a place for several programs' output.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestProgramsRunInTheirHost(t *testing.T) {
	x := newRig(t)
	var out lockedBuffer
	x.lab.Output = &out
	p, err := x.a.StartCommand(Command{
		Name: "greeter",
		Argv: []string{"sh", "-c", `trap 'echo bye; exit 7' TERM; echo "$GREETING from $(uname -n)"; echo ready >&2; while :; do sleep 0.01; done`},
		Env:  []string{"GREETING=hello"},
	})
	x.must(err)
	x.must(p.WaitOutput(x.ctx, "ready"))
	x.must(p.Signal(unix.SIGTERM))
	if code, err := p.Wait(x.ctx); err != nil || code != 7 {
		t.Errorf("ended with %d, %v; want 7", code, err)
	}
	if got, want := p.Output(), "hello from a\nready\nbye\n"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if got := out.String(); !strings.Contains(got, "a/greeter: hello from a\n") {
		t.Errorf("Output is %q", got)
	}
	if err := p.WaitOutput(x.ctx, "never"); err == nil {
		t.Error("a program that ended will still write something")
	}
	if err := p.Kill(); err != os.ErrProcessDone {
		t.Errorf("killing it again: %v, want %v", err, os.ErrProcessDone)
	}
}

func TestRunTellsOutputAndCode(t *testing.T) {
	x := newRig(t)
	out, stderr, code := x.b.Run(x.ctx, "sh", "-c", "echo out; echo err >&2; exit 3")
	if out != "out\n" || stderr != "err\n" || code != 3 {
		t.Errorf("got %q, %q, %d", out, stderr, code)
	}
	if _, stderr, code := x.b.Run(x.ctx, "/no/such/program"); code != -1 || stderr == "" {
		t.Errorf("no such program: %q, %d", stderr, code)
	}
	brief, cancel := context.WithTimeout(x.ctx, 50*time.Millisecond)
	defer cancel()
	if _, stderr, code := x.b.Run(brief, "sleep", "1000"); code != -1 || !strings.Contains(stderr, "deadline") {
		t.Errorf("out of time: %q, %d", stderr, code)
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	before := namespaces(t, ours...)
	x := newRig(t)
	x.takes(x.a)
	x.client(alias)
	_, err := x.c.Port().Sniff()
	x.must(err)
	_, err = x.lab.Watch(alias)
	x.must(err)
	p, err := x.a.Start("stubborn", "sh", "-c", "trap '' TERM INT HUP; setsid sleep 1000 & echo ready; wait")
	x.must(err)
	x.must(p.WaitOutput(x.ctx, "ready"))
	// Other packages' labs come and go meanwhile: these are the ones of this lab.
	made := namespaces(t, ours...)
	maps.DeleteFunc(made, func(ns, _ string) bool { return before[ns] != "" })
	if len(made) < 5 {
		t.Errorf("%d namespaces of the lab while it is there: the test does not see them", len(made))
	}
	x.must(x.lab.Close())
	x.must(x.lab.Close()) // again: nothing to do

	// A thread ends just after its last words.
	x.eventually(func() string {
		for ns, who := range namespaces(t, everybodys...) {
			if made[ns] != "" {
				return ns + " is still there: " + who
			}
		}
		return ""
	})
	x.eventually(func() string { return children() })
}

// eventually asks until there is no complaint.
func (x *rig) eventually(complaint func() string) {
	x.Helper()
	for {
		c := complaint()
		if c == "" {
			return
		}
		select {
		case <-x.ctx.Done():
			x.Fatal(c)
		case <-time.After(time.Millisecond):
		}
	}
}

// What may hold a network namespace: threads and descriptors of this process, and
// all threads and descriptors that we may look at.
var (
	ours       = []string{"/proc/self/task/*/ns/net", "/proc/self/fd/*"}
	everybodys = []string{"/proc/[0-9]*/task/*/ns/net", "/proc/self/fd/*"}
)

// namespaces returns the network namespaces that these hold, each with one holder.
func namespaces(t *testing.T, holders ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range holders {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "net:[") {
				found[to] = name
			}
		}
	}
	return found
}

// children complains of programs whose parent we are.
func children() string {
	names, _ := filepath.Glob("/proc/self/task/*/children")
	var all []string
	for _, name := range names {
		b, _ := os.ReadFile(name)
		all = append(all, strings.Fields(string(b))...)
	}
	if len(all) == 0 {
		return ""
	}
	return "children are left: " + strings.Join(all, " ")
}

// TestAProgramThatIsKeptWaitingIsKnown has several programs that always want to run share
// one processor.
func TestAProgramThatIsKeptWaitingIsKnown(t *testing.T) {
	x := newRig(t)
	var may, one unix.CPUSet
	x.must(unix.SchedGetaffinity(0, &may))
	for cpu := 0; one.Count() == 0; cpu++ {
		if may.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	spins := func() *Process {
		p, err := x.a.Start("spins", "sh", "-c", "while :; do :; done")
		x.must(err)
		x.must(unix.SchedSetaffinity(p.Pid(), &one))
		return p
	}
	first, second := spins(), spins()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for first.Waited()+second.Waited() < 100*time.Millisecond {
		select {
		case <-tick.C:
		case <-x.ctx.Done():
			t.Fatalf("%v and %v", first.Waited(), second.Waited())
		}
	}
	x.must(first.Kill())
	_, err := first.Wait(x.ctx)
	x.must(err)
	if d := first.Waited(); d != 0 {
		t.Errorf("%v of one that has ended", d)
	}
}
