package metrics

import (
	"maps"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// The labels that many families share.
const (
	ofAnAlias = "alias nic"
	ofAFact   = "alias nic fact"
)

// Families are all names, in the order of the page.
func Families() []Family { return families }

// families is filled by init because its rows write pages, which list them.
var families []Family

func init() {
	families = slices.Concat(ofMonitor, ofAliases, ofGroups, ofRecoveries, ofEvents, ofDrills, ofChannel, ofServices, ofRoutes, ofLoop)
}

var ofMonitor = []Family{
	{"aliasdefender_build_info", Gauge, "version go", "Always 1: the version of the program, and the one of Go that it was built with.",
		func(p *page) { p.number(labels("version", p.Version, "go", p.Go), 1) }},
	{"aliasdefender_start_time_seconds", Gauge, "", "When the Monitor started, in seconds since 1970.",
		func(p *page) { p.at("", p.Started) }},
	{"aliasdefender_configuration_stale", Gauge, "", "1: the last reload was refused, so the files in force are older than those on disk.",
		func(p *page) { p.yes("", p.Stale) }},
	{"aliasdefender_observing", Gauge, "", "1: this Monitor only observes, and moves nothing.",
		func(p *page) { p.yes("", p.Observing) }},
	{"aliasdefender_maintenance", Gauge, "", "1: this host is in maintenance and stays out of all aliases.",
		func(p *page) { p.yes("", p.Maintenance) }},
	{"aliasdefender_problems", Gauge, "", "How many problems the Monitor as a whole has; Status names them.",
		func(p *page) { p.number("", uint64(len(p.Problems))) }},
}

// each is a row for each alias.
func each(is func(a *control.Alias) bool) func(*page) {
	return func(p *page) {
		for i := range p.Aliases {
			p.yes(p.aliases[i], is(&p.Aliases[i]))
		}
	}
}

// some is a row for each alias of which it can be told.
func some(is func(a *control.Alias) (yes, known bool)) func(*page) {
	return func(p *page) {
		for i := range p.Aliases {
			if yes, known := is(&p.Aliases[i]); known {
				p.yes(p.aliases[i], yes)
			}
		}
	}
}

var ofAliases = []Family{
	{"aliasdefender_held", Gauge, ofAnAlias, "1: this host has the alias.",
		each(func(a *control.Alias) bool { return a.Holder == "us" })},
	{"aliasdefender_expected_holder", Gauge, ofAnAlias, "1: the alias belongs here while all is well: this host is its primary, or many hosts have it at once, and no operator has parked it here.",
		each(func(a *control.Alias) bool { return a.Role != "secondary" && !a.Parked })},
	{"aliasdefender_primary", Gauge, ofAnAlias, "1: the row of the alias says that this host is its primary.",
		each(func(a *control.Alias) bool { return a.Role == "primary" })},
	{"aliasdefender_shared", Gauge, ofAnAlias, "1: the alias is on a loopback interface, on many hosts at once.",
		each(func(a *control.Alias) bool { return a.Role == "shared" })},
	{"aliasdefender_parked", Gauge, ofAnAlias, "1: an operator took the alias off this host.",
		each(func(a *control.Alias) bool { return a.Parked })},
	{"aliasdefender_problem", Gauge, ofAnAlias, "1: somebody must look at the alias: Status shows a warning, an error or an alarm.",
		each(func(a *control.Alias) bool { return a.Level != "" })},
	{"aliasdefender_alarm", Gauge, ofAnAlias, "1: the alias has an alarm, which does not end by itself.",
		each(func(a *control.Alias) bool { return a.Level == "alarm" })},
	{"aliasdefender_standby_ready", Gauge, ofAnAlias, "1: the host that does not have the alias would take it if its holder failed now. 0: it would not, or nobody knows.",
		some(func(a *control.Alias) (yes, known bool) {
			return a.Standby != nil && a.Standby.Ready == "yes", a.Standby != nil
		})},
	{"aliasdefender_standby_problem", Gauge, ofAnAlias, "1: nobody would take the alias, or that cannot be told any more, and somebody must look at it.",
		some(func(a *control.Alias) (yes, known bool) { return a.Standby.Problem(), a.Standby != nil })},
	{"aliasdefender_hand_over_ready", Gauge, ofAnAlias, "1: a planned hand-over would work now. Only where there is a channel.",
		some(func(a *control.Alias) (yes, known bool) {
			return a.Standby != nil && a.Standby.HandOver == "yes", a.Standby != nil && a.Standby.HandOver != ""
		})},
	{"aliasdefender_hand_over_open", Gauge, ofAnAlias, "1: a hand-over of the alias is under way.",
		each(func(a *control.Alias) bool { return a.Handover != "" })},
	{"aliasdefender_pair_misfit", Gauge, ofAnAlias, "1: something in the two hosts' files about the alias cannot be meant so.",
		each(func(a *control.Alias) bool { return len(a.Pair) > 0 })},
	{"aliasdefender_rival", Gauge, ofAnAlias, "1: this host has the alias, and another host answers for it too.",
		each(func(a *control.Alias) bool {
			return a.Holder == "us" && valueOf(a, rules.FactAlias.String()) == rules.Yes.Answer()
		})},
	{"aliasdefender_link_good", Gauge, ofAnAlias, "1: the NIC is up, with carrier, and has an address of its own.",
		each(linkGood)},
	{"aliasdefender_partner_heard", Gauge, ofAnAlias, "1: the partner's daemon is heard on the channel. Only where there is one.",
		some(func(a *control.Alias) (yes, known bool) {
			return a.Says != nil && a.Says.Daemon == "heard", a.Says != nil
		})},
	{"aliasdefender_fact", Gauge, ofAFact, "1: the fact is yes, answered or good. A fact that does not matter now has no row.",
		facts(func(v string) bool {
			return v == rules.Yes.String() || v == rules.Yes.Answer() || v == rules.Yes.Health()
		})},
	{"aliasdefender_fact_unknown", Gauge, ofAFact, "1: the fact is unknown, which moves nothing.",
		facts(func(v string) bool { return v == rules.Unknown.String() })},
	{"aliasdefender_fact_age_seconds", Gauge, ofAFact, "How long ago this was asked last.",
		func(p *page) {
			for i := range p.Aliases {
				for _, f := range p.Aliases[i].Facts {
					if !f.Asked.IsZero() {
						p.seconds(p.aliases[i]+`,`+labels("fact", f.Name), max(p.Now.Sub(f.Asked), 0))
					}
				}
			}
		}},
}

// facts is a row for each fact of each alias.
func facts(is func(value string) bool) func(*page) {
	return func(p *page) {
		for i := range p.Aliases {
			for _, f := range p.Aliases[i].Facts {
				p.yes(p.aliases[i]+`,`+labels("fact", f.Name), is(f.Value))
			}
		}
	}
}

// valueOf is the value of a fact of an alias; empty: it is not shown.
func valueOf(a *control.Alias, name string) string {
	for _, f := range a.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// linkGood tells whether all facts of the link are good.
func linkGood(a *control.Alias) bool {
	for _, f := range a.Facts {
		if r, known := rules.FactNamed(f.Name); known && r.Link && f.Value != r.Spell(rules.Yes) {
			return false
		}
	}
	return true
}

// counted is a row for each alias, of its events.
func counted(of func(c ofAlias) uint64) func(*page) {
	return func(p *page) {
		for i, c := range p.counted {
			p.number(p.aliases[i], of(c))
		}
	}
}

var ofEvents = []Family{
	{"aliasdefender_takes_total", Counter, ofAnAlias, "How often this host took the alias.",
		counted(func(c ofAlias) uint64 { return c.takes })},
	{"aliasdefender_releases_total", Counter, ofAnAlias, "How often the alias left this host.",
		counted(func(c ofAlias) uint64 { return c.releases })},
	{"aliasdefender_last_transition_timestamp_seconds", Gauge, ofAnAlias, "When the alias last came to this host or left it, in seconds since 1970. No row if it has not since the start.",
		func(p *page) {
			for i, c := range p.counted {
				p.at(p.aliases[i], c.moved)
			}
		}},
	{"aliasdefender_hand_overs_total", Counter, "alias nic outcome", "Hand-overs by their outcome: given to the partner, taken from it, or failed, so that the alias stayed where it was.",
		func(p *page) {
			for i, c := range p.counted {
				for j, outcome := range outcomes {
					p.number(p.aliases[i]+`,`+labels("outcome", outcome), c.handOvers[j])
				}
			}
		}},
	{"aliasdefender_rival_decisions_total", Counter, ofAnAlias, "Decisions because another host claims the alias that this host has.",
		counted(func(c ofAlias) uint64 { return c.rivals })},
	{"aliasdefender_announcements_total", Counter, ofAnAlias, "How often this host said on the wire that it has the alias.",
		func(p *page) {
			for i := range p.Aliases {
				p.number(p.aliases[i], p.Aliases[i].Announcements)
			}
		}},
	{"aliasdefender_decisions_total", Counter, "row", "Decisions about all aliases and routes, by the row of the table that decided.",
		func(p *page) {
			for _, row := range rowNames {
				p.number(labels("row", row), p.events.rows[row])
			}
		}},
	{"aliasdefender_failures_total", Counter, "", "How often something could not be done.",
		func(p *page) { p.number("", p.events.failures) }},
	{"aliasdefender_hooks_total", Counter, "hook result", "What became of the administrator's programs: ran, failed or skipped.",
		func(p *page) {
			for _, k := range slices.SortedFunc(maps.Keys(p.events.hooks), func(a, b hookResult) int {
				return strings.Compare(a.hook+" "+a.result, b.hook+" "+b.result)
			}) {
				p.number(labels("hook", k.hook, "result", k.result), p.events.hooks[k])
			}
		}},
	{"aliasdefender_event_log_dropped_total", Counter, "", "Events that are missing in the event log because the disk did not take them in time.",
		func(p *page) { p.number("", p.Dropped) }},
}

// lastDrill is what to write of the last drill.
func lastDrill(of func(p *page, d *control.Drill)) func(*page) {
	return func(p *page) {
		if p.Drill != nil {
			of(p, p.Drill)
		}
	}
}

var ofDrills = []Family{
	{"aliasdefender_drills_total", Counter, "outcome", "Drills of this host by their outcome: good, gap, unmeasured, failed or refused.",
		func(p *page) {
			for _, outcome := range control.DrillOutcomes {
				if n, counted := p.Counts.Drills[outcome]; counted {
					p.number(labels("outcome", outcome), n)
				}
			}
		}},
	{"aliasdefender_drill_last_timestamp_seconds", Gauge, "", "When the last drill of this host began, in seconds since 1970. No row if there was none since the start.",
		lastDrill(func(p *page, d *control.Drill) { p.at("", d.At) })},
	{"aliasdefender_drill_last_good", Gauge, "", "1: in the last drill the alias went and came back, and no host that measured saw a gap of more than 100 ms.",
		lastDrill(func(p *page, d *control.Drill) { p.yes("", d.Outcome == control.DrillGood) })},
	{"aliasdefender_drill_last_gap_seconds", Gauge, "alias host", "The longest gap that this host (us) or the partner saw in the last drill. No row of a host that did not measure.",
		lastDrill(func(p *page, d *control.Drill) {
			for _, one := range d.Aliases {
				for _, host := range []struct {
					name string
					saw  *control.Measure
				}{{"us", one.Us}, {"partner", one.Partner}} {
					if host.saw != nil {
						p.seconds(labels("alias", one.Alias, "host", host.name), time.Duration(host.saw.GapMS*float64(time.Millisecond)))
					}
				}
			}
		})},
}

// rowNames are the rows that may decide, in the order of the tables.
var rowNames = func() (all []string) {
	add := func(id string) {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	for _, r := range slices.Concat(rules.Rows(), rules.LoopbackRows()) {
		add(r.ID)
	}
	for _, r := range rules.RouteRows() {
		add(r.ID)
	}
	return all
}()

// partners is what to write of each partner of the channel.
func partners(of func(p *page, one control.ChannelPartner)) func(*page) {
	return func(p *page) {
		if p.Channel == nil {
			return
		}
		for _, one := range p.Channel.Partners {
			of(p, one)
		}
	}
}

var ofChannel = []Family{
	{"aliasdefender_channel_last_heard_timestamp_seconds", Gauge, "partner path", "When something came by this path of the channel last, in seconds since 1970. No row if nothing has.",
		partners(func(p *page, one control.ChannelPartner) {
			for _, path := range one.Paths {
				p.at(labels("partner", one.Partner, "path", path.Addr), path.Heard)
			}
		})},
	{"aliasdefender_channel_dropped_total", Counter, "partner kind", "Packets in the partner's name that were dropped, by why they were.",
		partners(func(p *page, one control.ChannelPartner) {
			for _, kind := range slices.Sorted(maps.Keys(one.Dropped)) {
				p.number(labels("partner", one.Partner, "kind", kind), one.Dropped[kind])
			}
		})},
	{"aliasdefender_channel_foreign_total", Counter, "", "Packets on the channel's port that came from no partner.",
		func(p *page) {
			if p.Channel != nil {
				p.number("", p.Channel.Foreign)
			}
		}},
	{"aliasdefender_channel_refused_total", Counter, "", "Packets on the channel's port that the system dropped for us.",
		func(p *page) {
			if p.Channel != nil {
				p.number("", p.Channel.Refused)
			}
		}},
}

// checks is a row for each check.
func checks(of func(p *page, in string, c control.Check)) func(*page) {
	return func(p *page) {
		for _, c := range p.Checks {
			of(p, labels("check", c.Name, "kind", c.Kind), c)
		}
	}
}

var ofServices = []Family{
	{"aliasdefender_check_good", Gauge, "check kind", "1: the check of a service is good.",
		checks(func(p *page, in string, c control.Check) { p.yes(in, c.State == "good") })},
	{"aliasdefender_check_failing", Gauge, "check kind", "1: the check of a service is failing. Neither this nor good: it is unknown, or not asked.",
		checks(func(p *page, in string, c control.Check) { p.yes(in, c.State == "failing") })},
	{"aliasdefender_check_late_total", Counter, "check kind", "Questions of the check that could not be put in their turn.",
		checks(func(p *page, in string, c control.Check) { p.number(in, c.Late) })},
}

var ofLoop = []Family{
	{"aliasdefender_probes_sent_total", Counter, "address nic", "Questions to an address by ARP, neighbour discovery or ICMP.",
		func(p *page) {
			for _, t := range p.Counts.Probes {
				p.number(labels("address", t.Addr, "nic", t.NIC), t.Sent)
			}
		}},
	{"aliasdefender_probes_lost_total", Counter, "address nic", "Questions to an address in vain. None are counted of an alias that this host has, which nobody else should answer.",
		func(p *page) {
			for _, t := range p.Counts.Probes {
				p.number(labels("address", t.Addr, "nic", t.NIC), t.Lost)
			}
		}},
	{"aliasdefender_round_trip_seconds", Histogram, "medium", "From a question to its answer: by icmp, or by arp, which is also neighbour discovery. By arp counted from the last question before the answer.",
		func(p *page) {
			for _, m := range slices.Sorted(maps.Keys(p.Counts.Trips)) {
				p.histogram(labels("medium", m), p.Counts.Trips[m])
			}
		}},
	{"aliasdefender_loop_lag_seconds", Histogram, "", "By how much the loop, which decides everything, woke later than it meant to.",
		func(p *page) { p.histogram("", p.Counts.Lag) }},
}
