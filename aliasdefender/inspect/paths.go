package inspect

import (
	"fmt"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// strictPaths: without a channel the partner asks who claims the alias for our own
// address, in a frame to the alias's NIC. With rp_filter=1 the kernel drops it where the
// way back leads over another NIC.
func strictPaths(s *Subject) []Finding {
	if len(s.Config.Settings.Peer.Keys) > 0 {
		return nil // the word on the channel tells
	}
	return s.rows(func(a config.Alias, nic host.NIC) (found []Finding) {
		if a.Addr.Is6() || !s.strict(nic.Name) { // IPv6 has no such filter among its settings
			return nil
		}
		for _, other := range s.Host.NICs {
			for _, addr := range other.Addrs {
				ip := addr.Prefix.Addr()
				if other.Name == nic.Name || !s.isOwn(other, addr) || !a.Prefix.Masked().Contains(ip) {
					continue
				}
				found = append(found, Finding{Warning, s.Row(a),
					fmt.Sprintf("%s has rp_filter=1, and %s has an address of the same segment (%s)", nic.Name, other.Name, ip),
					fmt.Sprintf("if the partner's file has %s as Partner, this host does not answer when the partner asks who claims %s: after a partition both may keep it", ip, a.Addr),
					set(host.IPv4, nic.Name, "rp_filter", "2") + ", and a line in /etc/sysctl.d; or a key on both hosts"})
				return found
			}
		}
		return found
	})
}

// strict tells whether the kernel drops what came over a NIC that the way back does not
// lead over: of the NIC's setting and that of all NICs the larger one counts, and 2 is
// the loose one (ip-sysctl, rp_filter).
func (s *Subject) strict(nic string) bool {
	all, okAll := s.Sysctl(host.IPv4, "all", "rp_filter")
	own, okOwn := s.Sysctl(host.IPv4, nic, "rp_filter")
	return okAll && okOwn && max(all, own) == "1"
}
