package rules

import "time"

// leaseSlack is how exactly a lease is known to end: the kernel counts seconds,
// and looks a moment later.
const leaseSlack = time.Second

// leased records that the kernel was told, with a write begun at that time, to keep
// the alias for so long; 0: for ever.
func (s *State) leased(lifetime time.Duration, written time.Time) {
	s.Lease, s.LeaseAgain = time.Time{}, time.Time{}
	if lifetime > 0 {
		s.Lease = written.Add(lifetime)
	}
}

// notLeased records that the kernel did not take it. Until it is tried again
// the other rows are read: an alias that cannot be renewed is announced and
// defended as any other. It is a part of [State.Done].
func (s *State) notLeased(again time.Time) { s.LeaseAgain = again }

// Awoke records that this process was away. Before the lease goes on the kernel
// and the wire are looked at: another host may have taken the alias.
func (s *State) Awoke(now time.Time) {
	s.Woke = now
	if s.Holding {
		s.reannounce(now)
	}
}

// lapsed tells whether the lease has run out, if the alias is gone.
func (v *view) lapsed() bool {
	return !v.s.Lease.IsZero() && v.reached(v.s.Lease.Add(-leaseSlack))
}

// leaseDue tells whether the kernel has to hear of us. Once the lease is about
// to end it is too late: a write would put on this host what has left it. What
// is still there after the end has another lifetime than we know.
func (v *view) leaseDue() bool {
	p, end := v.p.Lifetime(), v.s.Lease
	switch {
	case !v.reached(v.s.LeaseAgain):
		return false
	case p == 0:
		return !end.IsZero()
	case end.IsZero():
		return true
	case v.lapsed():
		return !v.f.Kernel.Asked.Before(end.Add(leaseSlack))
	}
	return v.reached(end.Add(-p * 2 / 3))
}

// looked tells whether the kernel was read since we were away, and the wire
// asked for rivals, or could not be for as long as an answer takes: unknown is
// no reason to let go.
func (v *view) looked() bool {
	switch woke := v.s.Woke; {
	case woke.IsZero():
		return true
	case v.f.Kernel.Value == Unknown || v.f.Kernel.Asked.Before(woke):
		return false
	case v.f.Alias.Value != Unknown && v.f.Alias.Asked.After(woke):
		return true
	}
	return v.reached(v.s.Woke.Add(v.p.Doubt()))
}
