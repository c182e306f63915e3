//go:build !linux

package host

import (
	"errors"
	"net/netip"
	"runtime"

	"alias-defender/aliasdefender/hearing"
)

// HearsARP: Go's packages know of no packet socket here.
const HearsARP = false

// Leases: an address stays until it is removed.
const Leases = false

// BringUp is what an administrator says to a NIC that is down; %s is its name.
const BringUp = "ifconfig %s up"

var errDeaf = errors.New("host: no ARP or neighbour discovery on " + runtime.GOOS)

// Listen is not served on this system.
func (h *Host) Listen(string, Family, func([]Sighting)) (*Wire, error) { return nil, errDeaf }

// Wire is the listener and the sender on one Side of this host.
type Wire struct{}

// Ask is not served on this system.
func (w *Wire) Ask(target, from netip.Addr, to HW) error { return errDeaf }

// Probe is not served on this system.
func (w *Wire) Probe(netip.Addr) error { return errDeaf }

// Announce is not served on this system.
func (w *Wire) Announce(netip.Addr, HW) error { return errDeaf }

// Echo is not served on this system.
func (w *Wire) Echo(target, from netip.Addr, to HW, icmp []byte) error { return errDeaf }

// Want is not served on this system.
func (w *Wire) Want([]netip.Addr) error { return errDeaf }

// Hearing is not served on this system.
func (w *Wire) Hearing() hearing.Report { return hearing.Report{} }

// HW is not served on this system.
func (w *Wire) HW() HW { return HW{} }

// Done is not served on this system.
func (w *Wire) Done() <-chan struct{} { return nil }

// Err is not served on this system.
func (w *Wire) Err() error { return errDeaf }

// Close is not served on this system.
func (w *Wire) Close() error { return nil }
