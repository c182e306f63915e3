package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// play is what the test binary does when a test starts it as another process.
func play(role string) int {
	l, err := New()
	if err != nil {
		fmt.Println("refused", err)
		return 3
	}
	switch role {
	case "uid":
		fmt.Println("uid", os.Getuid())
		return 42
	case "hold": // builds a lab and waits to be killed
		sw, err := l.Switch("sw")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		h, err := l.Host(HostSpec{Name: "h", NICs: []NICSpec{{Switch: sw}}})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		p, err := h.Start("child", "sh", "-c", "sleep 1000 & echo $!; wait")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		if p.WaitOutput(context.Background(), "\n") != nil {
			return 1
		}
		ns, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", p.Pid()))
		fmt.Println(p.Pid(), strings.TrimSpace(p.Output()), ns)
		select {}
	}
	return 2
}

// forbid makes a user namespace in which no other can be made, and plays a role
// there without privileges.
func forbid(role string) int {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		fmt.Println(err)
		return 1
	}
	cmd := as(role, 1)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	code, _ := exitCode(cmd.Run())
	return code
}

func TestARefusalByTheKernelIsReportedAsOne(t *testing.T) {
	mustBeRoot(t)
	cmd := as("forbid", 0)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: 1, HostID: nobody, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true}
	out, err := cmd.CombinedOutput()
	const want = "user.max_user_namespaces=0 stands in the way"
	if code, _ := exitCode(err); code != 3 || !strings.Contains(string(out), want) {
		t.Errorf("%q, code %d, want 3 and %q", out, code, want)
	}
}

// fakeT ends a test as testing.T does, and remembers how.
type fakeT struct {
	TB
	how string
}

func (f *fakeT) Helper() {}
func (f *fakeT) Skipf(format string, args ...any) {
	f.how = "skip"
	panic(f)
}
func (f *fakeT) Fatalf(format string, args ...any) {
	f.how = "fail"
	panic(f)
}

func TestARefusedLabSkipsATestButFailsItInCI(t *testing.T) {
	was := refused
	defer func() { refused = was }()
	refused = &Refused{Err: unix.EPERM}
	for ci, want := range map[string]string{"": "skip", "true": "fail"} {
		t.Setenv("CI", ci)
		f := &fakeT{}
		func() {
			defer func() { recover() }()
			ForTest(f)
		}()
		if f.how != want {
			t.Errorf("CI=%q: %q, want %q", ci, f.how, want)
		}
	}
}

// as is a command that plays a role, as another user when uid is not 0.
func as(role string, uid uint32, args ...string) *exec.Cmd {
	cmd := exec.Command(Self(), args...)
	cmd.Env = append(os.Environ(), "LAB_TEST_ROLE="+role)
	cmd.Dir = "/"
	if uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	return cmd
}

const nobody = 65534

// mustBeRoot skips what needs to become somebody else: a run without root is
// itself the proof that it works without.
func mustBeRoot(t *testing.T) {
	t.Helper()
	ForTest(t)
	if b, err := os.ReadFile("/proc/self/uid_map"); err != nil || len(strings.Fields(string(b))) != 3 || strings.Fields(string(b))[2] == "1" {
		Skip(t, "already without root")
	}
}

func TestWithoutRootItStartsItselfAgainInAUserNamespace(t *testing.T) {
	mustBeRoot(t)
	out, err := as("uid", nobody).CombinedOutput()
	if code, _ := exitCode(err); code != 42 || string(out) != "uid 0\n" {
		t.Fatalf("%q, code %d, want root in its own namespace and the code passed on", out, code)
	}
}

// The whole of this package again, as nobody.
func TestEverythingWorksWithoutRoot(t *testing.T) {
	mustBeRoot(t)
	if testing.Short() {
		Skip(t, "short")
	}
	cmd := as("", nobody, "-test.v", "-test.short", "-test.run", "Mute|Crash|Program|Claim|Partition|Watch|Nothing|Loss|Route|Kill", "-test.skip", "Killed/without_root")
	cmd.Env = append(cmd.Env, "CI=true") // a skip would prove nothing
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("SKIPPED")) || !bytes.Contains(out, []byte("--- PASS: TestCrashAndBoot")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestKilledLabLeavesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		uid  uint32
		sig  unix.Signal
	}{
		{"killed", 0, unix.SIGKILL},
		{"interrupted", 0, unix.SIGINT},
		{"without root, killed", nobody, unix.SIGKILL},
		{"without root, interrupted", nobody, unix.SIGINT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.uid != 0 {
				mustBeRoot(t)
			}
			x := newRig(t)
			cmd := as("hold", tt.uid)
			stdout, err := cmd.StdoutPipe()
			x.must(err)
			x.must(cmd.Start())
			var child, grandchild int
			var ns string
			if _, err := fmt.Fscan(stdout, &child, &grandchild, &ns); err != nil {
				t.Fatal(err)
			}
			fds := []int{x.hold(child), x.hold(grandchild)}
			x.must(cmd.Process.Signal(tt.sig))
			err = cmd.Wait()
			if code, _ := exitCode(err); code != 128+int(tt.sig) {
				t.Errorf("ended with %v, want as by %v", err, tt.sig)
			}
			for _, fd := range fds {
				x.awaitEnd(fd)
			}
			x.eventually(func() string {
				if who := namespaces(t)[ns]; who != "" {
					return "its namespace is held by " + who
				}
				return ""
			})
		})
	}
}

// hold keeps hold of a process, so that its end can be awaited.
func (x *rig) hold(pid int) int {
	x.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	x.must(err)
	x.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (x *rig) awaitEnd(pidfd int) {
	x.Helper()
	deadline, _ := x.ctx.Deadline()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if n != 1 || err != nil {
			x.Fatalf("a program outlives its lab: %v", err)
		}
		return
	}
}

func TestRefusalNamesTheSettingInTheWay(t *testing.T) {
	why := errors.New("operation not permitted")
	for _, tt := range []struct{ key, value, want string }{
		{"kernel/unprivileged_userns_clone", "0\n", "kernel.unprivileged_userns_clone=0"},
		{"user/max_user_namespaces", "0\n", "user.max_user_namespaces=0"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1\n", "kernel.apparmor_restrict_unprivileged_userns=1"},
		{"user/max_user_namespaces", "96365\n", ""},
	} {
		proc := t.TempDir()
		file := filepath.Join(proc, tt.key)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(tt.value), 0o600)); err != nil {
			t.Fatal(err)
		}
		err := diagnose(proc, why)
		var r *Refused
		if !errors.As(err, &r) || r.Sysctl != tt.want || !errors.Is(err, ErrRefused) || !errors.Is(err, why) {
			t.Errorf("%s=%s: %v (%+v), want %q", tt.key, tt.value, err, r, tt.want)
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q does not name %q", err, tt.want)
		}
	}
}
