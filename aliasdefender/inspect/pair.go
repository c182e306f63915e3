package inspect

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

// The findings here are about what the running Monitor says of itself, of the channel and
// of the pair.

// aboutMonitor is the About of what the Monitor says of itself.
const aboutMonitor = "Monitor"

// shown is an alias as the running Monitor shows it; nil: it does not, or none runs.
func (s *Subject) shown(a config.Alias) *control.Alias {
	if s.Live == nil || s.Live.Monitor == nil {
		return nil
	}
	for i, c := range s.Live.Monitor.Aliases {
		if nic, _, _ := strings.Cut(c.NIC, ":"); c.Alias == a.Addr.String() && nic == a.NIC {
			return &s.Live.Monitor.Aliases[i]
		}
	}
	return nil
}

// eachShown calls find for each row that the running Monitor shows.
func (s *Subject) eachShown(find func(config.Alias, *control.Alias) []Finding) (found []Finding) {
	for _, a := range s.Config.Aliases {
		if shown := s.shown(a); shown != nil {
			found = append(found, find(a, shown)...)
		}
	}
	return found
}

// monitorRuns: what only a running Monitor knows.
func monitorRuns(s *Subject) (found []Finding) {
	switch l := s.Live; {
	case l == nil || l.Monitor == nil && l.NoMonitor == "":
	case l.Monitor == nil:
		found = append(found, Finding{Unknown, aboutMonitor, "it could not be asked: " + l.NoMonitor,
			"the channel, the partner's Monitor and whether the standby is ready were not looked at", "aliasdefender Monitor, or its service; then Check again, as root or as a reader"})
	default:
		what := fmt.Sprintf("version %s runs here as PID %d", l.Monitor.Version, s.monitorPID())
		if s.monitorPID() == 0 {
			what = fmt.Sprintf("version %s runs here, in a PID namespace of its own", l.Monitor.Version)
		}
		found = append(found, Finding{Severity: Good, About: aboutMonitor, What: what})
		for _, problem := range l.Monitor.Problems {
			found = append(found, Finding{Warning, aboutMonitor, problem, "the pair does not work as its files promise", "aliasdefender Status, and docs/channel.md"})
		}
		if l.Monitor.Maintenance {
			found = append(found, Finding{Note, aboutMonitor, "this host is in maintenance", "it stays out of all aliases", ""})
		}
		if l.Monitor.Observing {
			found = append(found, Finding{Note, aboutMonitor, "it observes, and does nothing", "no alias moves", ""})
		}
	}
	return found
}

// sameTable: the running Monitor goes by other rows than the file has.
func sameTable(s *Subject) []Finding {
	if s.Live == nil || s.Live.Monitor == nil {
		return nil
	}
	var differ []string
	rows := map[string]bool{}
	for _, a := range s.Config.Aliases {
		shown := s.shown(a)
		rows[a.Addr.String()+" "+a.Label] = true
		role := map[bool]string{true: "primary", false: "secondary"}[a.Primary]
		switch {
		case shown == nil:
			differ = append(differ, a.Addr.String()+" is not in the Monitor's")
		case shown.NIC != a.Label || shown.Prefix != a.Prefix.Bits() || !a.Loopback() && (shown.Role != role || shown.Partner.Name != a.Partner.Name):
			differ = append(differ, a.Addr.String()+" is another row there")
		}
	}
	for _, c := range s.Live.Monitor.Aliases {
		if !rows[c.Alias+" "+c.NIC] && !slices.ContainsFunc(s.Config.Aliases, func(a config.Alias) bool { return a.Addr.String() == c.Alias }) {
			differ = append(differ, c.Alias+" is only in the Monitor's")
		}
	}
	if len(differ) == 0 {
		return nil
	}
	if len(differ) > mostNamed {
		differ = append(differ[:mostNamed], fmt.Sprintf("%d more", len(differ)-mostNamed))
	}
	return []Finding{{Warning, s.Aliases, "the running Monitor's table is not that of the file: " + strings.Join(differ, "; "),
		"the Monitor works with the table that it read last; a restart would change that", "aliasdefender Reload"}}
}

// channelHeard: whether the partner's Monitor is heard, and of which version it is.
func channelHeard(s *Subject) []Finding {
	if s.Live == nil || s.Live.Monitor == nil || len(s.Config.Settings.Peer.Keys) == 0 {
		return nil
	}
	if s.Live.Monitor.Channel == nil {
		return []Finding{{Warning, s.Settings + ": peer", "the settings have a key, but the running Monitor has no channel",
			"the two hosts do not speak with each other", "aliasdefender Reload"}}
	}
	seen := map[string]bool{}
	return s.eachShown(func(a config.Alias, shown *control.Alias) []Finding {
		if shown.Says == nil || seen[a.Partner.Name] {
			return nil
		}
		seen[a.Partner.Name] = true
		about := "channel to " + a.Partner.Name
		if shown.Says.Daemon != "heard" {
			return []Finding{{Fault, about, "the partner's Monitor is not heard: " + shown.Says.Daemon,
				"without the channel nobody takes over from a host that lives but does not serve, and no alias can be handed over" + s.dropped(shown.Partner.Addr),
				fmt.Sprintf("start its Monitor; let firewalls pass UDP port %d both ways; put the same key on both hosts", s.Config.Settings.Peer.Port)}}
		}
		found := []Finding{{Severity: Good, About: about, What: "the partner's Monitor is heard, version " + shown.Says.Version}}
		if ours := s.Live.Monitor.Version; shown.Says.Version != "" && shown.Says.Version != ours {
			found = append(found, Finding{Note, about, fmt.Sprintf("the partner's Monitor has version %s, and this host's %s", shown.Says.Version, ours),
				"the two work together, but without what only the newer one knows", ""})
		}
		return found
	})
}

// dropped is what was dropped of the packets in the partner's name, as a reason.
func (s *Subject) dropped(addr string) string {
	for _, p := range s.Live.Monitor.Channel.Partners {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(p.Dropped)) {
			if !slices.Contains([]string{"duplicate", "late"}, kind) {
				kinds = append(kinds, fmt.Sprintf("%d %s", p.Dropped[kind], kind))
			}
		}
		if p.Partner == addr && len(kinds) > 0 {
			return "; packets in its name were dropped: " + strings.Join(kinds, ", ")
		}
	}
	return ""
}

// channelPaths: one of several ways to the partner is dead.
func channelPaths(s *Subject) (found []Finding) {
	if s.Live == nil || s.Live.Monitor == nil || s.Live.Monitor.Channel == nil {
		return nil
	}
	for _, p := range s.Live.Monitor.Channel.Partners {
		for _, path := range p.Paths {
			what := ""
			switch {
			case path.Error != "":
				what = fmt.Sprintf("the path to %s does not work: %s", path.Addr, path.Error)
			case len(p.Paths) > 1 && path.Heard.IsZero():
				what = fmt.Sprintf("nothing has come by the path to %s", path.Addr)
			case len(p.Paths) > 1 && s.Live.Monitor.Now.Sub(path.Heard) > pathSilent:
				what = fmt.Sprintf("nothing has come by the path to %s for %s", path.Addr, config.Tidy(s.Live.Monitor.Now.Sub(path.Heard).Round(pathSilent/10)))
			default:
				continue
			}
			found = append(found, Finding{Warning, "channel to " + p.Partner, what,
				"the channel has one path fewer", "look at that cable, at the routes, and at the firewalls of both hosts"})
		}
	}
	return found
}

// pairFits: what the two hosts' files contradict each other in.
func pairFits(s *Subject) []Finding {
	return s.eachShown(func(a config.Alias, shown *control.Alias) (found []Finding) {
		for _, wrong := range shown.Pair {
			found = append(found, Finding{Fault, onAlias(a, 0), "the two hosts do not fit: " + wrong,
				"the pair cannot do what one of the two files says", "aliasdefender Check --partner-file, with the other host's table"})
		}
		return found
	})
}

// standbyReady: whether the other host would take the alias.
func standbyReady(s *Subject) []Finding {
	return s.eachShown(func(a config.Alias, shown *control.Alias) []Finding {
		is, about := shown.Standby, onAlias(a, 0)
		if is == nil || a.Loopback() {
			return nil
		}
		who := map[string]string{"us": "this host", "partner": "the partner"}[is.Host]
		switch {
		case is.Ready == "yes" && is.HandOver == "no" && shown.Handover == "":
			return []Finding{{Fault, about, "it could not be handed over now: " + is.HandOverWhy,
				"an order to hand it over, or to leave for maintenance, would be refused", "aliasdefender Status"}}
		case is.Ready == "yes":
			return []Finding{{Severity: Good, About: about, What: who + " stands by for it, and is ready"}}
		case is.Level == "" && is.Ready == "no":
			return []Finding{{Note, about, who + " does not stand by for it: it is parked", "nobody takes it if its holder fails", ""}}
		case is.Ready == "no":
			return []Finding{{Fault, about, who + " is not ready to take it: " + is.Why, "nobody takes it if its holder fails", "aliasdefender Status on both hosts"}}
		case is.Level != "":
			return []Finding{{Unknown, about, "it is not known whether " + who + " is ready to take it: " + is.Why, "perhaps nobody takes it if its holder fails", "aliasdefender Status on both hosts"}}
		}
		return []Finding{{Unknown, about, "it is not known whether " + who + " is ready to take it", "the Monitor has not found out yet, or without a channel nobody can say", "run Check on the partner too"}}
	})
}

// monitorWarns: what else the Monitor has to say of an alias.
func monitorWarns(s *Subject) []Finding {
	return s.eachShown(func(a config.Alias, shown *control.Alias) []Finding {
		if shown.Level == "" || len(shown.Pair) > 0 {
			return nil
		}
		severity := Fault
		if shown.Level == "warning" {
			severity = Warning
		}
		return []Finding{{severity, onAlias(a, 0), fmt.Sprintf("the Monitor says (%s): %s", shown.Row, shown.Why),
			"the Monitor acts on that, and Status shows it until it is over", "aliasdefender Why --now " + a.Addr.String()}}
	})
}

// unreached: no router answers a ping from an alias that this host has, and one answers
// those from the host's own address at the same time; or that was so after the last take. A
// port that takes only one hardware or IP address does that, and a router with its own idea
// of where the alias is. That a witness answers does not tell what the router does.
func unreached(s *Subject) (found []Finding) {
	if s.Live == nil || s.Host == nil {
		return nil
	}
	here, left := 0, 0 // whose router or witness answers pings; and those of them of which nothing is known
	for _, a := range s.Config.Pairs() {
		const why, mend = "whoever is behind the router may not reach the alias here", "look at port security, IP source guard and ARP inspection on this host's switch port, and at the router's ARP table"
		var routers, witnesses reach
		for _, t := range s.thirdTargets(a) {
			of := &routers
			if slices.Contains(a.Witnesses, t.Addr) {
				of = &witnesses
			}
			of.add(s.Live.Answers[t].ICMP, s.Live.Answers[t.from(a)].ICMP)
		}
		r := routers
		if !r.known() {
			r = witnesses
		}
		pings := (routers.pings || witnesses.pings) && s.Host.On(a.NIC, a.Addr)
		if pings {
			here++
		}
		switch shown := s.shown(a); {
		case pings && r.answered:
		case pings && r.silent:
			found = append(found, Finding{Fault, onAlias(a, 0), "the router answers this host's pings, but not those from the alias", why, mend})
		case shown != nil && shown.Verified == "no":
			found = append(found, Finding{Warning, onAlias(a, 0), "after the last take here the router did not answer a ping from it", why, mend})
		case pings && r.could != "":
			found = append(found, Finding{Unknown, onAlias(a, 0), "Check could not find out whether the router answers pings from it: " + r.could, why, "run Check again"})
		case pings && (shown == nil || shown.Verified != "yes"):
			left++
		}
	}
	if left > 0 {
		found = append(found, Finding{Unknown, AboutNetwork, fmt.Sprintf("it is not known whether a router answers pings from %d of the %d aliases that are here", left, here),
			"whoever is behind a router may not reach those here", "ping -I ALIAS ROUTER"})
	}
	return found
}

// reach is what routers, or witnesses, answer to pings from an alias, as far as they answer
// those from the host's own address.
type reach struct {
	pings, answered, silent bool
	could                   string // why one could not be asked
}

func (r *reach) add(own, from Answer) {
	if own.State != Answered {
		return
	}
	r.pings = true
	switch from.State {
	case Answered:
		r.answered = true
	case Silent:
		r.silent = true
	case CouldNot:
		r.could = from.Why
	}
}

func (r *reach) known() bool { return r.answered || r.silent || r.could != "" }

// hopsAnswer: the next hops of the routes.
func hopsAnswer(s *Subject) []Finding {
	if !s.asked() {
		return nil
	}
	return s.routes(func(r config.Route) (found []Finding) {
		var silent []netip.Addr
		lives, may := false, false
		for _, hop := range r.Via {
			t, ok := s.hop(hop)
			answers, asked := s.Live.Answers[t]
			if !ok {
				continue // routeHopElsewhere, or its NIC has no link
			}
			if !asked { // there is too much to ask
				may = true
				continue
			}
			switch answers.verdict() {
			case alive:
				lives = true
				found = append(found, Finding{Severity: Good, About: s.route(r), What: fmt.Sprintf("next hop %s of %s %s", hop, r.Prefix, answers.answered(host.FamilyOf(hop)))})
			case unasked:
				may = true
				found = append(found, Finding{Unknown, s.route(r), fmt.Sprintf("next hop %s could not be asked: %s", hop, answers.obstacle()), "it is not known whether it lives", "ip route get " + hop.WithZone("").String()})
			case dumb:
				silent = append(silent, hop)
			}
		}
		severity, why := Warning, "the route does not use it, and has only the others"
		switch {
		case !lives && may:
			why = "the route does not use it, and it is not known whether the others live"
		case !lives:
			severity, why = Fault, "no next hop lives: whatever goes there is lost"
		}
		for _, hop := range silent {
			t, _ := s.hop(hop)
			found = append(found, Finding{severity, s.route(r), fmt.Sprintf("next hop %s of %s %s", hop, r.Prefix, s.Live.Answers[t].asking(host.FamilyOf(hop))), why, "look at that host, and at its cable"})
		}
		return found
	})
}

// hop is a next hop as it is asked: on the NIC in whose subnet it is.
func (s *Subject) hop(hop netip.Addr) (Target, bool) {
	for _, n := range s.Host.NICs {
		if config.IsLoopback(n.Name) || !n.Up || !n.Carrier || hop.Zone() != "" && hop.Zone() != n.Name {
			continue
		}
		for _, a := range n.Addrs {
			if host.Has(a.Prefix, hop) && a.Prefix.Addr() != hop.WithZone("") {
				return Target{NIC: n.Name, Addr: host.Zoned(hop, n.Name)}, true
			}
		}
	}
	return Target{}, false
}
