//go:build !linux

package host

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"time"
)

var errElsewhere = errors.New("host: needs Linux, and this is " + runtime.GOOS)

// Host is this host's network.
type Host struct{}

// New says that this system is not served.
func New() (*Host, error) { return nil, errElsewhere }

// Capable says that this system is not served.
func Capable() error { return errElsewhere }

// Read is not served on this system.
func (h *Host) Read() (State, error) { return State{}, errElsewhere }

// Add is not served on this system.
func (h *Host) Add(o []Order) []error { return slices.Repeat([]error{errElsewhere}, len(o)) }

// Remove is not served on this system.
func (h *Host) Remove(o []Order) []error { return slices.Repeat([]error{errElsewhere}, len(o)) }

// Refresh is not served on this system.
func (h *Host) Refresh(o []Order) []error { return slices.Repeat([]error{errElsewhere}, len(o)) }

// Watch is not served on this system.
func (h *Host) Watch(context.Context, func()) error { return errElsewhere }

// Listen is not served on this system.
func (h *Host) Listen(string, func([]Sighting)) (*Wire, error) { return nil, errElsewhere }

// Boottime is not served on this system.
func (h *Host) Boottime() time.Duration { return 0 }

// Wire is the ear and the voice for ARP on one NIC.
type Wire struct{}

// Ask is not served on this system.
func (w *Wire) Ask(target, from netip.Addr, to HW) error { return errElsewhere }

// Probe is not served on this system.
func (w *Wire) Probe(netip.Addr) error { return errElsewhere }

// Announce is not served on this system.
func (w *Wire) Announce(netip.Addr, HW) error { return errElsewhere }

// HW is not served on this system.
func (w *Wire) HW() HW { return HW{} }

// Skipped is not served on this system.
func (w *Wire) Skipped() uint64 { return 0 }

// Done is not served on this system.
func (w *Wire) Done() <-chan struct{} { return nil }

// Err is not served on this system.
func (w *Wire) Err() error { return errElsewhere }

// Close is not served on this system.
func (w *Wire) Close() error { return nil }
