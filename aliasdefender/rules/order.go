package rules

import "time"

// A NIC's first address of a subnet is the one that the host speaks with. An alias
// comes to be that one where the own address goes and comes back while the alias is
// held: a DHCP lease that is lost, a cable, a program that configures the NIC anew.
// Then all that the host sends comes from the alias, and its own connections die at
// the next hand-over.

const (
	// reorderMost is the longest that a reorder waits for the last one to be old
	// enough; the first wait is a second, and each is twice as long as the one before.
	reorderMost = 30 * time.Second
	// reorderCalm is after how long without one the next is the first again.
	reorderCalm = time.Minute
)

// reordered records that the alias was put behind an own address, or that it was
// tried. It is a part of [State.Done].
func (s *State) reordered(now time.Time) {
	if !now.Before(s.Reordered.Add(reorderCalm)) {
		s.Reorders = 0
	}
	s.Reorders++
	s.Reordered = now
}

// reorders is how often it was done in a row.
func (v *view) reorders() int {
	if v.reached(v.s.Reordered.Add(reorderCalm)) {
		return 0
	}
	return v.s.Reorders
}

// reorderPause is how long the last reorder has to be ago.
func (s *State) reorderPause() time.Duration {
	if s.Reorders == 0 {
		return 0
	}
	return min(time.Second<<min(s.Reorders-1, 10), reorderMost)
}

// reorderDue tells whether the alias is to be put behind an own address now: it is
// taken off and put on again, so what holds for a lease holds for this too. It is not
// done in a lease's last second, nor before we have looked since a pause of our own.
func (v *view) reorderDue() bool {
	if v.local(v.f.Behind) != Yes || v.local(v.f.Kernel) != Yes || v.link() != Yes || v.s.Handover.Side != NoSide {
		return false
	}
	return !v.lapsed() && v.looked() && v.reached(v.s.Reordered.Add(v.s.reorderPause()))
}
