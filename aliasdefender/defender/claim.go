package defender

import (
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/rules"
)

// triesPerTimeout is how often in a timeout a claimant is asked until it answers: as
// often as an address in doubt.
const triesPerTimeout = 4

// claimant is a host that claims something that we hold. Anybody can send a frame in
// anybody's name. So the host that has the claimant's hardware address is asked whether
// it has the partner's address: by an ICMP echo in a frame to that hardware address,
// which no other host gets. A partner with two NICs on the segment answers too, so it is
// recognised although the alias is not on the NIC with its own address. A host that
// merely forwards does not answer.
type claimant struct {
	claimantKey
	users []*alias   // that it claims
	fact  rules.Fact // whether it has answered
	began time.Time  // when the round of questions began that is under way; zero: none is
	put   time.Time  // when the last one was put
	due   agenda.Entry
}

type claimantKey struct {
	side    host.Side
	hw      host.HW
	partner netip.Addr // that it is asked for
}

// heedClaim has the claimant asked, for as long as it claims the alias and we hold it. It
// tells the partner at once, which answers with its word.
func (l *loop) heedClaim(a *alias) {
	f, hw := a.alias.Fact(), a.alias.HW()
	if !a.state.Holding || f.Value != rules.Answered {
		a.claimed = time.Time{}
		l.tieClaimant(a, nil)
		return
	}
	if a.claimed != f.Since {
		if a.claimed = f.Since; a.talk != nil && !a.talk.urgent {
			l.wantWord(a)
		}
	}
	if hw.IsZero() || a.partner == nil || a.iface.wire == nil || l.o.Ask == nil {
		l.tieClaimant(a, nil)
		return
	}
	c := a.claimant
	if k := (claimantKey{a.side(), hw, a.partner.Addr}); c == nil || c.claimantKey != k {
		if c != nil && l.now.Sub(c.put) < a.cfg.Timeout/triesPerTimeout {
			return // the claimant changes from frame to frame: ask one after the other
		}
		if c = l.net.claimants[k]; c == nil {
			c = &claimant{claimantKey: k}
			c.due.Do = func() { l.goOnAsking(c) }
			l.net.claimants[k] = c
		}
		l.tieClaimant(a, c)
	}
	if c.began.IsZero() && c.fact.Asked.Before(f.Since) {
		l.askClaimant(c)
	}
}

// wantWord tells the partner at once that we see a claim; the partner answers with its
// word. After a partition both kernels may be searching for each other only once a
// second, and keep our packets until then. One question by a frame tells both where the other
// is.
func (l *loop) wantWord(a *alias) {
	a.talk.urgent = true
	if p := a.partner; p.NIC == a.cfg.NIC && a.iface.wire != nil {
		if from := l.asks.Source(p.NIC, p.Addr); from.IsValid() {
			l.frames++
			_ = a.iface.wire.Ask(p.Addr, from, host.HW{})
		}
	}
}

// tieClaimant notes who claims the alias, and forgets a claimant that no longer claims
// anything.
func (l *loop) tieClaimant(a *alias, c *claimant) {
	was := a.claimant
	if was == c {
		return
	}
	if a.claimant = c; c != nil {
		c.users = append(c.users, a)
	}
	if was != nil {
		was.users = slices.DeleteFunc(was.users, func(x *alias) bool { return x == a })
		l.tidyClaimant(was)
	}
}

func (l *loop) tidyClaimant(c *claimant) {
	if len(c.users) == 0 {
		l.agenda.Set(&c.due, time.Time{})
		delete(l.net.claimants, c.claimantKey)
	}
}

// askClaimant begins to ask.
func (l *loop) askClaimant(c *claimant) {
	c.began = l.now
	if p := c.users[0].partner; p != nil && !p.Pings() {
		l.asks.AskByARP(l.now, p) // for a partner that answers ARP only
	}
	l.tryClaimant(c)
}

// goOnAsking is called when an answer should have come.
func (l *loop) goOnAsking(c *claimant) {
	c.users = slices.DeleteFunc(c.users, func(a *alias) bool { return a.gone })
	if len(c.users) == 0 {
		l.tidyClaimant(c)
		return
	}
	a := c.users[0]
	switch {
	case c.began.IsZero():
		l.askClaimant(c) // does it still claim?
	case a.partner != nil && a.partner.Addr == c.partner && a.partner.OnlyARP(c.hw, c.began):
		l.fileClaimant(c, rules.Answered, c.began)
	case l.now.Before(c.began.Add(a.policy.Doubt())):
		l.tryClaimant(c)
	case c.put.Before(c.began) && a.partner != nil && a.partner.Addr == c.partner && a.partner.Replied(c.hw, c.began):
		l.fileClaimant(c, rules.Answered, c.began) // no ping could be put in the whole doubt: this is the best proof there is
	case c.put.Before(c.began): // nothing could be sent
		c.began = time.Time{}
		l.agenda.Set(&c.due, l.now.Add(a.cfg.Timeout))
	case l.unheard(c, a):
		l.fileClaimant(c, rules.Unknown, c.put)
		l.agenda.Set(&c.due, l.now.Add(a.cfg.Timeout))
	default:
		l.fileClaimant(c, rules.Silent, c.put)
	}
}

// unheard tells whether the claimant may have answered without our hearing it: then it is
// unknown whose the claim is.
func (l *loop) unheard(c *claimant, a *alias) bool {
	byARP := a.partner != nil && a.partner.Addr == c.partner && !a.partner.Pings()
	return l.asks.Missed(detect.ICMP, host.Side{}, c.began, a.cfg.Timeout) || byARP && l.asks.Missed(detect.ARP, c.side, c.began, a.cfg.Timeout)
}

// tryClaimant puts one question.
func (l *loop) tryClaimant(c *claimant) {
	a, put := c.users[0], l.now
	l.agenda.Set(&c.due, l.now.Add(a.cfg.Timeout/triesPerTimeout))
	wire, from := a.iface.wire, l.asks.Source(c.side.NIC, c.partner)
	if wire == nil || !from.IsValid() {
		return
	}
	l.frames++
	q := probe.Question{Target: c.partner, Source: from, Timeout: a.cfg.Timeout, Send: func(icmp []byte) error {
		return wire.Echo(c.partner, from, c.hw, icmp)
	}}
	err := l.o.Ask(q, func(_ time.Time, err error) {
		if err == nil {
			l.d.post(func(l *loop) { l.claimantAnswered(c, put) })
		}
	})
	if err == nil {
		c.put = put
	} else if p := a.partner; p != nil && p.Addr == c.partner {
		l.asks.AskByARP(l.now, p)
	}
}

// claimantAnswered takes in that a claimant has answered the question put at that time.
func (l *loop) claimantAnswered(c *claimant, put time.Time) {
	if l.net.claimants[c.claimantKey] != c || put.Before(c.fact.Asked) {
		return
	}
	if p := c.users[0].partner; p != nil && p.Addr == c.partner {
		p.HasPinged()
	}
	l.fileClaimant(c, rules.Answered, put)
}

// fileClaimant files what is known of a claimant, and has it asked again in its rhythm.
func (l *loop) fileClaimant(c *claimant, v rules.Value, asked time.Time) {
	c.fact.Set(v, asked, l.now)
	c.began = time.Time{}
	every := c.users[0].cfg.Interval
	for _, a := range c.users {
		every = min(every, a.cfg.Interval)
		l.mark(a)
	}
	l.agenda.Set(&c.due, l.now.Add(every))
}

// nearPartner is what there is to say instead of a reason that calls the claimant foreign,
// where the claim has the partner's hardware address: the partner's host may well send it,
// for lo there has the alias, say. Empty: the reason says it.
func (l *loop) nearPartner(a *alias, r rules.Reason) string {
	then := ""
	switch by, _ := a.whose(); {
	case by != rules.Yes || !a.state.Holding:
		return ""
	case r == rules.ForeignDefended:
		then = "; we announce it in answer"
	case r == rules.ForeignClaims:
		then = "; we announce it at most once in ten seconds"
	default:
		return ""
	}
	text := "the alias that we hold is claimed with the partner's hardware address"
	said := a.talk != nil && !a.peer.Said.IsZero() && l.now.Sub(a.peer.Said) < a.policy.ChannelSilent()
	switch {
	case said && a.peer.Word.Why == rules.OnOtherNIC:
		text += ", and " + a.partnerSays() + ": take it off there"
	case said:
		text += ", and " + a.partnerSays() + ": some other program has put it on that host, or answers " + hears[a.family()] + " for others, or the claim is forged"
	default:
		text += ", and the claimant does not answer to the partner's address as the partner would: its host has the alias by some other way, or the claim is forged"
	}
	return text + then
}

// keeper is the hardware address of the partner that keeps the alias, as its word or
// its answer tell; zero if neither does.
func (l *loop) keeper(a *alias) host.HW {
	hw := host.HW(a.says.HW)
	said := a.talk != nil && a.peer.Word.Standing == rules.SaysHolding && l.now.Sub(a.peer.Said) < a.policy.ChannelSilent()
	if said && !hw.IsZero() {
		return hw
	}
	if c := a.claimant; c != nil && c.fact.Value == rules.Answered {
		return c.hw
	}
	return host.HW{}
}

// findPings finds out whether a partner that is heard answers pings, before it matters.
// Of one that does, ARP alone no longer counts as an answer: anybody can send it.
func (l *loop) findPings(t *detect.Target) {
	if l.o.Ask == nil || t.Fact().Value != rules.Answered || !t.FindPings(l.now) {
		return
	}
	q := probe.Question{Target: t.Addr, Source: l.asks.Source(t.NIC, t.Addr), Timeout: t.Timeout}
	_ = l.o.Ask(q, func(_ time.Time, err error) {
		if err == nil {
			l.d.post(func(*loop) { t.HasPinged() })
		}
	})
}
