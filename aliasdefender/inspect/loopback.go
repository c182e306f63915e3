package inspect

import (
	"fmt"
	"net/netip"
	"strconv"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// The findings here are about aliases on a loopback interface, which many hosts have at
// once.

// loopbacks calls find for each row of a loopback interface, if this host was read.
func (s *Subject) loopbacks(find func(config.Alias) []Finding) (found []Finding) {
	if s.Host == nil || s.Config == nil {
		return nil
	}
	for _, a := range s.Config.Aliases {
		if a.Loopback() {
			found = append(found, find(a)...)
		}
	}
	return found
}

// arpLevel is a setting of ARP of a NIC: the kernel takes the higher of the NIC's own and
// that of all. False if it is not known.
func (s *Subject) arpLevel(nic, setting string) (level int, known bool) {
	for _, of := range []string{"all", nic} {
		text, ok := s.Sysctl(host.IPv4, of, setting)
		n, err := strconv.Atoi(text)
		if !ok || err != nil {
			return 0, false
		}
		level = max(level, n)
	}
	return level, true
}

// segmentOf is the NIC, of those that are up, in whose subnet the address is: its
// neighbours ask for it there.
func (s *Subject) segmentOf(addr netip.Addr) (nic string, ok bool) {
	for _, n := range s.Host.NICs {
		if config.IsLoopback(n.Name) || !n.Up {
			continue
		}
		for _, own := range n.Addrs {
			if !own.Prefix.IsSingleIP() && own.Prefix.Contains(addr) {
				return n.Name, true
			}
		}
	}
	return "", false
}

// loopbackAnswersARP: Linux answers ARP on each NIC for all addresses of the host. Where
// the alias is of the segment's subnet, its neighbours would ask for it, and all of the
// hosts would answer. (For IPv6 it answers only on the NIC that has the address.)
func loopbackAnswersARP(s *Subject) []Finding {
	return s.loopbacks(func(a config.Alias) (found []Finding) {
		nic, on := "", false
		if a.Addr.Is4() {
			nic, on = s.segmentOf(a.Addr)
		}
		if !on {
			return nil // nobody asks for it: a router has a route
		}
		for _, want := range []struct {
			setting string
			level   int
			why     string
		}{
			{"arp_ignore", 1, fmt.Sprintf("%s is of the subnet of %s: this host and all others that have it answer when a neighbour asks for it, and the neighbour takes one of the answers, whatever the router has chosen", a.Addr, nic)},
			{"arp_announce", 2, fmt.Sprintf("this host sends ARP requests in the name of %s, and neighbours note that it is here, whatever the router has chosen", a.Addr)},
		} {
			level, known := s.arpLevel(nic, want.setting)
			if !known || level >= want.level {
				continue
			}
			found = append(found, Finding{Warning, s.Row(a),
				fmt.Sprintf("%s has %s=%d, and %s is on %s", nic, want.setting, level, a.Addr, a.NIC), want.why,
				set(host.IPv4, nic, want.setting, strconv.Itoa(want.level)) + ", and the same in /etc/sysctl.d"})
		}
		return found
	})
}

// sharedAnswers: another host answers its neighbours for an alias of a loopback interface.
func sharedAnswers(s *Subject) []Finding {
	if !s.asked() {
		return nil
	}
	return s.loopbacks(func(a config.Alias) []Finding {
		nic, on := s.segmentOf(a.Addr)
		if answers := s.Live.Answers[Target{NIC: nic, Addr: a.Addr}]; on && answers.ARP.State == Answered {
			return []Finding{{Warning, s.Row(a), fmt.Sprintf("%s answers its neighbours on %s for %s", answers.HW[0], nic, a.Addr),
				"neighbours that ask get the first who answers, whatever the router has chosen", "there: arp_ignore=1 and arp_announce=2, in /etc/sysctl.d (docs/loopback.md)"}}
		}
		return nil
	})
}

// loopbackCovers: the row's subnet has an address of another NIC, or the default router.
func loopbackCovers(s *Subject) []Finding {
	return s.loopbacks(func(a config.Alias) []Finding {
		if a.Prefix.IsSingleIP() {
			return nil
		}
		what := ""
		for _, n := range s.Host.NICs {
			for _, own := range n.Addrs {
				if !config.IsLoopback(n.Name) && host.Has(a.Prefix, own.Prefix.Addr()) {
					what = fmt.Sprintf("the subnet of %s has %s, which is on %s", a.Prefix, own.Prefix.Addr(), n.Name)
				}
			}
		}
		for _, r := range s.Host.Routes {
			if what == "" && host.Has(a.Prefix, r.Gateway) {
				what = fmt.Sprintf("the subnet of %s has the default router %s", a.Prefix, r.Gateway)
			}
		}
		if what == "" {
			return nil
		}
		return []Finding{{Warning, s.Row(a), what,
			fmt.Sprintf("%s is not taken here (L2): the kernel would take all of the subnet for this host's own, and that network would be lost", a.Addr),
			fmt.Sprintf("in %s, line %d, write a longer NetMask: /%d for the address alone", s.Aliases, a.Line, a.Addr.BitLen())}}
	})
}

// loopbackMeans: what the row says of a pair means nothing.
func loopbackMeans(s *Subject) []Finding {
	return s.loopbacks(func(a config.Alias) []Finding {
		if !a.Primary {
			return nil
		}
		return []Finding{{Note, s.Row(a), fmt.Sprintf("Primary true means nothing for %s, which is on %s", a.Addr, a.NIC),
			"each host with this row has the alias while its own checks are good", ""}}
	})
}
