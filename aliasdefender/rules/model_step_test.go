package rules

import "time"

// step lets as little as possible happen: words on their way arrive, with what
// follows. If nothing is on its way a tick passes. It returns what must not happen.
func (p *pair) step(c *setting) (wrong string) {
	moved := false
	p.moves = false
	for i := range p.h {
		moved = p.arrives(c, i) || moved
	}
	both := [2]Decision{}
	if p.race {
		for i := range p.h {
			if p.h[i].daemon == running {
				both[i] = p.decide(c, i)
			}
		}
	}
	for i := range p.h {
		if p.h[i].daemon != running {
			continue
		}
		if p.race {
			moved = p.carry(c, i, both[i], &wrong) || moved
		}
		for n := 0; p.carry(c, i, p.decide(c, i), &wrong); n++ {
			if moved = true; n == 6 {
				return restless
			}
		}
	}
	p.race = false
	for i := range p.h {
		moved = p.speak(c, i) || moved
	}
	if !moved {
		p.tick(c)
	}
	for i := range p.h {
		p.calm = p.calm || p.h[i].kernel && p.h[i].said != never && p.h[i].word.standing == SaysAble
	}
	return wrong
}

// arrives delivers the other host's word, and the answer to a ping from the alias.
func (p *pair) arrives(c *setting, i int) bool {
	m, from := &p.h[i], &p.h[1-i]
	moved := m.written
	m.written = false
	if m.verifying && m.daemon == running {
		s := m.state()
		s.Pinged(Of(p.router && p.reaches(i) && int(p.cache) == i && !m.deaf), noon)
		m.keep(&s)
		m.verifying, m.deaf, moved = false, false, true
	}
	if m.asking && m.daemon == running {
		if m.asking = false; p.answersTo(i) {
			m.claimant.answered()
			moved = true
		}
	}
	if from.flying && from.late == 0 {
		from.flying, moved = false, true
		if p.talks(c) && m.daemon == running {
			m.word, m.said, m.daemonHeard = from.sent, 0, 0
			m.learns(c, from, 1-i)
			m.holds()
		}
	}
	return moved
}

// learns takes in what comes with a word.
func (m *member) learns(c *setting, from *member, i int) {
	if m.partnerIll = from.ill; c.group {
		m.partnerApart, m.partnerWhole = from.apart, from.facts(c, i).Whole.Value
	}
}

// speak sends a word that has changed.
func (p *pair) speak(c *setting, i int) bool {
	m := &p.h[i]
	if m.daemon != running || !c.channel {
		return false
	}
	w := talkOf(Say(c.policy(i), m.state(), m.facts(c, i)))
	if w == m.sent || m.flying && m.late > 0 {
		return false // a late word holds back those behind it
	}
	m.sent, m.flying, m.late = w, true, 0
	return true
}

// decide asks the real rules, as the daemon's loop does.
func (p *pair) decide(c *setting, i int) Decision {
	m := &p.h[i]
	s, policy := m.state(), c.policy(i)
	if m.kernel && !m.holding {
		p.follow(i, s.Done(policy, Decision{Action: Adopt, Reason: Adopted}, Outcome{Begun: noon, Lifetime: m.lease.duration(), Ours: true}, noon))
	}
	v, was := &c.view, s
	v.p, v.f, v.again = policy, m.facts(c, i), time.Time{}
	p.follow(i, s.Saw(policy, v.f))
	ended := was.Handover.Side != NoSide && s.Handover.Side == NoSide
	switch {
	case c.without == forgetting:
		s.Anew = was.Anew
	case c.without == lastWord && ended:
		s.Announced, s.Next = was.Announced, was.Next
	}
	m.asking = s.Holding && m.alias.value == Answered && m.claimant.value == Unknown
	v.s = s
	d := v.decide(c.rows)
	switch {
	case s.Order != NoOrder:
		s.Report(AddAlias, d)
	case s.Give && s.Exit == NoExit:
		s.Report(HandoverAlias, d)
	}
	m.keep(&s)
	if s.Exit != NoExit && !s.MayLeave(d) && !s.Between() {
		m.clear()
	}
	return d
}

// carry does what was decided, and returns whether it did anything.
func (p *pair) carry(c *setting, i int, d Decision, wrong *string) bool {
	m := &p.h[i]
	if m.daemon != running {
		return false
	}
	s, policy := m.state(), c.policy(i)
	o := Outcome{Begun: noon, Lifetime: policy.Lifetime(), Alias: m.alias.value, Word: m.facts(c, i).Peer.Word}
	switch d.Action {
	case Take, Restore:
		if m.kernel || !s.MayBegin(d) {
			return false
		}
		if d.Action == Take {
			p.moves = true
			if what := p.mustNotTake(i, d.Reason); what != "" {
				*wrong = what
			}
		} else if !m.robbed {
			*wrong = hosts[i] + " puts back what went with its lease"
		}
		p.write(i, o.Lifetime)
	case Refresh:
		p.write(i, o.Lifetime)
	case Reorder:
		if !m.kernel {
			*wrong = hosts[i] + " puts behind its own address what it does not have"
		}
		p.write(i, o.Lifetime)
		m.behind = false
	case Release, Forget:
		if d.Action == Release && !m.holding {
			return false
		}
		left := m.kernel
		p.moves = true
		m.kernel, m.lease = false, forever
		m.ours = d.Reason == LinkLost || d.Reason == LeaseEnded
		if left && d.Action == Release && p.mustServe(c, i, d.Reason) {
			*wrong = hosts[i] + " releases (" + d.Reason.String() + "), and nobody has the alias"
		}
		if d.Reason.YieldsToRival() && m.forged && !m.owned && !p.h[1-i].kernel {
			*wrong = hosts[i] + " yields to a forged claim"
		}
	case Announce:
		if !m.kernel {
			*wrong = hosts[i] + " announces what it does not have"
		}
	case HandOver, AskHandover:
		if s.Handover.Side != NoSide {
			return false
		}
		o.Number = p.number()
	default:
		return false
	}
	follow := s.Done(policy, d, o, noon)
	if c.without == patience && d.Action == Take && s.Handover.Side == Getting {
		s.Handover.Began = noon.Add(-4 * tick)
	}
	if c.takes == 0 {
		s.Takes = nil
	}
	m.keep(&s)
	if p.follow(i, follow); d.Action == Announce {
		p.announce(i)
	}
	return true
}

// follow does what follows a deed, a command or an observation. In the model it takes
// no time, and questions are asked at the next tick.
func (p *pair) follow(i int, f Follow) {
	m := &p.h[i]
	if f.Point && p.reaches(i) {
		p.cache = uint8(1 - i)
	}
	if f.Look == LookAnew {
		m.alias = unheard
	}
	if f.Verify == VerifyForGiver { // for other deeds the result is only logged
		m.verifying = true
	}
}

// write puts the alias into the kernel, or tells the kernel to keep it for that long.
func (p *pair) write(i int, lifetime time.Duration) {
	p.h[0].ours, p.h[1].ours = false, false
	if !p.h[i].kernel {
		p.h[i].had, p.h[i].behind = 0, false
	}
	p.h[i].kernel, p.h[i].robbed, p.h[i].lease = true, false, forever
	if lifetime > 0 {
		p.h[i].lease = left(lifetime / tick)
	}
}

// announce reaches the client and the other host, if they are connected.
func (p *pair) announce(i int) {
	if p.reaches(i) {
		p.cache = uint8(i)
	}
	if o := &p.h[1-i]; p.joined() && o.daemon == running && !o.lossy {
		o.sees(false)
		p.partnerSeen(1 - i)
	}
}

// sees: a frame claims the alias; the other host sent it, or somebody forged it in
// that host's name. What was known about the sender of the last frame says nothing
// about a new claim.
func (m *member) sees(forged bool) {
	if m.alias.value != Answered || m.forged != forged {
		m.claimant = unheard
	}
	m.owned = !forged || m.owned && m.alias.value == Answered
	m.forged = forged
	m.alias.answered()
}

// answersTo tells whether the claimant answers for the partner's address: the other
// host's kernel does, a forger does not.
func (p *pair) answersTo(i int) bool { return !p.h[i].forged && p.joined() }

// holds notes that the other's word says that it holds the alias.
func (m *member) holds() {
	if m.word.standing == SaysHolding {
		m.held = 0
	}
}

// partnerSeen: the other host is heard.
func (p *pair) partnerSeen(i int) {
	m := &p.h[i]
	back := m.partner.value == Silent
	m.partner.answered()
	if back {
		s := m.state()
		p.follow(i, s.PartnerIsBack(noon))
		m.keep(&s)
	}
}

// number is a number that nobody uses.
func (p *pair) number() uint32 {
	used := [16]bool{0: true}
	for i := range p.h {
		m := &p.h[i]
		used[m.hand.number], used[m.word.number], used[m.sent.number] = true, true, true
	}
	for n, is := range used {
		if !is {
			return uint32(n)
		}
	}
	panic("no number")
}

// tick lets a tick pass; at its end everybody asks and the daemons speak.
func (p *pair) tick(c *setting) {
	if p.whole = min(p.whole+1, known); !p.joined() {
		p.whole = 0
	}
	for i := range p.h {
		p.h[i].had = min(p.h[i].had+1, known)
		p.h[i].pass()
		if p.h[i].late > 0 {
			p.h[i].late--
		}
	}
	for i := range p.h {
		if p.h[i].daemon == running {
			p.ask(i)
		}
	}
	for i := range p.h {
		m, to := &p.h[i], &p.h[1-i]
		if m.daemon != running || !p.talks(c) || to.daemon != running {
			continue
		}
		w := talkOf(Say(c.policy(i), m.state(), m.facts(c, i)))
		if m.flying {
			continue
		}
		if to.said != never && to.word == w && m.sent == w {
			to.said, to.daemonHeard = 0, 0
			to.learns(c, m, i)
			to.holds()
			continue
		}
		m.sent, m.flying, m.late = w, true, 0
	}
}

// pass is a tick on one host.
func (m *member) pass() {
	if m.lease.pass(); m.kernel && m.lease <= 0 {
		m.kernel, m.lease = false, forever
	}
	for _, h := range []*heard{&m.alias, &m.partner, &m.router, &m.claimant} {
		h.pass()
	}
	for _, a := range []*ticks{&m.carrier, &m.hand.began, &m.hand.ended, &m.defended, &m.taken, &m.anew, &m.woke, &m.reordered, &m.fenced, &m.daemonHeard, &m.said, &m.held} {
		if *a != never {
			a.pass()
		}
	}
	if m.held > known {
		m.held = never
	}
	m.next.pass()
	m.leased.pass()
}

// ask is one host's round of questions.
func (p *pair) ask(i int) {
	m, other := &p.h[i], &p.h[1-i]
	if !m.cable {
		m.alias, m.partner, m.router = unheard, unheard, unheard
		return
	}
	if m.lossy {
		for _, h := range []*heard{&m.alias, &m.partner, &m.router} {
			h.lost()
		}
		return
	}
	if p.joined() {
		p.partnerSeen(i)
	} else {
		m.partner.missed()
	}
	if p.joined() && other.kernel {
		m.sees(false)
	} else {
		m.alias.missed()
	}
	switch {
	case !m.holding || m.alias.value != Answered:
		m.claimant, m.forged, m.owned = unheard, m.forged && m.alias.value == Answered, m.owned && m.alias.value == Answered
	case p.answersTo(i):
		m.claimant.answered()
	default:
		m.claimant.missed()
	}
	if !p.router || !p.reaches(i) {
		m.router.missed()
		return
	}
	back := m.router.value == Silent
	m.router.answered()
	for _, h := range []*heard{&m.alias, &m.partner} {
		if back && h.value == Silent && !m.holding {
			*h = unheard
		}
	}
}
