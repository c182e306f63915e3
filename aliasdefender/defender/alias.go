package defender

import (
	"iter"
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/rules"
)

// Of an alias the last journalLength decisions are remembered; of a thousand
// aliases fewer, but journalLeast of each: journalRoom in all.
const (
	journalLength = 64
	journalLeast  = 8
	journalRoom   = 6400
)

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
	iface  *nic
	task   agenda.Entry // the next decision that time alone calls for

	alias     *detect.Target
	partner   *detect.Target // nil: its name is not resolved
	router    *detect.Target // nil: none known
	witnesses []*detect.Target

	nic, carrier, own, kernel rules.Fact

	decision  rules.Decision // the last, announcements of the schedule left out
	since     time.Time      // of it
	said      time.Time      // when it was last logged
	dirty     bool           // a fact changed: it is among those to decide
	again     time.Time      // when time alone may change the decision
	failure   string         // what failed last, said once
	failing   rules.Action   // the action that failed
	failedAt  time.Time      // last
	retry     time.Time      // and not before then is tried again
	here      bool           // its NIC has it
	ours      bool           // and we put it there
	leased    time.Duration  // how long it stays there by itself; 0: for ever
	other     string         // another NIC of this host that has it
	elsewhere string         // what there is to say of that, said once
	announced time.Time
	known     bool // a question from the alias by ARP was answered

	talk   *talk      // nil: no channel, or no partner known
	talkAt time.Time  // since when that is who is talked to
	word   rules.Word // what we said of it last
	peer   rules.Peer // what the partner said
	says   peer.Word  // the same as it came
	pair   []string   // what in the two files does not fit
	pairAt time.Time  // when that was said

	wrong     netip.Addr // the partner's address that cannot be a partner's, said once
	order     *order     // of an operator, under way
	orderedAt time.Time

	phase   phase
	phaseAt time.Time // when it began, or ended
	looked  bool      // the kernel was read since the take was decided
	journal []control.Entry
	next    *config.Alias // what the row becomes once this one is released
	gone    bool          // it is none of the loop's any more
}

func (l *loop) newAlias(c config.Alias) *alias {
	a := &alias{}
	a.task.Do = func() { l.mark(a) }
	a.set(c)
	l.mark(a)
	return a
}

// mark has the alias decided in this turn.
func (l *loop) mark(a *alias) {
	if !a.dirty {
		a.dirty = true
		l.marked = append(l.marked, a)
	}
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
		Channel: a.policy.Channel, Lease: c.Lease,
	}
}

// settled tells whether the alias stays as it is as long as no fact changes its
// value: it is served elsewhere, or held without a rival.
func (a *alias) settled() bool {
	f := a.alias.Fact()
	switch {
	case a.dirty || a.order != nil:
		return false
	case a.state.Holding:
		return a.decision.Reason == rules.Held && f.Value == rules.Silent
	}
	return a.decision.Reason == rules.Served && f.Value == rules.Answered && f.Miss.IsZero()
}

// third are the router and the witnesses.
func (a *alias) third() iter.Seq[*detect.Target] {
	return func(yield func(*detect.Target) bool) {
		if a.router != nil && !yield(a.router) {
			return
		}
		for _, w := range a.witnesses {
			if w != nil && !yield(w) {
				return
			}
		}
	}
}

// facts are what the rules are asked with.
func (l *loop) facts(a *alias) rules.Facts {
	f := rules.Facts{
		Now: l.now,
		NIC: a.nic, Carrier: a.carrier, Own: a.own, Kernel: a.kernel,
		Alias:       a.alias.Fact(),
		RouterKnown: a.router != nil || len(a.witnesses) > 0,
		Router:      a.thirdFact(),
	}
	if a.state.Holding {
		f.AliasEvery = a.alias.Every(l.now)
	}
	if a.partner != nil {
		f.Partner = a.partner.Fact()
	}
	if a.talk != nil {
		f.Peer = a.peer
		f.Peer.Heard = a.talk.heard
	}
	if hw := a.alias.HW(); !hw.IsZero() {
		if a.partner != nil && !a.partner.HW().IsZero() {
			f.ByPartner = rules.Of(a.partner.HW() == hw)
		}
		if a.talk != nil && hw == host.HW(a.says.HW) { // its NIC for the alias may be none that has its own address
			f.ByPartner = rules.Yes
		}
		if a.iface.wire != nil {
			f.WeAreLow = rules.Of(a.iface.wire.HW().Less(hw))
		}
	}
	return f
}

// thirdFact is what router and witnesses say together: yes if one answered, no
// if all are silent.
func (a *alias) thirdFact() rules.Fact {
	var f rules.Fact
	first := true
	for t := range a.third() {
		o := t.Fact()
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
	a.dirty, a.again = false, time.Time{}
	if l.readAt.IsZero() && l.readErr == "" || a.alias == nil || a.gone {
		return // the host was not read yet: nothing is known
	}
	if due(a.retry, l.now) {
		a.retry = time.Time{}
	}
	f := l.facts(a)
	open := a.state.Handover
	a.state.Saw(a.policy, f)
	a.handed(l, open)
	d := l.judge.Decide(a.policy, a.state, f)
	a.again = d.Again
	if a.failure != "" && a.moot(l.now, d) {
		a.done()
	}
	l.note(a, d)
	l.report(a)
	l.carry(a, d)
	l.reword(a, f)
	at := a.again
	if at.IsZero() || !a.retry.IsZero() && a.retry.Before(at) {
		at = a.retry
	}
	l.agenda.Set(&a.task, at)
}

// note keeps the decision and logs it where it changed, or has lasted an hour.
// What moves the alias is logged when it is done, and announcements of the
// schedule not at all.
func (l *loop) note(a *alias, d rules.Decision) {
	if d.Reason == rules.AnnouncementDue || d.Reason == rules.LeaseDue {
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
	if d.Reason == rules.Held || d.Reason == rules.AliasUnknown && a.alias.Fact().Since.IsZero() {
		a.said = time.Time{} // nothing to tell yet: said as soon as there is
		return
	}
	a.said = l.now
	a.tell(l, d, d.Reason.Text())
}

// transition records that the alias came to this host, or left it.
func (a *alias) transition(l *loop, d rules.Decision) {
	a.entry(l, d)
	a.decision, a.since, a.said = d, l.now, l.now
	l.mark(a)
	l.asks.Moved(l.now, a.key())
	a.tell(l, d, d.Action.String()+": "+d.Reason.Text())
}

// entry adds a decision to the journal.
func (a *alias) entry(l *loop, d rules.Decision) {
	a.write(l, entryOf(d.Row, d.Action.String(), d.Reason.String(), d.Reason.Text()))
}

func entryOf(row, action, reason, why string) control.Entry {
	return control.Entry{Row: row, Action: action, Reason: reason, Why: why}
}

// write adds to the journal.
func (a *alias) write(l *loop, e control.Entry) {
	room := max(journalLeast, min(journalLength, journalRoom/max(len(l.order), 1)))
	if over := len(a.journal) - room + 1; over > 0 {
		a.journal = append(a.journal[:0:0], a.journal[over:]...)
	}
	e.At, e.Facts = l.now, a.list(l.facts(a))
	a.journal = append(a.journal, e)
}

func (a *alias) log(l *loop) logrus.FieldLogger {
	return l.log.WithFields(logrus.Fields{"alias": a.cfg.Addr.String(), "nic": a.cfg.Label})
}

// tell logs a decision. All fields are given at once: each further go would
// copy those before it, and a thousand aliases are told of in a moment.
func (a *alias) tell(l *loop, d rules.Decision, text string) {
	l.log.WithFields(logrus.Fields{
		"alias": a.cfg.Addr.String(), "nic": a.cfg.Label,
		"row": d.Row, "action": d.Action.String(), "reason": d.Reason.String(),
		"facts": describe(l.facts(a), a, l.now),
	}).Log(level(d.Reason), text)
}

// failed says what could not be done, once for each cause, and has it tried again.
func (a *alias) failed(l *loop, doing rules.Action, what string, err error) {
	a.failing, a.failedAt, a.retry = doing, l.now, l.now.Add(a.pause())
	if s := what + ": " + err.Error(); a.failure != s {
		a.failure = s
		a.log(l).WithError(err).Error(what)
	}
}

// moot tells whether what failed is not wanted any more, or is as it should be by
// other means. What is to be taken waits for facts before each try: until some time
// after the last it is the same failure.
func (a *alias) moot(now time.Time, d rules.Decision) bool {
	off := a.state.Parked || a.state.Leaving
	switch a.failing {
	case rules.Take:
		return a.state.Holding || off || d.Action != rules.Take && now.Sub(a.failedAt) > time.Minute+2*a.cfg.Interval
	case rules.Restore:
		return !a.state.Holding || a.kernel.Value == rules.Yes
	case rules.Release:
		return !a.state.Holding || !off && d.Action != rules.Release
	}
	return !a.state.Holding
}

// pause is when what failed is tried again.
func (a *alias) pause() time.Duration { return min(a.cfg.Interval, time.Second) }

// done ends what failed.
func (a *alias) done() { a.failure, a.retry = "", time.Time{} }

// name is a partner's name that has to be resolved.
type name struct {
	addr netip.Addr // the last good answer
	next time.Time
	busy bool
	err  string
}
