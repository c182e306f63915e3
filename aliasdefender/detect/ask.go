package detect

import (
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// ask puts one question. Where the target is on a NIC's own subnet the two media take
// turns, so that a host that filters ICMP is not taken for dead. In doubt the question is
// put by both: if three frames of ten are lost each way, nine questions by one medium are
// all in vain once in 430 times, and these once in 90,000. An alias that we hold is asked
// by ARP only, because our own kernel would answer a ping.
func (s *Set) ask(t *Target) {
	n := t.nic
	local := n != nil && !s.noARP
	onlyARP := local && (t.held() || t.crowd())
	byARP := onlyARP || local && (t.byARP || t.Interval < pingRhythm) == (t.window.put%2 == 0)
	both := t.vain+t.blind > 0 || t.mistrusted()
	if !both && byARP && t.unproven() {
		both = true
		t.habit.tries++
	}
	s.askBy(t, byARP, local && !onlyARP && both)
}

// askBy puts one question by ARP or by ICMP, or by both. A host that answered the last
// question is asked by an ARP frame to it alone, which spares the segment. For a silent
// one the whole segment is asked: somebody else may have its address.
func (s *Set) askBy(t *Target, byARP, both bool) {
	n := t.nic
	probe := t.lastLook(s.now)
	alone := t.fact.Value == rules.Answered && t.vain+t.blind == 0 && t.window.put == 0 && !t.held()
	t.window.put++
	if n != nil && n.Err != nil || !s.askable(t) {
		return // the rules tell of the NIC (W2 and H3)
	}
	if byARP || both || n != nil && !s.noARP && t.hw.IsZero() { // the answer's hardware address tells the partner from the router and from others
		if !n.Hears {
			s.say(t, ARP, n.Deaf) // asked again as soon as there is an ARP listener
			return
		}
		q := Question{Medium: ARP, Probe: probe}
		t.window.probe = t.window.probe || probe
		if !probe {
			q.Source = n.source(t.Addr)
		}
		if !probe && alone {
			q.To = t.hw
		}
		s.put(t, q)
	}
	if !byARP || both {
		q := Question{Medium: ICMP, Shared: t.Interval < sharedRhythm}
		if n != nil {
			q.Source = n.source(t.Addr)
		}
		s.put(t, q)
	}
}

// put hands a question to the user of the Set.
func (s *Set) put(t *Target, q Question) {
	q.Key, q.Timeout, q.Put, q.window = t.Key, t.Timeout, s.now, t.window.start
	t.window.by[q.Medium].add(s.now)
	t.habit.questions++
	s.questions = append(s.questions, q)
}

// askable tells whether an answer would come from another host. Where the asker has no
// ARP, our own kernel answers for what it has, or may have: then it is unknown what
// others would say.
func (s *Set) askable(t *Target) bool {
	if !s.noARP || t.of == nil {
		return true
	}
	h := t.of.Here()
	return !h.Working && h.Kernel != rules.Yes && !(h.Holding && h.Kernel != rules.No)
}

// Askable is askable.
func (s *Set) Askable(t *Target) bool { return s.askable(t) }

// CouldNot records that a question could not be asked, and why.
func (s *Set) CouldNot(now time.Time, q Question, err error) {
	s.now = now
	t := s.targets[q.Key]
	if t == nil {
		return
	}
	if t.window.start.Equal(q.window) {
		t.window.by[q.Medium].drop(q.Put)
	}
	if q.Medium == ICMP {
		s.unsent(t, q)
	}
	s.say(t, q.Medium, err)
}

// unsent is called for a ping that could not be sent. A window that was already closed as
// one in vain has proved nothing if this ping was all it had.
func (s *Set) unsent(t *Target, q Question) {
	local := t.nic != nil && !s.noARP
	switch {
	case t.window.start.Equal(q.window):
		known := t.byARP
		if t.byARP = known || local; local && !known && !t.window.by[ARP].left() && t.vain+t.blind == 0 {
			// Ask at once, with all the time that an answer may take: in a doubt it had
			// that.
			t.window = window{start: s.now, most: t.most()}
			s.askBy(t, true, false)
			s.plan(t)
		}
	case local:
	case t.vain > 0, t.fact.Value == rules.Silent && q.Put.After(t.fact.Asked.Add(-t.Timeout)):
		t.window.start = time.Time{}
		s.couldNot(t)
		s.plan(t)
	}
}

// Answered records the answer to a ping.
func (s *Set) Answered(now time.Time, q Question) {
	s.now = now
	t := s.targets[q.Key]
	switch {
	case t == nil:
	case t.held() && !s.noARP || !s.askable(t):
		// An answer to a question put before we took the alias.
	case q.Put.Before(t.since):
		// It was put before everything was made unknown.
	case t.of != nil && t.proxied():
		if s.noARP || t.mistrusted() { // otherwise the frame itself has told
			s.byProxy(t)
		}
	default:
		t.byARP = t.of != nil
		t.habit.pings = true
		s.answered(t, q.Put)
	}
}

// Alive records a sign of life, from the time at, that was not an answer to a question.
func (s *Set) Alive(now time.Time, t *Target, at time.Time) {
	s.now = now
	if !at.Before(t.since) {
		s.answered(t, at)
	}
}

// asked tells whether a frame answers somebody's question, rather than being its sender's
// own doing. In IPv6 the answer to a probe goes to all hosts, unsolicited (RFC 4861,
// 7.2.4), just like an announcement: while a probe of ours is open it is taken for one.
func (t *Target) asked(f host.Sighting) bool {
	return f.Reply && f.Sender != f.Target || f.Sender == f.Target && f.Sender.Is6() && t.window.probe
}

// Sighted records one frame of another host.
func (s *Set) Sighted(now time.Time, f host.Sighting) {
	s.now = now
	t := s.targets[Key{f.NIC, f.Sender}]
	if t == nil || f.At.Before(t.since) {
		return // nobody's, or from before everything was made unknown
	}
	if t.asked(f) && !t.window.start.IsZero() && t.window.by[ARP].left() {
		s.trips[ARP].Add(f.At.Sub(t.window.by[ARP].last()))
	}
	if t.hw = f.HW; f.Reply && f.Sender != f.Target {
		t.proof.replied, t.proof.by = f.At, f.HW
	}
	switch doubtful := t.mistrusted(); {
	case doubtful && t.asked(f):
		t.window.doubtful = true
		return // the ping that was put with the question decides
	case t.of != nil && t.proxied():
		s.byProxy(t)
		return
	case doubtful && !t.forNobody(): // else it ends this doubt, and the partner's word counts in the next
		t.habit.alive = true
	}
	t.byARP = t.byARP || f.Reply && t.vain > 0 // where questions by ICMP were in vain
	s.answered(t, f.At)
}

// Neighbour records who has an address according to the kernel. It is for systems where
// we hear no frames ourselves.
func (s *Set) Neighbour(now time.Time, t *Target, hw host.HW) {
	s.now = now
	if t.nic != nil && s.askable(t) && t.hw != hw {
		t.hw = hw
		s.changed(t)
	}
}

// answered files an answer, or any frame that the target sent; it is proven since that
// time.
func (s *Set) answered(t *Target, at time.Time) {
	if at.Before(t.fact.Asked) && t.fact.Value == rules.Answered {
		at = t.fact.Asked
	}
	if at.After(s.now) {
		at = s.now // a time stamp ahead of our clock proves no more than now
	}
	t.window.start, t.vain, t.blind = time.Time{}, 0, 0
	if at.Before(t.wanted) {
		s.openWindow(t) // an answer, but to an earlier question
	}
	back := t.lost
	t.lost = false
	same := t.fact.Value == rules.Answered && t.fact.Miss.IsZero()
	t.fact.Miss = time.Time{}
	t.fact.Set(rules.Answered, at, s.now)
	if same && !t.held() {
		s.confirmed(t)
		s.plan(t)
		return
	}
	s.changed(t)
	if back {
		s.back(t)
	}
	if t.held() {
		// A rival is watched closely until it has fallen silent.
		t.next = s.now.Add(max(t.Timeout, time.Second/rivalsPerSecond))
	}
	s.plan(t)
}

// back is called for a target that was silent and is heard again. Hosts that fell silent
// together with it, or while it was silent, may have been cut off from us by the same
// fault. A partner that was cut off may have taken the alias meanwhile.
func (s *Set) back(t *Target) {
	s.note(Change{Target: t, What: Back})
	for _, u := range t.users {
		switch holding := u.Here().Holding; {
		case u.partner == t && holding:
			s.askNow(u.alias)
		case u.partner == t || u.alias == t:
		default: // router or witness
			for _, other := range []*Target{u.alias, u.partner} {
				switch {
				case other == nil || other.fact.Value != rules.Silent:
				case !holding:
					s.forget(other)
				case other == u.alias:
					s.askNow(other)
				}
			}
		}
	}
}

// proxied tells whether a router answers for an alias that it does not have: proxy ARP.
// Then nothing is known of the alias.
func (t *Target) proxied() bool {
	for _, u := range t.users {
		if u.alias != t || t.hw.IsZero() || !u.routed(t.hw) {
			continue
		}
		if u.partner.at(t.hw) {
			continue // the partner is the router
		}
		return true
	}
	return false
}

// Proxied tells whether the target is an alias about which nothing is known because a
// router answers for it.
func (t *Target) Proxied() bool {
	return t.of != nil && t.fact.Value == rules.Unknown && t.proxied()
}

// byProxy files an answer for an alias that a router gave for others.
func (s *Set) byProxy(t *Target) {
	t.window.start, t.vain, t.blind = time.Time{}, 0, 0
	t.fact.Miss = time.Time{}
	t.fact.Set(rules.Unknown, s.now, s.now)
	s.say(t, ARP, errProxy[t.Side().Family])
	s.plan(t)
	s.changed(t)
}
