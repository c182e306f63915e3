// Package packages checks what the packages promise: what their scripts do on a host, how
// their versions are ordered and, in make packages-check, what is in the three formats.
package packages

import (
	gocmp "cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
)

// machine is a host on which a package's script runs: programs that only write down how
// they were called, and directories of its own.
type machine struct {
	systemd int    // its version; 0: it does not run
	active  bool   // systemd's unit
	check   int    // exit code of Check --files
	fails   string // a call that fails
	bare    bool   // without Debian's programs
	again   string // the unit's Restart=; "": always
	policy  int    // exit code of policy-rc.d; 0: there is none
	pid     string // of the Monitor that answers after the script's order; "": none does
	old     bool   // that Monitor's program is the one that was there before
}

// play runs the script of a format and a moment, and returns the calls it made and what
// it said.
func (m machine) play(t *testing.T, dir, format, when string, words ...string) (calls, said string) {
	t.Helper()
	stage.Wanted(t, "dash", "dash")
	dash, err := exec.LookPath("dash")
	stage.Must(t, err)
	bin, called := filepath.Join(dir, "bin"), filepath.Join(dir, "calls")
	for _, d := range []string{"bin", "usr/sbin", "etc/init.d", "var/lib/aliasdefender", "var/log", "proc/" + m.pid} {
		stage.Must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	write := func(name, text string) {
		stage.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	for _, tool := range []string{"sed", "rm", "readlink"} {
		at, err := exec.LookPath(tool)
		stage.Must(t, err)
		stage.Must(t, os.Symlink(at, filepath.Join(bin, tool)))
	}
	stub := func(name, more string) {
		write(name, fmt.Sprintf("#!%s\necho \"%s $*\" >>'%s'\n%s\n[ \"%s $*\" != '%s' ]\n",
			dash, filepath.Base(name), called, more, filepath.Base(name), m.fails))
	}
	answer := "echo 'no Monitor is running' >&2; exit 3"
	if m.pid != "" {
		answer = fmt.Sprintf("printf '{\\n  \"pid\": %s,\\n  \"aliases\": []\\n}\\n'; exit 1", m.pid)
		runs := map[bool]string{true: "/usr/sbin/aliasdefender (deleted)", false: "/usr/sbin/aliasdefender"}[m.old]
		stage.Must(t, os.Symlink(runs, filepath.Join(dir, "proc", m.pid, "exe")))
	}
	stub("usr/sbin/aliasdefender", fmt.Sprintf("case $1.%d in Status.*) %s ;; Check.0) ;; *) echo 'what Check found'; exit %d ;; esac", m.check, answer, m.check))
	if m.policy != 0 {
		stub("usr/sbin/policy-rc.d", fmt.Sprintf("exit %d", m.policy))
	}
	stub("etc/init.d/AliasDefender", "")
	if m.systemd != 0 {
		stage.Must(t, os.MkdirAll(filepath.Join(dir, "run/systemd/system"), 0o755))
		stub("bin/systemctl", fmt.Sprintf("case $* in --version) echo 'systemd %d (%d.1-1)' ;; *is-active*) exit %d ;; show*) echo Restart=%s ;; esac",
			m.systemd, m.systemd, map[bool]int{true: 0, false: 3}[m.active], gocmp.Or(m.again, "always")))
	}
	switch {
	case format == "deb" && !m.bare:
		stub("bin/invoke-rc.d", "")
		stub("bin/update-rc.d", "")
		stub("bin/deb-systemd-invoke", "")
	case format == "rpm":
		stub("bin/chkconfig", "")
	}
	write("var/lib/aliasdefender/parked", "")
	write("var/log/aliasdefender.log", "")

	text := strings.NewReplacer("@format@", format, "@when@", when, "@script@", "/etc/init.d/AliasDefender").Replace(stage.Read(t, "../../../packaging/script"))
	for _, place := range []string{"/run/systemd/system", "/proc/", "/usr/sbin/aliasdefender", "/usr/sbin/policy-rc.d", "/etc/init.d/", "/var/lib/aliasdefender", "/var/log/aliasdefender.log"} {
		if !strings.Contains(text, place) {
			t.Fatalf("the script does not name %s any more", place)
		}
		text = strings.ReplaceAll(text, place, dir+place)
	}
	write("script", text)
	cmd := exec.Command(dash, append([]string{filepath.Join(dir, "script")}, words...)...)
	cmd.Env = []string{"PATH=" + bin}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the package cannot be installed or removed: %v\n%s", err, out)
	}
	if b, err := os.ReadFile(called); err == nil {
		calls = string(b)
	}
	return calls, string(out)
}

// Moments of the three formats, with the words that each manager of packages passes.
func TestScriptsOfPackagesDoAtEachMomentWhatIsPromised(t *testing.T) {
	t.Parallel()
	const (
		status   = "aliasdefender Status --json\n"
		asked    = "systemctl daemon-reload\nsystemctl --quiet is-active aliasdefender.service\n"
		checked  = asked + "aliasdefender Check --files\nsystemctl --version\n"
		restart  = "systemctl try-restart aliasdefender.service\n"
		disable  = "systemctl --no-reload disable aliasdefender.service\n"
		byScript = "AliasDefender try-restart\n"
	)
	running := machine{systemd: 252, active: true}
	sysv := machine{}
	for _, c := range []struct {
		name         string
		machine      machine
		format, when string
		words        string
		want         string
	}{
		{"deb: installed", machine{systemd: 252}, "deb", "postinstall", "configure", "systemctl daemon-reload\nupdate-rc.d AliasDefender defaults-disabled\n"},
		{"deb: installed, no systemd", sysv, "deb", "postinstall", "configure", "update-rc.d AliasDefender defaults-disabled\n"},
		{"deb: installed into a directory", machine{bare: true}, "deb", "postinstall", "configure", ""},
		{"deb: upgraded while it runs", running, "deb", "postinstall", "configure 1.0.0-1", checked + "deb-systemd-invoke try-restart aliasdefender.service\n" + status},
		{"deb: upgraded while it does not run", machine{systemd: 252}, "deb", "postinstall", "configure 1.0.0-1", asked + status},
		{"deb: upgraded, no systemd", sysv, "deb", "postinstall", "configure 1.0.0-1", "invoke-rc.d AliasDefender try-restart\n" + status},
		{"deb: the old version before an upgrade", running, "deb", "preremove", "upgrade 1.1.0-1", ""},
		{"deb: the old version after an upgrade", running, "deb", "postremove", "upgrade 1.1.0-1", ""},
		{"deb: an upgrade is taken back", running, "deb", "postinstall", "abort-upgrade 1.1.0-1", ""},
		{"deb: removal", running, "deb", "preremove", "remove", "deb-systemd-invoke stop aliasdefender.service\n" + status + disable + "update-rc.d AliasDefender disable\n"},
		{"deb: removal, no systemd", sysv, "deb", "preremove", "remove", "invoke-rc.d AliasDefender stop\n" + status + "update-rc.d AliasDefender disable\n"},
		{"deb: removed", running, "deb", "postremove", "remove", "systemctl daemon-reload\n"},
		{"deb: purged", sysv, "deb", "postremove", "purge", "update-rc.d AliasDefender remove\n"},

		{"rpm: installed", machine{systemd: 257}, "rpm", "postinstall", "1", "systemctl daemon-reload\n"},
		{"rpm: upgraded while it runs", machine{systemd: 257, active: true}, "rpm", "postinstall", "2", checked + restart + status},
		{"rpm: upgraded, systemd without RestartKillSignal", machine{systemd: 239, active: true}, "rpm", "postinstall", "2",
			checked + "systemctl show --property=Restart aliasdefender.service\nsystemctl kill --kill-who=main --signal=USR2 aliasdefender.service\n"},
		{"rpm: upgraded while it does not run", machine{systemd: 257}, "rpm", "postinstall", "2", asked + status},
		{"rpm: the old version's end in an upgrade", running, "rpm", "preremove", "1", ""},
		{"rpm: the old version is gone after an upgrade", running, "rpm", "postremove", "1", ""},
		{"rpm: removal", running, "rpm", "preremove", "0", "systemctl stop aliasdefender.service\n" + status + disable},
		{"rpm: removal, no systemd", sysv, "rpm", "preremove", "0", "AliasDefender stop\n" + status + "chkconfig --del AliasDefender\n"},
		{"rpm: removed", running, "rpm", "postremove", "0", "systemctl daemon-reload\n"},

		{"apk: installed", sysv, "apk", "postinstall", "1.0.0-r1", ""},
		{"apk: upgraded", sysv, "apk", "postupgrade", "1.1.0-r1 1.0.0-r1", byScript + status},
		{"apk: removal", sysv, "apk", "preremove", "1.0.0-r1", "AliasDefender stop\n" + status},
		{"apk: removed", sysv, "apk", "postremove", "1.0.0-r1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			calls, said := c.machine.play(t, dir, c.format, c.when, strings.Fields(c.words)...)
			if diff := cmp.Diff(c.want, calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if said != "" {
				t.Errorf("said:\n%s", said)
			}
			for _, name := range []string{"var/lib/aliasdefender/parked", "var/log/aliasdefender.log"} {
				_, err := os.Stat(filepath.Join(dir, name))
				if purged := c.words == "purge"; (err != nil) != purged {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// An old Monitor that ends while the new one cannot start is the worst that an upgrade can do.
func TestAnUpgradeRestartsOnlyWhatCanStart(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]bool{0: true, 1: true, 2: false, 3: false, 126: false} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			calls, said := machine{systemd: 252, active: true, check: code}.play(t, t.TempDir(), "rpm", "postinstall", "2")
			if got := strings.Contains(calls, "try-restart"); got != want {
				t.Errorf("restarted: %v, want %v", got, want)
			}
			if got := strings.Contains(said, "what Check found") && strings.Contains(said, "What ran before still runs"); got == want {
				t.Errorf("said:\n%s", said)
			}
		})
	}
}

// A package that can neither be upgraded nor removed helps nobody: play sees the exit code.
func TestWhatFailsIsSaidAndThePackageGoesOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		machine      machine
		format, when string
		words, want  string
	}{
		{machine{systemd: 252, active: true, fails: "deb-systemd-invoke try-restart aliasdefender.service"}, "deb", "postinstall", "configure 1.0.0-1", "not restarted; 'systemctl status aliasdefender'"},
		{machine{fails: "invoke-rc.d AliasDefender try-restart"}, "deb", "postinstall", "configure 1.0.0-1", "not restarted; "},
		{machine{systemd: 252, fails: "systemctl stop aliasdefender.service"}, "rpm", "preremove", "0", "not stopped; 'systemctl status aliasdefender'"},
		{machine{systemd: 252, fails: "systemctl daemon-reload"}, "rpm", "postremove", "0", "daemon-reload failed"},
		{machine{fails: "AliasDefender stop"}, "apk", "preremove", "1.0.0-r1", "not stopped; 'kill PID'"},
		{machine{fails: "update-rc.d AliasDefender remove"}, "deb", "postremove", "purge", "the script's links (remove)"},
	} {
		t.Run(c.machine.fails, func(t *testing.T) {
			t.Parallel()
			if _, said := c.machine.play(t, t.TempDir(), c.format, c.when, strings.Fields(c.words)...); !strings.Contains(said, c.want) {
				t.Errorf("said:\n%s", said)
			}
		})
	}
}

// The package manager knows neither a Monitor that was started by hand, nor one that
// policy-rc.d protects.
func TestAMonitorThatTheOrderDidNotReachIsSaid(t *testing.T) {
	t.Parallel()
	const lost, stale = "pid 4711, runs on without its program", "pid 4711, still runs the program that was there before"
	byHand := machine{systemd: 252, pid: "4711", old: true}
	protected := machine{systemd: 252, pid: "4711", old: true, active: true}
	sysv := machine{pid: "4711", old: true}
	for _, c := range []struct {
		name         string
		machine      machine
		format, when string
		words, want  string
	}{
		{"deb: removed, started by hand", byHand, "deb", "preremove", "remove", lost},
		{"rpm: removed, started by hand", byHand, "rpm", "preremove", "0", lost},
		{"apk: removed, and it did not end", sysv, "apk", "preremove", "1.0.0-r1", lost},
		{"deb: upgraded, started by hand", byHand, "deb", "postinstall", "configure 1.0.0-1", stale},
		{"deb: upgraded, policy-rc.d refused", protected, "deb", "postinstall", "configure 1.0.0-1", stale},
		{"deb: upgraded, no systemd, not enabled", sysv, "deb", "postinstall", "configure 1.0.0-1", stale},
		{"rpm: upgraded, started by hand", byHand, "rpm", "postinstall", "2", stale},
		{"apk: upgraded, and it was not restarted", sysv, "apk", "postupgrade", "1.1.0-r1 1.0.0-r1", stale},
		{"rpm: upgraded and restarted", machine{systemd: 252, active: true, pid: "4711"}, "rpm", "postinstall", "2", ""},
		{"rpm: upgraded, and a Monitor of another place runs", machine{systemd: 252, pid: "4711"}, "rpm", "postinstall", "2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, said := c.machine.play(t, t.TempDir(), c.format, c.when, strings.Fields(c.words)...)
			if c.want == "" && said != "" || !strings.Contains(said, c.want) {
				t.Errorf("said: %q, want %q", said, c.want)
			}
		})
	}
}

// Before 244 the unit's own Restart= has to bring the next Monitor, and nobody but the script
// asks policy-rc.d.
func TestBeforeSystemd244OnlyWhatComesBackIsEnded(t *testing.T) {
	t.Parallel()
	const kill = "systemctl kill --kill-who=main --signal=USR2"
	old := func(again string, policy int) machine {
		return machine{systemd: 239, active: true, again: again, policy: policy}
	}
	for _, c := range []struct {
		name    string
		machine machine
		format  string
		killed  bool
		said    string
	}{
		{"always", old("always", 0), "rpm", true, ""},
		{"on-success", old("on-success", 0), "rpm", true, ""},
		{"no", old("no", 0), "rpm", false, "Restart=no"},
		{"on-failure", old("on-failure", 0), "rpm", false, "Restart=on-failure"},
		{"deb, allowed", old("always", 104), "deb", true, ""},
		{"deb, forbidden", old("always", 101), "deb", false, "policy-rc.d"},
		{"rpm has no policy-rc.d", old("always", 101), "rpm", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			words := map[string][]string{"rpm": {"2"}, "deb": {"configure", "1.0.0-1"}}[c.format]
			calls, said := c.machine.play(t, t.TempDir(), c.format, "postinstall", words...)
			if got := strings.Contains(calls, kill); got != c.killed {
				t.Errorf("the Monitor was ended: %v, want %v", got, c.killed)
			}
			if c.said == "" && said != "" || !strings.Contains(said, c.said) {
				t.Errorf("said: %q, want %q", said, c.said)
			}
		})
	}
}

// dpkg takes a removal back, for example where another package that asked for it is refused.
func TestARemovalThatIsTakenBackSaysWhatItLeft(t *testing.T) {
	t.Parallel()
	for order, m := range map[string]machine{"systemctl enable --now aliasdefender": {systemd: 252}, "update-rc.d AliasDefender enable": {}} {
		if _, said := m.play(t, t.TempDir(), "deb", "postinstall", "abort-remove"); !strings.Contains(said, "stopped and disabled") || !strings.Contains(said, order) {
			t.Errorf("said: %q, want %q", said, order)
		}
	}
}
