package peer

// Kind says why a datagram was dropped, or why its words were not taken.
type Kind uint8

// The kinds. A healthy pair causes none of them but Duplicate and Late.
const (
	Taken      Kind = iota // not dropped
	Foreign                // from an address or port that is no partner's, or no datagram of ours
	Malformed              // too short, too long, or its content makes no sense
	OldVersion             // of an older version of the datagram than we speak
	NewVersion             // of a newer one
	Unreadable             // opened by none of our keys: another key, or damage
	Own                    // our own, sent back to us
	Replayed               // heard already over the same path, or too old to tell
	Former                 // meant for a former process of ours, or from a process of the partner's that is not the present one
	Unchecked              // there were too many doubtful ones to open or to answer them all
	Duplicate              // heard already over another path
	Late                   // its words were overtaken by newer ones
	kinds
)

var kindWords = [kinds]string{"taken", "foreign", "malformed", "old version", "new version", "unreadable", "own", "replayed", "former", "unchecked", "duplicate", "late"}

func (k Kind) String() string { return kindWords[min(k, kinds-1)] }

// Counts has the number of datagrams of each kind.
type Counts [kinds]uint64

// Kinds lists all of them, for callers that show Counts.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}
