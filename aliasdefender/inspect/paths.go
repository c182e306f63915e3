package inspect

import (
	"fmt"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// strictPaths: without a channel the partner finds out who claims the alias by asking
// for our own address, in a frame to the alias's NIC. With rp_filter=1 the kernel
// drops that frame if the way back leads through another NIC.
func strictPaths(s *Subject) []Finding {
	if len(s.Config.Settings.Peer.Keys) > 0 {
		return nil // with a channel the partner's word tells
	}
	return s.rows(func(a config.Alias, nic host.NIC) (found []Finding) {
		if !s.strict(nic.Name) {
			return nil
		}
		for _, other := range s.Host.NICs {
			for _, addr := range other.Addrs {
				ip := addr.Prefix.Addr()
				if other.Name == nic.Name || addr.Ours || s.isAlias(ip) || !a.Prefix.Masked().Contains(ip) {
					continue
				}
				found = append(found, Finding{Warning, s.Row(a),
					fmt.Sprintf("%s has rp_filter=1, and %s has an address of the same segment (%s)", nic.Name, other.Name, ip),
					fmt.Sprintf("if the partner's file has %s as Partner, this host does not answer when the partner asks who claims %s: after a partition both may keep it", ip, a.Addr),
					set(nic.Name, "rp_filter", "2") + ", and a line in /etc/sysctl.d; or a key on both hosts"})
				return found
			}
		}
		return found
	})
}

// strict tells whether the kernel drops packets that came in by a NIC that the way
// back does not use. Of the NIC's setting and that of "all" the larger one counts; 2
// is the loose mode (ip-sysctl, rp_filter).
func (s *Subject) strict(nic string) bool {
	all, okAll := s.Sysctl("all", "rp_filter")
	own, okOwn := s.Sysctl(nic, "rp_filter")
	return okAll && okOwn && max(all, own) == "1"
}
