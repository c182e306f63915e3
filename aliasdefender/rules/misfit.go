package rules

// Half is what one of the two hosts says of an alias, as far as it has to fit what
// the other says.
type Half struct {
	Policy     // its role and its rhythm; an Interval of 0: the rhythm is not told
	Bits   int // of the netmask
}

// Misfit is what cannot be meant so: each half is good by itself, and the two are
// not good together.
type Misfit uint8

// The misfits, in the order in which they are told.
const (
	BothPrimary Misfit = iota
	NonePrimary
	OtherMask
	TheyHearLate // they count us as silent within two of our heartbeats
	WeHearLate   // and we them
)

// Misfits compares the halves of an alias that both hosts have.
func Misfits(ours, theirs Half) (all []Misfit) {
	switch {
	case ours.Primary && theirs.Primary:
		all = append(all, BothPrimary)
	case !ours.Primary && !theirs.Primary:
		all = append(all, NonePrimary)
	}
	if ours.Bits != theirs.Bits {
		all = append(all, OtherMask)
	}
	if ours.Interval == 0 || theirs.Interval == 0 {
		return all
	}
	if theirs.hearsLate(ours.Policy) {
		all = append(all, TheyHearLate)
	}
	if ours.hearsLate(theirs.Policy) {
		all = append(all, WeHearLate)
	}
	return all
}

// hearsLate tells whether who listens in the rhythm of p would count as silent who
// speaks in the other's. Two heartbeats have to fit: one may be lost.
func (p Policy) hearsLate(other Policy) bool { return p.ChannelSilent() < 2*other.Heartbeat() }
