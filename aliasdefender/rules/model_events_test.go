package rules

import "strings"

// event is one thing that happens to the world. It returns whether it could happen.
type event struct {
	text string
	few  bool // searched with one event more than the rest
	do   func(p *pair, c *setting) bool
}

var hosts = [2]string{"A", "B"}

// events are all events, for either host.
func events() []event {
	var all []event
	for i := range hosts {
		all = append(all, operators(i)...)
	}
	orders := len(all)
	for i := range all { // a single AddAlias must succeed
		e, who := &all[i], i/(orders/2)
		do, adds := e.do, strings.HasSuffix(e.text, "AddAlias")
		e.do = func(p *pair, c *setting) bool {
			first := p.wanted == 2
			if p.wanted = 3; first && adds && p.h[who].word.standing == SaysHolding {
				p.wanted = uint8(who)
			}
			return do(p, c)
		}
	}
	for i := range hosts {
		all = append(all, daemons(i)...)
		all = append(all, faults(i)...)
	}
	all = append(all, segment()...)
	for i := range all {
		all[i].few = all[i].few || i < orders && !strings.Contains(all[i].text, "force") || strings.Contains(all[i].text, "daemon")
	}
	for i := range all[orders:] { // all others excuse a gap
		e := &all[orders+i]
		do := e.do
		e.do = func(p *pair, c *setting) bool {
			p.faulty = true
			return do(p, c)
		}
	}
	return all
}

// of makes an event for one host.
func of(i int, text string, do func(m *member) bool) event {
	return event{text: hosts[i] + ": " + text, do: func(p *pair, c *setting) bool {
		m := &p.h[i]
		if !do(m) {
			return false
		}
		m.written = true
		return true
	}}
}

// ordered gives a command to a daemon that listens, if it may be given.
func ordered(i int, text string, command Command, may func(m *member) bool) event {
	return event{text: hosts[i] + ": " + text, do: func(p *pair, c *setting) bool {
		m := &p.h[i]
		if m.daemon != running || m.told || !may(m) {
			return false
		}
		s := m.state()
		follow := s.Obey(command, m.facts(c, i))
		m.keep(&s)
		p.follow(i, follow)
		switch command { // the judge's knowledge, and the disk
		case RemoveAlias:
			m.parks = true
		case AddAlias, ForceAlias:
			m.parks = false
		case StopAndGive:
			m.told = true
		}
		m.written = true
		return true
	}}
}

func operators(i int) []event {
	return []event{
		ordered(i, "RemoveAlias", RemoveAlias, func(m *member) bool { return !m.parks }),
		ordered(i, "AddAlias", AddAlias, func(m *member) bool { return !m.holding || m.parks }),
		ordered(i, "AddAlias --force", ForceAlias, func(m *member) bool { return !m.holding }),
		ordered(i, "Handover", HandoverAlias, func(m *member) bool { return m.holding && !m.give }),
		ordered(i, "TERM, on_exit = handover", StopAndGive, func(*member) bool { return true }),
	}
}

func daemons(i int) []event {
	return []event{
		of(i, "its daemon is killed", func(m *member) bool {
			if m.daemon == dead {
				return false
			}
			m.clear()
			return true
		}),
		of(i, "its daemon starts", func(m *member) bool {
			if m.daemon != dead || !m.on {
				return false
			}
			m.start()
			return true
		}),
		of(i, "its daemon is restarted by USR2", func(m *member) bool {
			if m.daemon != running {
				return false
			}
			if m.kernel {
				m.lease = forever
			}
			m.start()
			return true
		}),
		of(i, "its daemon is frozen", func(m *member) bool {
			if m.daemon != running {
				return false
			}
			m.daemon = frozen
			return true
		}),
		of(i, "its daemon goes on", func(m *member) bool {
			if m.daemon != frozen {
				return false
			}
			m.wake()
			return true
		}),
	}
}

// wake: a process finds that it was away, and forgets what it knew.
func (m *member) wake() {
	m.daemon, m.verifying = running, false
	m.alias, m.partner, m.router = unheard, unheard, unheard
	s := m.state()
	s.Awoke(noon)
	m.keep(&s)
	f := Facts{}
	if m.daemonHeard != never {
		f.Peer.Heard = m.daemonHeard.time()
	}
	f.Peer.Forget(noon)
	m.daemonHeard, m.said, m.held, m.word = agoOf(f.Peer.Heard, 1), never, never, talk{}
}

func faults(i int) []event {
	return []event{
		of(i, "power fails", func(m *member) bool {
			if !m.on {
				return false
			}
			*m = boot(m.parks)
			m.on = false
			return true
		}),
		of(i, "boots", func(m *member) bool {
			if m.on {
				return false
			}
			*m = boot(m.parks)
			m.start()
			return true
		}),
		of(i, "cable out", func(m *member) bool {
			if !m.cable || !m.on {
				return false
			}
			m.cable, m.carrier = false, 0
			m.alias, m.partner, m.router = unheard, unheard, unheard
			return true
		}),
		of(i, "cable in", func(m *member) bool {
			if m.cable || !m.on {
				return false
			}
			m.cable, m.carrier = true, 0
			s := m.state()
			s.LinkIsUp(noon)
			m.keep(&s)
			return true
		}),
		of(i, "its service falls ill", func(m *member) bool {
			was := m.ill
			m.ill = true
			return !was
		}),
		of(i, "its service is well again", func(m *member) bool {
			was := m.ill
			m.ill = false
			return was
		}),
		of(i, "another program deletes the alias", func(m *member) bool {
			was := m.kernel
			m.kernel, m.lease, m.robbed = false, forever, was
			return was
		}),
		{hosts[i] + ": its own address goes and comes back", true, func(p *pair, c *setting) bool {
			m := &p.h[i]
			was := m.behind
			m.behind, m.written = true, true
			return c.own && m.kernel && !was
		}},
		of(i, "the router's next answer to the alias is lost", func(m *member) bool {
			was := m.deaf
			m.deaf = true
			return !was && m.daemon == running && !m.holding
		}),
		{hosts[i] + ": a forged claim reaches it", false, func(p *pair, c *setting) bool {
			m := &p.h[i]
			if !c.forged || !m.cable || m.daemon != running {
				return false
			}
			m.sees(true)
			m.written = true
			return true
		}},
		fences(i, "its cable is out", func(other *member) {
			other.cable, other.carrier = false, 0
			other.alias, other.partner, other.router = unheard, unheard, unheard
		}),
		fences(i, "its alias is gone and its daemon dead", func(other *member) {
			other.kernel, other.lease = false, forever
			other.clear()
		}),
		fences(i, "in vain", func(*member) {}),
		apart(i, "another member of the group fails", true),
		apart(i, "another member of the group is well again", false),
		lossy(i, "its ARP listener loses frames", true),
		lossy(i, "its ARP listener hears all again", false),
		{hosts[i] + ": what it says is a second late", true, func(p *pair, c *setting) bool {
			was := p.h[i].flying && p.h[i].late == 0
			p.h[i].late = 2
			return was
		}},
		{hosts[i] + ": what it says is lost", true, func(p *pair, c *setting) bool {
			was := p.h[i].flying
			p.h[i].flying = false
			return was
		}},
	}
}

// fences: a program of the administrator's on one host fences the other, and says that it
// has done so.
func fences(i int, text string, fence func(other *member)) event {
	return event{hosts[i] + ": fences the other: " + text, false, func(p *pair, c *setting) bool {
		m, other := &p.h[i], &p.h[1-i]
		if !c.fences || m.daemon != running || !other.on {
			return false
		}
		s, policy, f := m.state(), c.policy(i), m.facts(c, i)
		f.Ready = Fact{Value: Ready(policy, s, f).Ready, Since: agoTable[old], Asked: noon}
		if may, _ := Recover(policy, s, f); !may.Fence {
			return false
		}
		fence(other)
		m.fenced, m.unfenced = 0, false
		m.written, other.written = true, true
		return true
	}}
}

// apart is only for the settings with a group.
func apart(i int, text string, to bool) event {
	return event{hosts[i] + ": " + text, false, func(p *pair, c *setting) bool {
		m := &p.h[i]
		was := m.apart
		m.apart, m.written = to, true
		return c.group && was != to && m.on
	}}
}

// lossy is only for some settings: with all of them the search would take too long.
func lossy(i int, text string, to bool) event {
	return event{hosts[i] + ": " + text, false, func(p *pair, c *setting) bool {
		m := &p.h[i]
		was := m.lossy
		m.lossy = to
		m.written = true
		return c.lossy && was != to && m.on
	}}
}

func segment() []event {
	cut := func(text string, side uint8) event {
		return event{text: text, do: func(p *pair, c *setting) bool {
			was := p.cut
			p.cut, p.side = true, side
			return !was
		}}
	}
	flip := func(text string, b func(p *pair) *bool, to bool) event {
		return event{text: text, do: func(p *pair, c *setting) bool {
			v := b(p)
			was := *v
			*v = to
			return was != to
		}}
	}
	router := func(p *pair) *bool { return &p.router }
	channel := func(p *pair) *bool { return &p.channel }
	only := func(e event) event {
		return event{text: e.text, do: func(p *pair, c *setting) bool { return c.channel && e.do(p, c) }}
	}
	return []event{
		cut("the segment is cut, router and clients stay with A", 0),
		cut("the segment is cut, router and clients stay with B", 1),
		{"the segment is whole again", false, func(p *pair, c *setting) bool {
			was := p.cut
			p.cut, p.side = false, 0
			return was
		}},
		flip("the router dies", router, false),
		flip("the router is back", router, true),
		only(flip("the channel is blocked", channel, false)),
		only(flip("the channel is free again", channel, true)),
		{"both decide at once", false, func(p *pair, c *setting) bool {
			was := p.race
			p.race = true
			return !was && (p.h[0].flying || p.h[1].flying || p.h[0].written || p.h[1].written)
		}},
	}
}
