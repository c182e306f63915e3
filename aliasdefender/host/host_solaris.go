package host // for illumos too, which the suffix serves

import (
	"errors"
	"os"
	"time"
)

// Host is this host's network, by ifconfig.
type Host struct{ *Ifconfig }

// New returns this host's network. Reading it needs no privilege. Capable tells whether
// the process may also change it.
func New() (*Host, error) {
	h, err := NewIfconfig(Programs(SystemDirs...))
	if err != nil {
		return nil, err
	}
	return &Host{h}, nil
}

// Capable returns nil if this process may do all that this package does.
func Capable() error {
	if os.Geteuid() != 0 {
		return errors.New("host: ifconfig and raw sockets need root: run as root")
	}
	return nil
}

var start = time.Now()

// Boottime returns the time since the process's start. We know of no clock on this system
// that goes on while the host sleeps. This clock goes on while the process is stopped.
func (h *Host) Boottime() time.Duration { return time.Since(start) }
