package rules

import "time"

// A host speaks with its NIC's first address of a subnet. The alias can become that
// address if the own address goes and comes back while the alias is held: a DHCP
// lease that is lost, a cable, a program that configures the NIC anew. Then
// everything the host sends comes from the alias, and its own connections die at the
// next hand-over.

const (
	// reorderMost is the longest pause between two reorders. The first pause is a
	// second, and each is twice as long as the one before.
	reorderMost = 30 * time.Second
	// reorderCalm is the time without a reorder after which the count begins again.
	reorderCalm = time.Minute
)

// reordered records that the alias was put behind an own address, or that this was
// tried. It is a part of [State.Done].
func (s *State) reordered(now time.Time) {
	if !now.Before(s.Reordered.Add(reorderCalm)) {
		s.Reorders = 0
	}
	s.Reorders++
	s.Reordered = now
}

// reorders is how many reorders there were in a row.
func (v *view) reorders() int {
	if v.reached(v.s.Reordered.Add(reorderCalm)) {
		return 0
	}
	return v.s.Reorders
}

// reorderPause is how long to wait after the last reorder.
func (s *State) reorderPause() time.Duration {
	if s.Reorders == 0 {
		return 0
	}
	return min(time.Second<<min(s.Reorders-1, 10), reorderMost)
}

// reorderDue tells whether to put the alias behind an own address now. That takes it
// off and adds it again, so it follows the rules of a lease: not in the lease's last
// second, nor before we have looked since a pause of our own.
func (v *view) reorderDue() bool {
	if v.local(v.f.Behind) != Yes || v.local(v.f.Kernel) != Yes || v.link() != Yes || v.s.Handover.Side != NoSide {
		return false
	}
	return !v.lapsed() && v.looked() && v.reached(v.s.Reordered.Add(v.s.reorderPause()))
}
