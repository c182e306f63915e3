package defender

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// Whether the alias has a standby is found out beside each decision, because the same
// facts change both: so a pair at rest pays nothing for it.

// appraiseEvery is how often at most it is found out for one alias.
const appraiseEvery = time.Second

// standby is what is known of whether another host would take the alias if its holder
// failed.
type standby struct {
	is      rules.Readiness
	since   time.Time // of it
	at      time.Time // when it was found out; zero: not yet
	watched time.Time // since when everything has been observed as it is now
	told    bool      // it was said that there is none,
	toldAt  time.Time // and when

	due agenda.Entry // when it is found out again because of time alone; nothing is decided then
}

// watch begins to observe anew: nothing is said before everything could have been heard.
func (s *standby) watch(now time.Time) {
	s.watched, s.at = now, time.Time{}
	if s.is.Ready != rules.Unknown || s.is.Reason != rules.NotYet {
		s.is, s.since = rules.Readiness{Reason: rules.NotYet}, now
	}
}

// appraise finds out whether the alias has a standby, and says so if that has changed.
func (l *loop) appraise(a *alias, f rules.Facts) {
	s := &a.standby
	switch again := s.at.Add(appraiseEvery); {
	case l.o.Deeds == OrderedDeeds || l.ending.begun() || a.cfg.Loopback():
		return
	case l.now.Before(again):
		l.agenda.Set(&s.due, again)
		return
	}
	is := rules.Ready(a.policy, a.state, f)
	l.agenda.Set(&s.due, is.Again)
	is.Again, s.at = time.Time{}, l.now
	if is != s.is {
		if s.is.Ready != is.Ready {
			s.since = l.now
		}
		if a.talk != nil {
			a.talk.urgent = true
		}
	}
	was := s.is
	s.is = is
	l.sayStandby(a, was)
}

// sayStandby records that the alias has no standby, or has one again. It does not repeat
// what the last decision says already.
func (l *loop) sayStandby(a *alias, was rules.Readiness) {
	s := &a.standby
	e := record.Event{Kind: record.StandbyNotReady, Level: s.is.Level(), Decision: record.Decision{
		Row: s.is.Row, Action: "not ready", Reason: s.is.Reason.String(), Why: a.explain(s.is.Reason, s.is.Text()),
	}}
	switch same := s.is.Reason == was.Reason && s.told; {
	case s.is.Ready == rules.Yes && s.told:
		s.told = false
		e.Kind, e.Text = record.StandbyReady, "this host is ready to take the alias again"
		if a.state.Holding {
			e.Text = "the partner is ready to take the alias again"
		}
		e.Decision.Action, e.Decision.Reason, e.Decision.Why = "ready", "ready", e.Text
		l.record(a, e)
		return
	case !s.is.Problem() || s.is.Row != "" && s.is.Row == a.decision.Row && s.is.Reason == a.decision.Reason:
		return
	case same && (e.Level == rules.Info || l.now.Sub(s.toldAt) < sayAgain):
		return
	case same:
		e.Kind = record.Lasts
	}
	s.told, s.toldAt = true, l.now
	if e.Text = "this host would not take the alias if its holder failed now: "; a.state.Holding && s.is.Row == "" {
		e.Text = "nobody would take the alias if this host failed now: "
	}
	if a.quotes(s.is.Reason) {
		e.Text += "the partner says: "
	}
	e.Text += e.Decision.Why
	l.record(a, e)
}

// explain is why an alias is not taken; it names what stands in the way.
func (a *alias) explain(r rules.Reason, text string) string {
	switch {
	case a.quotes(r):
		return inFull(a.says.Text, r)
	case a.state.Holding:
	case r == rules.GroupApart || r == rules.GroupSplit:
		return a.groupWhy(r)
	case r == rules.NoRouter && a.refused != "":
		return a.refused
	case r == rules.PartnerUnknown && a.noPartner != "":
		return a.noPartner
	case r == rules.OnOtherNIC && a.elsewhere != "":
		return a.elsewhere
	}
	return text
}

// quotes tells whether a reason is explained in the partner's own words, whose "this host"
// is the partner's.
func (a *alias) quotes(r rules.Reason) bool {
	return a.state.Holding && a.says.Text != "" && r == rules.ReasonFromWire(a.says.Why)
}

// inFull is what the partner said of a reason, of which the channel carries no more than
// so much: the reason's own text where that begins so, or a mark that more was said.
func inFull(said string, r rules.Reason) string {
	switch {
	case len(said) < peer.MaxText:
		return said
	case strings.HasPrefix(r.Text(), said):
		return r.Text()
	}
	return strings.TrimSpace(said) + "…"
}

// trouble is what is wrong with what the alias depends on, whatever is decided.
func (a *alias) trouble() string {
	switch {
	case a.elsewhere != "":
		return a.elsewhere
	case a.place.only != "":
		return a.place.only
	case a.noPartner != "":
		return a.noPartner
	case a.refused != "" && len(a.third) == 0:
		return a.refused
	}
	return ""
}

// conclusions are the facts that we conclude ourselves and tell the partner.
func (l *loop) conclusions(a *alias, f *rules.Facts) {
	f.Watched = a.standby.watched
	if a.router != nil && a.partner != nil && len(a.third) == 1 && !a.router.HW().IsZero() {
		f.RouterIs = rules.Of(a.router.HW() == a.partner.HW())
	}
	if !a.state.Holding {
		f.Ready = rules.Fact{Value: a.standby.is.Ready, Since: a.standby.since, Asked: l.now}
	}
	if t := a.talk; t != nil && t.mood != unheard {
		f.Hears = rules.Fact{Value: rules.Of(t.mood == speaking), Since: t.moodAt, Asked: l.now}
	}
}

// showStandby is what is known of the standby in the form that leaves the process.
func (a *alias) showStandby() *control.Standby {
	is := a.standby.is
	s := &control.Standby{Host: "us", Ready: is.Ready.String(), Since: a.standby.since.Round(0)}
	if a.state.Holding && is.Row == "" { // else it is about what we have lost
		s.Host = "partner"
	}
	if is.Ready != rules.Yes {
		s.Row, s.Reason, s.Why = is.Row, is.Reason.String(), a.explain(is.Reason, is.Text())
	}
	if is.Level() > rules.Info {
		s.Level = "warning"
	}
	if a.talk != nil {
		if s.HandOver = is.HandOver.String(); is.HandOver != rules.Yes {
			s.HandOverWhy = a.explain(is.Hindrance, is.Hindrance.Text())
		}
	}
	return s
}

// partnerOf is the partner's address: of several that its name has, the first that can be
// another host's. The error is why there is none. Without an address and an error the
// name was not looked up yet.
func (l *loop) partnerOf(a *alias) (netip.Addr, error) {
	all := []netip.Addr{a.cfg.Partner.Addr}
	var wrong error
	refused := false
	if !a.cfg.Partner.Addr.IsValid() {
		n := l.names[a.partnersName()]
		if all = n.addrs; len(all) == 0 && n.err != "" {
			return netip.Addr{}, fmt.Errorf("the partner's name %s does not resolve to an %s address: %s", a.cfg.Partner.Name, a.family(), n.err)
		}
		if len(all) > 0 {
			wrong = fmt.Errorf("the name has no %s address", a.family())
		}
	}
	for _, addr := range all {
		if host.FamilyOf(addr) != a.family() {
			continue
		}
		addr = host.Zoned(addr, a.cfg.NIC)
		err := l.notAHost(addr)
		if err == nil {
			return addr, nil
		}
		if !refused {
			wrong, refused = err, true
		}
	}
	if wrong != nil {
		wrong = fmt.Errorf("%s cannot be the partner: %w", a.cfg.Partner.Name, wrong)
	}
	return netip.Addr{}, wrong
}

// noThirdParty is why an address proves nothing about our own network: it is the alias,
// or one of the two hosts. Empty: it does prove something.
func (l *loop) noThirdParty(a *alias, addr, partner netip.Addr) string {
	switch {
	case l.aliases[host.Zoned(addr, a.cfg.NIC)] != nil:
		return "is an alias, which moves"
	case addr == partner:
		return "is the partner"
	case slices.Contains(l.cfg.Settings.Peer.Paths[a.cfg.Partner.Name], addr), !a.cfg.Partner.Addr.IsValid() && slices.Contains(l.names[a.partnersName()].addrs, addr):
		return "is the partner too"
	}
	return ""
}

// mostRouters is how many default routers of a NIC an alias asks.
const mostRouters = 4

// thirdParties are the routers and the witnesses that the alias is to ask. The default
// route of its NIC does for a router, unless it leads to one of the two hosts: config
// refuses the same where it is written down. In IPv6 several routers may advertise
// themselves (RFC 4861, 6.3.6), and hosts turn from one that dies to the next: the alias
// asks several.
func (l *loop) thirdParties(a *alias, partner netip.Addr) (routers, witnesses []netip.Addr) {
	refused := ""
	usable := func(addr netip.Addr, what string) bool {
		why := l.noThirdParty(a, addr, partner)
		if why != "" && refused == "" {
			refused = fmt.Sprintf("%s %s: set router or witnesses", fmt.Sprintf(what, addr), why)
		}
		return why == ""
	}
	if router := host.Zoned(a.cfg.Router, a.cfg.NIC); router.IsValid() {
		if usable(router, "the router %s") {
			routers = append(routers, router)
		}
	} else {
		for _, r := range l.net.state.Routes {
			gateway := host.Zoned(r.Gateway, r.NIC)
			switch {
			case r.NIC != a.cfg.NIC, !gateway.IsValid(), host.FamilyOf(gateway) != a.family(), slices.Contains(routers, gateway):
			case len(routers) == 0:
				if usable(gateway, "the gateway %s of "+r.NIC+"'s default route") {
					routers = append(routers, gateway)
				}
			case a.family() == host.IPv6 && len(routers) < mostRouters && l.noThirdParty(a, gateway, partner) == "":
				routers = append(routers, gateway)
			}
		}
	}
	for _, addr := range a.cfg.Witnesses {
		addr = host.Zoned(addr, a.cfg.NIC)
		if usable(addr, "the witness %s") {
			witnesses = append(witnesses, addr)
		}
	}
	if refused != a.refused && refused != "" {
		e, text := a.log(l, "not_third_party"), refused+"; its answer proves nothing about our own network"
		if len(routers)+len(witnesses) > 0 {
			e.Warn(text)
		} else {
			e.Error(text)
		}
	}
	a.refused = refused
	return routers, witnesses
}
