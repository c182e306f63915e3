package config

import "net/netip"

// OtherMask finds among a NIC's own addresses one in the alias's subnet that has
// another mask than the row: the row then makes a second route to the subnet. The zero
// Prefix: there is none, or one with the same mask too. A mask of one address makes no
// subnet.
func (a Alias) OtherMask(own []netip.Prefix) (other netip.Prefix) {
	if a.Prefix.IsSingleIP() {
		return netip.Prefix{}
	}
	for _, p := range own {
		switch shared := p.Masked().Overlaps(a.Prefix.Masked()); {
		case shared && p.Bits() == a.Prefix.Bits():
			return netip.Prefix{}
		case shared && !other.IsValid() && !p.IsSingleIP():
			other = p
		}
	}
	return other
}
