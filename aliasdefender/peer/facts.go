package peer

// Value is what a host says about one fact.
type Value uint8

// The values of a fact. A value that a host does not know reads as NotSaid.
const (
	NotSaid Value = iota
	Yes
	No
	values // the number of values
)

// Facts are the values of several facts. The callers agree on a number for each fact. The
// zero Facts says nothing.
type Facts uint64

const (
	valueBits = 2
	valueMask = 1<<valueBits - 1
)

// MaxFact is the highest number of a fact.
const MaxFact = 64/valueBits - 1

// FactService is the number of the fact that the service behind the alias is well. The
// package knows this one number because the first form of words has a place of its own
// for it.
const FactService = 1

// Value returns what is said about a fact. About a fact beyond MaxFact nothing is said.
func (f Facts) Value(fact uint8) Value {
	if fact > MaxFact {
		return NotSaid
	}
	if v := Value(f >> (valueBits * fact) & valueMask); v < values {
		return v
	}
	return NotSaid
}

// With returns f with another value for one fact. Facts cannot hold a fact beyond
// MaxFact.
func (f Facts) With(fact uint8, v Value) Facts {
	if fact > MaxFact {
		return f
	}
	return f&^(valueMask<<(valueBits*fact)) | Facts(v&valueMask)<<(valueBits*fact)
}

// appendTo appends the facts, four to a byte, from the lowest number up to the last of
// which something is said.
func (f Facts) appendTo(b []byte) []byte {
	for ; f != 0; f >>= 8 {
		b = append(b, byte(f))
	}
	return b
}

// factsOf reads what appendTo has written. Facts that only a later program knows are left
// out.
func factsOf(b []byte) (f Facts) {
	for i := range min(len(b), 8) {
		f |= Facts(b[i]) << (8 * i)
	}
	return f
}
