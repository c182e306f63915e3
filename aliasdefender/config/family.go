package config

import (
	"fmt"
	"net/netip"
)

// linkLocal tells whether an address may be on two NICs of a host and is told apart by
// its zone (RFC 4007): IPv4 has no such address here.
func linkLocal(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// onNIC is an address as this host tells it apart on a NIC: a link-local one has the NIC
// as its zone. Without a NIC, whose name could not be read, it stays as it is written.
func onNIC(a netip.Addr, nic string) (netip.Addr, string) {
	switch {
	case !linkLocal(a) || nic == "":
		return a, ""
	case a.Zone() != "" && a.Zone() != nic:
		return netip.Addr{}, fmt.Sprintf("%s is on %s, and the alias on %s; write %s", a, a.Zone(), nic, a.WithZone(""))
	}
	return a.WithZone(nic), ""
}

// holds tells whether a subnet has the address, whatever its zone.
func holds(subnet netip.Prefix, a netip.Addr) bool { return subnet.Contains(a.WithZone("")) }

// familyOf names the family of an address, with its article.
func familyOf(a netip.Addr) string {
	if a.Is6() {
		return "an IPv6 address"
	}
	return "an IPv4 address"
}

// strange says why an address can judge nothing about the alias: it is of the other
// family, or on another NIC. Empty means that it can.
func (a Alias) strange(addr netip.Addr) string {
	if addr.Is6() != a.Addr.Is6() {
		return fmt.Sprintf("%s is %s, and the alias %s is %s: what answers in one family says nothing of the other", addr, familyOf(addr), a.Addr, familyOf(a.Addr))
	}
	_, problem := onNIC(addr, a.NIC)
	return problem
}

// partnerOn is the partner of the row: of the alias's family, and a link-local one on the
// alias's NIC. What cannot be read of the row is no mistake of the partner's.
func (a Alias) partnerOn(p Partner) (Partner, string) {
	switch {
	case !a.Addr.IsValid():
		return p, ""
	case !p.Addr.IsValid() && linkLocal(a.Addr):
		return Partner{}, fmt.Sprintf("%s: a name has no link-local address, and the alias is one; write the partner's own on this segment, such as fe80::5", show(p.Name))
	case !p.Addr.IsValid():
		return p, ""
	case p.Addr.Is6() != a.Addr.Is6():
		return Partner{}, fmt.Sprintf("%s is %s, and the alias %s; write an address of the partner of the same family", p.Addr, familyOf(p.Addr), familyOf(a.Addr))
	case linkLocal(a.Addr) && !linkLocal(p.Addr):
		return Partner{}, fmt.Sprintf("%s is not link-local, and the alias is; write the partner's own link-local address on this segment, such as fe80::5", p.Addr)
	}
	addr, problem := onNIC(p.Addr, a.NIC)
	if problem != "" {
		return Partner{}, problem
	}
	return Partner{Name: addr.String(), Addr: addr}, ""
}

// withNIC says of an address that stands where no row gives it a NIC what is to be
// written; empty means that nothing lacks.
func withNIC(a netip.Addr) string {
	if linkLocal(a) && a.Zone() == "" {
		return fmt.Sprintf("%s is link-local and may be on several NICs; write it with its NIC, such as %s", a, a.WithZone("eth0"))
	}
	return ""
}

// checkFamilies finds each row of IPv6, for a system on which that is not supported. It
// is for this host's own table: the partner may run Linux.
func (t *table) checkFamilies() {
	for _, a := range t.rows {
		if a.Addr.Is6() {
			t.mistake(a.Line, "alias", fmt.Sprintf("%s is an IPv6 address: not supported on Solaris and illumos", a.Prefix.Addr()))
		}
	}
}
