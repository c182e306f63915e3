package route

import (
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// snapshot is what the loop knows, in the form that leaves the process.
func (l *loop) snapshot(journal bool) (all []control.Route) {
	for _, r := range l.list {
		if l.before(l.byKey[r.key.other()]) == r {
			continue // shown together with that one
		}
		c := l.show(r, journal)
		if was := l.before(r); was != nil && !r.there() {
			old := l.show(was, false)
			c.Kept, c.Via = old.Kept, old.Via
		}
		all = append(all, c)
	}
	return all
}

// tally is the sum of what snapshot shows.
func (l *loop) tally() control.Tally {
	t := control.Tally{Routes: len(l.list), Problems: len(l.problems())}
	for _, r := range l.list {
		if l.before(l.byKey[r.key.other()]) == r {
			t.Routes--
		} else if level, _ := l.level(r); level != "" {
			t.Problems++
		}
	}
	return t
}

// before is the route that has the name of another and leaves, because the install of their
// row has changed; nil: there is none. One name is shown once.
func (l *loop) before(r *route) *route {
	if r == nil || r.state.Leaving && !r.key.install { // of two that leave the installed one is shown
		return nil
	}
	if was := l.byKey[r.key.other()]; was != nil && was.state.Leaving {
		return was
	}
	return nil
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
		if h.target != nil {
			one.Sent, one.Lost = h.target.Counts()
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

// level tells how much there is to worry about; empty: nothing. The sentence says why. What
// is wrong with the route that this one replaces counts where nothing else is.
func (l *loop) level(r *route) (level, why string) {
	level, why = l.levelOf(r)
	if was := l.before(r); level == "" && was != nil {
		if old, of := l.levelOf(was); old != "" {
			return old, "what stood in its place before: " + of
		}
	}
	return level, why
}

func (l *loop) levelOf(r *route) (string, string) {
	why := r.why(r.decision)
	if !r.there() && r.vanished.lasts(l.now) {
		return record.LevelName(rules.Alarm), "it keeps vanishing: another program removes it; it is put back after a pause"
	}
	level := r.decision.Reason.Level()
	if r.decision.Row == "" || r.decision.Action != rules.RouteRest {
		level = rules.Info // it was just done
	}
	if r.fails.text != "" {
		level = max(level, rules.Error)
	}
	if level == rules.Info {
		return "", why
	}
	return record.LevelName(level), why
}
