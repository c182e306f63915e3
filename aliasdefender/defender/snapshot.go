package defender

import (
	"fmt"
	"os"
	"strings"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/count"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// snapshot is what the loop knows, in the form that leaves the process.
func (l *loop) snapshot(journal bool) control.Snapshot {
	s := control.Snapshot{
		Version: l.o.Version, PID: os.Getpid(), Started: l.d.started.Round(0), Now: time.Now().Round(0),
		Aliases: make([]control.Alias, 0, len(l.list)),
	}
	s.Problems, s.Maintenance, s.Counts = l.problems(), l.maintenance, l.counts()
	if l.channel.up != nil {
		s.Channel = showChannel(l.channel.up.Status())
	}
	for _, a := range l.list {
		s.Aliases = append(s.Aliases, l.show(a, journal))
	}
	return s
}

// counts are what the loop has counted.
func (l *loop) counts() control.Counts {
	c := control.Counts{Lag: l.lag, Trips: map[string]count.Histogram{}, Probes: make([]control.Probes, 0, len(l.asks.Targets()))}
	for m, h := range l.asks.Trips() {
		c.Trips[detect.Medium(m).String()] = h
	}
	for _, t := range l.asks.Targets() {
		sent, lost := t.Counts()
		c.Probes = append(c.Probes, control.Probes{Addr: t.Addr.String(), NIC: t.NIC, Sent: sent, Lost: lost})
	}
	return c
}

// problems are those of this Monitor as a whole.
func (l *loop) problems() (all []string) {
	if l.net.readErr != "" {
		all = append(all, "cannot read this host's addresses from the kernel: "+l.net.readErr)
	}
	if c := &l.channel; c.up == nil && c.err != "" {
		all = append(all, "no channel to the partner: "+c.err)
	}
	for _, t := range l.channel.talks {
		all = append(all, t.problems()...)
	}
	for _, g := range l.groups {
		if text := g.trouble(); text != "" {
			all = append(all, text)
		}
	}
	return append(all, l.earProblems()...)
}

// showChannel is the channel's own record.
func showChannel(from peer.Status) *control.Channel {
	c := &control.Channel{Foreign: from.Foreign, Refused: uint64(from.Refused), Partners: make([]control.ChannelPartner, 0, len(from.Partners))}
	for _, p := range from.Partners {
		one := control.ChannelPartner{Partner: p.Partner.String(), Dropped: map[string]uint64{}}
		for _, k := range peer.Kinds() {
			if n := p.Counts[k]; n > 0 && k != peer.Taken {
				one.Dropped[k.String()] = n
			}
		}
		for _, path := range p.Paths {
			shown := control.ChannelPath{Addr: path.Addr.String(), Heard: path.Heard.Round(0)}
			if path.Err != nil {
				shown.Error = path.Err.Error()
			}
			one.Paths = append(one.Paths, shown)
		}
		c.Partners = append(c.Partners, one)
	}
	return c
}

// problems are those of a talk as a whole.
func (t *talk) problems() (all []string) {
	if t.unreadable {
		all = append(all, fmt.Sprintf("the packets of the partner %s cannot be read: different keys?", t.addr))
	}
	switch t.mood {
	case neverCame:
		all = append(all, fmt.Sprintf("the daemon of the partner %s has not been heard on the channel since our start", t.addr))
	case fellQuiet:
		all = append(all, fmt.Sprintf("the daemon of the partner %s has fallen silent on the channel", t.addr))
	}
	if t.cloned {
		all = append(all, clonedText)
	}
	for _, s := range t.strangers {
		if !s.told {
			continue
		}
		all = append(all, fmt.Sprintf("the file of the partner %s has %s for this pair, but this host's file does not", t.addr, s.addr))
	}
	return all
}

func (l *loop) show(a *alias, journal bool) control.Alias {
	f := l.facts(a)
	c := control.Alias{
		Alias: a.id().String(), Prefix: a.cfg.Prefix.Bits(), NIC: a.cfg.Label,
		Role: "secondary", Parked: a.state.Parked, Holder: a.holder(f),
		Partner: about(a.partner), Router: about(a.router),
		Row: a.decision.Row, Action: a.decision.Action.String(), Reason: a.decision.Reason.String(),
		Why: a.cause(a.decision.Reason), Since: a.since.Round(0), Level: a.level(),
		Facts: shown(a.list(f)), Checks: a.cfg.Checks, Announcements: a.announcements,
	}
	c.Partner.Name = a.cfg.Partner.Name
	c.Router.Answer = f.Router.Value.Answer()
	if a.cfg.Primary {
		c.Role = "primary"
	}
	if a.decision.Row == "" && a.decision.Action != rules.Adopt {
		c.Reason, c.Why = "starting", "nothing is known yet"
	}
	if near := l.nearPartner(a, a.decision.Reason); near != "" {
		c.Why = near
	}
	if deaf := l.deafness(a, a.decision.Reason); deaf != "" {
		c.Why += ": " + deaf
	}
	if trouble := a.trouble(); a.errand.failure.is() || trouble != "" {
		c.Why = strings.TrimSpace(a.errand.failure.text + " " + trouble)
	}
	if a.verified != rules.Unknown {
		c.Verified = a.verified.String()
	}
	c.Standby = a.showStandby()
	c.Group = a.showGroup(f)
	c.Pair = a.pair
	if h := a.state.Handover; h.Side != rules.NoSide {
		c.Handover = h.Side.String()
	}
	if t := a.talk; t != nil {
		c.Says = &control.Says{Daemon: moods[t.mood], Version: t.version, At: a.peer.Said.Round(0), Drills: t.features&peer.FeatureDrill != 0}
		if !a.peer.Said.IsZero() {
			c.Says.Role, c.Says.State, c.Says.Why = "secondary", strings.TrimSuffix(a.says.Standing.String()+", "+a.says.Step.String(), ", "), inFull(a.says.Text, rules.ReasonFromWire(a.says.Why))
			if a.says.Primary {
				c.Says.Role = "primary"
			}
			if hw := host.HW(a.says.HW); !hw.IsZero() {
				c.Says.HW = hw.String()
			}
		}
	}
	if a.cfg.Loopback() {
		showLoopback(a, &c)
	}
	if journal {
		c.Journal = Journal(l.d.ring.Of(a.recorded()))
	}
	return c
}

// level tells how much there is to worry about; empty: nothing.
func (a *alias) level() string {
	switch lv := a.decision.Reason.Level(); {
	case len(a.pair) > 0:
		return "alarm"
	case a.errand.failure.is() || a.trouble() != "":
		return "error"
	case lv > rules.Info:
		return record.LevelName(lv)
	}
	return ""
}

// holder names who has the alias.
func (a *alias) holder(f rules.Facts) string {
	switch {
	case a.state.Holding:
		return "us"
	case f.Alias.Value == rules.Silent:
		return "nobody"
	case f.Alias.Value == rules.Unknown:
		return "unknown"
	}
	return a.rival(f)
}

// rival names the host that answers for the alias. Of an alias that we hold ourselves, a
// rival is called the partner only where that is proven.
func (a *alias) rival(f rules.Facts) string {
	by := f.ByPartner
	if a.state.Holding {
		by = rules.Claimant(a.policy, f)
	}
	switch {
	case by == rules.Yes:
		return "partner"
	case a.alias.HW().IsZero():
		return "another host"
	}
	return a.alias.HW().String()
}

func about(t *detect.Target) control.Peer {
	p := control.Peer{Answer: rules.Unknown.Answer()}
	if t != nil {
		p.Addr, p.Answer = t.Addr.String(), t.Fact().Value.Answer()
		if !t.HW().IsZero() {
			p.HW = t.HW().String()
		}
	}
	return p
}

// list is the facts as events and snapshot have them.
func (a *alias) list(f rules.Facts) []record.Fact {
	all := make([]record.Fact, 0, rules.FactCount)
	for _, r := range rules.FactRows() {
		if a.cfg.Loopback() && !r.Loopback {
			continue
		}
		x := r.Of(&f)
		value := x.Value
		if r.Service && !a.fresh(*x, f.Now) {
			value = rules.Unknown
		}
		if !r.Shown(value) && !(r.Service && len(a.cfg.Checks) > 0) {
			continue
		}
		one := record.Fact{Name: r.Name, Value: r.Spell(value), Since: x.Since.Round(0), Asked: x.Asked.Round(0)}
		if r.Service && value != rules.Unknown {
			one.Why = a.sourcedWhy[r.ID]
		}
		if r.ID == rules.FactAlias && x.Value == rules.Answered {
			one.By = a.rival(f)
			if hw := a.alias.HW(); !hw.IsZero() {
				one.HW = hw.String()
			}
		}
		all = append(all, one)
	}
	return all
}

// shown are facts in the words of the control socket.
func shown(facts []record.Fact) []control.Fact {
	all := make([]control.Fact, len(facts))
	for i, f := range facts {
		all[i] = control.Fact{Name: f.Name, Value: f.Value, By: f.By, Why: f.Why, Since: f.Since, Asked: f.Asked}
	}
	return all
}

// Journal returns what Why shows of the events, in their order.
func Journal(events []record.Event) []control.Entry {
	all := make([]control.Entry, len(events))
	for i, e := range events {
		w := e.Entry()
		all[i] = control.Entry{At: e.Time, Row: w.Row, Action: w.Action, Reason: w.Reason, Why: w.Why, Facts: shown(e.Facts)}
	}
	return all
}
