package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// sayAgain is when a decision that lasts, and is not well, is said again.
const sayAgain = time.Hour

// A hop that comes and goes moves all of its routes each time. So all of them together have a
// limit too: in the first minute, which may be the start, totalEach events of each route, or
// totalAtOnce; in each minute after that totalLater.
const (
	totalEach   = 5
	totalAtOnce = 500
	totalLater  = 100
)

// note keeps a decision by which nothing moves, and records it if it has changed or has
// lasted for an hour. What moves is recorded when it is done.
func (l *loop) note(r *route, d rules.RouteDecision) {
	acts := d.Action != rules.RouteRest
	if acts && !l.o.Observe {
		return
	}
	r.mended() // what could not be done need not be done any more
	if d.Reason == rules.RoutesUnknown && r.kernel.Asked.IsZero() && l.readErr == "" {
		return // they have not been read yet
	}
	was := r.decision
	changed := d.Row != was.Row || d.Reason != was.Reason
	if r.decision = d; changed {
		r.decided = l.now
	}
	if due := d.Reason.Level() >= rules.Warning && l.now.Sub(r.said) >= sayAgain; !changed && !due {
		return
	}
	e := record.Event{Kind: record.RouteDecided, Level: d.Reason.Level(), Text: r.why(d)}
	if !changed {
		e.Kind = record.Lasts
	}
	if acts {
		e.Text = record.Observing + d.Action.String() + ": " + e.Text
		e.Via, e.ViaOld = r.names(d.Via), r.names(r.via)
	}
	if d.Reason == rules.HopsUnknown {
		e.Text = "" // there is nothing to tell yet
	}
	if found, moved := was.Row == "", was.Action != rules.RouteRest; d.Reason == rules.RouteGood && (found || moved) {
		e.Text = "" // that it was found, or has moved, has said all
	}
	r.said = l.now
	l.record(r, d, e)
}

// moved records what was done. Where a row now says another install, whoever is told of its
// route goes on to know it as its heir: that one was told first.
func (l *loop) moved(j job) {
	r, d := j.r, j.d
	r.decision, r.decided, r.said = d, l.now, l.now
	e := record.Event{Kind: record.RouteMoved, Level: d.Reason.Level(), Via: j.to, ViaOld: j.was}
	if h := r.heir; h != nil && h.there() && h.cfg.Name() == r.cfg.Name() {
		e.Via = h.names(h.via)
		e.ViaOld = e.Via
	}
	to := ""
	if j.spelled != "" {
		to = " to " + j.spelled
	}
	e.Text = d.Action.String() + to + ": " + d.Reason.Text()
	l.record(r, d, e)
}

// adopted records that the route was found at the start.
func (l *loop) adopted(r *route) {
	l.recordAs(r, record.Decision{Action: "adopt", Reason: "found", Why: "an earlier Monitor put it there"},
		record.Event{Kind: record.RouteMoved, Text: "adopt: an earlier Monitor put it there, to " + r.spell(r.via), Via: r.names(r.via), ViaOld: r.names(r.via)})
}

// vanishedEvent records that somebody else removed the route.
func (l *loop) vanishedEvent(r *route) {
	text, level := "it has gone from the kernel, and nobody here removed it", rules.Warning
	if n := len(r.vanished.at); n > vanishFree {
		text = fmt.Sprintf("it keeps vanishing, %d times within a minute: another program removes it; it is put back after a pause", n)
		level = rules.Alarm
	}
	l.sayVanished(r, level, text)
}

// wentWithNIC records that a NIC that went down took the route along.
func (l *loop) wentWithNIC(r *route, h *hop) {
	l.sayVanished(r, rules.Warning, fmt.Sprintf("it has gone from the kernel together with %s, which went down", h.nic))
}

func (l *loop) sayVanished(r *route, level rules.Level, text string) {
	l.recordAs(r, record.Decision{Reason: "vanished", Why: text}, record.Event{Kind: record.RouteVanished, Level: level, Text: text})
}

// failedEvent records that something could not be done.
func (l *loop) failedEvent(r *route, what string, err error) {
	l.recordAs(r, record.Decision{}, record.Event{Kind: record.Failed, Level: rules.Error, Text: what + " failed; it is tried again", Error: err.Error()})
}

// record records an event of a route with the decision and all that is known of it.
func (l *loop) record(r *route, d rules.RouteDecision, e record.Event) {
	l.recordAs(r, record.Decision{Row: d.Row, Action: d.Action.String(), Reason: d.Reason.String(), Why: r.why(d)}, e)
}

func (l *loop) recordAs(r *route, d record.Decision, e record.Event) {
	e.Time, e.Route, e.Decision = l.now, r.cfg.Name(), d
	e.Facts = l.listed(r)
	sort := record.Sort{Kind: e.Kind, Reason: r.cfg.Name() + ": " + d.Reason}
	told := e.Kind == record.Lasts || l.flood.May(sort, l.now) && l.total.May(record.Sort{}, l.now)
	l.remind()
	if !told {
		if l.o.Repeat != nil {
			e.Facts = nil
			l.o.Repeat(e)
		}
		return
	}
	l.o.Record(e)
}

// remind has sayRepeated called when the first of the present minutes ends.
func (l *loop) remind() {
	next := l.flood.Next()
	if t := l.total.Next(); next.IsZero() || !t.IsZero() && t.Before(next) {
		next = t
	}
	l.agenda.Set(&l.repeat, next)
}

// sayRepeated records how often something has happened that was not recorded each time.
func (l *loop) sayRepeated() {
	say := func(n uint64, what string) {
		l.o.Record(record.Event{Time: l.now, Kind: record.Repeated, Level: rules.Warning, Drops: n, Text: fmt.Sprintf("%d more in the last minute: %s", n, what)})
	}
	all := uint64(0)
	for _, more := range l.flood.Due(l.now) {
		if l.total.May(record.Sort{}, l.now) {
			say(more.N, fmt.Sprintf("%s, route %s", more.Kind, more.Reason))
		} else {
			all += more.N
		}
	}
	for _, more := range l.total.Due(l.now) {
		all += more.N
	}
	if all > 0 {
		say(all, fmt.Sprintf("decisions and deeds of %d routes", len(l.list)))
	}
	l.remind()
}

// why is a decision's reason as a sentence, with what is known beyond it.
func (r *route) why(d rules.RouteDecision) string {
	switch text := d.Reason.Text(); {
	case r.fails.text != "":
		return "could not " + r.fails.text
	case d.Reason == rules.HopsUnknownLong || d.Reason == rules.HopStaysUnknown || d.Reason == rules.HopsUnknown:
		for _, h := range r.hops {
			if h.near != nil {
				return text + ": " + h.near.Error()
			}
		}
		return text
	default:
		return text
	}
}

// spell names next hops, each with its weight where the weights differ.
func (r *route) spell(via []rules.Via) string {
	all := make([]string, len(via))
	for i, v := range via {
		all[i] = r.nameOf(v)
		if v.Weight != 1 && len(via) > 1 {
			all[i] += fmt.Sprintf(" weight %d", v.Weight)
		}
	}
	return strings.Join(all, ", ")
}

// names are next hops as programs read them: addresses with a space between.
func (r *route) names(via []rules.Via) string {
	all := make([]string, len(via))
	for i, v := range via {
		if all[i] = "-"; v.Hop >= 0 && v.Hop < len(r.cfg.Via) {
			all[i] = r.cfg.Via[v.Hop].String()
		}
	}
	return strings.Join(all, " ")
}

func (r *route) nameOf(v rules.Via) string {
	if v.Hop < 0 || v.Hop >= len(r.cfg.Via) {
		return "a next hop that is not set"
	}
	return r.cfg.Via[v.Hop].String()
}

// listed are the facts about a route.
func (l *loop) listed(r *route) (all []record.Fact) {
	f := l.facts(r)
	for i, seen := range rules.SeeHops(r.policy(), f) {
		h, answer, link := r.hops[i], f.Hops[i].Answer, f.Hops[i].Link
		all = append(all, record.Fact{Name: "hop " + h.addr.String(), Value: h.spell(seen.Answer), Since: answer.Since, Asked: answer.Asked, Why: h.trouble()})
		if seen.Link != rules.Yes {
			all = append(all, record.Fact{Name: "link to " + h.addr.String(), Value: seen.Link.String(), Since: link.Since, Asked: link.Asked})
		}
	}
	all = append(all, record.Fact{Name: "route", Value: f.Kernel.Value.String(), Since: f.Kernel.Since, Asked: f.Kernel.Asked})
	if f.Foreign == rules.Yes {
		all = append(all, record.Fact{Name: "foreign route", Value: f.Foreign.String()})
	}
	if f.Shadowed == rules.Yes {
		all = append(all, record.Fact{Name: "shadowed", Value: f.Shadowed.String()})
	}
	return all
}

// trouble is why nothing good is known of a hop; empty: all is well, or it is just silent.
func (h *hop) trouble() string {
	switch {
	case h.near != nil:
		return h.near.Error()
	case h.check != "":
		return h.report.Reason
	}
	return ""
}

// stayed logs the routes that were to go with the Monitor, and could not.
func (l *loop) stayed() {
	for _, r := range l.list {
		if l.ending.IsZero() || !r.state.Leaving || !r.there() || !r.key.install || l.o.Observe {
			continue
		}
		why := cmp.Or(r.fails.text, l.readErr, "the kernel did not answer in time")
		one := r.leads(nil)
		l.o.Log.WithField("event", "not_withdrawn").WithField("route", r.cfg.Name()).
			Errorf("the route %s was to go with this Monitor, and may still be there: %s. If it is, remove it with '%s'", r.cfg.Name(), why, one.Removal())
	}
}

// mostNamed is how many routes that are left over are named; the others are counted.
const mostNamed = 5

// leftovers logs the routes that an earlier Monitor made and that the file does not have, or
// not to install. They are not removed: the file may have been cut short, and another Monitor
// may run here.
func (l *loop) leftovers(ours []host.TableRoute) {
	ours = slices.DeleteFunc(ours, func(one host.TableRoute) bool { return l.byKey[key{one.Key(), true}] != nil })
	for i, one := range ours {
		if i == mostNamed {
			l.o.Log.WithField("event", "left_over").Warnf("and %d more routes are left over: 'ip route show table all proto %d' lists all that Monitors have made", len(ours)-mostNamed, host.RouteProtocol)
			break
		}
		why := "no [[route]] has it: it is left alone. If the file has lost it, write it again and run Reload; if"
		if l.byKey[key{one.Key(), false}] != nil {
			why = "its [[route]] says install = false now: it is left alone, and nobody keeps it. If"
		}
		l.o.Log.WithField("event", "left_over").WithField("route", one.Prefix.String()).
			Warnf("a Monitor made the route %s in table %d, and %s nothing else needs it, remove it with '%s'", one.Prefix, one.Table, why, one.Removal())
	}
}
