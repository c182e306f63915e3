package inspect

import (
	"fmt"

	"alias-defender/aliasdefender/host"
)

// leftOver: a Monitor put an address on a NIC, and the table no longer has a row for
// it; perhaps that Monitor was cut short. Only an administrator can tell this from
// another Monitor with a table of its own, so our Monitor leaves the address alone.
func leftOver(s *Subject) (found []Finding) {
	if s.Host == nil {
		return nil
	}
	for _, nic := range s.Host.NICs {
		for _, addr := range nic.Addrs {
			if !addr.Ours || s.hasRow(addr, nic) {
				continue
			}
			comes := "no Monitor of this table defends it, and it stays here until somebody removes it"
			if addr.Lease > 0 {
				comes = "no Monitor of this table defends it, and it goes by itself when its lease has ended"
			}
			found = append(found, Finding{Warning, s.Aliases,
				fmt.Sprintf("a Monitor put %s on %s, and no row has it", addr.Prefix.Addr(), nic.Name),
				comes,
				fmt.Sprintf("write its row again, if the file has lost it; or, if no Monitor with another table runs here: ip address del %s dev %s", addr.Prefix, nic.Name)})
		}
	}
	return found
}

// hasRow tells whether an address is an alias of the table. A link-local address may
// be an alias on one NIC and not on another.
func (s *Subject) hasRow(addr host.Address, nic host.NIC) bool {
	for _, a := range s.Config.Aliases {
		if a.Addr == addr.Prefix.Addr() && (a.NIC == nic.Name || !a.Addr.IsLinkLocalUnicast()) {
			return true
		}
	}
	return false
}
