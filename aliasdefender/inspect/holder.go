package inspect

import (
	"fmt"
	"slices"
	"strings"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

// The findings here are about who answers for an address. Anybody on the segment can answer
// for the alias and for the partner's address as well, so an answer does not prove who it
// is; what the partner says on the channel does, because that is sealed.

// aliasHolder: who has the alias now.
func aliasHolder(s *Subject) []Finding {
	return s.linked(func(a config.Alias) (found []Finding) {
		answers, asked := s.Live.Answers[Target{NIC: a.NIC, Addr: a.Addr}]
		if !asked {
			return nil
		}
		here, about := s.Host.On(a.NIC, a.Addr), onAlias(a, 0)
		others := s.strangers(answers.HW)
		for _, hw := range others {
			found = append(found, s.holder(a, hw, here))
		}
		switch shown := s.shown(a); {
		case len(others) > 0:
		case answers.ARP.State == CouldNot || answers.ARP.State == NotAsked:
			found = append(found, s.holderNotAsked(a, answers, here))
		case here:
			found = append(found, Finding{Severity: Good, About: about, What: "this host has it, and no other answers for it"})
		case answers.ICMP.State == Answered:
			found = append(found, Finding{Unknown, about, "it answers pings, but nobody on the segment answers for it", "nobody knows who has it", "ip route get " + a.Addr.WithZone("").String() + ": it shows where this host looks for it"})
		case shown != nil && !shown.Parked && !s.Live.Monitor.Maintenance && !s.Live.Monitor.Observing:
			found = append(found, Finding{Fault, about, "nobody has it", "clients reach nobody; the Monitor here says: " + shown.Why, "aliasdefender Why --now " + a.Addr.String()})
		default:
			found = append(found, Finding{Note, about, "nobody has it", "clients reach nobody until a Monitor takes it", ""})
		}
		return found
	})
}

// holderNotAsked: only the segment knows who has an alias, and it could not be asked.
func (s *Subject) holderNotAsked(a config.Alias, answers Answers, here bool) Finding {
	why, mend := answers.ARP.Why, "run Check again once "+a.NIC+" works"
	if answers.ARP.State == NotAsked {
		why, mend = "this system does not let Check hear "+neighbours(host.FamilyOf(a.Addr)), "run Check on another host of the segment"
	}
	what := "Check could not find out who has it: "
	switch {
	case here:
		what = "this host has it, but Check could not find out whether another host answers for it: "
	case answers.ICMP.State == Answered:
		what = "it answers pings, and " + what
	case answers.ICMP.State == Silent:
		what = "it answers no pings, and " + what
	}
	return Finding{Unknown, onAlias(a, 0), what + why, "another host may have it", mend}
}

// strangers are the hardware addresses that are not this host's.
func (s *Subject) strangers(all []host.HW) []host.HW {
	return slices.DeleteFunc(slices.Clone(all), s.Host.Owns)
}

// sealed is the hardware address of the partner's NIC for the alias, as its Monitor says on
// the channel now; empty: it does not.
func (s *Subject) sealed(a config.Alias) string {
	if shown := s.shown(a); shown != nil && shown.Says != nil && shown.Says.Daemon == "heard" {
		return shown.Says.HW
	}
	return ""
}

// answering are the hardware addresses of those who answered there, and of the one that is
// known to have the address from before: to the Monitor or, where that tells nothing, to
// the kernel.
func (s *Subject) answering(t Target, monitors control.Peer) (all []string) {
	for _, hw := range s.strangers(s.Live.Answers[t].HW) {
		all = append(all, hw.String())
	}
	known := ""
	if hw, ok := s.Host.Neighbours[t.Addr]; ok {
		known = hw.String()
	}
	if monitors.HW != "" && monitors.Addr == t.Addr.String() {
		known = monitors.HW
	}
	if known != "" && !slices.Contains(all, known) {
		all = append(all, known)
	}
	return all
}

// proxying is the router that answers for others; empty: this hardware address is not
// proven to be a router's, because another one answers for that too, or did before.
func (s *Subject) proxying(a config.Alias, hw host.HW) string {
	var monitors control.Peer
	if shown := s.shown(a); shown != nil {
		monitors = shown.Router
	}
	for _, t := range s.thirdTargets(a) {
		if slices.Equal(s.answering(t, monitors), []string{hw.String()}) {
			return t.Addr.WithZone("").String()
		}
	}
	return ""
}

// holder is what follows from another host's answering for the alias.
func (s *Subject) holder(a config.Alias, hw host.HW, here bool) Finding {
	about, partner := onAlias(a, 0), s.partner(a)
	name := partner.WithZone("").String()
	shown, sealed := s.shown(a), s.sealed(a)
	var monitors control.Peer
	if shown != nil {
		monitors = shown.Partner
	}
	candidates := s.answering(s.target(a, partner), monitors)
	partners := slices.Equal(candidates, []string{hw.String()}) ||
		len(candidates) == 0 && shown != nil && shown.Holder == "partner"
	if sealed != "" {
		candidates, partners = []string{sealed}, sealed == hw.String()
	}
	router := s.proxying(a, hw)
	switch {
	case partners && here:
		return Finding{Fault, about, fmt.Sprintf("this host and partner %s (%s) both have it", name, hw),
			"clients reach now one host, now the other", "aliasdefender Status on both hosts; one that runs no Monitor has to let it go: ip address del " + a.Prefix.String() + " dev " + a.NIC}
	case partners:
		return Finding{Severity: Good, About: about, What: fmt.Sprintf("partner %s has it (%s)", name, hw)}
	case router != "":
		return Finding{Warning, about, fmt.Sprintf("router %s (%s) answers for it", router, hw),
			"it answers for others (proxy ARP): nobody knows who really has the alias, and without a channel it is not taken", "switch proxy ARP off on the router's interface"}
	case len(candidates) == 0:
		return Finding{Unknown, about, fmt.Sprintf("%s has it, but the partner's hardware address is not known", hw),
			"if that is not the partner, a host has it that should not", "look up whose address that is"}
	case slices.Contains(candidates, hw.String()):
		return Finding{Fault, about, fmt.Sprintf("%s has it, but it is not known whether that is the partner: more than one host has answered for partner %s (%s)", hw, name, strings.Join(candidates, ", ")),
			"a host that is not of the pair may have the alias, and pass for the partner", "find out whose these hardware addresses are; a channel ([peer] key_file) tells which one is the partner's"}
	}
	return Finding{Fault, about, fmt.Sprintf("%s has it: neither this host nor partner %s", hw, name),
		"while a third host answers for it, clients reach that host, and neither host of the pair takes it", "find that host by its hardware address, and give it another address"}
}

// twins: somebody else answers for the address of the partner, or of a third party, too.
func (s *Subject) twins(a config.Alias, t Target, about, name string) []Finding {
	by := neighbours(host.FamilyOf(t.Addr))
	var all []string
	routers := false
	heard := s.strangers(s.Live.Answers[t].HW)
	for _, hw := range heard {
		all = append(all, hw.String())
		routers = routers || s.proxying(a, hw) != ""
	}
	partners := t == s.target(a, s.partner(a))
	sealed := s.sealed(a)
	switch {
	case len(all) > 1 && partners && !routers:
		return []Finding{{Fault, about, fmt.Sprintf("%s: more than one host answers %s for it: %s", name, by, strings.Join(all, ", ")),
			"a host that is not the partner makes a dead partner look alive, and then nobody takes the alias", "find that host by its hardware address; or, if the partner has two NICs on the segment, set arp_ignore=1 there"}}
	case len(all) > 1:
		return []Finding{{Warning, about, fmt.Sprintf("%s: more than one host answers %s for it: %s", name, by, strings.Join(all, ", ")),
			"what is sent to it may reach another host, and answers prove less than they should", "find that host by its hardware address, and give it another address; or switch proxy ARP off, if it is a router"}}
	case len(all) == 1 && partners && sealed != "" && sealed != all[0] && !routers:
		return []Finding{{Warning, about, fmt.Sprintf("%s: %s answers %s for it, and its Monitor's alias is on %s", name, all[0], by, sealed),
			"unless the partner has two NICs on the segment, another host passes for it, and would make it look alive when it is dead", "find out whose hardware address that is"}}
	}
	return nil
}
