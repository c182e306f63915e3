package inspect

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// The findings here are about what other programs, and the kernel's settings, do with the
// aliases of this host.

// Program is one that runs on this host.
type Program struct {
	PID    int
	UID    int    // of the user that started it; -1: not known
	Name   string // as the kernel has it: its first 15 letters
	Args   []string
	Hidden bool // whether it is in our network namespace is not known

	File   string       // of a Monitor its table, of keepalived its configuration
	Addrs  []netip.Addr // that this file names
	Unread string       // why the file could not be read
}

// Link is what programs and the kernel make of a NIC.
type Link struct {
	NetworkFile string // systemd-networkd's, where that manages it
	Keep        string // KeepConfiguration= there; empty: it is not set
	DHCP        string // DHCP= there

	NetworkManager bool   // manages it
	VRF            string // that it is in
}

// SourceRule is a rule of policy routing that looks up a table for what comes from Source.
type SourceRule struct {
	Source netip.Prefix
	Table  string
}

// running are the programs of a name that are in our network.
func (s *Subject) running(names ...string) (all []Program) {
	if s.Live == nil {
		return nil
	}
	for _, p := range s.Live.Programs {
		if !p.Hidden && slices.Contains(names, p.Name) && s.mayMove(p) {
			all = append(all, p)
		}
	}
	return all
}

// mayMove tells whether a program could move an address: anybody can give a program any
// name. (Those that manage NICs may have users of their own; they move no alias.)
func (s *Subject) mayMove(p Program) bool {
	return p.Name != MonitorName && p.Name != Keepalived || p.UID == 0 || slices.Contains(s.Live.Users, p.UID) ||
		s.Live.Process != nil && s.Live.Process.UID == p.UID
}

// monitorPID is the number of the running Monitor here; 0: none is seen.
func (s *Subject) monitorPID() int {
	switch {
	case s.Live.Process != nil:
		return s.Live.Process.PID
	case s.Live.Monitor != nil:
		return s.Live.Monitor.PID
	}
	return 0
}

// MonitorName is the kernel's name of a process that runs this program.
const MonitorName = "aliasdefender"

// The names of the other programs that are looked for.
const (
	Networkd       = "systemd-network"
	NetworkManager = "NetworkManager"
	Keepalived     = "keepalived"
)

// DHCPClients are programs that give a NIC its address.
var DHCPClients = []string{"dhclient", "dhcpcd", "udhcpc"}

// twoMonitors: another Monitor with another file has the same alias.
func twoMonitors(s *Subject) (found []Finding) {
	for _, p := range s.running(MonitorName) {
		if s.monitorPID() == p.PID {
			continue
		}
		if s.monitorPID() == 0 && s.Live.Monitor == nil && p.File == s.Aliases {
			continue // it is the one of these files, which could not be asked
		}
		if p.Unread != "" {
			found = append(found, Finding{Unknown, p.File, fmt.Sprintf("another Monitor runs on this host, PID %d, and its file could not be read whole: %s", p.PID, p.Unread),
				"it may have the same aliases", "run Check as root, and look at that file"})
		}
		for _, a := range s.Config.Aliases {
			if slices.Contains(p.Addrs, a.Addr.WithZone("")) {
				found = append(found, Finding{Fault, s.Row(a), fmt.Sprintf("another Monitor runs on this host with the same alias: PID %d, with %s", p.PID, p.File),
					"the two work against each other: one adds the alias, the other removes it", fmt.Sprintf("kill -USR2 %d, if it is the wrong one: it ends and leaves the alias where it is", p.PID)})
			}
		}
	}
	return found
}

// keepalivedHas: keepalived moves the same address.
func keepalivedHas(s *Subject) (found []Finding) {
	said := map[string]bool{}
	for _, p := range s.running(Keepalived) {
		if said[p.File] {
			continue // it has several processes
		}
		said[p.File] = true
		if p.Unread != "" {
			found = append(found, Finding{Unknown, p.File, "keepalived runs here, and its file could not be read whole: " + p.Unread, "it may move the same addresses", "run Check as root, and look at the files that it includes"})
		}
		for _, a := range s.Config.Aliases {
			if slices.Contains(p.Addrs, a.Addr.WithZone("")) {
				found = append(found, Finding{Fault, s.Row(a), fmt.Sprintf("keepalived (PID %d) has %s too, in %s", p.PID, a.Addr, p.File),
					"the two work against each other: one adds the alias, the other removes it", "take the address out of one of the two files"})
			}
		}
	}
	return found
}

// programsHidden: nobody but root may see in which network another's process is.
func programsHidden(s *Subject) []Finding {
	if s.Live == nil {
		return nil
	}
	var names []string
	for _, p := range s.Live.Programs {
		if p.Hidden && s.mayMove(p) && !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Finding{{Unknown, "programs", strings.Join(names, ", ") + " run on this machine, perhaps in another network", "whether they touch the aliases was not looked at", "run Check as root"}}
}

// lacksCapabilities: a root that may not do what a Monitor does, as in a container.
func lacksCapabilities(s *Subject) []Finding {
	if s.Lacks == "" {
		return nil
	}
	return []Finding{{Fault, "capabilities", s.Lacks, "a Monitor that is started as Check was cannot take an alias", "give the container or the service CAP_NET_ADMIN and CAP_NET_RAW"}}
}

// unitLacksCapabilities: the unit does not leave the Monitor what it needs.
func unitLacksCapabilities(s *Subject) (found []Finding) {
	u := s.judged()
	if u == nil {
		return nil
	}
	var lacks []string
	for _, c := range []string{"CAP_NET_ADMIN", "CAP_NET_RAW"} {
		if !u.has(c) || !u.isRoot() && !slices.Contains(u.words("AmbientCapabilities"), c) {
			lacks = append(lacks, c)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	setting := "CapabilityBoundingSet="
	if !u.isRoot() {
		setting = "AmbientCapabilities="
	}
	return []Finding{{Mistake, u.Name, fmt.Sprintf("%s of this host does not give the Monitor %s", u.Name, strings.Join(lacks, " and ")),
		"it does not start there", edit(setting + strings.Join(lacks, " "))}}
}

// eachLink calls find for each NIC of the table that is there, with what is made of it.
func (s *Subject) eachLink(find func(host.NIC, Link) []Finding) []Finding {
	if s.Live == nil {
		return nil
	}
	return s.eachNIC(func(nic host.NIC) []Finding { return find(nic, s.Live.Links[nic.Name]) })
}

// networkdForgets: what systemd-networkd did not add it removes when it configures the NIC.
func networkdForgets(s *Subject) []Finding {
	return s.eachLink(func(nic host.NIC, l Link) []Finding {
		if l.NetworkFile == "" || len(s.running(Networkd)) == 0 || slices.Contains([]string{"static", "yes", "true", "1", "on"}, l.Keep) {
			return nil
		}
		return []Finding{{Note, nic.Name, "systemd-networkd manages it by " + l.NetworkFile + ", without KeepConfiguration=static",
			"when networkd configures the NIC anew it removes the alias, and the Monitor restores it", "in that file, below [Network]: KeepConfiguration=static; and 'networkctl reload'"}}
	})
}

// networkManagerHas: NetworkManager takes a connection down with all of its addresses.
func networkManagerHas(s *Subject) []Finding {
	return s.eachLink(func(nic host.NIC, l Link) []Finding {
		if !l.NetworkManager || len(s.running(NetworkManager)) == 0 {
			return nil
		}
		return []Finding{{Note, nic.Name, "NetworkManager manages it",
			"taking its connection down takes the alias off with the host's own address, and nothing is put back until that is there again", "before such work: aliasdefender Handover, or Maintenance on"}}
	})
}

// dhcp is what renews the NIC's own address of IPv4; empty: nothing.
func (s *Subject) dhcp(nic host.NIC, l Link) string {
	if len(s.running(Networkd)) > 0 && slices.Contains([]string{"yes", "ipv4", "true", "1", "on", "both"}, l.DHCP) {
		return "systemd-networkd (DHCP=" + l.DHCP + ")"
	}
	for _, p := range s.running(DHCPClients...) {
		named := slices.ContainsFunc(s.Host.NICs, func(n host.NIC) bool { return slices.Contains(p.Args, n.Name) })
		if slices.Contains(p.Args, nic.Name) || !named {
			return fmt.Sprintf("%s (PID %d)", p.Name, p.PID)
		}
	}
	for _, a := range nic.Addrs {
		if a.Prefix.Addr().Is4() && a.Lease > 0 && s.isOwn(nic, a) {
			return fmt.Sprintf("a DHCP client (%s is leased)", a.Prefix.Addr())
		}
	}
	return ""
}

// aliases4 tells whether an alias of IPv4 is on the NIC.
func (s *Subject) aliases4(nic string) bool {
	return slices.ContainsFunc(s.Config.Pairs(), func(a config.Alias) bool { return a.NIC == nic && a.Addr.Is4() })
}

// dhcpRenews: a lease that is lost takes the own address away, and some clients everything
// else on the NIC too.
func dhcpRenews(s *Subject) []Finding {
	return s.eachLink(func(nic host.NIC, l Link) []Finding {
		by := s.dhcp(nic, l)
		if by == "" || !s.aliases4(nic.Name) {
			return nil
		}
		return []Finding{{Note, nic.Name, by + " gives it its own address",
			"without that address nothing is taken there, and a lost lease may take the alias away: the Monitor puts it back when the address is there again", "give both hosts of the pair a fixed address; a reservation in DHCP does not help while the DHCP server is down"}}
	})
}

// ownTakesAlias: without promote_secondaries the kernel removes all other addresses of a
// subnet with the first one.
func ownTakesAlias(s *Subject) []Finding {
	return s.eachLink(func(nic host.NIC, l Link) []Finding {
		_, known := s.Sysctl(host.IPv4, nic.Name, "promote_secondaries")
		if !known || s.promotes(nic.Name) || !s.aliases4(nic.Name) {
			return nil
		}
		severity := Note
		if s.dhcp(nic, l) != "" {
			severity = Warning
		}
		return []Finding{{severity, nic.Name, "promote_secondaries is not set on " + nic.Name,
			"when the host's own address goes, even for a moment, the kernel removes the alias with it, and the Monitor has to restore it", set(host.IPv4, nic.Name, "promote_secondaries", "1") + ", and the same in /etc/sysctl.d"}}
	})
}

// answersOnBoth: two NICs of this host are on the alias's segment, and each answers ARP for
// what the other has.
func answersOnBoth(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) (found []Finding) {
		if a.Addr.Is6() {
			return nil // whose kernel answers only on the NIC that has the address
		}
		for _, other := range s.Host.NICs {
			if other.Name == nic.Name || !other.Up || config.IsLoopback(other.Name) || !slices.ContainsFunc(s.own(other, host.IPv4), func(p netip.Prefix) bool { return host.Has(a.Prefix, p.Addr()) }) {
				continue
			}
			for _, want := range []struct {
				setting string
				level   int
				why     string
			}{
				{"arp_ignore", 1, "it answers ARP for the alias too: clients send to whichever answered first, and the partner sees two claimants"},
				{"arp_announce", 2, "it sends ARP requests in the name of the alias, and neighbours then send there"},
			} {
				if level, known := s.arpLevel(other.Name, want.setting); known && level < want.level {
					found = append(found, Finding{Warning, s.Row(a), fmt.Sprintf("%s is on the segment of %s too, and has %s=%d", other.Name, a.Addr, want.setting, level),
						want.why, set(host.IPv4, other.Name, want.setting, strconv.Itoa(want.level)) + ", and the same in /etc/sysctl.d"})
				}
			}
		}
		return found
	})
}

// inVRF: pings and the channel go by the main table, unless the Monitor runs in the VRF.
func inVRF(s *Subject) []Finding {
	return s.eachLink(func(nic host.NIC, l Link) []Finding {
		if l.VRF == "" {
			return nil
		}
		return []Finding{{Warning, nic.Name, fmt.Sprintf("it is in the VRF %s", l.VRF),
			"a Monitor that runs outside it pings partner and router by other routes than those of " + nic.Name + ", or not at all", fmt.Sprintf("start the Monitor in it: ip vrf exec %s aliasdefender Monitor; and Check too", l.VRF)}}
	})
}

// repliesElsewhere: what comes from the host's own address is routed by a table of its own,
// and what comes from the alias is not.
func repliesElsewhere(s *Subject) []Finding {
	if s.Live == nil {
		return nil
	}
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		of := func(addr netip.Addr) string {
			for _, r := range s.Live.Sources {
				if r.Source.Contains(addr) {
					return r.Table
				}
			}
			return ""
		}
		for _, own := range s.own(nic, host.FamilyOf(a.Addr)) {
			if table := of(own.Addr()); host.Has(a.Prefix, own.Addr()) && table != of(a.Addr.WithZone("")) && table != "" {
				return []Finding{{Warning, s.Row(a), fmt.Sprintf("a rule sends what comes from %s to table %s, and no rule does so for %s", own.Addr(), table, a.Addr),
					"answers from the alias leave by other routes than the host's own, perhaps by another NIC", fmt.Sprintf("ip rule add from %s lookup %s, on both hosts", a.Addr, table)}}
			}
		}
		return nil
	})
}

// neighboursFit: the kernel's table of neighbours is smaller than what is asked about.
func neighboursFit(s *Subject) (found []Finding) {
	for _, f := range []host.Family{host.IPv4, host.IPv6} {
		limit, err := strconv.Atoi(s.Sysctls[TableLimit(f)])
		n := 0
		for _, a := range s.Config.Pairs() {
			if host.FamilyOf(a.Addr) == f {
				n++
			}
		}
		if err != nil || n < limit {
			continue
		}
		found = append(found, Finding{Warning, s.Aliases, fmt.Sprintf("it has %d aliases of %s, and the kernel keeps %d neighbours of that family (gc_thresh3)", n, f, limit),
			"when all are asked about at once the table overflows, and this host no longer reaches some of its neighbours", fmt.Sprintf("sysctl -w %s=%d, and the same in /etc/sysctl.d", TableLimit(f), 4*n)})
	}
	return found
}
