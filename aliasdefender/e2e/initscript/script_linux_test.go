package initscript

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// The script must run under each of these.
var shells = [][]string{{"dash"}, {"ksh"}, {"bash", "--posix"}}

// inEachShell runs the test once under each shell, all at the same time: these tests
// do not measure time.
func inEachShell(t *testing.T, f func(t *testing.T, s *script)) {
	t.Helper()
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			stage.Wanted(t, shell[0], shell[0])
			f(t, newScript(t, shell, `interval = "1s"`))
		})
	}
}

// script is init/AliasDefender on host A of a pair, with all its paths in the test's
// directory.
type script struct {
	t     *testing.T
	pair  *pair.Pair
	host  *lab.Host
	shell []string
	dir   string
}

func newScript(t *testing.T, shell []string, settings string) *script {
	t.Helper()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: settings})
	s := &script{t: t, pair: p, host: p.A, shell: shell, dir: filepath.Dir(p.File(p.A, "sock"))}
	// The script knows a Monitor by the program's name.
	self, err := os.Executable()
	stage.Must(t, err)
	stage.Must(t, os.Symlink(self, s.file("aliasdefender")))
	stage.Must(t, os.Mkdir(s.file("subsys"), 0o755))
	s.copied()
	s.set("")
	t.Cleanup(func() {
		if log, _ := os.ReadFile(s.file("log")); t.Failed() {
			t.Logf("the Monitor's log:\n%s", log)
		}
	})
	return s
}

func (s *script) file(name string) string { return filepath.Join(s.dir, name) }

// set writes settings into /etc/default/aliasdefender as an administrator would.
// WITHIN is nearly as long as the test waits, because the machine may be busy.
func (s *script) set(more string) {
	s.t.Helper()
	text := fmt.Sprintf("WITHIN=50\nALIAS_DEFENDER=%s\nFILES=\"--aliases %s --settings %s\"\nLOG=%s\nPIDFILE=%s\nLOCKFILE=%s\n%s\n",
		s.file("aliasdefender"), s.file("hostname.alias"), s.file("aliasdefender.toml"),
		s.file("log"), s.file("pid"), s.file("subsys/AliasDefender"), more)
	stage.Must(s.t, os.WriteFile(s.file("defaults"), []byte(text), 0o644))
}

// command is the command line of an action.
func (s *script) command(args ...string) []string {
	argv := []string{"env", stage.RunMain + "=1"}
	argv = append(argv, s.shell...)
	return append(append(argv, s.file("AliasDefender")), args...)
}

// defaults is the loop of the script over the files that an administrator may have.
const defaults = "for file in /etc/default/aliasdefender /etc/sysconfig/aliasdefender; do"

// copied is the script with the test's own file of defaults, which only a change of
// its text can name.
func (s *script) copied() {
	s.t.Helper()
	text, err := os.ReadFile("../../../init/AliasDefender")
	stage.Must(s.t, err)
	mine := strings.Replace(string(text), defaults, "for file in "+s.file("defaults")+"; do", 1)
	if mine == string(text) {
		s.t.Fatalf("init/AliasDefender has no line %q", defaults)
	}
	stage.Must(s.t, os.WriteFile(s.file("AliasDefender"), []byte(mine), 0o755))
}

// does runs an action and checks its exit code and words of its output.
func (s *script) does(code int, words string, args ...string) {
	s.t.Helper()
	stdout, stderr, got := s.host.Run(stage.Patiently(s.t), s.command(args...)...)
	if out := stdout + stderr; got != code || !strings.Contains(out, words) {
		s.t.Errorf("%q exits with %d, want %d and %q in:\n%s", args, got, code, words, out)
	}
}

// pid is the pid of the Monitor that answers; 0 if none does.
func (s *script) pid() int {
	snapshot, err := control.Dial(s.file("sock")).Status(context.Background(), false)
	if err != nil {
		return 0
	}
	return snapshot.PID
}

// signal sends a signal to the Monitor that answers.
func (s *script) signal(sig unix.Signal) {
	s.t.Helper()
	pid := s.pid()
	if pid == 0 { // to the kernel this means ourselves
		s.t.Fatalf("no Monitor answers that could be sent %v", sig)
	}
	stage.Must(s.t, unix.Kill(pid, sig))
}

// spoil puts a mistake into the table of aliases, and returns a function that removes
// it.
func (s *script) spoil() (mend func()) {
	s.t.Helper()
	good, err := os.ReadFile(s.file("hostname.alias"))
	stage.Must(s.t, err)
	stage.Must(s.t, os.WriteFile(s.file("hostname.alias"), []byte("eth0:1 | 10.77.0.100 | 255.0.255.0 | 10.77.0.2 | true\n"), 0o644))
	return func() { stage.Must(s.t, os.WriteFile(s.file("hostname.alias"), good, 0o644)) }
}

const mistake = "hostname.alias:1: netmask: 255.0.255.0 has gaps"

// clean fails if the script left anything of a Monitor behind.
func (s *script) clean() {
	s.t.Helper()
	for _, name := range []string{"pid", "subsys/AliasDefender"} {
		if _, err := os.Lstat(s.file(name)); err == nil {
			s.t.Errorf("%s is left", name)
		}
	}
}

// stat is /proc/PID/stat after the name: state, parent, group, session, ...
func stat(t *testing.T, pid int) []string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	stage.Must(t, err)
	_, after, _ := strings.Cut(string(b), ") ")
	return strings.Fields(after)
}

// gone waits until no Monitor of the script answers, and none is a zombie.
func gone(t *testing.T, s *script) {
	t.Helper()
	ctx := stage.Patiently(t)
	for s.pid() != 0 {
		select {
		case <-ctx.Done():
			t.Fatal("the Monitor is still there")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
