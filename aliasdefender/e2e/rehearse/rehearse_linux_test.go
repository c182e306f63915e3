package rehearse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/rehearse"
)

// brokenMonitor in the environment makes a Monitor on one of the two hosts break a
// rule on purpose, for a rehearsal to find.
const brokenMonitor = "ALIASDEFENDER_TEST_BROKEN"

// thisHost is the name on the stage of the host whose Monitor is right.
const thisHost = "this host"

func TestMain(m *testing.M) {
	how := os.Getenv(brokenMonitor)
	if how == "" {
		stage.Main(m, nil)
	}
	stage.Main(m, func() (daemon.System, error) {
		s, err := daemon.OpenHost()
		if name, _ := os.Hostname(); name != thisHost {
			switch how {
			case "never takes":
				s.Host = neverAdds{s.Host}
			case "never yields":
				s.Host = neverRemoves{s.Host}
			}
		}
		return s, err
	})
}

// neverAdds reports success but adds nothing.
type neverAdds struct{ defender.Network }

func (neverAdds) Add(o []host.Placement) []error { return make([]error, len(o)) }

// neverRemoves reports success but removes nothing.
type neverRemoves struct{ defender.Network }

func (neverRemoves) Remove(o []host.Placement) []error { return make([]error, len(o)) }

// fast runs Rehearse on the sample at a fast rhythm, and returns its standard output.
func fast(t *testing.T, env []string, args ...string) (text string, code int) {
	t.Helper()
	lab.ForTest(t) // skips if there can be no namespaces
	var out, errs bytes.Buffer
	cmd := exec.Command(lab.Self(), append([]string{"Rehearse"}, args...)...)
	cmd.Env = append(os.Environ(), stage.RunMain+"=1", stage.DefaultAliases+"="+filepath.Join(t.TempDir(), "absent"))
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	exited := (*exec.ExitError)(nil)
	if err := cmd.Run(); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	t.Logf("what it said meanwhile:\n%s", errs.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

// reported is fast with the report parsed.
func reported(t *testing.T, args ...string) (report rehearse.Report, text string, code int) {
	t.Helper()
	text, code = fast(t, nil, append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return report, text, code
}

// plays has a rehearsal played that should be good. want are its steps in the words of in;
// nil: any. A busy machine can make something else of a step: then the control client, which
// asks an address that never moves, had a gap as well, or a Monitor had to wait for a
// processor. Such a step excuses itself and those after it, and all is played again, five
// times at most. It returns the report that was good; ok tells whether there was one.
func plays(t *testing.T, want []string, in func(rehearse.Step) string, args ...string) (report rehearse.Report, text string, ok bool) {
	t.Helper()
	const atMost = 6
	for range atMost {
		var code int
		report, text, code = reported(t, args...)
		if (code == stage.Done) != report.Good || len(report.Steps) == 0 {
			t.Errorf("exit %d, good %v\n%s", code, report.Good, text)
		}
		bad := slices.IndexFunc(report.Steps, func(s rehearse.Step) bool {
			return !s.Good || want != nil && !slices.Contains(want, in(s))
		})
		if bad < 0 {
			var got []string
			for _, s := range report.Steps {
				got = append(got, in(s))
			}
			if diff := cmp.Diff(want, got); want != nil && diff != "" {
				t.Errorf("steps (-want +got):\n%s%s", diff, text)
			}
			return report, text, true
		}
		s := report.Steps[bad]
		if max(s.Control, s.Late) < 20 { // ms
			t.Errorf("%q is not as it should be, good: %v, and the machine stood still for %v ms, and kept the Monitors waiting for %v ms\n%s", in(s), s.Good, s.Control, s.Late, text)
			return report, text, false
		}
		t.Logf("%q is not as it should be, but the machine was busy: %v ms, %v ms", in(s), s.Control, s.Late)
	}
	t.Errorf("spoiled %d times; the last:\n%s", atMost, text)
	return report, text, false
}

// whoHad is a step with who had the alias before and after it.
func whoHad(s rehearse.Step) string {
	who := func(hosts []string) string {
		if len(hosts) == 0 {
			return "nobody"
		}
		return strings.Join(hosts, " and ")
	}
	return fmt.Sprintf("%s: %s -> %s", s.Step, who(s.Before), who(s.After))
}

// whetherMoved is a step with how many hosts had the alias in the end, and whether it is
// where it was.
func whetherMoved(s rehearse.Step) string {
	if slices.Equal(s.Before, s.After) {
		return fmt.Sprintf("%s: %d stays", s.Step, len(s.After))
	}
	return fmt.Sprintf("%s: %d moved", s.Step, len(s.After))
}

func TestRehearsedCrashIsGood(t *testing.T) {
	t.Parallel()
	want := []string{"begin: nobody -> this host", "crash: this host -> 172.16.1.5", "return: 172.16.1.5 -> 172.16.1.5"}
	svg := filepath.Join(openDir(t), "rehearsal.svg")
	report, _, ok := plays(t, want, whoHad, "--only", "crash", "--interval", "300ms", "--svg", svg)
	if !ok {
		return
	}
	drawn := stage.Read(t, svg)
	for _, part := range []string{"172.16.1.2: nobody for", ", this host for", ", nobody for", ", 172.16.1.5 for", "2 crash", "3 return", `class="nobody"`} {
		if !strings.Contains(drawn, part) {
			t.Errorf("the drawing lacks %q:\n%s", part, drawn)
		}
	}
	if gap := report.Steps[1].GapMS; gap < 20 {
		t.Errorf("a crash that the client did not notice: %v ms", gap)
	}
}

func TestEveryScenarioIsGoodAtAFastRhythm(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		lab.Skip(t, "short")
	}
	plays(t, nil, whoHad, "--interval", "300ms")
}

// TestRehearsedDaemonsTalk: the key that the settings name does not exist, and that
// does not matter.
func TestRehearsedDaemonsTalk(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	aliases, settings := filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")
	stage.Must(t, os.WriteFile(aliases, []byte("eth0:1 | 172.16.1.2 | 255.255.255.0 | 172.16.1.5 | true\n"), 0o644))
	stage.Must(t, os.WriteFile(settings, []byte("[peer]\nkey_file = \"/no/such/key\"\n"), 0o644))
	const us, partner = thisHost, "172.16.1.5"
	want := []string{
		"begin: nobody -> " + us,
		"stop: " + us + " -> " + partner, "start: " + partner + " -> " + partner,
		"hand-over: " + partner + " -> " + us, "hand-over back: " + us + " -> " + partner,
		"maintenance on: " + partner + " -> " + us, "maintenance off: " + us + " -> " + us,
		"daemon killed: " + us + " -> " + partner, "daemon back: " + partner + " -> " + partner,
	}
	_, text, _ := plays(t, want, whoHad, "--aliases", aliases, "--settings", settings,
		"--only", "stop,handover,maintenance,kill", "--interval", "500ms")
	t.Log(text)
}

// TestRehearsedServicesDieAndLive: the switch in the place of the user's check, which is
// a program that would be missed here.
func TestRehearsedServicesDieAndLive(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	aliases, settings := filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")
	stage.Must(t, os.WriteFile(aliases, []byte("eth0:1 | 172.16.1.2 | 255.255.255.0 | 172.16.1.5 | true\n"), 0o644))
	check := "[check.app]\ncommand = [\"/bin/touch\", \"" + filepath.Join(dir, "asked") + "\"]\nfall = 2\n"
	for _, tt := range []struct {
		name, settings string
		want           []string // how many hosts had it, and whether it is where it was
	}{
		{"with a key", "checks = [\"app\"]\n[peer]\nkey_file = \"/no/such/key\"\n", []string{
			"begin: 1 moved", "service dead: 1 moved", "service dead on both: 1 stays", "service back, holder: 1 stays", "service back, standby: 1 stays",
		}},
		{"released without one", "checks = [\"app\"]\non_service_failure = \"release\"\n", []string{
			"begin: 1 moved", "service dead: 0 moved", "service dead on both: 0 stays", "service back, holder: 1 moved", "service back, standby: 1 stays",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stage.Must(t, os.WriteFile(settings, []byte(tt.settings+check), 0o644))
			plays(t, tt.want, whetherMoved, "--aliases", aliases, "--settings", settings, "--only", "service", "--interval", "500ms")
			if _, err := os.Stat(filepath.Join(dir, "asked")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the user's check was run: %v", err)
			}
		})
	}
}

// TestRehearsedGroupMovesWhole: the cable of one member is pulled, and both move.
func TestRehearsedGroupMovesWhole(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	aliases, settings := filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")
	stage.Must(t, os.WriteFile(aliases, []byte("eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true\neth1:1 | 10.0.0.2 | /24 | 10.0.0.5 | true\n"), 0o644))
	stage.Must(t, os.WriteFile(settings, []byte("[peer]\nkey_file = \"/no/such/key\"\n[group.firewall]\naliases = [\"172.16.1.2\", \"10.0.0.2\"]\n"), 0o644))
	const us, partner = thisHost, "172.16.1.5"
	var want []string
	for _, step := range []string{"begin: nobody -> " + us, "one cable of a group pulled: " + us + " -> " + partner, "that cable back: " + partner + " -> " + partner} {
		want = append(want, step, step) // each alias
	}
	plays(t, want, whoHad, "--aliases", aliases, "--settings", settings, "--only", "group", "--interval", "500ms")
}

func TestBrokenRulesAreFoundAndNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		how, only string
		step      string
		promise   int
	}{
		{"never takes", "crash", "crash", 2},
		{"never yields", "partition", "heal", 1},
	} {
		t.Run(tt.how, func(t *testing.T) {
			t.Parallel()
			text, code := fast(t, []string{brokenMonitor + "=" + tt.how}, "--only", tt.only, "--interval", "300ms")
			if code != stage.Failed || strings.Contains(text, "verdicts are good") {
				t.Errorf("exit %d\n%s", code, text)
			}
			want := fmt.Sprintf(`(?m)^%s, .*\. Promise %d is broken: %s\.$`, tt.step, tt.promise, regexp.QuoteMeta(rehearse.Promises[tt.promise]))
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("%s is not found to break promise %d: no line is %s\n%s", tt.step, tt.promise, want, text)
			}
		})
	}
}

// command is Rehearse as a separate program, run as another user if uid is not 0.
func command(t *testing.T, uid uint32, tmp string, args ...string) *exec.Cmd {
	t.Helper()
	lab.ForTest(t)
	cmd := exec.Command(lab.Self(), append([]string{"Rehearse"}, args...)...)
	cmd.Env = append(os.Environ(), stage.RunMain+"=1", "TMPDIR="+tmp)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if uid != 0 {
		if b, err := os.ReadFile("/proc/self/uid_map"); err != nil || len(strings.Fields(string(b))) != 3 || strings.Fields(string(b))[2] == "1" {
			lab.Skip(t, "already without root")
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	return cmd
}

// openDir is a short directory that any user can write into.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ad")
	stage.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	stage.Must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	return dir
}

const nobodysUID = 65534

func TestRehearseWorksWithoutRootOnTheUsersFiles(t *testing.T) {
	t.Parallel()
	for _, uid := range []uint32{0, nobodysUID} {
		t.Run(fmt.Sprint("uid ", uid), func(t *testing.T) {
			t.Parallel()
			tmp := openDir(t)
			aliases := filepath.Join(tmp, "hostname.alias")
			stage.Must(t, os.WriteFile(aliases, []byte("eth7:1 | 192.0.2.10 | /24 | other.invalid | false\n"), 0o644))
			var out []byte
			var err error
			for tries := 3; tries > 0; tries-- { // a busy machine can break a verdict about a time, and Rehearse says so
				out, err = command(t, uid, tmp, "--aliases", aliases, "--only", "crash", "--interval", "300ms").CombinedOutput()
				if err == nil || !bytes.Contains(out, []byte("this machine kept the Monitors waiting for")) && !bytes.Contains(out, []byte("a control client, which asks an address that never moves, had a gap of")) {
					break
				}
			}
			if err != nil || !bytes.Contains(out, []byte("All 3 verdicts are good")) {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range []string{"other.invalid does not resolve here", "are not touched", "It takes about"} {
				if !bytes.Contains(out, []byte(want)) {
					t.Errorf("%q is not said:\n%s", want, out)
				}
			}
			onlyThere(t, tmp, "hostname.alias")
		})
	}
}

// onlyThere looks for what was left behind.
func onlyThere(t *testing.T, dir string, want ...string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	stage.Must(t, err)
	var names []string
	for _, f := range left {
		names = append(names, f.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("in the directory for temporary files there are %v, want %v", names, want)
	}
}

func TestInterruptedRehearsalLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, uid := range []uint32{0, nobodysUID} {
		t.Run(fmt.Sprint("uid ", uid), func(t *testing.T) {
			t.Parallel()
			tmp := openDir(t)
			aliases := filepath.Join(openDir(t), "hostname.alias")
			stage.Must(t, os.WriteFile(aliases, []byte("eth0 | 192.0.2.10 | /24 | 192.0.2.5 | true\n"), 0o644))
			cmd := command(t, uid, tmp, "--aliases", aliases, "--interval", "1s")
			stderr, err := cmd.StderrPipe()
			stage.Must(t, err)
			stage.Must(t, cmd.Start())
			said, buf := "", make([]byte, 4096)
			for !strings.Contains(said, ": crash") { // the Monitors are running, except the one that crashes
				n, err := stderr.Read(buf)
				if err != nil {
					t.Fatalf("%v\n%s", err, said)
				}
				said += string(buf[:n])
			}
			if len(programsOf(t, tmp)) == 0 {
				t.Error("no Monitor is found: this test would not see what is left")
			}
			stage.Must(t, cmd.Process.Signal(unix.SIGINT))
			for err == nil {
				var n int
				n, err = stderr.Read(buf)
				said += string(buf[:n])
			}
			var exited *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exited) || exited.ExitCode() != stage.Failed || !strings.Contains(said, "interrupted") {
				t.Errorf("%v\n%s", err, said)
			}
			if left := programsOf(t, tmp); len(left) > 0 {
				t.Errorf("still running: %v", left)
			}
			onlyThere(t, tmp)
		})
	}
}

// programsOf are the programs whose command line names a directory that only this
// test has: its Monitors.
func programsOf(t *testing.T, dir string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	stage.Must(t, err)
	for _, name := range all {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(dir)) {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}
