package host

import "net/netip"

// Family is an address family. IPv4 finds neighbours by ARP, and IPv6 by neighbour
// discovery. What is known of a NIC in one family says nothing about the other.
type Family uint8

// The families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// FamilyOf returns the family of an address. It counts an IPv4-mapped address as IPv4: no
// address here is mapped.
func FamilyOf(a netip.Addr) Family {
	if a.Is6() && !a.Is4In6() {
		return IPv6
	}
	return IPv4
}

// String returns IPv4 or IPv6.
func (f Family) String() string {
	if f == IPv6 {
		return "IPv6"
	}
	return "IPv4"
}

// Side is one family's half of a NIC: it has addresses of its own, a listener of its
// own, and may be without either while the other half has both.
type Side struct {
	NIC    string
	Family Family
}

// Zoned returns an address in the form that is unique on this host. A link-local IPv6
// address (RFC 4291, 2.5.6) may be on two NICs, and gets its NIC as the zone (RFC 4007);
// all other addresses get none.
func Zoned(addr netip.Addr, nic string) netip.Addr {
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		return addr.WithZone(nic)
	}
	return addr.WithZone("")
}

// Has tells whether the address, whatever its zone, is in the subnet of the prefix.
func Has(subnet netip.Prefix, addr netip.Addr) bool {
	return subnet.Masked().Contains(addr.WithZone(""))
}
