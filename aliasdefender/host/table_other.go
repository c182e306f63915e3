//go:build !linux

package host

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
)

var errNoRoutes = errors.New("host: routes are kept on Linux only, and this is " + runtime.GOOS)

// KeepsRoutes: this system's routing tables are not served.
const KeepsRoutes = false

// ReadRoutes is not served on this system.
func (h *Host) ReadRoutes([]int, func(netip.Prefix) bool) ([]TableRoute, error) {
	return nil, errNoRoutes
}

// OurRoutes is not served on this system.
func (h *Host) OurRoutes() ([]TableRoute, error) { return nil, errNoRoutes }

// AddRoutes is not served on this system.
func (h *Host) AddRoutes(o []TableRoute) []error {
	return slices.Repeat([]error{errNoRoutes}, len(o))
}

// ReplaceRoutes is not served on this system.
func (h *Host) ReplaceRoutes(o []TableRoute) []error {
	return slices.Repeat([]error{errNoRoutes}, len(o))
}

// RemoveRoutes is not served on this system.
func (h *Host) RemoveRoutes(o []TableRoute) []error {
	return slices.Repeat([]error{errNoRoutes}, len(o))
}

// WatchRoutes watches what Watch does: there are no routes to watch.
func (h *Host) WatchRoutes(ctx context.Context, _ func(netip.Prefix) bool, wake func()) error {
	return h.Watch(ctx, wake)
}

// RuledTables is not served on this system.
func (h *Host) RuledTables() (tables map[FamilyTable]bool, vrf bool, err error) {
	return nil, false, errNoRoutes
}
