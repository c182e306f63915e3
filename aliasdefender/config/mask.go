package config

import "net/netip"

// OtherMask finds among a NIC's own addresses one in the alias's subnet whose mask
// differs from the row's: the row then makes a second route to the subnet. The result is
// the zero Prefix if there is no such address, or if another own address has the row's
// mask. A mask of one address makes no subnet.
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
