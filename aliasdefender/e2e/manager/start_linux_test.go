package manager

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// powerless starts a child without capabilities. If we are root the child is another
// user. The lab's namespace has no other user, so there a nested namespace, in which
// the child is nobody, does the same.
func powerless(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	var inside, outside, users int64
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &inside, &outside, &users); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if os.Getuid() == 0 && users > nobody {
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
}

// monitorOf is a Monitor, not started yet, with a socket in a directory that
// everybody may write: file permissions keep nobody out.
func monitorOf(t *testing.T) (cmd *exec.Cmd, socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ad")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	socket = filepath.Join(dir, "run", "control.sock")
	cmd = exec.Command(lab.Self(), "Monitor",
		"--aliases", write("hostname.alias", "eth0:1 | 172.16.1.2 | 24 | 172.16.1.5 | true\n"),
		"--settings", write("settings.toml", fmt.Sprintf("[control]\nsocket = %q\n", socket)))
	cmd.Env = append(os.Environ(), stage.RunMain+"=1")
	cmd.Dir = "/"
	return cmd, socket
}

func TestTheSecondMonitorNamesTheFirst(t *testing.T) {
	lab.ForTest(t) // this is about capabilities alone: a Monitor without them ends earlier
	cmd, socket := monitorOf(t)
	lock, err := control.Acquire(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	out, _ := cmd.CombinedOutput()
	want := fmt.Sprintf("aliasdefender: %s: a Monitor with PID %d has this socket already; stop that one, or set another [control] socket for this one\n", socket, os.Getpid())
	if code := cmd.ProcessState.ExitCode(); code != stage.Failed || string(out) != want {
		t.Errorf("exit code %d\ngot  %swant %s", code, out, want)
	}
}

func TestAnOrdinaryUserIsToldTheCapabilityAndNothingIsTouched(t *testing.T) {
	cmd, socket := monitorOf(t)
	cmd.SysProcAttr = powerless(t)
	var errs strings.Builder
	cmd.Stderr = &errs
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != stage.Failed {
		t.Fatalf("ends with %v: %s", err, errs.String())
	}
	want := "aliasdefender: host: missing CAP_NET_ADMIN and CAP_NET_RAW: run as root, or give it in the unit (AmbientCapabilities=)\n"
	if errs.String() != want {
		t.Errorf("got  %swant %s", errs.String(), want)
	}
	if _, err := os.Stat(filepath.Dir(socket)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's directory was made (%v)", err)
	}
}
