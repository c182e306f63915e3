package defender

import (
	"net/netip"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// alias is one alias: what it depends on, what is known, what was done.
type alias struct {
	cfg    config.Alias
	policy rules.Policy
	state  rules.State
	iface  *nic
	targets
	readings
	verdict
	errand errand
	pairing
	seating
	standby standby
	order   *order // of an operator, under way; nil: none

	due   agenda.Entry // the next decision that time alone calls for
	dirty bool         // a fact changed: it is among those to decide

	announced time.Time // when we last said on the wire that it is here

	announcements uint64 // how often, since the start

	known  bool          // a question from the alias by a frame was answered
	next   *config.Alias // what the row becomes once this one is released
	wanted bool          // an order has brought it here, or found it here
	gone   bool          // the loop no longer owns it
}

// targets are the addresses that the alias depends on, as they are asked.
type targets struct {
	alias     *detect.Target   // nil: it is not asked yet
	partner   *detect.Target   // nil: its name is not resolved
	router    *detect.Target   // the best one; nil: none known
	third     []*detect.Target // the routers, the best one first, and the witnesses
	noPartner string           // why the file's Partner cannot be asked, said once
	unspoken  bool             // the channel does not speak the partner's family, which was said
	verified  rules.Value      // whether the router answered the alias after the last take here
	refused   string           // a router or witness that cannot be one, said once
	claimant  *claimant        // who claims it while we hold it; nil: nobody, or nobody that can be asked
	claimed   time.Time        // since when
}

// readings are what this host says of the alias and its NIC, by the last reading
// and by sources.
type readings struct {
	nic, carrier, own, kernel rules.Fact
	behind                    rules.Fact                  // an own address of its subnet stands behind it
	onOther                   rules.Fact                  // another NIC of this host has it
	sourced                   [rules.FactCount]rules.Fact // what sources observed
	sourcedWhy                [rules.FactCount]string     // and what they say about it
	toldHolds                 bool                        // sources were told that the alias is here
	sight                     rules.Sight                 // what a Seer was told last
	sightTold                 bool                        // and it need not be told again if that has not changed
	sightDue                  agenda.Entry                // when time alone may change what it is told

	here      bool          // its NIC has it
	ours      bool          // and we put it there
	leased    time.Duration // how long it stays there by itself; 0: for ever
	other     string        // another NIC of this host that has it
	elsewhere string        // what there is to say of that, said once
	place     place         // among the NIC's addresses
}

// verdict is the last decision; announcements of the schedule do not count.
type verdict struct {
	decision rules.Decision
	since    time.Time // of it
	said     time.Time // when it was last logged
}

// id is what the alias is known by: its address. A link-local address may be an alias on
// two NICs (RFC 4007); its id has the NIC too, as the zone.
func (a *alias) id() netip.Addr { return host.Zoned(a.cfg.Addr, a.cfg.NIC) }

// family is that of the alias, and so of its partner, its router and its witnesses.
func (a *alias) family() host.Family { return host.FamilyOf(a.cfg.Addr) }

// side is the half of the NIC that the alias is on.
func (a *alias) side() host.Side { return host.Side{NIC: a.cfg.NIC, Family: a.family()} }

func (l *loop) newAlias(c config.Alias) *alias {
	a := &alias{}
	a.due.Do = func() { l.mark(a) }
	a.standby.watch(l.now)
	a.standby.due.Do = func() {
		l.appraise(a, l.facts(a))
		l.tellSight(a)
	}
	a.sightDue.Do = func() { l.tellSight(a) }
	a.set(c)
	a.policy.Checked = a.policy.Checked && l.o.Deeds != OrderedDeeds // nobody asks checks without a Monitor
	l.mark(a)
	return a
}

// mark has the alias decided in this turn: something of it has changed, or of its group.
func (l *loop) mark(a *alias) {
	a.madeAt = time.Time{}
	if !a.dirty {
		a.dirty = true
		l.marked = append(l.marked, a)
	}
}

// set puts settings in force that need no change on the host.
func (a *alias) set(c config.Alias) {
	was := a.policy
	a.cfg, a.sightTold = c, false
	a.policy = PolicyOf(c, was.Channel)
	a.policy.Place, a.policy.ReleaseSplit = was.Place, was.ReleaseSplit
}

// PolicyOf makes the rules' policy of a row of the file and its settings. channel tells
// whether the partners have a key.
func PolicyOf(c config.Alias, channel bool) rules.Policy {
	return rules.Policy{
		Primary: c.Primary, Channel: channel,
		Interval: c.Interval, Timeout: c.Timeout, Misses: c.Misses,
		MaxTakes: c.MaxTakes,
		Failback: c.Failback, FailbackAfter: c.FailbackAfter,
		ReleaseIsolated: c.OnIsolation == config.IsolationRelease, IsolatedAfter: c.IsolatedAfter,
		Lease: c.Lease, ReleaseFailing: c.OnServiceFailure == config.ServiceRelease,
		Loopback: c.Loopback(), Checked: len(c.Checks) > 0,
	}
}

// settled tells whether the alias stays as it is until a fact changes its value: another
// host serves it, or we hold it and there is no rival.
func (a *alias) settled() bool {
	switch {
	case a.dirty || a.order != nil:
		return false
	case a.state.Holding:
		return a.decision.Reason == rules.Held && a.alias.Fact().Value == rules.Silent
	case a.decision.Reason != rules.Served:
		return false
	}
	f := a.alias.Fact()
	return f.Value == rules.Answered && f.Miss.IsZero()
}

// awaitsItself tells whether a newer proof of t, another address, brings nothing: no row takes
// an alias of which nothing is known, or one that is doubted again while the partner lives.
// An order or a hand-over may wait for just that proof, of the router. When a thousand aliases
// start, each of them is asked for by the partner too: every one of these frames proves that
// the partner lives, to all thousand. What we say to the partner of such an alias may be a
// heartbeat late.
func (a *alias) awaitsItself(t *detect.Target) bool {
	switch {
	case a.state.Holding, a.order != nil, a.state.Handover.Side != rules.NoSide:
		return false
	case a.decision.Reason == rules.DoubtedTwice:
		return t != a.partner || t.Fact().Value == rules.Answered
	}
	return a.alias.Fact().Value == rules.Unknown
}

// stands is how this host stands to the alias: that decides what is asked about it.
func (l *loop) stands(a *alias) detect.Here {
	h := detect.Here{Holding: a.state.Holding, Working: a.errand.stage == working, Kernel: a.kernel.Value}
	if a.talk != nil {
		h.Quiet, h.PartnerHW = a.talk.mood == fellQuiet, host.HW(a.says.HW)
		h.Disowned = !h.Holding && a.disowned && a.peer.Counts(a.policy, l.now)
	}
	return h
}

// decide puts the facts before the rules and has the answer carried out.
func (l *loop) decide(a *alias) {
	a.dirty = false
	if a.nic.Asked.IsZero() && l.net.readErr == "" || a.untied() || a.gone {
		return // the host was not read yet, or not since the row was added: nothing is known
	}
	if due(a.errand.failure.retry, l.now) {
		a.errand.failure.retry = time.Time{}
	}
	l.heedClaim(a)
	f := l.decisive(a)
	if follow := a.state.Saw(a.policy, f); follow != (rules.Follow{}) {
		l.then(a, follow)
	}
	d := l.judge.Decide(a.policy, a.state, f)
	d = l.urgent(a, d, f)
	if a.errand.failure.is() && a.moot(l.now, d) {
		a.mended()
	}
	l.tellHolds(a)
	l.noteLane(a)
	l.note(a, d)
	l.report(a)
	l.carry(a, d)
	l.appraise(a, f)
	l.tellSight(a)
	l.reword(a, f)
	l.reseat(a)
	at := d.Again
	if retry := a.errand.failure.retry; at.IsZero() || !retry.IsZero() && retry.Before(at) {
		at = retry
	}
	l.agenda.Set(&a.due, at)
}
