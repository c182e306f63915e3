package rules

import "time"

// leaseSlack is how exactly we know the end of a lease: the kernel counts in seconds,
// and acts a moment later.
const leaseSlack = time.Second

// distantEnd is as long as for ever, of a lease that nobody wants.
const distantEnd = 100 * 365 * 24 * time.Hour

// leased records that a write, begun at that time, told the kernel to keep the alias
// for that long; 0: for ever.
func (s *State) leased(lifetime time.Duration, written time.Time) {
	s.Lease, s.LeaseAgain = time.Time{}, time.Time{}
	if lifetime > 0 {
		s.Lease = written.Add(lifetime)
	}
}

// notLeased records that the kernel refused. Until the next try the other rows are
// read: an alias that cannot be renewed is announced and defended like any other. It
// is a part of [State.Done].
func (s *State) notLeased(again time.Time) { s.LeaseAgain = again }

// Awoke records that this process was away. Before the process renews a lease it must
// look at the kernel and the wire, because another host may have taken the alias.
func (s *State) Awoke(now time.Time) {
	s.Woke = now
	if s.Holding {
		s.reannounce(now)
	}
}

// lapsed tells whether the lease has run out, or will within leaseSlack: if the alias
// is gone, this may be why.
func (v *view) lapsed() bool {
	return !v.s.Lease.IsZero() && v.reached(v.s.Lease.Add(-leaseSlack))
}

// leaseDue tells whether it is time to renew the lease. Just before the end of a
// lease it is too late: the write could put the alias back on this host after the
// kernel has removed it. An alias that is still there after the end has another
// lifetime than our record says.
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

// looked tells whether we have read the kernel since we were away, and have asked the
// wire for rivals. If the wire could not be asked for as long as an answer takes,
// that is enough: unknown is no reason to let go.
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
