package peer

import (
	"net/netip"
	"slices"
)

// LinkOf returns what a word about an alias says about the alias's NIC. It is made from
// the NIC's own addresses, without the aliases.
//
// Most addresses can be on one segment only, and need no Link. A link-local address can
// be on several; two hosts may call the same NIC by different names, and the hardware
// addresses of VLANs do not differ. What both hosts have in common there is the segment's
// network: the lowest one that is not link-local. Where there is none, the Link is the
// NIC's own link-local address, which the partner may have as its Partner on that NIC.
func LinkOf(alias netip.Addr, own []netip.Prefix) netip.Prefix {
	if !alias.IsLinkLocalUnicast() {
		return netip.Prefix{}
	}
	var network, address netip.Prefix
	for _, p := range own {
		p = unmapped(p)
		if !p.IsValid() {
			continue
		}
		if p.Addr().IsLinkLocalUnicast() {
			address = lower(address, netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
		} else {
			network = lower(network, p.Masked())
		}
	}
	if network.IsValid() {
		return network
	}
	return address
}

// On tells whether a word is about the alias on the NIC that has these own addresses and
// whose partner has this address. The caller compares the alias itself. A word without a
// Link fits any NIC.
func (w *Word) On(own []netip.Prefix, partner netip.Addr) bool {
	return !w.Link.IsValid() ||
		w.Link.IsSingleIP() && w.Link.Addr() == partner.Unmap().WithZone("") ||
		slices.ContainsFunc(own, func(p netip.Prefix) bool { return unmapped(p).Masked() == w.Link })
}

// unmapped is a prefix without a zone, and in IPv4 form if it was mapped.
func unmapped(p netip.Prefix) netip.Prefix {
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() {
		a, bits = a.Unmap(), bits-96
	}
	return netip.PrefixFrom(a.WithZone(""), bits)
}

// lower is the lower of two prefixes; if one is missing, the other.
func lower(a, b netip.Prefix) netip.Prefix {
	if !a.IsValid() || b.Compare(a) < 0 {
		return b
	}
	return a
}
