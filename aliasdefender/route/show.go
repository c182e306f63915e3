package route

import (
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// snapshot is what the loop knows, in the form that leaves the process.
func (l *loop) snapshot(journal bool) (all []control.Route) {
	for _, r := range l.list {
		all = append(all, l.show(r, journal))
	}
	return all
}

// problems are those of the routes as a whole.
func (l *loop) problems() (all []string) {
	if l.readErr != "" {
		all = append(all, "cannot read this host's routes from the kernel: "+l.readErr)
	}
	return all
}

func (l *loop) show(r *route, journal bool) control.Route {
	d := r.decision
	c := control.Route{
		Route: r.cfg.Name(), Prefix: r.cfg.Prefix.String(), Table: r.cfg.Table, Metric: r.cfg.Metric, Mode: string(r.cfg.Mode), Check: r.cfg.Check,
		Kept: r.kernel.Value.String(), Via: []control.Via{}, Hops: []control.Hop{},
		Row: d.Row, Action: d.Action.String(), Reason: d.Reason.String(), Since: r.decided.Round(0),
	}
	c.Level, c.Why = l.level(r)
	if d.Row == "" {
		c.Action, c.Reason, c.Why, c.Since = rules.RouteRest.String(), "starting", "nothing is known yet", r.since.Round(0)
	}
	if !r.key.install {
		c.Kept = "hooks"
	}
	for _, v := range r.via {
		c.Via = append(c.Via, control.Via{Hop: r.nameOf(v), Weight: v.Weight})
	}
	f := l.facts(r)
	for i, seen := range rules.SeeHops(r.policy(), f) {
		h, answer := r.hops[i], f.Hops[i].Answer
		one := control.Hop{
			Hop: h.addr.String(), NIC: h.nic, Answer: h.spell(seen.Answer), Link: linkOf(seen.Link), Lives: seen.Lives.String(),
			Since: answer.Since.Round(0), Asked: answer.Asked.Round(0), Why: h.trouble(),
		}
		if h.check != "" {
			one.Asked = h.report.Asked.Round(0)
		}
		c.Hops = append(c.Hops, one)
	}
	if journal && l.o.Journal != nil {
		c.Journal = l.o.Journal(c.Route)
	}
	return c
}

// spell is the hop's answer, or that of the service there.
func (h *hop) spell(answer rules.Value) string {
	if h.check != "" {
		return answer.Health()
	}
	return answer.Answer()
}

// linkOf says what is known of the interface that leads to a hop.
func linkOf(v rules.Value) string {
	switch v {
	case rules.Yes:
		return "up"
	case rules.No:
		return "down"
	}
	return "unknown"
}

// level tells how much there is to worry about; empty: nothing. The sentence says why.
func (l *loop) level(r *route) (string, string) {
	why := r.why(r.decision)
	if !r.there() && l.now.Before(r.vanished.until) {
		return "alarm", "it keeps vanishing: another program removes it; it is put back after a pause"
	}
	level := r.decision.Reason.Level()
	if r.decision.Row == "" || r.decision.Action != rules.RouteRest {
		level = rules.Info // it was just done
	}
	if r.fails.text != "" {
		level = max(level, rules.Error)
	}
	switch level {
	case rules.Warning:
		return "warning", why
	case rules.Error:
		return "error", why
	case rules.Alarm:
		return "alarm", why
	}
	return "", why
}
