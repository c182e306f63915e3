package defender

import (
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"aliasdefender/config"
	"aliasdefender/control"
	"aliasdefender/rules"
)

// journalLength is how many transitions of an alias are remembered.
const journalLength = 64

// sayAgain is when a condition that lasts is logged again.
const sayAgain = time.Hour

// phase is what is under way for an alias outside the loop.
type phase uint8

const (
	idle    phase = iota
	looking       // the kernel is read once more before a take
	working       // an address is being added or removed
)

// alias is one alias: what depends on it, what is known, what was done.
type alias struct {
	cfg    config.Alias
	policy rules.Policy
	state  rules.State

	alias     *target
	partner   *target // nil: its name is not resolved
	router    *target // nil: none known
	witnesses []*target

	nic, carrier, own, kernel rules.Fact

	decision  rules.Decision // the last, announcements of the schedule left out
	since     time.Time      // of it
	said      time.Time      // when it was last logged
	dirty     bool           // a fact changed
	again     time.Time      // when time alone may change the decision
	failure   string         // what failed last, said once
	failing   rules.Action   // the action that failed
	retry     time.Time      // and not before then is tried again
	elsewhere string         // the alias is on another NIC of this host
	announced time.Time

	wrong     netip.Addr // the partner's address that cannot be a partner's, said once
	order     *order     // of an operator, under way
	orderedAt time.Time

	phase   phase
	phaseAt time.Time // when it began, or ended
	looked  bool      // the kernel was read since the take was decided
	journal []control.Entry
	next    *config.Alias // what the row becomes once this one is released
}

func newAlias(c config.Alias) *alias {
	a := &alias{}
	a.set(c)
	return a
}

// set puts settings in force that need no change on the host.
func (a *alias) set(c config.Alias) {
	a.cfg = c
	a.policy = rules.Policy{
		Primary:  c.Primary,
		Interval: c.Interval, Timeout: c.Timeout, Misses: c.Misses,
		MaxTakes: c.MaxTakes,
		Failback: c.Failback, FailbackAfter: c.FailbackAfter,
		ReleaseIsolated: c.OnIsolation == config.IsolationRelease, IsolatedAfter: c.IsolatedAfter,
	}
	a.dirty = true
}

// others are the addresses whose answers decide what the alias's silence means.
func (a *alias) others() []*target {
	all := make([]*target, 0, 2+len(a.witnesses))
	for _, t := range append([]*target{a.partner, a.router}, a.witnesses...) {
		if t != nil {
			all = append(all, t)
		}
	}
	return all
}

// facts are what the rules are asked with.
func (l *loop) facts(a *alias) rules.Facts {
	f := rules.Facts{
		Now: l.now,
		NIC: a.nic, Carrier: a.carrier, Own: a.own, Kernel: a.kernel,
		Alias:       a.alias.fact,
		RouterKnown: a.router != nil || len(a.witnesses) > 0,
		Router:      a.third(),
	}
	if a.partner != nil {
		f.Partner = a.partner.fact
	}
	if hw := a.alias.hw; !hw.IsZero() {
		if a.partner != nil && !a.partner.hw.IsZero() {
			f.ByPartner = rules.Of(a.partner.hw == hw)
		}
		if n := l.nics[a.cfg.NIC]; n != nil && n.wire != nil {
			f.WeAreLow = rules.Of(n.wire.HW().Less(hw))
		}
	}
	return f
}

// third is what router and witnesses say together: yes if one answered, no if
// all are silent.
func (a *alias) third() rules.Fact {
	var f rules.Fact
	first := true
	for i, t := range a.others() {
		if i == 0 && t == a.partner {
			continue
		}
		o := t.fact
		switch {
		case first:
			f, first = o, false
		case o.Value == rules.Answered && f.Value == rules.Answered:
			// Answered without a break as long as the longer of the two.
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

// decide puts the facts before the rules and has the answer carried out.
func (l *loop) decide(a *alias) {
	if l.readAt.IsZero() && l.readErr == "" || a.alias == nil {
		return // the host was not read yet: nothing is known
	}
	a.dirty, a.again = false, time.Time{}
	if due(a.retry, l.now) {
		a.retry = time.Time{}
	}
	f := l.facts(a)
	a.state.Saw(a.policy, f)
	d := rules.Decide(a.policy, a.state, f)
	a.again = d.Again
	l.note(a, d)
	l.report(a)
	l.carry(a, d)
}

// note keeps the decision and logs it where it changed, or has lasted an hour.
// What moves the alias is logged when it is done, and announcements of the
// schedule not at all.
func (l *loop) note(a *alias, d rules.Decision) {
	if d.Reason == rules.AnnouncementDue {
		if a.state.Holding && a.decision.Action == rules.Keep {
			return
		}
		d.Row, d.Action, d.Reason = "H9", rules.Keep, rules.Held
	}
	changed := d.Row != a.decision.Row || d.Reason != a.decision.Reason
	if changed {
		a.since = l.now
	}
	a.decision = d
	if !changed && (d.Reason.Level() == rules.Info || l.now.Sub(a.said) < sayAgain) {
		return
	}
	switch d.Action {
	case rules.Wait, rules.Keep, rules.Announce:
	default:
		a.said = l.now
		return
	}
	if changed {
		a.entry(l, d)
	}
	if d.Reason == rules.Held || d.Reason == rules.AliasUnknown && a.alias.fact.Since.IsZero() {
		a.said = time.Time{} // nothing to tell yet: said as soon as there is
		return
	}
	a.said = l.now
	a.log(l).WithFields(words(d)).WithField("facts", describe(l.facts(a), a, l.now)).Log(level(d.Reason), d.Reason.Text())
}

// transition records that the alias came to this host, or left it.
func (a *alias) transition(l *loop, d rules.Decision) {
	a.entry(l, d)
	a.decision, a.since, a.said, a.dirty = d, l.now, l.now, true
	a.log(l).WithFields(words(d)).WithField("facts", describe(l.facts(a), a, l.now)).
		Log(level(d.Reason), d.Action.String()+": "+d.Reason.Text())
}

// entry adds to the journal.
func (a *alias) entry(l *loop, d rules.Decision) {
	if len(a.journal) == journalLength {
		a.journal = append(a.journal[:0:0], a.journal[1:]...)
	}
	a.journal = append(a.journal, control.Entry{
		At: l.now, Row: d.Row, Action: d.Action.String(), Reason: d.Reason.String(), Why: d.Reason.Text(),
		Facts: a.list(l.facts(a)),
	})
}

func (a *alias) log(l *loop) logrus.FieldLogger {
	return l.log.WithFields(logrus.Fields{"alias": a.cfg.Addr.String(), "nic": a.cfg.Label})
}

func words(d rules.Decision) logrus.Fields {
	return logrus.Fields{"row": d.Row, "action": d.Action.String(), "reason": d.Reason.String()}
}

// failed says what could not be done, once for each cause, and has it tried again.
func (a *alias) failed(l *loop, doing rules.Action, what string, err error) {
	a.failing, a.retry = doing, l.now.Add(min(a.cfg.Interval, time.Second))
	if s := what + err.Error(); a.failure != s {
		a.failure = s
		a.log(l).WithError(err).Error(what)
	}
}

// done ends what failed.
func (a *alias) done() { a.failure, a.retry = "", time.Time{} }

// name is a partner's name that has to be resolved.
type name struct {
	addr netip.Addr // the last good answer
	next time.Time
	busy bool
	err  string
}
