package system

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// patience is how long a test waits for an event: a boot on a machine that does many
// other things. It is not a promise of the program.
const patience = 3 * time.Minute

// wantsReboot is the exit code of systemd-nspawn when the system in it wants to boot
// again.
const wantsReboot = 133

// machine is a host of the lab on which a Debian system boots.
type machine struct {
	host *lab.Host
	own  netip.Prefix
	dir  string // the system's changes, and where it is mounted
	kind string // systemd or sysv: its process 1

	nspawn *lab.Process
	init   int // process 1 of the system, as this process sees it; 0: not booted

	listed bool // for sysv: update-rc.d has listed the script for the boot

	packaged bool // the program comes from the deb, which install installs, and not from make install
}

// newMachine makes a machine that has these files, by path, over those of a kind of
// Debian system; text that begins with "-> " is a link. The machine is not booted
// yet.
func newMachine(t *testing.T, h *lab.Host, own netip.Prefix, kind string, files map[string]string) *machine {
	t.Helper()
	dir, err := os.MkdirTemp(*systemDir, fmt.Sprintf("host-%d-%s-", os.Getpid(), h.Name))
	stage.Must(t, err)
	m := &machine{host: h, own: own, dir: dir, kind: kind}
	t.Cleanup(func() { m.remove(t) })
	for name, text := range files {
		path := filepath.Join(dir, "written", name)
		stage.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if to, link := strings.CutPrefix(text, "-> "); link {
			stage.Must(t, os.Symlink(to, path))
			continue
		}
		mode := fs.FileMode(0o644)
		switch {
		case strings.Contains(name, "key"), strings.Contains(name, "system-connections"):
			mode = 0o600 // secrets, as their programs require
		case strings.HasPrefix(text, "#!"):
			mode = 0o755
		}
		stage.Must(t, os.WriteFile(path, []byte(text), mode))
	}
	return m
}

// sweepDead removes what killed runs have left in the directory of the systems:
// machines whose processes no longer exist.
func sweepDead(t *testing.T, dir string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "host-*"))
	stage.Must(t, err)
	for _, path := range all {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "host-"), "-")
		if _, err := os.Stat("/proc/" + pid); err != nil {
			stage.Must(t, os.RemoveAll(path))
		}
	}
}

// script is the path of one of the shell scripts beside this file.
func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	stage.Must(t, err)
	return path
}

// group is the name of its control group, which no other run of this test uses.
func (m *machine) group() string { return fmt.Sprintf("aliasdefender-%d-%s", os.Getpid(), m.host.Name) }

// boot boots the system and returns when it says that it is up.
func (m *machine) boot(t *testing.T) {
	t.Helper()
	m.begin(t)
	m.booted(t)
}

// begin boots the system and returns when it has a process 1.
func (m *machine) begin(t *testing.T) {
	t.Helper()
	ctx := patiently(t)
	up := []string{"sh", script(t, "boot"), "up", m.host.Name, m.group(), m.dir}
	if !m.packaged {
		up = append(up, filepath.Join(*systemDir, m.kind+"-program"))
	}
	p, err := m.host.StartCommand(lab.Command{Name: "system", Argv: append(up, filepath.Join(*systemDir, m.kind))})
	stage.Must(t, err)
	m.nspawn, m.init = p, 0
	until(t, ctx, m.host.Name+" has a process 1", func() bool {
		select {
		case <-p.Done():
			t.Fatalf("%s does not boot:\n%s", m.host.Name, p.Output())
		default:
		}
		m.init = firstProcess(p.Pid())
		return m.init != 0
	})
}

// booted waits until the system says that everything has been started.
func (m *machine) booted(t *testing.T) {
	t.Helper()
	if m.kind == "sysv" {
		m.bootedSysV(t)
		return
	}
	ctx := patiently(t)
	until(t, ctx, m.host.Name+" is up", func() bool {
		out, _, _ := m.in(ctx, "systemctl", "is-system-running")
		switch strings.TrimSpace(out) {
		case "running":
			return true
		case "degraded":
			failed, _, _ := m.in(ctx, "systemctl", "--failed", "--no-legend", "--plain")
			t.Logf("%s is degraded:\n%s", m.host.Name, failed)
			return true
		}
		return false
	})
}

// bootedSysV waits until the scripts of the run level have ended. After the first boot it does
// what make install names as the next step; with the deb there is no program yet. Every later
// boot must have started the Monitor.
func (m *machine) bootedSysV(t *testing.T) {
	t.Helper()
	ctx := patiently(t)
	until(t, ctx, m.host.Name+" is up", func() bool {
		level, _, _ := m.in(ctx, "runlevel")
		_, _, running := m.in(ctx, "pgrep", "-x", "rc|startpar")
		return strings.TrimSpace(level) == "N 2" && running != 0
	})
	if _, err := m.status(ctx); err == nil {
		return
	}
	if m.listed {
		t.Errorf("%s: the boot has not started what update-rc.d has listed for it", m.host.Name)
	}
	if m.packaged {
		return
	}
	m.listed = true
	m.do(t, "update-rc.d", "AliasDefender", "defaults")
	m.do(t, "service", "AliasDefender", "start")
}

// firstProcess is the process below pid that is number 1 in its own namespace; 0 if
// there is none yet.
func firstProcess(pid int) int {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(children)) {
		status, _ := os.ReadFile("/proc/" + child + "/status")
		for line := range strings.Lines(string(status)) {
			f := strings.Fields(line)
			if len(f) == 3 && f[0] == "NSpid:" && f[2] == "1" {
				n, _ := strconv.Atoi(child)
				return n
			}
		}
		if n, _ := strconv.Atoi(child); n != 0 {
			if found := firstProcess(n); found != 0 {
				return found
			}
		}
	}
	return 0
}

// in runs a command inside the system, as root's shell there would.
func (m *machine) in(ctx context.Context, argv ...string) (stdout, stderr string, code int) {
	enter := []string{"nsenter", "--target", strconv.Itoa(m.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	return m.host.Run(ctx, append(enter, argv...)...)
}

// do runs a command inside the system, which must succeed.
func (m *machine) do(t *testing.T, argv ...string) string {
	t.Helper()
	out, errs, code := m.in(patiently(t), argv...)
	if code != 0 {
		t.Fatalf("%s on %s: exit %d\n%s%s", strings.Join(argv, " "), m.host.Name, code, out, errs)
	}
	return out
}

// status asks the system's Monitor.
func (m *machine) status(ctx context.Context) (control.Snapshot, error) {
	return control.Dial(fmt.Sprintf("/proc/%d/root/run/aliasdefender/control.sock", m.init)).Status(ctx, false)
}

// reboot makes the system reboot as its administrator would, and boots it again.
func (m *machine) reboot(t *testing.T) {
	t.Helper()
	m.do(t, "reboot")
	code, err := m.nspawn.Wait(patiently(t))
	stage.Must(t, err)
	if code != wantsReboot {
		t.Fatalf("%s ends with %d instead of a reboot:\n%s", m.host.Name, code, m.nspawn.Output())
	}
	// The NIC goes, and comes back with nothing on it.
	m.crash(t)
	stage.Must(t, m.host.Boot())
	m.boot(t)
}

// crash cuts the power: the host falls silent at once, and its system is gone.
func (m *machine) crash(t *testing.T) {
	t.Helper()
	stage.Must(t, m.host.Crash())
	_, err := m.nspawn.Wait(patiently(t))
	stage.Must(t, err)
	m.init = 0
	m.sweep(t)
}

// sweep removes the control groups of a system that has ended.
func (m *machine) sweep(t *testing.T) {
	t.Helper()
	if out, err := command(t, "sh", script(t, "boot"), "down", m.host.Name, m.group()); err != nil {
		t.Errorf("control groups of %s: %v\n%s", m.host.Name, err, out)
	}
}

// tell logs what the system says, for the reader of a failed test.
func (m *machine) tell(t *testing.T) {
	t.Helper()
	const lines = "60"
	for _, argv := range [][]string{
		{"ip", "-4", "addr", "show", "dev", "eth0"},
		{"aliasdefender", "Status"},
		{"journalctl", "--no-pager", "--output=short-precise", "--lines=" + lines},
		{"tail", "-n", lines, "/var/log/aliasdefender.log"},
	} {
		out, errs, code := m.in(patiently(t), argv...)
		t.Logf("%s: %s: exit %d\n%s%s", m.host.Name, strings.Join(argv, " "), code, out, errs)
	}
}

// remove leaves nothing of the machine behind.
func (m *machine) remove(t *testing.T) {
	if m.init != 0 && t.Failed() {
		m.tell(t)
	}
	if m.host.Up() && m.nspawn != nil {
		m.crash(t)
	}
	if err := os.RemoveAll(m.dir); err != nil {
		t.Error(err)
	}
}
