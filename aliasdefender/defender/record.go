package defender

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// sayAgain is when a condition that lasts is logged again.
const sayAgain = time.Hour

// event is a log line that is no event of an alias: each has a name that stays, on
// which filters can hang. What comes too often is counted; see record.Flood.
func (l *loop) event(name string) logrus.FieldLogger {
	if !l.may(record.Sort{Kind: record.Kind(name)}) {
		return silent
	}
	return l.log.WithField("event", name)
}

// log is the same for a line about one alias.
func (a *alias) log(l *loop, name string) logrus.FieldLogger {
	if !l.may(record.Sort{Alias: a.id(), Kind: record.Kind(name)}) {
		return silent
	}
	return l.log.WithFields(logrus.Fields{"event": name, "alias": a.id().String(), "nic": a.cfg.Label})
}

// note keeps the decision, and records it if it changed or has lasted an hour. A decision
// that moves the alias is recorded when it is done; scheduled announcements are not
// recorded at all.
func (l *loop) note(a *alias, d rules.Decision) {
	if d.Reason.Routine() {
		if a.state.Holding && a.decision.Action == rules.Keep {
			return
		}
		d = rules.Rest()
	}
	changed := d.Row != a.decision.Row || d.Reason != a.decision.Reason
	if changed {
		a.since = l.now
	}
	a.decision = d
	if !changed && (d.Reason.Level() == rules.Info || l.now.Sub(a.said) < sayAgain) {
		return
	}
	e := record.Event{Kind: record.Decided, Level: d.Reason.Level(), Decision: record.DecisionOf(d), Text: d.Reason.Text()}
	lead := ""
	switch d.Action {
	case rules.Wait, rules.Keep:
	case rules.Announce:
		if l.o.Deeds == NoDeeds {
			lead = wouldDo(d)
		}
	default:
		if l.o.Deeds != NoDeeds {
			a.said = l.now
			return
		}
		lead = wouldDo(d)
	}
	if !changed {
		e.Kind = record.Lasts
	}
	if near := l.nearPartner(a, d.Reason); near != "" {
		e.Text, e.Decision.Why = near, near
	}
	if why := a.groupWhy(d.Reason); why != d.Reason.Text() {
		e.Text, e.Decision.Why = why, why
	}
	if deaf := l.deafness(a, d.Reason); deaf != "" {
		e.Text += ": " + deaf
		e.Decision.Why = e.Text
	}
	e.Text = lead + e.Text
	a.said = l.now
	if d.Reason == rules.Held || d.Reason == rules.AliasUnknown && a.alias.Fact().Since.IsZero() {
		e.Text, a.said = "", time.Time{} // nothing to tell yet: said as soon as there is
	}
	l.record(a, e)
}

// wouldDo is what a Monitor that observes says of a deed, before its reason.
func wouldDo(d rules.Decision) string { return record.Observing + d.Action.String() + ": " }

// transition records that the alias came to this host, or left it.
func (l *loop) transition(a *alias, d rules.Decision) {
	l.moved(a, record.Moved, d)
	a.decision, a.since, a.said = d, l.now, l.now
	a.standby.watch(l.now)
	l.mark(a)
	l.asks.Moved(l.now, a.key())
}

// moved records something that was done, or begun. A failover is a warning, although all
// is well after it: somebody has to find out why it happened.
func (l *loop) moved(a *alias, kind record.Kind, d rules.Decision) {
	level := d.Reason.Level()
	if d.Action == rules.Take && d.Reason.Failover() {
		level = max(level, rules.Warning)
	}
	e := record.Event{Kind: kind, Level: level, Decision: record.DecisionOf(d)}
	e.Decision.Why = a.cause(d.Reason)
	if more := l.deafness(a, d.Reason); more != "" {
		e.Decision.Why += ": " + more
	}
	e.Text = d.Action.String() + ": " + e.Decision.Why
	l.record(a, e)
}

// cause is why the alias goes, or is offered. An alias may be ordered off (H2) because
// the daemon ends or because its row has gone; then no operator has ordered it.
func (a *alias) cause(r rules.Reason) string {
	s := a.state
	switch {
	case r != rules.OperatorReleases || s.Parked:
	case s.Exit != rules.NoExit && (s.Leaving || s.Exit == rules.ExitGive):
		r = rules.Stopped
	case s.Leaving:
		r = rules.RowGone
	}
	return a.groupWhy(r)
}

// failedEvent is something that could not be done.
func failedEvent(what string, err error) record.Event {
	return record.Event{Kind: record.Failed, Level: rules.Error, Text: what, Error: err.Error()}
}

// silent is a log that nobody reads.
var silent = func() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetLevel(logrus.PanicLevel)
	return log
}()

// flood counts what is recorded or logged, and tells when a count is due.
type flood struct {
	record.Flood
	due agenda.Entry
}

// may tells whether one more event of that sort is recorded; if not, it is counted.
func (l *loop) may(s record.Sort) bool {
	told := l.flood.May(s, l.now)
	l.agenda.Set(&l.flood.due, l.flood.Next())
	return told
}

// sayRepeated records how often something has happened that was not recorded each time.
func (l *loop) sayRepeated() {
	for _, more := range l.flood.Due(l.now) {
		e := record.Event{Time: l.now, Kind: record.Repeated, Level: rules.Warning, Text: more.Text(), Drops: more.N}
		if a := l.aliases[more.Alias]; a != nil {
			e.Alias, e.Label = a.recorded(), a.cfg.Label
		}
		l.d.recorder.Record(e)
	}
	l.agenda.Set(&l.flood.due, l.flood.Next())
}

// sort is the sort of an event: two of one sort are the same happening again.
func (a *alias) sort(e record.Event) record.Sort {
	s := record.Sort{Alias: a.id(), Kind: e.Kind, Reason: e.Decision.Reason}
	if s.Reason == "" {
		s.Reason = e.Text
	}
	return s
}

// record records an event of one alias with all that is known of it.
func (l *loop) record(a *alias, e record.Event) {
	e.Time = l.now
	e.Alias, e.Label = a.recorded(), a.cfg.Label
	if e.Kind != record.Lasts && !l.may(a.sort(e)) { // what lasts is recorded once an hour
		l.d.recorder.Repeat(e)
		return
	}
	if e.Kind != record.PartnerSays { // that is known whatever we know, and a thousand aliases may change at once
		e.Facts = a.list(l.facts(a))
	}
	l.d.recorder.Record(e)
}

// keepRing tells the ring which aliases there are.
func (l *loop) keepRing() {
	all := make([]record.Alias, len(l.list))
	for i, a := range l.list {
		all[i] = a.recorded()
	}
	l.d.ring.Keep(all...)
}

// recorded is the alias as events name it.
func (a *alias) recorded() record.Alias { return record.Alias{Addr: a.cfg.Addr, NIC: a.cfg.NIC} }

// LogSink turns events into log lines. An event without a Text makes none.
func LogSink(log logrus.FieldLogger) record.Sink {
	return record.SinkFunc(func(e record.Event) {
		switch e.Kind {
		case record.Started, record.Reloaded, record.Ended:
			return // the daemon logs these itself, and says more than the event has
		}
		if e.Text == "" {
			return
		}
		// Give all fields at once: each further call would copy the earlier ones, and a
		// thousand aliases may be logged in a moment.
		fields := logrus.Fields{"event": string(e.Kind)}
		set := func(name, value string) {
			if value != "" {
				fields[name] = value
			}
		}
		if e.Alias.Addr.IsValid() {
			fields["alias"], fields["nic"] = host.Zoned(e.Alias.Addr, e.Alias.NIC).String(), e.Label
		}
		set("route", e.Route)
		set("via", e.Via)
		set("via_old", e.ViaOld)
		set("row", e.Decision.Row)
		set("action", e.Decision.Action)
		set("reason", e.Decision.Reason)
		set("hook", e.Hook)
		set("partner", e.Partner)
		set("says", e.Says)
		set("check", e.Check)
		set("error", e.Error)
		switch {
		case e.Decision.Action == "" || len(e.Facts) == 0:
		case e.Route != "":
			set("facts", describeRoute(e.Facts, e.Time))
		default:
			set("facts", describe(e.Facts, e.Time))
		}
		log.WithFields(fields).Log(level(e.Level), e.Text)
	})
}

// describe is the facts in one line of the log: of this host's facts those that are
// wrong, of the network's all, with their ages.
func describe(facts []record.Fact, now time.Time) string {
	link, parts := "good", []string{}
	for _, f := range facts {
		r, known := rules.FactNamed(f.Name)
		switch {
		case !known:
		case r.Link && link == "good" && f.Value == r.Spell(rules.Unknown):
			link = "unknown"
		case r.Link && link == "good" && f.Value == r.Spell(rules.No):
			link = r.Broken
		case r.Short != "":
			parts = append(parts, aged(r.Short, f, now))
		case r.Service:
			parts = append(parts, aged(r.Name, f, now))
		}
	}
	return strings.Join(append([]string{"link " + link}, parts...), ", ")
}

// describeRoute is the facts about a route in one line of the log.
func describeRoute(facts []record.Fact, now time.Time) string {
	parts := make([]string, len(facts))
	for i, f := range facts {
		parts[i] = aged(f.Name, f, now)
	}
	return strings.Join(parts, ", ")
}

func aged(name string, f record.Fact, now time.Time) string {
	text := name + " " + f.Value
	if f.HW != "" {
		text += " by " + f.HW
	}
	if f.Why != "" {
		text += " by " + f.Why
	}
	if !f.Asked.IsZero() {
		text += fmt.Sprintf(" (asked %s ago)", now.Sub(f.Asked).Round(time.Millisecond))
	}
	return text
}

func level(of rules.Level) logrus.Level {
	switch of {
	case rules.Warning:
		return logrus.WarnLevel
	case rules.Error, rules.Alarm:
		return logrus.ErrorLevel
	}
	return logrus.InfoLevel
}
