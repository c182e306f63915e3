package detect

import (
	"time"

	"alias-defender/aliasdefender/rules"
)

// ear is how well answers by one medium are heard.
type ear struct {
	lost time.Time     // when it was last found that some were lost
	late time.Duration // for how long the oldest has waited that was not taken in
}

// missed tells whether an answer may have come since then that was not heard.
func (e *ear) missed(since time.Time, timeout time.Duration) bool {
	return e.lost.After(since) || e.late >= timeout
}

// Heard takes in how well answers by a medium are heard: by ARP those on a NIC, by
// ICMP all. lost tells that the kernel has had no room for some since this was last
// told; late is for how long the oldest has waited that was not taken in yet.
//
// It has to be told before the answers are taken in that a Turn is to know of: what
// waited before may have been taken in since.
func (s *Set) Heard(now time.Time, m Medium, nic string, lost bool, late time.Duration) {
	e := &s.pings
	if m == ARP {
		n := s.nics[nic]
		if n == nil {
			return // no alias is on it
		}
		e = &n.ear
	}
	if e.late = late; lost {
		e.lost = now
	}
}

// Missed tells whether an answer by a medium may have come since then that was not heard,
// to a question that waits for it as long as timeout: by ARP one on a NIC.
func (s *Set) Missed(m Medium, nic string, since time.Time, timeout time.Duration) bool {
	if m == ICMP {
		return s.pings.missed(since, timeout)
	}
	n := s.nics[nic]
	return n != nil && n.ear.missed(since, timeout)
}

// deafened tells whether the answer to a question of the open window may have come,
// and was not heard.
func (s *Set) deafened(t *Target) bool {
	w := &t.window
	return w.by[ICMP].left() && s.pings.missed(w.start, t.Timeout) ||
		w.by[ARP].left() && t.nic.ear.missed(w.start, t.Timeout)
}

// unheard ends a window whose answer may have been lost on the way to us: it is
// neither an answer nor one in vain. What was silent is unknown at once; what
// answered, or was never asked before, when it would have become silent.
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
