package detect

import (
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/host"
)

// nic is one family's half of an interface that aliases are on, as far as asking is
// concerned.
type nic struct {
	Link
	ear                     // of its listener
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

// nic is that half of an interface; nothing is known of it before it is told of.
func (s *Set) nic(side host.Side) *nic {
	n := s.nics[side]
	if n == nil {
		n = &nic{Link: Link{Side: side}}
		s.nics[side] = n
	}
	return n
}

// Link records how a NIC has changed. If the NIC can carry questions again, or no longer,
// or is another interface, the Set asks anew for everything known through it. The
// exception is the moment in which a program configures the NIC: its own addresses go,
// and are back within a target's timeout. Then the cable was in, and others were heard.
func (s *Set) Link(now time.Time, l Link) {
	s.now = now
	n := s.nics[l.Side]
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
			if t.nic == n && now.Sub(n.bared) >= t.Timeout {
				s.forget(t)
			}
		}
	default:
		s.Renew(now, l.Side)
	}
}

// Renew makes everything unknown that was known through one half of a NIC, and asks for
// it anew.
func (s *Set) Renew(now time.Time, side host.Side) {
	s.now = now
	for _, t := range s.asked {
		if t.NIC != "" && t.Side() == side {
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

// source is our own address to ask from: one in the target's subnet if there is one, else
// the first. In IPv6 every NIC has a link-local address, and no router forwards what comes
// from one (RFC 4291, 2.5.6): to a target that is not link-local, any other is better.
func (n *nic) source(target netip.Addr) netip.Addr {
	var other netip.Addr
	for _, p := range n.Own {
		switch addr := p.Addr(); {
		case host.Has(p, target):
			return host.Zoned(addr, n.NIC)
		case !other.IsValid(), n.Family == host.IPv6 && other.IsLinkLocalUnicast() && !addr.IsLinkLocalUnicast():
			other = addr
		}
	}
	return host.Zoned(other, n.NIC)
}

// Source is our own address on the NIC to ask a target from; the zero Addr if
// there is none.
func (s *Set) Source(name string, target netip.Addr) netip.Addr {
	if n := s.nics[(Key{name, target}).Side()]; n != nil {
		return n.source(target)
	}
	return netip.Addr{}
}

// mostOf is how many questions about each of n aliases a segment can carry in a
// timeout.
func mostOf(n int, timeout time.Duration) int {
	return int(int64(timeout) * doubtsPerSecond / int64(time.Second) / int64(max(1, n)))
}

// countDoubts counts how many aliases of each half of a NIC are in doubt, where there may be too
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
