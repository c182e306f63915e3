package peer

import (
	"net/netip"
	"slices"
)

// LinkOf is what a word about an alias says of the NIC that the alias is on,
// made of the NIC's own addresses, aliases not among them.
//
// Most addresses can be on one segment only, and need no Link. A link-local one
// can be on several, and two hosts need not call the same NIC by one name, nor
// are the NICs' hardware addresses different where they are VLANs. What both
// hosts have in common there is the segment's network: the lowest that is not
// link-local. Where there is none it is the NIC's own link-local address, which
// the partner may have as its Partner on that NIC.
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

// On tells whether a word is about the alias on the NIC with these own
// addresses, whose partner is asked at this address. The alias's own address has
// to be compared beside it. A word without a Link is about whichever there is.
func (w *Word) On(own []netip.Prefix, partner netip.Addr) bool {
	return !w.Link.IsValid() ||
		w.Link.IsSingleIP() && w.Link.Addr() == partner.Unmap().WithZone("") ||
		slices.ContainsFunc(own, func(p netip.Prefix) bool { return unmapped(p).Masked() == w.Link })
}

// unmapped is a prefix without a zone, and of IPv4 where it was mapped.
func unmapped(p netip.Prefix) netip.Prefix {
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() {
		a, bits = a.Unmap(), bits-96
	}
	return netip.PrefixFrom(a.WithZone(""), bits)
}

// lower is the lower of two prefixes, where there are two.
func lower(a, b netip.Prefix) netip.Prefix {
	if !a.IsValid() || b.Compare(a) < 0 {
		return b
	}
	return a
}
