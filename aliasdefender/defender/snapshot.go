package defender

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/rules"
)

// snapshot is the loop's knowledge in the form that leaves the process.
func (l *loop) snapshot(journal bool) control.Snapshot {
	s := control.Snapshot{
		Version: l.o.Version, PID: os.Getpid(), Started: l.d.started.Round(0), Now: time.Now().Round(0),
		Aliases: make([]control.Alias, 0, len(l.order)),
	}
	if l.readErr != "" {
		s.Problems = append(s.Problems, "the kernel cannot be asked for its addresses: "+l.readErr)
	}
	s.Maintenance = l.maintenance
	if l.channel != nil {
		s.Channel = showChannel(l.channel.Status())
	}
	if l.openErr != "" && l.channel == nil {
		s.Problems = append(s.Problems, "no channel to the partner: "+l.openErr)
	}
	for _, t := range l.talks {
		s.Problems = append(s.Problems, t.problems()...)
	}
	for _, a := range l.order {
		s.Aliases = append(s.Aliases, l.show(a, journal))
	}
	return s
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
	if t.mood == neverCame || t.mood == fellQuiet {
		all = append(all, fmt.Sprintf("the daemon of the partner %s is %s on the channel", t.addr, moods[t.mood]))
	}
	for _, s := range t.strangers {
		if !s.told {
			continue
		}
		all = append(all, fmt.Sprintf("the file of the partner %s has %s for this pair, and this host's has not", t.addr, s.addr))
	}
	return all
}

func (l *loop) show(a *alias, journal bool) control.Alias {
	f := l.facts(a)
	c := control.Alias{
		Alias: a.cfg.Addr.String(), Prefix: a.cfg.Prefix.Bits(), NIC: a.cfg.Label,
		Role: "secondary", Parked: a.state.Parked, Holder: a.holder(f),
		Partner: about(a.partner), Router: about(a.router),
		Row: a.decision.Row, Action: a.decision.Action.String(), Reason: a.decision.Reason.String(),
		Why: a.decision.Reason.Text(), Since: a.since.Round(0), Level: a.level(),
		Facts: a.list(f),
	}
	c.Partner.Name = a.cfg.Partner.Name
	c.Router.Answer = f.Router.Value.Answer()
	if a.cfg.Primary {
		c.Role = "primary"
	}
	if a.decision.Row == "" && a.decision.Action != rules.Adopt {
		c.Reason, c.Why = "starting", "nothing is known yet"
	}
	if a.failure != "" || a.elsewhere != "" {
		c.Why = strings.TrimSpace(a.failure + " " + a.elsewhere)
	}
	c.Pair = a.pair
	if h := a.state.Handover; h.Side != rules.NoSide {
		c.Handover = h.Side.String()
	}
	if t := a.talk; t != nil {
		c.Says = &control.Says{Daemon: moods[t.mood], Version: t.version, At: a.peer.Said.Round(0)}
		if !a.peer.Said.IsZero() {
			c.Says.Role, c.Says.State, c.Says.Why = "secondary", strings.TrimSuffix(a.says.Standing.String()+", "+a.says.Step.String(), ", "), a.says.Text
			if a.says.Primary {
				c.Says.Role = "primary"
			}
		}
	}
	if journal {
		c.Journal = append(c.Journal, a.journal...)
	}
	return c
}

// level tells how much there is to worry about; empty: nothing.
func (a *alias) level() string {
	switch lv := a.decision.Reason.Level(); {
	case len(a.pair) > 0:
		return "alarm"
	case a.failure != "" || a.elsewhere != "":
		return "error"
	case lv > rules.Info:
		return [...]string{"", "warning", "error", "alarm"}[lv]
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

// rival names the host that answers for the alias.
func (a *alias) rival(f rules.Facts) string {
	switch {
	case f.ByPartner == rules.Yes:
		return "partner"
	case a.alias.hw.IsZero():
		return "another host"
	}
	return a.alias.hw.String()
}

func about(t *target) control.Peer {
	p := control.Peer{Answer: rules.Unknown.Answer()}
	if t != nil {
		p.Addr, p.Answer = t.addr.String(), t.fact.Value.Answer()
		if !t.hw.IsZero() {
			p.HW = t.hw.String()
		}
	}
	return p
}

// list is the facts as they stand in journal and snapshot.
func (a *alias) list(f rules.Facts) []control.Fact {
	one := func(name, value string, x rules.Fact) control.Fact {
		return control.Fact{Name: name, Value: value, Since: x.Since.Round(0), Asked: x.Asked.Round(0)}
	}
	elsewhere := one("alias elsewhere", f.Alias.Value.Answer(), f.Alias)
	if f.Alias.Value == rules.Answered {
		elsewhere.By = a.rival(f)
	}
	return []control.Fact{
		one("nic up", f.NIC.Value.String(), f.NIC),
		one("carrier", f.Carrier.Value.String(), f.Carrier),
		one("own address", f.Own.Value.String(), f.Own),
		one("in kernel", f.Kernel.Value.String(), f.Kernel),
		elsewhere,
		one("partner", f.Partner.Value.Answer(), f.Partner),
		one("router", f.Router.Value.Answer(), f.Router),
	}
}

// describe is the facts in one line of the log.
func describe(f rules.Facts, a *alias, now time.Time) string {
	age := func(x rules.Fact) string {
		if x.Asked.IsZero() {
			return ""
		}
		return fmt.Sprintf(" (asked %s ago)", now.Sub(x.Asked).Round(time.Millisecond))
	}
	by := ""
	if f.Alias.Value == rules.Answered && !a.alias.hw.IsZero() {
		by = " by " + a.alias.hw.String()
	}
	link := "good"
	switch {
	case f.NIC.Value == rules.Unknown:
		link = "unknown"
	case f.NIC.Value == rules.No:
		link = "missing or down"
	case f.Carrier.Value != rules.Yes:
		link = "no carrier"
	case f.Own.Value != rules.Yes:
		link = "no own address"
	}
	return fmt.Sprintf("link %s, alias %s%s%s, partner %s%s, router %s%s", link,
		f.Alias.Value.Answer(), by, age(f.Alias),
		f.Partner.Value.Answer(), age(f.Partner), f.Router.Value.Answer(), age(f.Router))
}

func level(r rules.Reason) logrus.Level {
	switch r.Level() {
	case rules.Warning:
		return logrus.WarnLevel
	case rules.Error, rules.Alarm:
		return logrus.ErrorLevel
	}
	return logrus.InfoLevel
}
