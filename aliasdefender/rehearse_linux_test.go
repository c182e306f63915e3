package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/lab"
)

// brokenMonitor in the environment makes the test binary a Monitor that breaks
// a rule on purpose, for a rehearsal to find.
const brokenMonitor = "ALIASDEFENDER_TEST_BROKEN"

func init() {
	if how := os.Getenv(brokenMonitor); how != "" && slices.Contains(os.Args, "Monitor") {
		if err := monitorBroken(how, os.Args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// neverAdds says that it did.
type neverAdds struct{ defender.Network }

func (neverAdds) Add(o []host.Order) []error { return make([]error, len(o)) }

// neverRemoves says that it did.
type neverRemoves struct{ defender.Network }

func (neverRemoves) Remove(o []host.Order) []error { return make([]error, len(o)) }

// monitorBroken is a Monitor that is right on this host and wrong on the other.
func monitorBroken(how string, args []string) error {
	a := &app{stdout: os.Stdout, stderr: os.Stderr, aliases: args[slices.Index(args, "--aliases")+1], settings: args[slices.Index(args, "--settings")+1]}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	network, err := thisHost()
	if err != nil {
		return err
	}
	log, endLog := openLog(cfg.Settings, os.Stderr)
	defer endLog()
	o := network.options(cfg, "broken", log)
	if name, _ := os.Hostname(); name != thisHostName {
		switch how {
		case "never takes":
			o.Network = neverAdds{o.Network}
		case "never yields":
			o.Network = neverRemoves{o.Network}
		}
	}
	log.Info(startedText)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return defender.New(o).Run(ctx)
}

// rehearseFast is a run of Rehearse on the sample at a fast rhythm, by this
// process.
func rehearseFast(t *testing.T, o rehearseOptions) (report rehearsalReport, text string, code int) {
	t.Helper()
	lab.ForTest(t) // skips where there can be none
	if o.json = true; o.interval == 0 {
		o.interval = 100 * time.Millisecond
	}
	o.program = []string{lab.Self()}
	o.env = append(o.env, runMain+"=1")
	var out, errs bytes.Buffer
	a := &app{version: "test", stdout: &out, stderr: &errs, aliases: filepath.Join(t.TempDir(), "absent")}
	if o.named {
		dir := openDir(t)
		a.aliases, a.settings = filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")
		must(t, os.WriteFile(a.aliases, []byte(sampleRow), 0o644))
		must(t, os.WriteFile(a.settings, []byte("[peer]\nkey_file = \"/no/such/key\"\n"), 0o644))
	}
	code, said := verdict(a.rehearse(t.Context(), o))
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s\n%s\n%s", err, said, out.String(), errs.String())
	}
	var table strings.Builder
	must(t, report.print(&table))
	return report, table.String(), code
}

func TestRehearsedCrashIsGood(t *testing.T) {
	report, text, code := rehearseFast(t, rehearseOptions{only: []string{"crash"}})
	if code != exitDone || !report.Good {
		t.Errorf("exit %d\n%s", code, text)
	}
	var steps []string
	for _, s := range report.Steps {
		steps = append(steps, fmt.Sprintf("%s: %s -> %s", s.Step, and(s.Before), and(s.After)))
	}
	want := []string{"begin: nobody -> this host", "crash: this host -> 172.16.1.5", "return: 172.16.1.5 -> 172.16.1.5"}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if gap := report.Steps[1].GapMS; gap < 20 {
		t.Errorf("a crash that the client did not notice: %v ms", gap)
	}
}

func TestEveryScenarioIsGoodAtAFastRhythm(t *testing.T) {
	if testing.Short() {
		lab.Skip(t, "short")
	}
	if report, text, code := rehearseFast(t, rehearseOptions{}); code != exitDone || !report.Good {
		t.Errorf("exit %d\n%s", code, text)
	}
}

// TestRehearsedDaemonsTalk: the key that the settings name is not there, and
// nobody minds.
func TestRehearsedDaemonsTalk(t *testing.T) {
	only := []string{"stop", "handover", "maintenance", "kill"}
	report, text, code := rehearseFast(t, rehearseOptions{named: true, only: only, interval: 50 * time.Millisecond})
	if code != exitDone || !report.Good {
		t.Errorf("exit %d\n%s", code, text)
	}
	var steps []string
	for _, s := range report.Steps {
		steps = append(steps, fmt.Sprintf("%s: %s -> %s", s.Step, and(s.Before), and(s.After)))
	}
	const us, partner = thisHostName, "172.16.1.5"
	want := []string{
		"begin: nobody -> " + us,
		"stop: " + us + " -> " + partner, "start: " + partner + " -> " + partner,
		"hand-over: " + partner + " -> " + us, "hand-over back: " + us + " -> " + partner,
		"maintenance on: " + partner + " -> " + us, "maintenance off: " + us + " -> " + us,
		"daemon killed: " + us + " -> " + partner, "daemon back: " + partner + " -> " + partner,
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	t.Log(text)
}

func TestBrokenRulesAreFoundAndNamed(t *testing.T) {
	for _, tt := range []struct {
		how, only string
		step      string
		promise   int
	}{
		{"never takes", "crash", "crash", 2},
		{"never yields", "partition", "heal", 1},
	} {
		t.Run(tt.how, func(t *testing.T) {
			report, text, code := rehearseFast(t, rehearseOptions{only: []string{tt.only}, env: []string{brokenMonitor + "=" + tt.how}})
			if code != exitFailed || report.Good {
				t.Errorf("exit %d\n%s", code, text)
			}
			if !slices.ContainsFunc(report.Steps, func(s stepMade) bool { return s.Step == tt.step && s.Promise == tt.promise }) {
				t.Errorf("%s is not found to break promise %d\n%s", tt.step, tt.promise, text)
			}
			if want := fmt.Sprintf("Promise %d is broken: %s", tt.promise, promises[tt.promise]); !strings.Contains(text, want) {
				t.Errorf("%q is not said:\n%s", want, text)
			}
		})
	}
}

// command is Rehearse as a program of its own, as another user when uid is not 0.
func rehearseCommand(t *testing.T, uid uint32, tmp string, args ...string) *exec.Cmd {
	t.Helper()
	lab.ForTest(t)
	cmd := exec.Command(lab.Self(), append([]string{"Rehearse"}, args...)...)
	cmd.Env = append(os.Environ(), runMain+"=1", "TMPDIR="+tmp)
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
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	return dir
}

const nobodysUID = 65534

func TestRehearseWorksWithoutRootOnTheUsersFiles(t *testing.T) {
	for _, uid := range []uint32{0, nobodysUID} {
		t.Run(fmt.Sprint("uid ", uid), func(t *testing.T) {
			tmp := openDir(t)
			aliases := filepath.Join(tmp, "hostname.alias")
			must(t, os.WriteFile(aliases, []byte("eth7:1 | 192.0.2.10 | /24 | other.invalid | false\n"), 0o644))
			cmd := rehearseCommand(t, uid, tmp, "--aliases", aliases, "--only", "crash", "--interval", "100ms")
			out, err := cmd.CombinedOutput()
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
	must(t, err)
	var names []string
	for _, f := range left {
		names = append(names, f.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("in the directory for temporary files there are %v, want %v", names, want)
	}
}

func TestInterruptedRehearsalLeavesNothing(t *testing.T) {
	for _, uid := range []uint32{0, nobodysUID} {
		t.Run(fmt.Sprint("uid ", uid), func(t *testing.T) {
			tmp := openDir(t)
			aliases := filepath.Join(openDir(t), "hostname.alias")
			must(t, os.WriteFile(aliases, []byte("eth0 | 192.0.2.10 | /24 | 192.0.2.5 | true\n"), 0o644))
			cmd := rehearseCommand(t, uid, tmp, "--aliases", aliases, "--interval", "1s")
			stderr, err := cmd.StderrPipe()
			must(t, err)
			must(t, cmd.Start())
			said, buf := "", make([]byte, 4096)
			for !strings.Contains(said, ": crash") { // the Monitors run, but for the one that crashes
				n, err := stderr.Read(buf)
				if err != nil {
					t.Fatalf("%v\n%s", err, said)
				}
				said += string(buf[:n])
			}
			if len(programsOf(t, tmp)) == 0 {
				t.Error("no Monitor is found: this test would not see what is left")
			}
			must(t, cmd.Process.Signal(unix.SIGINT))
			for err == nil {
				var n int
				n, err = stderr.Read(buf)
				said += string(buf[:n])
			}
			var exited *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exited) || exited.ExitCode() != exitFailed || !strings.Contains(said, "interrupted") {
				t.Errorf("%v\n%s", err, said)
			}
			if left := programsOf(t, tmp); len(left) > 0 {
				t.Errorf("still running: %v", left)
			}
			onlyThere(t, tmp)
		})
	}
}

// programsOf are the programs whose command line names a directory that only
// this test has: Monitors.
func programsOf(t *testing.T, dir string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
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

func TestRehearseRefusesWhatItCannotDo(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--only", "flood"}, exitUsage, "is no scenario"},
		{[]string{"--only", "handover"}, exitUsage, "the settings have no key"},
		{[]string{"--interval", "1ms"}, exitUsage, "out of range"},
		{[]string{"--aliases", "/no/such/file"}, exitConfig, "does not exist"},
		{[]string{"now"}, exitUsage, "takes no argument"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"Rehearse"}, tt.args...), nil, &out, &errs); code != tt.code || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("%v: exit %d, %q; want %d, %q", tt.args, code, errs.String(), tt.code, tt.want)
		}
	}
}
