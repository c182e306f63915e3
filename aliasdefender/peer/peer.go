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

// The standings. A host that knows fewer hears Unknown for those that it does
// not know, so further ones can be added at the end.
const (
	Unknown   Standing = iota // nothing is said
	Unsure                    // has it not, and does not know enough to take it
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

// Step is where a hand-over stands on a host, whatever its Standing.
type Step uint8

// The steps, with what Standing is beside them. Unknown ones are heard as none.
const (
	NoStep   Step = iota
	Asks          // not Holding: the holder is to offer it
	Offers        // Holding: the partner is to take it
	Takes         // Holding: what was offered, and is not sure of it yet
	Confirms      // Holding: what was offered; the partner is to release it
	Refuses       // what was asked or offered: see Word.Why
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

// Word is what one host says about one alias. The alias is meant by its address
// and the NIC that it is on: see Link.
type Word struct {
	Alias    netip.Addr   // of either family, without a zone
	Bits     uint8        // the length of its prefix
	Link     netip.Prefix // tells one NIC from another where the address does not, see LinkOf; else zero
	Primary  bool         // the host's role
	Standing Standing
	Step     Step
	Handover uint32 // the number of the hand-over that Step is about; 0: none
	Facts    Facts
	Why      uint8  // a reason, as a number that the callers agree on; 0: none
	Text     string // the same in words for people; printable, cut at MaxText bytes

	HW       [6]byte       // the hardware address of the alias's NIC
	Interval time.Duration // to the microsecond, at most an hour
	Timeout  time.Duration // likewise
	Misses   uint8
}

// Message is everything that is said to one partner at one time. Whoever has
// given one to Say must not change its Words any more.
type Message struct {
	Version  string // of the program; cut at 40 bytes
	Features uint32 // what the program understands beyond the words, a bit each; bits that the hearer does not know mean nothing to it
	Words    []Word
}

// Heard is one datagram with words. A Message that does not fit one is spread
// over Parts of them; each stands alone, and its words are in force when it
// arrives.
type Heard struct {
	Partner     netip.Addr
	At          time.Time // when it arrived
	Path        netip.Addr
	NewBoot     bool // the partner's daemon is not the one that was heard before; also at the first time
	Message          // the words of this part only
	Part, Parts int  // from 0

	// Say counts the partner's Says since its start. The same number again
	// is a repeat, and no newer sign of life than the first.
	Say uint64

	// Host is the number of the partner's machine, the same whichever address
	// of it is talked to; zero: it has not said it. Cloned tells that it is our
	// own number: one of the two machines is a copy of the other.
	Host   [HostLen]byte
	Cloned bool
	// FirstForm tells that the partner understands only the first form of the
	// words: neither IPv6 aliases nor a Link can be said to it, nor any fact but
	// FactService.
	FirstForm bool
}

// HostLen is the length of the number that names a machine, in bytes.
const HostLen = 16
