package initscript

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// TestNoVariableChoosesWhatTheScriptDoes: a user who may run the script as root by
// sudo may set variables, and must not be able to name a file that root then sources.
func TestNoVariableChoosesWhatTheScriptDoes(t *testing.T) {
	dir := t.TempDir()
	theirs, done := filepath.Join(dir, "theirs"), filepath.Join(dir, "done")
	stage.Must(t, os.WriteFile(theirs, []byte("touch "+done+"\n"), 0o755))
	text, err := os.ReadFile("../../../init/AliasDefender")
	stage.Must(t, err)
	env := []string{"PATH=" + dir}
	stage.Must(t, os.Symlink(theirs, filepath.Join(dir, "id")))
	stage.Must(t, os.Symlink(theirs, filepath.Join(dir, "sed")))
	for _, name := range regexp.MustCompile(`\$\{?([A-Za-z_]+)`).FindAllStringSubmatch(string(text), -1) {
		if name[1] != "PATH" {
			env = append(env, name[1]+"="+theirs)
		}
	}
	env = append(env, "ALIASDEFENDER_DEFAULTS="+theirs, "ENV="+theirs, "settings="+theirs)
	cmd := exec.Command("/bin/sh", "../../../init/AliasDefender", "nonsense")
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if ended := (*exec.ExitError)(nil); !errors.As(err, &ended) || ended.ExitCode() != 2 {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Lstat(done); err == nil {
		t.Error("a file that a variable names was run")
	}
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
		stage.Must(t, os.WriteFile(s.file("log"), []byte("of an earlier start\n"), 0o644))
		mend := s.spoil()
		s.does(6, mistake, "start")
		s.clean()
		stdout, stderr, _ := s.host.Run(stage.Patiently(t), s.command("start")...)
		if strings.Contains(stdout+stderr, "earlier") || strings.Count(stdout+stderr, mistake) != 1 {
			t.Errorf("shows what is not of this start:\n%s%s", stdout, stderr)
		}
		s.does(3, "not running", "status")
		mend()
		stage.Must(t, os.WriteFile(s.file("aliasdefender.toml"), []byte("interval = \n"), 0o644))
		s.does(6, "aliasdefender.toml:1", "start")
		s.clean()
	})
}

func TestInitScriptStartedTwiceAtOnceStartsOneMonitor(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		// Both have looked before either Monitor answers; and the one that comes too late lives
		// on for a while, as on a busy machine.
		stage.Must(t, os.Mkdir(s.file("slow"), 0o755))
		stage.Must(t, os.WriteFile(s.file("slow/aliasdefender"), []byte(`#!/bin/sh
case " $* " in
*" Monitor "*) if mkdir "`+s.file("first")+`" 2>/dev/null; then sleep 1; else sleep 3; fi ;;
esac
exec "`+s.file("aliasdefender")+`" "$@"
`), 0o755))
		s.set("ALIAS_DEFENDER=" + s.file("slow/aliasdefender"))
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
	stage.Wanted(t, "dash", "dash")
	s := newScript(t, []string{"dash"}, `interval = "1s"`)
	s.does(0, "started", "start")
	s.set("WITHIN=1")
	pid := s.pid()
	s.signal(unix.SIGSTOP)
	s.does(4, "does not answer", "status")
	s.does(1, "does not answer", "start")
	s.does(1, "has not ended within 1 s", "stop")
	stage.Must(t, unix.Kill(pid, unix.SIGCONT)) // the TERM was waiting
	gone(t, s)
}

func TestInitScriptNeedsRootAndTheProgram(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		stage.Wanted(t, "unshare", "util-linux")
		actions := []string{"start", "stop", "restart", "try-restart", "condrestart", "reload", "force-reload"}
		// In a namespace that has no other users, everybody is nobody.
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

		stage.Must(t, os.Remove(s.file("aliasdefender")))
		for _, action := range actions {
			s.does(5, "aliasdefender is not there", action)
		}
		s.does(3, "not running", "status")
		s.does(2, "usage:", "nonsense")
	})
}

// An ordinary user may neither ask the Monitor nor send it a signal, but sees the
// process.
func TestInitScriptTellsAnOrdinaryUserThatItRuns(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "dash", "dash")
	s := newScript(t, []string{"dash"}, `interval = "1s"`)
	s.does(0, "started", "start")
	stage.Must(t, os.Mkdir(s.file("denied"), 0o755))
	stage.Must(t, os.WriteFile(s.file("denied/aliasdefender"), []byte("#!/bin/sh\necho permission denied >&2\nexit 1\n"), 0o755))
	s.set("ALIAS_DEFENDER=" + s.file("denied/aliasdefender") + "\nid() { echo 'uid=1000(somebody)'; }\nkill() { return 1; }")
	s.does(0, "only root may ask it for more", "status")
	s.set("")
	s.does(0, "stopped", "stop")
	s.set("ALIAS_DEFENDER=" + s.file("denied/aliasdefender") + "\nid() { echo 'uid=1000(somebody)'; }\nkill() { return 1; }")
	s.does(4, "not known; only root may ask", "status")
}

func TestInitScriptSaysThatItCannotLog(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "dash", "dash")
	s := newScript(t, []string{"dash"}, "")
	s.set("LOG=" + s.file("no/log"))
	s.does(1, "cannot write", "start")
	s.clean()
}

func TestInitScriptRestartsWithoutAGap(t *testing.T) {
	t.Parallel()
	for _, shell := range shells[:2] {
		t.Run(shell[0], func(t *testing.T) {
			stage.Wanted(t, shell[0], shell[0])
			// If the signal were TERM, the alias would be released.
			s := newScript(t, shell, "interval = \"200ms\"\non_exit = \"release\"")
			s.does(0, "started", "start")
			_, err := s.pair.Start(s.pair.B)
			stage.Must(t, err)
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
			// This one is TERM.
			s.does(0, "stopped", "stop")
			stage.Held(t, s.pair)
		})
	}
}

// The unit takes away all of root's capabilities except those that it names. This
// tries whether those are enough: to hear and probe, to announce, to release with
// promote_secondaries, and to take.
func TestUnitsCapabilitiesSuffice(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "setpriv", "util-linux")
	unit, err := os.ReadFile("../../../init/aliasdefender.service")
	stage.Must(t, err)
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
	// The alias is its subnet's first address, as if a killed Monitor had left it.
	// The host's own address must not go when the alias is released.
	own := pair.OwnA.Addr()
	stage.Must(t, p.A.NIC("eth0").DelAddr(own))
	stage.Must(t, p.A.NIC("eth0").AddAddr(netip.PrefixFrom(pair.Alias, pair.OwnA.Bits())))
	stage.Must(t, p.A.NIC("eth0").AddAddr(pair.OwnA))
	stage.Must(t, p.A.SetDefaultRoute(pair.Router.Addr()))
	self, err := os.Executable() // lab.Self would be setpriv
	stage.Must(t, err)
	command := lab.Command{
		Name: "Monitor",
		Argv: append([]string{"setpriv", "--bounding-set", set, "--inh-caps", "-all", "--no-new-privs", self}, p.Command(p.A, "Monitor")[1:]...),
		Env:  []string{stage.RunMain + "=1"},
	}
	m, err := p.A.StartCommand(command)
	stage.Must(t, err)
	stage.Must(t, m.WaitOutput(stage.Patiently(t), "action=adopt"))
	stage.Served(t, p, "a")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Pid()))
	stage.Must(t, err)
	// NET_ADMIN is bit 12, NET_RAW bit 13.
	if !strings.Contains(string(status), "\nCapEff:\t0000000000003000\n") {
		t.Fatalf("has other capabilities:\n%s", status)
	}
	stage.Must(t, m.Signal(unix.SIGTERM))
	if !stage.Ended(t, m) {
		return
	}
	stage.Held(t, p)
	out, _, code := p.A.Run(stage.Patiently(t), "cat", "/proc/net/fib_trie")
	if code != 0 || !strings.Contains(out, own.String()+"\n") {
		t.Errorf("the host's own address has gone with the alias:\n%s", out)
	}

	_, err = p.A.StartCommand(command)
	stage.Must(t, err)
	stage.Served(t, p, "a")
}
