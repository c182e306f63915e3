package metrics

import (
	"maps"
	"slices"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// groups is a row for each group, with the aliases that are its members.
func groups(of func(p *page, in string, members []*control.Alias)) func(*page) {
	return func(p *page) {
		members := map[string][]*control.Alias{}
		for i := range p.Aliases {
			if g := p.Aliases[i].Group; g != nil {
				members[g.Name] = append(members[g.Name], &p.Aliases[i])
			}
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			of(p, labels("group", name), members[name])
		}
	}
}

var ofGroups = []Family{
	{"aliasdefender_group_here", Gauge, "group", "1: this host has, or could have, every member of the group. 0: it could not, or that is not known.",
		groups(func(p *page, in string, all []*control.Alias) { p.yes(in, all[0].Group.Here == rules.Yes.String()) })},
	{"aliasdefender_group_partner", Gauge, "group", "1: the partner has, or could have, every member of the group. 0: it could not, or that is not known.",
		groups(func(p *page, in string, all []*control.Alias) { p.yes(in, all[0].Group.Partner == rules.Yes.String()) })},
	{"aliasdefender_group_members", Gauge, "group", "How many aliases the group has.",
		groups(func(p *page, in string, all []*control.Alias) { p.number(in, uint64(len(all))) })},
	{"aliasdefender_group_held", Gauge, "group", "How many of them this host has: all or none while all is well.",
		groups(func(p *page, in string, all []*control.Alias) {
			held := uint64(0)
			for _, a := range all {
				if a.Holder == "us" {
					held++
				}
			}
			p.number(in, held)
		})},
}

// recovering is a row for each alias that has a recovery.
func recovering(is func(r *control.Recovery) bool) func(*page) {
	return some(func(a *control.Alias) (yes, known bool) {
		return a.Recovery != nil && is(a.Recovery), a.Recovery != nil
	})
}

var ofRecoveries = []Family{
	{"aliasdefender_recovery_open", Gauge, ofAnAlias, "1: a recovery of the partner's service behind the alias is under way.",
		recovering(func(r *control.Recovery) bool { return r.Step != "idle" })},
	{"aliasdefender_recovery_problem", Gauge, ofAnAlias, "1: a recovery has not helped, or none begins although the partner's service is failing: somebody must look at it.",
		recovering(func(r *control.Recovery) bool { return r.Level != "" })},
	{"aliasdefender_partner_fenced", Gauge, ofAnAlias, "1: a recovery has fenced the partner, and it has not been back since.",
		recovering(func(r *control.Recovery) bool { return !r.Fenced.IsZero() })},
	{"aliasdefender_recoveries_total", Counter, "alias nic outcome", "Recoveries by their outcome: helped, broken off, or failed, also because none could begin. Only where one is set.",
		func(p *page) {
			for i, c := range p.counted {
				if p.Aliases[i].Recovery == nil {
					continue
				}
				for j, outcome := range recoveryOutcomes {
					p.number(p.aliases[i]+`,`+labels("outcome", outcome), c.recoveries[j])
				}
			}
		}},
}
