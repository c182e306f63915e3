package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// space is one network (and host name) namespace. Only its thread and its descriptor keep
// it alive. The thread also starts the programs of the namespace: they are killed when it
// ends.
type space struct {
	fd    int // keeps the namespace alive, and names it to other calls
	nl    *netlink.Handle
	ward  *warden
	calls chan func()
	gone  chan struct{} // closed when the thread is about to end
}

var errGone = errors.New("the namespace is gone")

// newSpace makes a namespace whose host name is name, and entrusts it to ward.
func newSpace(name string, ward *warden) (*space, error) {
	s := &space{ward: ward, calls: make(chan func()), gone: make(chan struct{})}
	ready := make(chan error)
	onOwnThread(func() {
		err := s.open(name)
		ready <- err
		if err != nil {
			return
		}
		for f := range s.calls {
			f()
		}
		close(s.gone)
	})
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("namespace for %s: %w", name, err)
	}
	return s, nil
}

// open moves the calling thread into the new namespaces.
func (s *space) open(name string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		unix.Close(fd)
		return err
	}
	s.fd, s.nl = fd, nl
	s.ward.add(fd)
	return nil
}

// do runs f on the namespace's own thread and returns its error. f must be
// brief, and must not call do.
func (s *space) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case s.calls <- func() { result <- f() }:
		return <-result
	case <-s.gone:
		return errGone
	}
}

// visit runs f on a thread of its own in the namespace, so f may take its time.
func (s *space) visit(f func() error) error {
	result := make(chan error, 1)
	onOwnThread(func() {
		if err := unix.Setns(s.fd, unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter namespace: %w", err)
			return
		}
		result <- f()
	})
	return <-result
}

// close ends the thread, and with it the programs that it started. Sockets
// that others opened in the namespace keep it until they close them.
func (s *space) close() {
	close(s.calls)
	<-s.gone
	s.nl.Close()
	s.ward.forget(s.fd)
	unix.Close(s.fd)
}

// onOwnThread runs f on a thread that ends with f. It never uses the main thread: that
// one cannot end, and /proc/self shows the namespace that it is in.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f() // the thread is still locked when f returns, so the runtime ends it
			return
		}
		// While we occupy the main thread no other goroutine can get it.
		settled := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(settled)
			f()
		}()
		<-settled
		runtime.UnlockOSThread()
	}()
}

// sysctl writes one setting of the namespace of the calling thread. key is
// written with slashes: names of links may have dots.
func sysctl(key, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0)
}

// linkUp sets a link of the space up, by name.
func linkUp(s *space, name string) error {
	l, err := s.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	return s.nl.LinkSetUp(l)
}

// emptyNamespace kills until no program is left: the started ones, those that they have
// started, and those that these start meanwhile.
func emptyNamespace(fd int) error {
	const patience = 5 * time.Second // a program inside the kernel can take its time
	for began := time.Now(); killAll(fd) > 0; runtime.Gosched() {
		if time.Since(began) > patience {
			return fmt.Errorf("programs survive SIGKILL for %v", patience)
		}
	}
	return nil
}

// killAll sends SIGKILL to every program in the network namespace, however it came there,
// and returns how many there were. Threads of our own do not count.
func killAll(fd int) int {
	var want unix.Stat_t
	if unix.Fstat(fd, &want) != nil {
		return 0
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	n := 0
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() || !inNamespace(name, &want) {
			continue
		}
		// Hold the process before looking again: its number may be another process's by
		// now.
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		if inNamespace(name, &want) && unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil {
			n++
		}
		unix.Close(fd)
	}
	return n
}

func inNamespace(pid string, want *unix.Stat_t) bool {
	var have unix.Stat_t
	return unix.Stat("/proc/"+pid+"/ns/net", &have) == nil && have.Ino == want.Ino && have.Dev == want.Dev
}
