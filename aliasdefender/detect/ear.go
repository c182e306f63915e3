package detect

import (
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// ear is how well answers by one medium are heard.
type ear struct {
	lost time.Time     // when answers were last found to be lost
	late time.Duration // how long the oldest answer has waited that was not taken in
}

// missed tells whether we may have missed an answer since then.
func (e *ear) missed(since time.Time, timeout time.Duration) bool {
	return e.lost.After(since) || e.late >= timeout
}

// Heard records how well we hear the answers by a medium: for ARP the answers of one
// family on a NIC, for ICMP all answers. lost tells that since the last call the kernel
// had no room for some of them. late is how long the oldest answer has waited that was
// not recorded yet.
//
// Call Heard before you record the answers that a Turn should know about: afterwards the
// answers that had waited may have been recorded.
func (s *Set) Heard(now time.Time, m Medium, side host.Side, lost bool, late time.Duration) {
	e := &s.pings
	if m == ARP {
		n := s.nics[side]
		if n == nil {
			return // no alias is on it
		}
		e = &n.ear
	}
	if e.late = late; lost {
		e.lost = now
	}
}

// Missed tells whether, since the time since, we may have missed an answer by a medium
// (by ARP: on that half of a NIC) to a question that waits for it as long as timeout.
func (s *Set) Missed(m Medium, side host.Side, since time.Time, timeout time.Duration) bool {
	if m == ICMP {
		return s.pings.missed(since, timeout)
	}
	n := s.nics[side]
	return n != nil && n.ear.missed(since, timeout)
}

// deafened tells whether we may have missed the answer to a question of the open window.
func (s *Set) deafened(t *Target) bool {
	w := &t.window
	return w.by[ICMP].left() && s.pings.missed(w.start, t.Timeout) ||
		w.by[ARP].left() && t.nic.ear.missed(w.start, t.Timeout)
}

// unheard ends a window whose answer may have been lost on its way to us: the window
// counts neither as an answer nor as one in vain. A silent target becomes unknown at
// once. One that answered, or was never asked before, becomes unknown when it would have
// become silent.
func (s *Set) unheard(t *Target) {
	t.blind++
	late := t.blind >= t.Misses && (t.fact.Value == rules.Answered || t.fact.Since.IsZero())
	if t.fact.Value == rules.Silent || late {
		s.unknown(t)
	}
	if t.blind < 2*t.Misses {
		s.openWindow(t)
		return
	}
	t.vain, t.blind = 0, 0
	t.fact.Miss = time.Time{}
}
