package initscript

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// The script has to run under each of these.
var shells = [][]string{{"dash"}, {"ksh"}, {"bash", "--posix"}}

// inEachShell runs the test once under each shell, all at a time: what these
// tests look at is not how long it takes.
func inEachShell(t *testing.T, f func(t *testing.T, s *script)) {
	t.Helper()
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			wanted(t, shell[0], shell[0])
			f(t, newScript(t, shell, `interval = "1s"`))
		})
	}
}

// script is init/AliasDefender on host A of a pair, with all its paths in the
// test's directory.
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
	// The program's name is what the script knows a Monitor by.
	self, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(self, s.file("aliasdefender")))
	must(t, os.Mkdir(s.file("subsys"), 0o755))
	s.set("")
	t.Cleanup(func() {
		if log, _ := os.ReadFile(s.file("log")); t.Failed() {
			t.Logf("the Monitor's log:\n%s", log)
		}
	})
	return s
}

func (s *script) file(name string) string { return filepath.Join(s.dir, name) }

// set writes what an administrator would into /etc/default/aliasdefender.
func (s *script) set(more string) {
	s.t.Helper()
	text := fmt.Sprintf("ALIAS_DEFENDER=%s\nFILES=\"--aliases %s --settings %s\"\nLOG=%s\nPIDFILE=%s\nLOCKFILE=%s\n%s\n",
		s.file("aliasdefender"), s.file("hostname.alias"), s.file("aliasdefender.toml"),
		s.file("log"), s.file("pid"), s.file("subsys/AliasDefender"), more)
	must(s.t, os.WriteFile(s.file("defaults"), []byte(text), 0o644))
}

// command is the command line of an action.
func (s *script) command(args ...string) []string {
	argv := []string{"env", "ALIASDEFENDER_DEFAULTS=" + s.file("defaults"), stage.RunMain + "=1"}
	argv = append(argv, s.shell...)
	return append(append(argv, "../../../init/AliasDefender"), args...)
}

// does runs an action and holds it to its exit code and to words of its output.
func (s *script) does(code int, words string, args ...string) {
	s.t.Helper()
	stdout, stderr, got := s.host.Run(stage.Patiently(s.t), s.command(args...)...)
	if out := stdout + stderr; got != code || !strings.Contains(out, words) {
		s.t.Errorf("%q exits with %d, want %d and %q in:\n%s", args, got, code, words, out)
	}
}

// pid is that of the Monitor that answers; 0 if none does.
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
	if pid == 0 { // which to the kernel means ourselves
		s.t.Fatalf("no Monitor answers that could be sent %v", sig)
	}
	must(s.t, unix.Kill(pid, sig))
}

// spoil puts a mistake into the table of aliases; what it returns mends it.
func (s *script) spoil() (mend func()) {
	s.t.Helper()
	good, err := os.ReadFile(s.file("hostname.alias"))
	must(s.t, err)
	must(s.t, os.WriteFile(s.file("hostname.alias"), []byte("eth0:1 | 10.77.0.100 | 255.0.255.0 | 10.77.0.2 | true\n"), 0o644))
	return func() { must(s.t, os.WriteFile(s.file("hostname.alias"), good, 0o644)) }
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

// stat is /proc/PID/stat behind the name: state, parent, group, session, ...
func stat(t *testing.T, pid int) []string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	_, after, _ := strings.Cut(string(b), ") ")
	return strings.Fields(after)
}

func TestInitScriptsActionsAndTheirExitCodes(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		s.does(2, "usage:")
		s.does(2, "usage:", "begin")
		s.does(3, "not running", "status")
		s.does(0, "not running", "stop")
		s.does(7, "not running", "reload")
		s.does(7, "not running", "force-reload")
		s.does(0, "not running", "try-restart")
		s.does(0, "not running", "condrestart")

		s.does(0, "started", "start")
		first := s.pid()
		s.does(0, fmt.Sprint("running, pid ", first), "status")
		s.does(0, fmt.Sprint("already running, pid ", first), "start")
		if session := stat(t, first)[3]; session != strconv.Itoa(first) {
			t.Errorf("the Monitor, pid %d, is in session %s and not in its own", first, session)
		}
		if parent := stat(t, first)[1]; parent != "1" && parent != strconv.Itoa(os.Getppid()) {
			t.Errorf("the Monitor's parent is %s and not 1", parent)
		}
		for fd := range 3 {
			if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", first, fd)); err != nil || to != s.file("log") && to != "/dev/null" {
				t.Errorf("the Monitor's descriptor %d is %s, %v", fd, to, err)
			}
		}

		s.does(0, "reloaded", "reload")
		s.does(0, "reloaded", "force-reload")
		mend := s.spoil()
		s.does(6, mistake, "reload")
		s.does(6, mistake, "restart")
		s.does(6, mistake, "try-restart")
		s.does(0, "already running", "start")
		if s.pid() != first {
			t.Error("mistakes in a file have ended the Monitor")
		}
		mend()

		s.does(0, "started", "restart")
		second := s.pid()
		s.does(0, "started", "condrestart")
		if third := s.pid(); third == 0 || third == second || second == first {
			t.Errorf("pids %d, %d, %d: a restart that was none", first, second, third)
		}
		s.does(0, "stopped", "stop")
		s.clean()
		s.does(3, "not running", "status")
		s.does(0, "not running", "stop")
		s.does(0, "started", "restart")
		s.does(0, "stopped", "stop")
	})
}

func TestInitScriptShowsTheMistakesOfABadFileAndEndsWith6(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		must(t, os.WriteFile(s.file("log"), []byte("of an earlier start\n"), 0o644))
		mend := s.spoil()
		s.does(6, mistake, "start")
		s.clean()
		stdout, stderr, _ := s.host.Run(stage.Patiently(t), s.command("start")...)
		if strings.Contains(stdout+stderr, "earlier") || strings.Count(stdout+stderr, mistake) != 1 {
			t.Errorf("shows what is not of this start:\n%s%s", stdout, stderr)
		}
		s.does(3, "not running", "status")
		mend()
		must(t, os.WriteFile(s.file("aliasdefender.toml"), []byte("interval = \n"), 0o644))
		s.does(6, "aliasdefender.toml:1", "start")
		s.clean()
	})
}

func TestInitScriptSignalsNoStranger(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		s.does(0, "started", "start")
		s.signal(unix.SIGKILL)
		gone(t, s)
		s.does(1, s.file("pid"), "status")
		must(t, os.Rename(s.file("pid"), s.file("pid.old")))
		s.does(2, s.file("subsys/AliasDefender"), "status")

		// The pid is another program's by now, if one with much the same words.
		stranger, err := s.host.Start("stranger", "sh", "-c", "sleep 1000; :", s.file("aliasdefender"), "Monitor")
		must(t, err)
		must(t, os.WriteFile(s.file("pid"), fmt.Appendf(nil, "%d\n%s\n", stranger.Pid(), stat(t, stranger.Pid())[19]), 0o644))
		s.does(1, "dead", "status")
		s.does(0, "not running", "stop")
		s.clean()

		// It is another Monitor's, with files of its own.
		must(t, s.pair.Write(s.pair.B, pair.OwnA.Addr(), false, ""))
		other, err := s.host.StartCommand(lab.Command{
			Name: "other",
			Argv: []string{s.file("aliasdefender"), "Monitor", "--aliases", s.pair.File(s.pair.B, "hostname.alias"), "--settings", s.pair.File(s.pair.B, "aliasdefender.toml")},
			Env:  []string{stage.RunMain + "=1"},
		})
		must(t, err)
		must(t, other.WaitOutput(stage.Patiently(t), "event=started"))
		must(t, os.WriteFile(s.file("pid"), fmt.Appendf(nil, "%d\n1\n", other.Pid()), 0o644))
		s.does(1, "dead", "status")
		s.does(0, "not running", "stop")

		// It is nonsense.
		for _, text := range []string{"", "\n", "x\n", "1\n", "-1\n", "0\n", "99999999999999999999\n"} {
			must(t, os.WriteFile(s.file("pid"), []byte(text), 0o644))
			s.does(0, "not running", "stop")
		}
		for _, p := range []*lab.Process{stranger, other} {
			select {
			case <-p.Done():
				t.Errorf("%s was ended by the script", p.Name)
			default:
			}
		}

		must(t, os.Rename(s.file("pid.old"), s.file("pid")))
		s.does(0, "started", "start")
		s.does(0, "stopped", "stop")
		s.clean()
	})
}

// gone waits until no Monitor of the script's answers, nor is a zombie.
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

func TestInitScriptStopsAMonitorStartedByHand(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		m, err := s.host.StartCommand(lab.Command{
			Name: "Monitor",
			Argv: []string{s.file("aliasdefender"), "monitor", "--aliases", s.file("hostname.alias"), "--settings", s.file("aliasdefender.toml")},
			Env:  []string{stage.RunMain + "=1"},
		})
		must(t, err)
		must(t, m.WaitOutput(stage.Patiently(t), "event=started"))
		s.does(0, "running", "status")
		s.does(0, "already running", "start")
		s.does(0, "stopped", "stop")
		if code, err := m.Wait(stage.Patiently(t)); code != 0 || err != nil {
			t.Errorf("exit %d, %v", code, err)
		}
	})
}

// In a container, process 1 may not ask for the exit codes of what it inherits:
// then who has ended stays in the list of processes.
func TestInitScriptStopsAMonitorThatBecomesAZombie(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		s.set("WITHIN=5")
		m, err := s.host.StartCommand(lab.Command{
			Name: "Monitor",
			Argv: []string{"sh", "-c", `"$@" & exec sleep 1000`, "sh",
				s.file("aliasdefender"), "Monitor", "--aliases", s.file("hostname.alias"), "--settings", s.file("aliasdefender.toml")},
			Env: []string{stage.RunMain + "=1"},
		})
		must(t, err)
		must(t, m.WaitOutput(stage.Patiently(t), "event=started"))
		s.does(0, "running", "status")
		pid := s.pid()
		s.does(0, "stopped", "stop")
		if state := stat(t, pid)[0]; state != "Z" {
			t.Errorf("the test has shown nothing: the Monitor is in state %s", state)
		}
		s.does(3, "not running", "status")
	})
}

func TestInitScriptStartedTwiceAtOnceStartsOneMonitor(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				stdout, stderr, code := s.host.Run(stage.Patiently(t), s.command("start")...)
				if code != 0 {
					t.Errorf("exit %d\n%s%s", code, stdout, stderr)
				}
			})
		}
		both.Wait()
		b, err := os.ReadFile(s.file("pid"))
		if first, _, _ := strings.Cut(string(b), "\n"); err != nil || first != strconv.Itoa(s.pid()) {
			t.Errorf("the pid file has %q (%v), and pid %d answers", b, err, s.pid())
		}
		s.does(0, "stopped", "stop")
	})
}

func TestInitScriptSaysWhatHangs(t *testing.T) {
	t.Parallel()
	wanted(t, "dash", "dash")
	s := newScript(t, []string{"dash"}, `interval = "1s"`)
	s.set("WITHIN=1")
	s.does(0, "started", "start")
	pid := s.pid()
	s.signal(unix.SIGSTOP)
	s.does(4, "does not answer", "status")
	s.does(1, "does not answer", "start")
	s.does(1, "has not ended within 1 s", "stop")
	must(t, unix.Kill(pid, unix.SIGCONT)) // the TERM has been waiting
	gone(t, s)
}

func TestInitScriptNeedsRootAndTheProgram(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		wanted(t, "unshare", "util-linux")
		actions := []string{"start", "stop", "restart", "try-restart", "condrestart", "reload", "force-reload"}
		// In a namespace that knows no users everybody is nobody.
		nobody := func(code int, words, action string) {
			t.Helper()
			stdout, stderr, got := s.host.Run(stage.Patiently(t), append([]string{"unshare", "--user"}, s.command(action)...)...)
			if out := stdout + stderr; got != code || !strings.Contains(out, words) {
				t.Errorf("%s by an ordinary user exits with %d, want %d and %q in:\n%s", action, got, code, words, out)
			}
		}
		for _, action := range actions {
			nobody(4, "only root may", action)
		}
		nobody(3, "not running", "status")

		must(t, os.Remove(s.file("aliasdefender")))
		for _, action := range actions {
			s.does(5, "aliasdefender is not there", action)
		}
		s.does(3, "not running", "status")
		s.does(2, "usage:", "nonsense")
	})
}

// An ordinary user may neither ask the Monitor nor signal it, but he sees the process.
func TestInitScriptTellsAnOrdinaryUserThatItRuns(t *testing.T) {
	t.Parallel()
	wanted(t, "dash", "dash")
	s := newScript(t, []string{"dash"}, `interval = "1s"`)
	s.does(0, "started", "start")
	must(t, os.Mkdir(s.file("denied"), 0o755))
	must(t, os.WriteFile(s.file("denied/aliasdefender"), []byte("#!/bin/sh\necho permission denied >&2\nexit 1\n"), 0o755))
	s.set("ALIAS_DEFENDER=" + s.file("denied/aliasdefender") + "\nid() { echo 'uid=1000(somebody)'; }\nkill() { return 1; }")
	s.does(0, "only root may ask it for more", "status")
	s.set("")
	s.does(0, "stopped", "stop")
	s.set("ALIAS_DEFENDER=" + s.file("denied/aliasdefender") + "\nid() { echo 'uid=1000(somebody)'; }\nkill() { return 1; }")
	s.does(4, "not known; only root may ask", "status")
}

func TestInitScriptSaysThatItCannotLog(t *testing.T) {
	t.Parallel()
	wanted(t, "dash", "dash")
	s := newScript(t, []string{"dash"}, "")
	s.set("LOG=" + s.file("no/log"))
	s.does(1, "cannot write", "start")
	s.clean()
}

func TestInitScriptRestartsWithoutAGap(t *testing.T) {
	t.Parallel()
	for _, shell := range shells[:2] {
		t.Run(shell[0], func(t *testing.T) {
			wanted(t, shell[0], shell[0])
			// Were the signal TERM, the alias would be released.
			s := newScript(t, shell, "interval = \"200ms\"\non_exit = \"release\"")
			s.does(0, "started", "start")
			_, err := s.pair.Start(s.pair.B)
			must(t, err)
			stage.Served(t, s.pair, "a")

			figure := stage.NewFigures(t, "the client's gap at a restart", 20*time.Millisecond)
			for range stage.Runs(12) {
				from := time.Now()
				s.does(0, "started", "restart")
				stage.Served(t, s.pair, "a")
				figure.Add(s.pair.Asker.Gap(from).Length(), stage.Stillness(s.pair.Asker, s.pair.Control, from, time.Now()))
				if n := s.pair.Holders.Tenure(from, time.Time{}); n.Takes != 0 || n.Nobody > 0 {
					t.Errorf("a restart moved the alias: %+v", n)
				}
				if g := stage.Gaps(s.pair.Asker, s.pair.Control, from); len(g) > 0 {
					t.Errorf("the client's gaps: %v", g)
				}
			}
			stage.Held(t, s.pair, "a")
			// And this is TERM.
			s.does(0, "stopped", "stop")
			stage.Held(t, s.pair)
		})
	}
}

// The unit takes all of root's powers away but those it names. Whether they
// suffice is tried: hearing and asking, announcing, releasing with
// promote_secondaries, and taking.
func TestUnitsCapabilitiesSuffice(t *testing.T) {
	t.Parallel()
	wanted(t, "setpriv", "util-linux")
	unit, err := os.ReadFile("../../../init/aliasdefender.service")
	must(t, err)
	_, list, _ := strings.Cut(string(unit), "\nCapabilityBoundingSet=")
	list, _, _ = strings.Cut(list, "\n")
	if list != "CAP_NET_ADMIN CAP_NET_RAW" {
		t.Fatalf("the unit has CapabilityBoundingSet=%s", list)
	}
	set := "-all"
	for _, c := range strings.Fields(list) {
		set += ",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
	}
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: "interval = \"200ms\"\non_exit = \"release\""})
	// The alias is its subnet's first address, as if a killed Monitor had left
	// it; the host's own one must not go when it is released.
	own := pair.OwnA.Addr()
	must(t, p.A.NIC("eth0").DelAddr(own))
	must(t, p.A.NIC("eth0").AddAddr(netip.PrefixFrom(pair.Alias, pair.OwnA.Bits())))
	must(t, p.A.NIC("eth0").AddAddr(pair.OwnA))
	must(t, p.A.SetDefaultRoute(pair.Router.Addr()))
	self, err := os.Executable() // lab.Self would be setpriv
	must(t, err)
	command := lab.Command{
		Name: "Monitor",
		Argv: append([]string{"setpriv", "--bounding-set", set, "--inh-caps", "-all", "--no-new-privs", self}, p.Command(p.A, "Monitor")[1:]...),
		Env:  []string{stage.RunMain + "=1"},
	}
	m, err := p.A.StartCommand(command)
	must(t, err)
	must(t, m.WaitOutput(stage.Patiently(t), "action=adopt"))
	stage.Served(t, p, "a")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Pid()))
	must(t, err)
	// NET_ADMIN is bit 12, NET_RAW bit 13.
	if !strings.Contains(string(status), "\nCapEff:\t0000000000003000\n") {
		t.Fatalf("has other capabilities:\n%s", status)
	}
	must(t, m.Signal(unix.SIGTERM))
	if code, err := m.Wait(stage.Patiently(t)); code != 0 || err != nil {
		t.Fatalf("exit %d, %v:\n%s", code, err, m.Output())
	}
	stage.Held(t, p)
	out, _, code := p.A.Run(stage.Patiently(t), "cat", "/proc/net/fib_trie")
	if code != 0 || !strings.Contains(out, own.String()+"\n") {
		t.Errorf("the host's own address has gone with the alias:\n%s", out)
	}

	_, err = p.A.StartCommand(command)
	must(t, err)
	stage.Served(t, p, "a")
}
