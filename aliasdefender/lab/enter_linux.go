package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// entered marks the environment of the process that Enter has started. A namespace that
// lacks the needed capabilities is then refused, and not entered again without end.
const entered = "ALIASDEFENDER_LAB_ENTERED"

// refused is the error of Enter in Main: ForTest skips or fails with it.
var refused error

// canReenter says that this program, if started again as it was, comes to Enter.
var canReenter bool

// Enter makes this process able to build labs. Call it before anything that must not
// happen twice. A process with the needed capabilities goes on at once. Any other starts
// itself again (/proc/self/exe, same arguments) as root of a new user and network
// namespace, passes signals on, and exits with that process's code, so that Enter returns
// in the new process only. An error wraps ErrRefused and names the setting that stands in
// the way.
//
// Each lab starts the program once more, to clean up after a lab that was killed: that
// process, too, goes no further than Enter.
func Enter() error {
	if os.Getenv(wardenOf) != "" {
		beWarden()
		os.Exit(0)
	}
	canReenter = true
	inside := os.Getenv(entered) != ""
	os.Unsetenv(entered)
	err := tryUnshare()
	if err == nil {
		return nil
	}
	if inside {
		return diagnose("/proc/sys", err)
	}
	code, err := again()
	if err != nil {
		return diagnose("/proc/sys", err)
	}
	os.Exit(code)
	return nil
}

// Main is the whole of a TestMain: it enters, runs, and exits with run's code. If the lab
// is refused it runs all the same: only the tests that need a lab (ForTest) are skipped,
// or fail in CI.
func Main(run func() int) {
	refused = Enter()
	os.Exit(run())
}

// Self is the path by which a Process can be this very program.
func Self() string { return "/proc/self/exe" }

// tryUnshare makes a namespace and drops it: the kernel says what it takes, and we do not
// guess from the user id.
func tryUnshare() error {
	s, err := newSpace("try", nil)
	if err != nil {
		return err
	}
	// With AppArmor a process may get a namespace of its own that it may not configure.
	err = s.do(func() error { return linkUp(s, "lo") })
	s.close()
	return err
}

// again runs this program in new namespaces and returns its exit code.
func again() (int, error) {
	// The child dies with the thread that starts it: this one, until it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.Command(Self(), os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), entered+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
		// A Ctrl-C reaches only this process, which passes it on once.
		Setpgid: true,
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			cmd.Process.Signal(s) // it may have ended already: its code tells
		case err := <-ended:
			return exitCode(err)
		}
	}
}

// exitCode is what a shell would make of a program's end.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if err == nil {
		return 0, nil
	}
	if !errors.As(err, &exit) {
		return 0, err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// obstacles are the settings known to forbid namespaces, with the values that forbid
// them.
var obstacles = []struct{ name, value string }{
	{"kernel.unprivileged_userns_clone", "0"},
	{"user.max_user_namespaces", "0"},
	{"user.max_net_namespaces", "0"},
	{"kernel.apparmor_restrict_unprivileged_userns", "1"},
}

// diagnose finds the setting that explains a refusal, under proc ("/proc/sys").
func diagnose(proc string, err error) error {
	for _, o := range obstacles {
		b, readErr := os.ReadFile(filepath.Join(proc, strings.ReplaceAll(o.name, ".", "/")))
		if readErr == nil && strings.TrimSpace(string(b)) == o.value {
			return &Refused{Sysctl: fmt.Sprintf("%s=%s", o.name, o.value), Err: err}
		}
	}
	return &Refused{Err: err}
}
