package rules

// Half is what one of the two hosts says about an alias, as far as it has to match
// the other's.
type Half struct {
	Policy     // its role and its rhythm; Interval 0: the rhythm is not told
	Bits   int // of the netmask
}

// Misfit is a contradiction between two halves: each is good by itself, but they
// cannot work together.
type Misfit uint8

// The misfits, in the order in which they are reported.
const (
	BothPrimary Misfit = iota
	NonePrimary
	OtherMask
	TheyHearLate // they count us as silent within two of our heartbeats
	WeHearLate   // we count them as silent within two of theirs
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

// hearsLate tells whether a host with the rhythm p would count as silent a partner
// that speaks in the other rhythm. Two heartbeats have to fit, because one may be
// lost.
func (p Policy) hearsLate(other Policy) bool { return p.ChannelSilent() < 2*other.Heartbeat() }
