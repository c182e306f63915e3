// Package packages checks what the packages promise: what their scripts do on a host, how
// their versions are ordered and, in make packages-check, what is in the three formats.
package packages

import (
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
}

// play runs the script of a format and a moment, and returns the calls it made and what
// it said.
func (m machine) play(t *testing.T, dir, format, when string, words ...string) (calls, said string) {
	t.Helper()
	stage.Wanted(t, "dash", "dash")
	dash, err := exec.LookPath("dash")
	stage.Must(t, err)
	bin, called := filepath.Join(dir, "bin"), filepath.Join(dir, "calls")
	for _, d := range []string{"bin", "usr/sbin", "etc/init.d", "var/lib/aliasdefender", "var/log"} {
		stage.Must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	write := func(name, text string) {
		stage.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	for _, tool := range []string{"sed", "rm"} {
		at, err := exec.LookPath(tool)
		stage.Must(t, err)
		stage.Must(t, os.Symlink(at, filepath.Join(bin, tool)))
	}
	stub := func(name, more string) {
		write(name, fmt.Sprintf("#!%s\necho \"%s $*\" >>'%s'\n%s\n[ \"%s $*\" != '%s' ]\n",
			dash, filepath.Base(name), called, more, filepath.Base(name), m.fails))
	}
	stub("usr/sbin/aliasdefender", fmt.Sprintf("if [ %d != 0 ]; then echo 'what Check found'; exit %d; fi", m.check, m.check))
	stub("etc/init.d/AliasDefender", "")
	if m.systemd != 0 {
		stage.Must(t, os.MkdirAll(filepath.Join(dir, "run/systemd/system"), 0o755))
		stub("bin/systemctl", fmt.Sprintf("case $* in --version) echo 'systemd %d (%d.1-1)' ;; *is-active*) exit %d ;; esac",
			m.systemd, m.systemd, map[bool]int{true: 0, false: 3}[m.active]))
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
	for _, place := range []string{"/run/systemd/system", "/usr/sbin/aliasdefender", "/etc/init.d/", "/var/lib/aliasdefender", "/var/log/aliasdefender.log"} {
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
		{"deb: upgraded while it runs", running, "deb", "postinstall", "configure 1.0.0-1", checked + "deb-systemd-invoke try-restart aliasdefender.service\n"},
		{"deb: upgraded while it does not run", machine{systemd: 252}, "deb", "postinstall", "configure 1.0.0-1", asked},
		{"deb: upgraded, no systemd", sysv, "deb", "postinstall", "configure 1.0.0-1", "invoke-rc.d AliasDefender try-restart\n"},
		{"deb: the old version before an upgrade", running, "deb", "preremove", "upgrade 1.1.0-1", ""},
		{"deb: the old version after an upgrade", running, "deb", "postremove", "upgrade 1.1.0-1", ""},
		{"deb: an upgrade is taken back", running, "deb", "postinstall", "abort-upgrade 1.1.0-1", ""},
		{"deb: removal", running, "deb", "preremove", "remove", "deb-systemd-invoke stop aliasdefender.service\n" + disable + "update-rc.d AliasDefender disable\n"},
		{"deb: removal, no systemd", sysv, "deb", "preremove", "remove", "invoke-rc.d AliasDefender stop\nupdate-rc.d AliasDefender disable\n"},
		{"deb: removed", running, "deb", "postremove", "remove", "systemctl daemon-reload\n"},
		{"deb: purged", sysv, "deb", "postremove", "purge", "update-rc.d AliasDefender remove\n"},

		{"rpm: installed", machine{systemd: 257}, "rpm", "postinstall", "1", "systemctl daemon-reload\n"},
		{"rpm: upgraded while it runs", machine{systemd: 257, active: true}, "rpm", "postinstall", "2", checked + restart},
		{"rpm: upgraded, systemd without RestartKillSignal", machine{systemd: 239, active: true}, "rpm", "postinstall", "2",
			checked + "systemctl kill --kill-who=main --signal=USR2 aliasdefender.service\n"},
		{"rpm: upgraded while it does not run", machine{systemd: 257}, "rpm", "postinstall", "2", asked},
		{"rpm: the old version's end in an upgrade", running, "rpm", "preremove", "1", ""},
		{"rpm: the old version is gone after an upgrade", running, "rpm", "postremove", "1", ""},
		{"rpm: removal", running, "rpm", "preremove", "0", "systemctl stop aliasdefender.service\n" + disable},
		{"rpm: removal, no systemd", sysv, "rpm", "preremove", "0", "AliasDefender stop\nchkconfig --del AliasDefender\n"},
		{"rpm: removed", running, "rpm", "postremove", "0", "systemctl daemon-reload\n"},

		{"apk: installed", sysv, "apk", "postinstall", "1.0.0-r1", ""},
		{"apk: upgraded", sysv, "apk", "postupgrade", "1.1.0-r1 1.0.0-r1", byScript},
		{"apk: removal", sysv, "apk", "preremove", "1.0.0-r1", "AliasDefender stop\n"},
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
