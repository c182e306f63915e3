package defender

import (
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// facts are the facts that the rules decide by.
func (l *loop) facts(a *alias) rules.Facts {
	f := l.ownFacts(a)
	l.tellGroup(a, &f)
	return f
}

// ownFacts are those without what is known of the alias's group.
func (l *loop) ownFacts(a *alias) rules.Facts {
	f := rules.Facts{
		Now: l.now,
		NIC: a.nic, Carrier: a.carrier, Own: a.own, Kernel: a.kernel, Behind: a.behind, Elsewhere: a.onOther,
		ParkedKnown: l.memory.ask(a.id(), l.now),
		Alias:       a.alias.Fact(),
		RouterKnown: len(a.third) > 0,
		Router:      a.thirdFact(),
	}
	if a.state.Holding && a.alias != nil {
		f.AliasEvery = a.alias.Every(l.now)
	}
	if c := a.claimant; c != nil && c.hw == a.alias.HW() {
		f.Claimant = c.fact
	}
	if a.partner != nil {
		f.Partner = a.partner.Fact()
	}
	if a.talk != nil {
		f.Peer = a.peer
		f.Peer.Heard = l.lastHeard(a.talk)
	} else {
		f.Peer.Well = a.peer.Well // its name may have no address for a moment
	}
	f.ByPartner, f.WeAreLow = a.whose()
	l.conclusions(a, &f)
	for _, r := range rules.FactRows() {
		if Observable(r.ID) {
			*r.Of(&f) = a.sourced[r.ID]
		}
	}
	return f
}

// whose tells whether the host that answers for the alias is the partner, and
// whether our hardware address is lower than that host's.
func (a *alias) whose() (partner, weAreLow rules.Value) {
	hw := a.alias.HW()
	if hw.IsZero() {
		return rules.Unknown, rules.Unknown
	}
	if a.partner != nil && !a.partner.HW().IsZero() {
		partner = rules.Of(a.partner.HW() == hw)
	}
	if a.talk != nil && hw == host.HW(a.says.HW) { // the partner's NIC for the alias may not be the one with its own address
		partner = rules.Yes
	}
	if a.iface.wire != nil {
		weAreLow = rules.Of(a.iface.wire.HW().Less(hw))
	}
	return partner, weAreLow
}

// thirdFact is what router and witnesses say together: yes if one answered, no if all are
// silent.
func (a *alias) thirdFact() rules.Fact {
	var f rules.Fact
	for i, t := range a.third {
		o := t.Fact()
		switch {
		case i == 0:
			f = o
		case o.Value == rules.Answered && f.Value == rules.Answered:
			// Together they have answered without a break for as long as the longer of
			// the two.
			if f.Asked.Before(o.Asked) {
				f.Asked = o.Asked
			}
			if o.Since.Before(f.Since) {
				f.Since = o.Since
			}
		case o.Value == rules.Answered:
			f = o
		case f.Value == rules.Answered || f.Value == rules.Unknown:
		case o.Value == rules.Unknown:
			f = o
		case o.Since.After(f.Since):
			f = o
		}
	}
	return f
}
