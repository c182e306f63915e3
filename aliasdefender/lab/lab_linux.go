package lab

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// Lab is one network. Its methods, and those of what it is made of, can be
// called from any goroutine.
type Lab struct {
	// Output, if set before the first Start, receives what the programs write, each line
	// after "host/program: ". All of it is also kept: see Dump.
	Output io.Writer

	mu       sync.Mutex // guards what the lab is made of, and every change of it
	switches []*Switch
	hosts    []*Host
	procs    []*Process
	watches  map[netip.Addr]*Watch
	closers  []io.Closer // clients, sniffers
	links    int         // how many were made so far: each port's link has an index of its own
	ward     *warden
	closed   bool
}

// New returns a lab with nothing in it. Where namespaces are refused the error
// wraps ErrRefused.
func New() (*Lab, error) {
	if refused != nil {
		return nil, refused
	}
	if err := tryUnshare(); err != nil {
		return nil, diagnose("/proc/sys", err)
	}
	ward, err := startWarden()
	if err != nil {
		return nil, fmt.Errorf("the lab's warden: %w", err)
	}
	return &Lab{watches: map[netip.Addr]*Watch{}, ward: ward}, nil
}

// Close ends every program, waits for it, and takes everything down.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	for _, c := range l.closers {
		errs = append(errs, c.Close())
	}
	for _, w := range l.watches {
		w.end()
	}
	for _, h := range l.hosts {
		if h.space != nil {
			errs = append(errs, h.end())
		}
	}
	for _, s := range l.switches {
		s.close()
	}
	errs = append(errs, l.ward.close())
	return errors.Join(errs...)
}

// Lookup returns the host of that name, or nil.
func (l *Lab) Lookup(name string) *Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Dump writes what every program has written, oldest program first: for the
// reader of a failed test.
func (l *Lab) Dump(w io.Writer) {
	l.mu.Lock()
	procs := append([]*Process(nil), l.procs...)
	l.mu.Unlock()
	for _, p := range procs {
		fmt.Fprintf(w, "--- %s/%s (%s)\n%s", p.Host.Name, p.Name, p.state(), p.Output())
	}
}

// TB is what ForTest needs of a *testing.T or *testing.B.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Log(args ...any)
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// retain has c closed together with the lab, before anything else.
func (l *Lab) retain(c io.Closer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, c)
}

// isDone reports whether an error of netlink says that the state is already as wanted.
func isDone(err error) bool {
	return errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV)
}
