//go:build !linux && !solaris

package host

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"
)

var errElsewhere = errors.New("host: needs Linux, Solaris or illumos, and this is " + runtime.GOOS)

// Host is this host's network.
type Host struct{}

// New says that this system is not served.
func New() (*Host, error) { return nil, errElsewhere }

// Capable says that this system is not served.
func Capable() error { return errElsewhere }

// Read is not served on this system.
func (h *Host) Read() (State, error) { return State{}, errElsewhere }

// Add is not served on this system.
func (h *Host) Add(o []Placement) []error { return slices.Repeat([]error{errElsewhere}, len(o)) }

// Remove is not served on this system.
func (h *Host) Remove(o []Placement) []error { return slices.Repeat([]error{errElsewhere}, len(o)) }

// Refresh is not served on this system.
func (h *Host) Refresh(o []Placement) []error { return slices.Repeat([]error{errElsewhere}, len(o)) }

// Reorder is not served on this system.
func (h *Host) Reorder(o []Placement) []error { return slices.Repeat([]error{errElsewhere}, len(o)) }

// Watch is not served on this system.
func (h *Host) Watch(context.Context, func()) error { return errElsewhere }

// Boottime is not served on this system.
func (h *Host) Boottime() time.Duration { return 0 }
