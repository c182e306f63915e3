package inspect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// The findings here are about what the network answered.

// onAlias is the About of what was found of one alias in the network, and of how many
// others it is true as well.
func onAlias(a config.Alias, others int) string {
	name := fmt.Sprintf("alias %s on %s", a.Addr.WithZone(""), a.NIC)
	if others > 0 {
		name += fmt.Sprintf(" and %d more", others)
	}
	return name
}

// asked tells whether the network was asked.
func (s *Subject) asked() bool { return s.Live != nil && s.Live.CannotAsk == "" && s.Host != nil }

// linked calls find for each row whose NIC can carry questions.
func (s *Subject) linked(find func(config.Alias) []Finding) []Finding {
	if !s.asked() {
		return nil
	}
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		if !nic.Up || !nic.Carrier {
			return nil
		}
		return find(a)
	})
}

// AboutNetwork is what a finding is about that says what of the network was not asked.
const AboutNetwork = "network"

// networkNotAsked: somebody who may not ask, or too much to ask.
func networkNotAsked(s *Subject) (found []Finding) {
	switch {
	case s.Live == nil:
	case s.Live.CannotAsk != "":
		found = append(found, Finding{Unknown, AboutNetwork, "nobody was asked: " + s.Live.CannotAsk,
			"it is not known whether partners, routers and next hops answer, and who has the aliases", "run Check as root"})
	case len(s.Live.LeftOut) > 0:
		var kinds []string
		for _, o := range s.Live.LeftOut {
			kinds = append(kinds, fmt.Sprintf("%d of the %s", o.Count, o.Kind))
		}
		found = append(found, Finding{Unknown, AboutNetwork, fmt.Sprintf("left out, because Check asks about %d addresses at most: %s", mostAsked, strings.Join(kinds, ", ")),
			"it is not known who has those aliases, and which of those addresses answer", "aliasdefender Status shows all aliases of a running Monitor"})
	}
	return found
}

// neighbours is how one asks on a segment.
func neighbours(f host.Family) string {
	if f == host.IPv6 {
		return "NDP"
	}
	return "ARP"
}

// Three things may come of asking one host both ways.
type verdict int

const (
	dumb    verdict = iota // it did not answer
	alive                  // it did
	unasked                // it could not be asked
)

func (a Answers) verdict() verdict {
	switch {
	case a.ICMP.State == Answered || a.ARP.State == Answered:
		return alive
	case a.ICMP.State == CouldNot || a.ARP.State == CouldNot, a.ICMP.State == NotAsked && a.ARP.State == NotAsked:
		return unasked
	}
	return dumb
}

// answered are the ways in which a host answered, with their times.
func (a Answers) answered(f host.Family) string {
	var ways []string
	if a.ICMP.State == Answered {
		ways = append(ways, "ICMP in "+milliseconds(a.ICMP.Took))
	}
	switch {
	case a.ARP.State != Answered:
	case a.ARP.Took > 0:
		ways = append(ways, neighbours(f)+" in "+milliseconds(a.ARP.Took))
	case len(ways) == 0:
		return "is heard by " + neighbours(f)
	default:
		return "answers " + ways[0] + " and is heard by " + neighbours(f)
	}
	return "answers " + strings.Join(ways, " and ")
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", max(0.1, float64(d.Microseconds())/1000))
}

// asking are the ways in which a host was asked.
func (a Answers) asking(f host.Family) string {
	switch {
	case a.ARP.State == NotAsked:
		return "does not answer ICMP"
	case a.ICMP.State == NotAsked:
		return "does not answer " + neighbours(f)
	}
	return "answers neither ICMP nor " + neighbours(f)
}

// obstacle is why a host could not be asked.
func (a Answers) obstacle() string {
	for _, one := range []Answer{a.ICMP, a.ARP} {
		if one.State == CouldNot {
			return one.Why
		}
	}
	return "nothing here could ask it"
}

// filters tells whether a host on the segment answers there and not to pings.
func (a Answers) filters() bool { return a.ICMP.State == Silent && a.ARP.State == Answered }

// partnerAnswers: a pair whose partner is silent has no standby.
func partnerAnswers(s *Subject) []Finding {
	seen := map[Target]bool{}
	sharing := s.sharing(func(a config.Alias) []Target { return []Target{s.target(a, s.partner(a))} })
	return s.linked(func(a config.Alias) []Finding {
		partner := s.partner(a)
		t := s.target(a, partner)
		answers, asked := s.Live.Answers[t]
		if !partner.IsValid() || seen[t] || !asked {
			return nil
		}
		seen[t] = true
		f, about := host.FamilyOf(partner), onAlias(a, sharing[shared{a.NIC, t}]-1)
		name := "partner " + partner.WithZone("").String()
		switch answers.verdict() {
		case unasked:
			return []Finding{{Unknown, about, name + " could not be asked: " + answers.obstacle(), "it is not known whether it lives", "look at the routes of this host: ip route get " + partner.WithZone("").String()}}
		case dumb:
			return []Finding{{Fault, about, name + " " + answers.asking(f),
				"if it is dead, nobody takes the alias when this host fails; if it lives all the same, both hosts may take the alias",
				"look at the partner, and at the network between the two hosts; its firewall has to pass ping"}}
		}
		found := append([]Finding{{Severity: Good, About: about, What: name + " " + answers.answered(f)}}, s.twins(a, t, about, name)...)
		switch {
		case answers.filters():
			found = append(found, Finding{Note, about, name + " answers " + neighbours(f) + " but no pings: it filters ICMP",
				"a switch or a router that answers for dead hosts would make it look alive", "let its firewall pass echo requests from this host"})
		case answers.ARP.State == Silent:
			found = append(found, Finding{Warning, about, name + " answers pings but not " + neighbours(f) + ", although it is in the subnet of " + a.NIC,
				"it is on another segment than the alias, and neither hears what the other claims", "look at the VLANs and switch ports of the two hosts"})
		}
		return found
	})
}

// shared is a target of the rows on one NIC. The target's own NIC is empty where it is asked
// over a router.
type shared struct {
	nic string
	Target
}

// sharing counts, for each target, the rows on a NIC that have it.
func (s *Subject) sharing(of func(config.Alias) []Target) map[shared]int {
	rows := map[shared]int{}
	s.linked(func(a config.Alias) []Finding {
		for _, t := range of(a) {
			rows[shared{a.NIC, t}]++
		}
		return nil
	})
	return rows
}

// thirdTargets are the routers and witnesses of a row, as they are asked.
func (s *Subject) thirdTargets(a config.Alias) (all []Target) {
	for _, addr := range s.thirdParties(a) {
		all = append(all, s.target(a, addr))
	}
	return all
}

// routersAnswer: without the answer of a third party no alias is taken.
func routersAnswer(s *Subject) []Finding {
	seen := map[Target]bool{}
	sharing := s.sharing(s.thirdTargets)
	return s.linked(func(a config.Alias) (found []Finding) {
		all := s.thirdTargets(a)
		is := func(v verdict) bool {
			return slices.ContainsFunc(all, func(t Target) bool { return s.Live.Answers[t].verdict() == v })
		}
		for _, t := range all {
			answers, asked := s.Live.Answers[t]
			if seen[t] || !asked {
				continue
			}
			seen[t] = true
			f, about := host.FamilyOf(t.Addr), onAlias(a, sharing[shared{a.NIC, t}]-1)
			name := "router " + t.Addr.WithZone("").String()
			if slices.Contains(a.Witnesses, t.Addr) {
				name = "witness " + t.Addr.WithZone("").String()
			}
			const mend = "look at it and at the network in front of it; or set router or witnesses to an address that always answers"
			switch v := answers.verdict(); {
			case v == unasked:
				found = append(found, Finding{Unknown, about, name + " could not be asked: " + answers.obstacle(), "it is not known whether this host's own network works", mend})
			case v == dumb && is(alive):
				found = append(found, Finding{Warning, about, name + " " + answers.asking(f), "if the others fall silent too, no alias is taken here", mend})
			case v == dumb && is(unasked):
				found = append(found, Finding{Warning, about, name + " " + answers.asking(f), "it is not known whether the others answer; if they do not, no alias is taken here (W8)", mend})
			case v == dumb:
				found = append(found, Finding{Fault, about, name + " " + answers.asking(f), "no alias is taken here while nothing proves that this host's own network works (W8)", mend})
			default:
				found = append(found, Finding{Severity: Good, About: about, What: name + " " + answers.answered(f)})
				found = append(found, s.twins(a, t, about, name)...)
			}
			if answers.filters() {
				found = append(found, Finding{Note, about, name + " answers " + neighbours(f) + " but no pings: it filters ICMP",
					"after a take, a ping from the alias cannot show whether the router knows where the alias is", "let it answer echo requests from its own segment"})
			}
		}
		return found
	})
}
