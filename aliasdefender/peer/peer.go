// Package peer exchanges sealed words between partners: what each daemon says about
// every alias that it shares with the other. They go over unicast UDP, encrypted and
// authenticated with a key that the administrator has put on both hosts.
//
//	Message ── encoder ── contents ── Session.Seal ── datagrams ── every path
//	Heard   ── decode  ── content  ── Session.Open ── datagram  ── any path
//
// A Session is the state of one partner: who it is, what was said to it, what was
// heard from it. It has no socket and no clock. A Channel has the socket and the
// sessions, and runs beside its user's loop: Say never waits, and a callback posts
// what is heard.
//
// Words are level-triggered: each heartbeat carries the present word for every
// alias, so a lost datagram costs one heartbeat and nothing else. Only the caller's
// Say sends a heartbeat. What the Channel sends by itself (acknowledgements, and a
// bounded number of repeats) does not show that the loop behind it is alive, so
// Heard is called for words only.
//
// A word has two forms: earlier programs understand the first; the second knows
// IPv6, links and facts. Each datagram says which form its sender understands, so
// the two ends may run different versions.
//
// The package refuses to know what the words mean, when one must be said, and how
// long a pause is a silence. Its own types describe the wire; its user translates.
package peer

import (
	"net/netip"
	"time"
)

// Standing is what a host says about an alias: whether it holds it, or would take it.
type Standing uint8

// The standings. A standing that a host does not know reads as Unknown, so new ones can
// be added at the end.
const (
	Unknown   Standing = iota // nothing is said
	Unsure                    // does not have it, and does not know enough to take it
	Holding                   // has it
	Able                      // stands by, and would take it
	Cannot                    // stands by, and could not serve it: see Word.Why
	Parked                    // an operator took it off this host
	Released                  // let it go, and will not take it again
	standings                 // the number of standings
)

var standingWords = [standings]string{"unknown", "not sure", "holding", "able", "cannot serve", "parked", "released"}

func (s Standing) String() string {
	if s >= standings {
		s = Unknown
	}
	return standingWords[s]
}

// Step is how far a hand-over has come on a host, whatever its Standing.
type Step uint8

// The steps, each with the Standing that goes with it. A step that a host does not know
// reads as none.
const (
	NoStep   Step = iota
	Asks          // not Holding: the holder is to offer it
	Offers        // Holding: the partner is to take it
	Takes         // Holding: it took what was offered, and is not yet sure of it
	Confirms      // Holding: it has what was offered; the partner is to release it
	Refuses       // does not do what was asked or offered: see Word.Why
	steps         // the number of steps
)

var stepWords = [steps]string{"", "asks for it", "offers it", "takes it", "confirms it", "refuses it"}

func (s Step) String() string {
	if s >= steps {
		s = NoStep
	}
	return stepWords[s]
}

// MaxText is how many bytes of Word.Text are sent.
const MaxText = 100

// Word is what one host says about one alias. The alias's address and the NIC that it is
// on tell which alias is meant: see Link.
type Word struct {
	Alias    netip.Addr   // of either family, without a zone
	Bits     uint8        // the length of its prefix
	Group    uint32       // the same on both hosts if their files have the same group for it; 0: it is in none
	Link     netip.Prefix // tells NICs apart where the address alone does not, see LinkOf; otherwise zero
	Primary  bool         // the host's role
	Standing Standing
	Step     Step
	Handover uint32 // the number of the hand-over that Step is about; 0: none
	Facts    Facts
	Drill    Drill  // of this alias; zero: there is none, or the partner's program knows none
	Why      uint8  // a reason, as a number that the callers agree on; 0: none
	Text     string // the reason in words for people; printable, cut at MaxText bytes

	HW       [6]byte       // the hardware address of the alias's NIC
	Interval time.Duration // to the microsecond, at most an hour
	Timeout  time.Duration // likewise
	Misses   uint8
}

// The bits in Features.
const (
	FeatureGroups = 1 << 0 // it knows groups: its words without a Group are about aliases that are in none
	FeatureDrill  = 1 << 1 // it measures for a drill of the partner's, and tells what it has measured
)

// Message is everything that a host says to one partner at one time. Do not change its
// Words after you passed it to Say.
type Message struct {
	Version  string // of the program; cut at 40 bytes
	Features uint32 // what the program understands beyond the words, a bit each; a hearer ignores bits that it does not know
	Words    []Word
}

// Heard is one datagram with words. A Message that does not fit into one is spread over
// Parts of them. Each part stands alone: its words count when it arrives.
type Heard struct {
	Partner     netip.Addr
	At          time.Time // when it arrived
	Path        netip.Addr
	NewBoot     bool // the partner's daemon is not the one that was heard before; also true the first time
	Message          // the words of this part only
	Part, Parts int  // from 0

	// Say counts the partner's Says since its start. If the number is the same again,
	// this is a repeat, and no newer sign of life than the first.
	Say uint64

	// Host is the number of the partner's machine, the same for all of its addresses;
	// zero: the partner has not said it. Cloned tells that it is our own number: one of
	// the two machines is a copy of the other.
	Host   [HostLen]byte
	Cloned bool
	// FirstForm tells that the partner understands only the first form of words: we cannot
	// tell it about IPv6 aliases, a Link, or any fact but FactService.
	FirstForm bool
}

// HostLen is the length of the number that names a machine, in bytes.
const HostLen = 16
