package host

import (
	"context"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/hearing"
)

// What every system has to offer. If a method is missing from one system's file, or has
// another signature there, the build for that system fails, rather than a user's Monitor.
var (
	_ interface {
		Read() (State, error)
		Add([]Placement) []error
		Remove([]Placement) []error
		Refresh([]Placement) []error
		Reorder([]Placement) []error
		Watch(ctx context.Context, wake func()) error
		Listen(nic string, f Family, see func([]Sighting)) (*Wire, error)
		Boottime() time.Duration
	} = (*Host)(nil)

	_ interface {
		Ask(target, from netip.Addr, to HW) error
		Probe(target netip.Addr) error
		Announce(alias netip.Addr, hw HW) error
		Want(addrs []netip.Addr) error
		Hearing() hearing.Report
		HW() HW
		Done() <-chan struct{}
		Err() error
		Close() error
	} = (*Wire)(nil)

	_ func() (*Host, error) = New
	_ func() error          = Capable
	_ bool                  = HearsARP
	_ bool                  = Leases
	_ string                = BringUp
)
