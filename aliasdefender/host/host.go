// Package host is this host's network: its interfaces and their addresses, the
// default routes, and on each NIC a listener and a sender of ARP, and of IPv6's
// neighbour discovery.
//
// It reads and carries out; it refuses to know what an alias is for, who should
// have it, and why. Adding an address that is there, or removing one that is gone,
// succeeds, so a caller can repeat both. What differs between systems is in the
// files with their suffixes.
package host

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// HW is an Ethernet hardware address. The zero HW means none, or not known.
type HW [6]byte

// String returns the address as aa:bb:cc:dd:ee:ff.
func (h HW) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4], h[5])
}

// IsZero reports whether the address is not known.
func (h HW) IsZero() bool { return h == HW{} }

// Less orders hardware addresses as numbers, the first byte the weightiest.
func (h HW) Less(o HW) bool {
	for i := range h {
		if h[i] != o[i] {
			return h[i] < o[i]
		}
	}
	return false
}

// ErrNoAnswer says that the kernel has not answered within 5 s. Only a reading tells
// whether it has done what it was asked, and it may still do it later.
var ErrNoAnswer = errors.New("host: the kernel does not answer")

// ErrNotThere says that an address to be refreshed or reordered is not there.
var ErrNotThere = errors.New("it is not there")

// State is one reading of the host's network.
type State struct {
	NICs   []NIC
	Routes []Route // default routes only: those of IPv4, best first, and then those of IPv6

	// Ordered: of a NIC's IPv4 addresses in one subnet, the host uses the first as its
	// source address, and [Host.Reorder] can change which one is first.
	Ordered bool

	// What the kernel has found out, on systems where the kernel defends its addresses by
	// itself and we cannot listen (HearsARP is false).
	Duplicates []netip.Addr      // the kernel took them down: another host has them too
	Neighbours map[netip.Addr]HW // who had an address when it last heard of it
}

// NIC is one interface.
type NIC struct {
	Name    string
	Index   int // an interface that is made anew has another one
	HW      HW
	Up      bool // administratively up
	Carrier bool
	Downs   uint32    // how often its carrier has gone since it was made, where the kernel counts that
	NoIPv6  bool      // IPv6 is disabled on it: it has no address of IPv6 and takes none
	Addrs   []Address // in the kernel's order
}

// Address is one address of a NIC.
type Address struct {
	Prefix netip.Prefix // not masked, and without a zone: the NIC is the zone of a link-local one
	Label  string       // equal to the NIC's name without one
	Ours   bool         // carries the tag that Add put on it

	// Duplicate address detection (RFC 4862, 5.4), only in IPv6. While an address is
	// tentative, the kernel asks whether another host has it, and neither answers for it
	// nor sends from it. If detection has failed, this lasts until the address is removed
	// and added again.
	Tentative bool
	DADFailed bool

	// Deprecated: the kernel chooses it as the source of nothing new (RFC 4862, 5.5.4).
	Deprecated bool

	// Temporary: the kernel made it up as a source address, and soon makes another (RFC
	// 8981).
	Temporary bool

	// Lease is how long the address stays until the system removes it. It counts in
	// seconds, rounded up; 0: for ever.
	Lease time.Duration
}

// Usable tells whether the kernel answers for the address and sends from it.
func (a Address) Usable() bool { return !a.Tentative && !a.DADFailed }

// Route is a default route of either family.
type Route struct {
	NIC     string
	Gateway netip.Addr // with the NIC as the zone where it is link-local
}

// NIC returns the interface of that name.
func (s State) NIC(name string) (NIC, bool) {
	for _, n := range s.NICs {
		if n.Name == name {
			return n, true
		}
	}
	return NIC{}, false
}

// Find returns the NIC that has ip, whatever its prefix. If ip has a zone, Find looks on
// that NIC.
func (s State) Find(ip netip.Addr) (nic string, a Address, ok bool) {
	for _, n := range s.NICs {
		for _, a := range n.Addrs {
			if Zoned(a.Prefix.Addr(), n.Name) == Zoned(ip, cmp.Or(ip.Zone(), n.Name)) {
				return n.Name, a, true
			}
		}
	}
	return "", Address{}, false
}

// On tells whether the NIC has the address.
func (s State) On(nic string, ip netip.Addr) bool {
	n, _ := s.NIC(nic)
	return slices.ContainsFunc(n.Addrs, func(a Address) bool { return a.Prefix.Addr() == ip.WithZone("") })
}

// Owns reports whether hw is one of this host's own NICs. Two NICs on one segment hear
// each other, and Linux answers on both for all of its addresses. So a claim in such a
// Sighting is not another host's.
func (s State) Owns(hw HW) bool {
	for _, n := range s.NICs {
		if n.HW == hw && !hw.IsZero() {
			return true
		}
	}
	return false
}

// Placement is an address to put on a NIC or to take off it.
type Placement struct {
	NIC    string
	Label  string
	Prefix netip.Prefix // host bits included

	// Index is the index of a NIC that was renamed after the address was put on it: Remove
	// takes the address off that NIC too. 0: no NIC was renamed.
	Index int

	// Lease is how long the address stays if it is not refreshed. After that the system
	// removes it, within half a second. It counts in whole seconds, rounded up; 0: for
	// ever.
	Lease time.Duration
}

// ErrDuplicate is the error of adding an address that another host has, on a system whose
// kernel checks for that itself.
var ErrDuplicate = errors.New("another host has it: the kernel calls it a DUPLICATE")

// Sighting is one frame that another host sent, of ARP or of neighbour discovery: who
// claims which address. A link-local address of IPv6 has the NIC as its zone.
//
// A solicitation (RFC 4861, 4.3) is a request. An advertisement (4.4) claims the address
// that it is about: that is its Sender, whatever its source. A solicited advertisement is
// a Reply, and its Target is the address that it was sent to. An unsolicited one is an
// announcement.
type Sighting struct {
	NIC    string
	At     time.Time  // of its arrival, by the kernel's time stamp
	Sender netip.Addr // unspecified in a probe
	HW     HW         // the sender's
	Target netip.Addr // whom it asks for; equal to Sender in an announcement
	Reply  bool       // an answer rather than a question or an announcement
}
