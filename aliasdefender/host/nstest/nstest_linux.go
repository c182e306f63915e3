// Package nstest gives a test a network of its own: namespaces, joined by veth
// cables, in which the test may break anything. It needs no ip command, and no root
// if the system lets users make namespaces. It does not know what is tested.
package nstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netns"
)

// inside marks the second run of a test program, in its own user namespace.
const inside = "NSTEST_INSIDE"

// Main is for TestMain: os.Exit(nstest.Main(m)). Without the right to make
// namespaces it runs the same program once more as root of a user namespace.
func Main(m *testing.M) int {
	if os.Getenv(inside) != "" || try() == nil {
		return m.Run()
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return m.Run() // New skips, and says so
	}
	var failed *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &failed) {
		return failed.ExitCode()
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "nstest:", err)
		return 1
	}
	return 0
}

// Limited tells whether the test is root of a user namespace only: the system's
// limits, such as those of socket buffers, hold for it.
func Limited() bool { return os.Getenv(inside) != "" }

// try makes a namespace and lets it go.
func try() error {
	err := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread dies with the goroutine
		ns, e := netns.New()
		if e == nil {
			e = ns.Close()
		}
		err <- e
	}()
	return <-err
}

// Space is a network namespace.
type Space struct {
	ns netns.NsHandle
}

// New returns a new namespace, which goes with the test. Where there can be
// none the test is skipped; with CI=true in the environment it fails, for there
// a test that did not run must not look like one that passed.
func New(t testing.TB) *Space {
	t.Helper()
	type result struct {
		ns  netns.NsHandle
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread()
		ns, err := netns.New()
		made <- result{ns, err}
	}()
	r := <-made
	if r.err != nil {
		say := t.Skipf
		if os.Getenv("CI") == "true" {
			say = t.Fatalf
		}
		say("NOT TESTED: no network namespace: %v; run as root, or allow user namespaces", r.err)
	}
	t.Cleanup(func() { _ = r.ns.Close() })
	s := &Space{r.ns}
	s.Up(t, "lo")
	return s
}

// NoLinkLocal has the NICs that are made from now on have no address of IPv6 but those
// that they are given. By itself the kernel gives each one that is link-local.
func (s *Space) NoLinkLocal(t testing.TB) {
	t.Helper()
	s.Sysctl(t, "net/ipv6/conf/default/addr_gen_mode", "1")
}

// Sysctl sets one of the namespace's values of /proc/sys.
func (s *Space) Sysctl(t testing.TB, name, value string) {
	t.Helper()
	s.do(t, name+"="+value, func() error {
		return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644)
	})
}

// Do calls f in the namespace, on the caller's goroutine: sockets that f opens
// belong there, those opened on goroutines that f starts do not.
func (s *Space) Do(f func()) {
	runtime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		panic(err)
	}
	if err := netns.Set(s.ns); err != nil {
		panic(err)
	}
	defer func() { // also when f ends the test
		if err := errors.Join(netns.Set(before), before.Close()); err != nil {
			panic(err)
		}
		runtime.UnlockOSThread()
	}()
	f()
}

// Go calls f in the namespace on a goroutine of its own; the channel is closed
// when f has returned.
func (s *Space) Go(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Do(f)
	}()
	return done
}
