package detect

import (
	"net/netip"
	"slices"
	"time"
)

// nic is one interface that aliases are on, as far as asking is concerned.
type nic struct {
	Link
	ear                     // of its ARP listener
	known    bool           // its state was told
	bared    time.Time      // when it lost its own addresses, if it lost nothing else,
	had      []netip.Prefix // and which addresses these were
	subjects []*subject     // the aliases on it
	holding  int            // how many of them we hold,
	counted  time.Time      // when they were counted; zero: not yet
	doubts   int            // how many of them are in doubt, as far as that matters

	asksFrom time.Time // when the present second of questions for rivals began
	asks     int       // and how many questions were put in it
}

// nic is the interface of that name; nothing is known of it before it is told of.
func (s *Set) nic(name string) *nic {
	n := s.nics[name]
	if n == nil {
		n = &nic{Link: Link{NIC: name}}
		s.nics[name] = n
	}
	return n
}

// Link takes in what has become of a NIC. If it can carry questions again, or no longer,
// or is another interface, everything known through it is asked anew. The exception is
// the moment in which a program configures it: its own addresses go, and are back within
// a target's timeout. Then the cable was in, and others were heard.
func (s *Set) Link(now time.Time, l Link) {
	s.now = now
	n := s.nics[l.NIC]
	if n == nil {
		return // no alias is on it
	}
	was := n.Link
	known := n.known && was.Index == l.Index
	same := known && (was.Err == nil) == (l.Err == nil) && (was.Err == nil || was.Bare == l.Bare)
	n.Link, n.known = l, true
	n.Own = append([]netip.Prefix(nil), l.Own...)
	switch {
	case same:
	case known && was.Err == nil && l.Bare:
		n.bared, n.had = now, was.Own
	case known && was.Bare && l.Err == nil && slices.Equal(n.had, n.Own):
		for _, t := range s.asked {
			if t.NIC == l.NIC && now.Sub(n.bared) >= t.Timeout {
				s.forget(t)
			}
		}
	default:
		s.Renew(now, l.NIC)
	}
}

// Renew makes everything unknown that was known through a NIC, and asks anew.
func (s *Set) Renew(now time.Time, name string) {
	s.now = now
	for _, t := range s.asked {
		if t.NIC == name {
			s.forget(t)
		}
	}
}

// held is how many of its aliases we hold. They are counted once in a wake of the loop.
func (n *nic) held(now time.Time) int {
	if !n.counted.Equal(now) {
		n.holding, n.counted = 0, now
		for _, u := range n.subjects {
			if u.Here().Holding {
				n.holding++
			}
		}
	}
	return n.holding
}

// crowded tells whether we hold so many that the segment cannot be asked for the rivals
// of all of them at once.
func (n *nic) crowded(now time.Time) bool {
	return len(n.subjects) > rivalsPerSecond && n.held(now) > rivalsPerSecond
}

// mayAsk tells whether one more question for a rival may be put in this second,
// and counts it.
func (n *nic) mayAsk(now time.Time) bool {
	if now.Sub(n.asksFrom) >= time.Second {
		n.asksFrom, n.asks = now, 0
	}
	n.asks++
	return n.asks <= rivalsPerSecond
}

// source is our own address to ask from: one in the target's subnet if there is one.
func (n *nic) source(target netip.Addr) netip.Addr {
	for _, p := range n.Own {
		if p.Masked().Contains(target) {
			return p.Addr()
		}
	}
	if len(n.Own) > 0 {
		return n.Own[0].Addr()
	}
	return netip.Addr{}
}

// Source is our own address on the NIC to ask a target from; the zero Addr if
// there is none.
func (s *Set) Source(name string, target netip.Addr) netip.Addr {
	if n := s.nics[name]; n != nil {
		return n.source(target)
	}
	return netip.Addr{}
}

// mostOf is how many questions about each of n aliases a segment can carry in a
// timeout.
func mostOf(n int, timeout time.Duration) int {
	return int(int64(timeout) * doubtsPerSecond / int64(time.Second) / int64(max(1, n)))
}

// countDoubts counts how many aliases of each NIC are in doubt, where there may be too
// many.
func (s *Set) countDoubts() {
	crowded := false
	for _, n := range s.nics {
		n.doubts = 0
		crowded = crowded || mostOf(len(n.subjects), s.brisk) < perWindow
	}
	if !crowded {
		return
	}
	for _, t := range s.asked {
		if t.of != nil && t.vain+t.blind > 0 && t.nic != nil {
			t.nic.doubts++
		}
	}
}
