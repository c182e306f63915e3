package host

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"
)

// lookEvery is how often the list of interfaces is compared with the previous one:
// Solaris tells of changes by a socket that Go's packages cannot read.
const lookEvery = 2 * time.Second

// Ifconfig is a host's network as Solaris and illumos give it to a program: by
// ifconfig(8), netstat(8), route(8) and arp(8). It builds and runs on every system, so
// that it can be tested where these programs do not exist. Its methods may be called from
// several goroutines.
type Ifconfig struct {
	run   Runner
	plumb bool // before a unit can have an address, it has to be plumbed

	change sync.Mutex // only one call at a time changes units

	mu   sync.Mutex
	ours map[netip.Addr]string // the addresses that this process has added, and on which unit
}

// NewIfconfig asks the system for its release and returns its network.
func NewIfconfig(run Runner) (*Ifconfig, error) {
	release, err := run(context.Background(), "uname", "-r")
	if err != nil {
		return nil, fmt.Errorf("host: which release this is: %w", err)
	}
	return &Ifconfig{run: run, plumb: needsPlumb(release), ours: map[netip.Addr]string{}}, nil
}

// needsPlumb tells whether the release creates a unit by "plumb", as Solaris 8
// (SunOS 5.8), all later ones and illumos (5.11) do, or by its first address.
func needsPlumb(release string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n != 2 {
		return true
	}
	return major > 5 || major == 5 && minor >= 8
}

// Read returns the host's NICs with the IPv4 addresses that are up, the default routes,
// and what the kernel knows of other hosts. An error means that nothing is known. It is
// not an error if routes or neighbours could not be read.
//
// No tag tells who added an address: Ours means that this process has added it.
func (h *Ifconfig) Read() (State, error) {
	s, _, err := h.read()
	if err != nil {
		return State{}, err
	}
	ctx := context.Background() // each command has its own deadline
	if text, err := h.run(ctx, "netstat", "-rn"); err == nil {
		s.Routes = parseRoutes(text, s)
	}
	if len(s.Routes) == 0 {
		if text, err := h.run(ctx, "route", "-n", "get", "default"); err == nil {
			s.Routes = parseRoute(text, s)
		}
	}
	if text, err := h.run(ctx, "arp", "-an"); err == nil {
		s.Neighbours = parseNeighbours(text, s)
	}
	return s, nil
}

// read reads the NICs and addresses alone.
func (h *Ifconfig) read() (State, []unit, error) {
	text, err := h.run(context.Background(), "ifconfig", "-a")
	if err != nil {
		return State{}, nil, fmt.Errorf("host: %w", err)
	}
	units, err := parseUnits(text)
	if err != nil {
		return State{}, nil, fmt.Errorf("host: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return state(units, h.ours), units, nil
}

// Watch calls wake at once, and later whenever the list of interfaces has changed, up to
// two seconds late. It returns nil when ctx is done.
func (h *Ifconfig) Watch(ctx context.Context, wake func()) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	before := ""
	for first := true; ; first = false {
		text, err := h.run(ctx, "ifconfig", "-a")
		if err != nil {
			text = err.Error()
		}
		if first || text != before {
			before = text
			wake()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// remember notes that this process has added the address to the unit; an empty unit means
// that it is gone.
func (h *Ifconfig) remember(ip netip.Addr, unit string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ours := maps.Clone(h.ours)
	if unit == "" {
		delete(ours, ip)
	} else {
		ours[ip] = unit
	}
	h.ours = ours
}
