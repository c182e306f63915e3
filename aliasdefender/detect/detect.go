// Package detect finds out whether addresses answer: which probe is due when, by
// which medium, and when a missed answer becomes a doubt and a doubt a silence.
//
// It is a state machine like peer.Session: it has no goroutine, no clock and no
// socket. Its user tells it what to ask ([Set.Want]), what became of this host's
// NICs ([Set.Link]) and what was heard ([Set.Sighted], [Set.Answered]), lets time
// pass ([Set.Turn]), and takes out what follows: questions to ask
// ([Set.Questions]) and changes of facts ([Set.Changes]). It refuses to know why an
// alias is taken or released, and what its user makes of a change.
//
// # One address
//
//	             an answer, or any frame from it
//	   .------------------------------------------------.
//	   v                                                |
//	answered --- a window in vain ---> doubt --- misses windows in vain ---> silent
//	   |                                 |                                    |
//	   '------- nothing can be asked ----'----------> unknown <---------------'
//
// An address is asked once an interval. The question opens a window of one
// timeout. An answer closes it. If none comes, a doubt begins: windows of one
// timeout each, with up to four questions by ICMP and ARP, which in IPv6 is
// neighbour discovery. The doubt ends with an
// answer, or when misses windows in a row, the first included, have passed without
// one. A window in which nothing could be asked does not count, and makes the fact
// unknown. When an alias or the partner misses its first answer, every address that
// the decision rests on is asked at once: an earlier answer proves nothing about
// the network now.
//
// # Time
//
// The Asked of a fact is the moment since when its value is proven. For an answer or
// a silence, it is when the newest question behind it was sent; for a frame that
// nobody asked for, when it arrived; for an unknown, when it was found. A target of
// which nothing is known yet, or everything was forgotten, has none.
//
// What counts for an answer is the time that it carries, not the time when it is
// taken in. So a user needs only two wakes a round: one sends all questions, the
// other takes in the answers and then lets the windows close.
package detect

import (
	"net/netip"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// Key names one address to ask. An address outside our subnets has no NIC: the kernel
// routes to it.
type Key struct {
	NIC  string
	Addr netip.Addr // with the NIC as the zone where it is link-local
}

// Side is the half of the key's NIC that the address is on.
func (k Key) Side() host.Side { return host.Side{NIC: k.NIC, Family: host.FamilyOf(k.Addr)} }

// Rhythm is how an address is asked.
type Rhythm struct {
	Interval time.Duration // between regular questions
	Timeout  time.Duration // how long an answer may take
	Misses   int           // windows in a row in vain that make a silence
}

// Doubt is how long an address is asked without an answer before it counts as silent.
func (r Rhythm) Doubt() time.Duration { return time.Duration(r.Misses) * r.Timeout }

// Wish lists what is to be asked for one alias: the alias itself, and the hosts whose
// answers decide what its silence means.
type Wish struct {
	Alias     Key
	Partner   Key   // the zero Key: unknown
	Routers   []Key // default routers, the best one first
	Witnesses []Key
	Rhythm

	// Pings lets alias and partner be asked by ICMP too, a few times, although they answer
	// ARP. So the Set notices later if they no longer answer pings.
	Pings bool

	// Here tells how this host stands to the alias at the moment of the call. It
	// must not wait, nor call the Set.
	Here func() Here

	// Owner is what [Target.For] yields for this Wish. The Set does not look at it.
	Owner any
}

// Here says how this host stands to an alias: the Set asks in another way for an alias
// that we hold ourselves.
type Here struct {
	Holding bool
	Working bool        // it is being added or removed
	Kernel  rules.Value // the kernel has it
	Quiet   bool        // the partner's daemon was heard, and has fallen silent

	// Disowned: the partner's daemon says that its host does not have the alias either.
	// PartnerHW is the hardware address that the daemon names for the alias; zero: none.
	Disowned  bool
	PartnerHW host.HW
}

// Link is what is known of one family's half of a NIC.
type Link struct {
	host.Side
	Index int            // of the interface; another index means another interface
	Err   error          // why the NIC carries no questions; nil: it can
	Bare  bool           // if Err is set: all that is missing is an address of its own
	Own   []netip.Prefix // this host's own addresses on it that it can send from, host bits included
	Hears bool           // there is a listener on it, of ARP or of neighbour discovery
	Deaf  error          // why there is none; nil: none was opened yet
}

// Medium is a way to ask.
type Medium uint8

// The media. ARP stands for neighbour discovery too, which does the same for IPv6: its
// question is a neighbour solicitation, and its claim is an advertisement (RFC 4861).
const (
	ICMP Medium = iota
	ARP
	media
)

// String is the medium's name.
func (m Medium) String() string { return [...]string{ICMP: "icmp", ARP: "arp"}[min(m, ARP)] }

// Question is a question to send on the wire. If the user cannot send it, it says so
// ([Set.CouldNot]). With an answer by ICMP, the user returns the question
// ([Set.Answered]).
type Question struct {
	Key
	Medium  Medium
	Source  netip.Addr    // our address to ask from; the zero Addr: the kernel's choice
	To      host.HW       // ARP: the host that is asked; zero: all hosts
	Probe   bool          // ARP: claim no address of our own (RFC 5227, 2.1.1; RFC 4862, 5.4.2)
	Timeout time.Duration // how long an answer counts
	Shared  bool          // ICMP: asked often enough to be worth a shared socket
	Put     time.Time

	window time.Time // when the window began in which it was put
}

// What says how a fact has changed.
type What uint8

// The changes.
const (
	Newer  What = iota // same value, newer proof
	Missed             // its first answer was missed; same value
	Other              // another value, or its doubt goes on
	Back               // it is answered, and was silent
	Cannot             // a medium cannot ask it, or its answers are ErrForNobody; Change.Err says why
)

// Change is one change of a target's fact. Changes come in the order in which they
// happened.
type Change struct {
	Target *Target
	What   What
	Err    error // of Cannot: told on change and once an hour
}

const (
	// perWindow is how many questions a window has in a doubt.
	perWindow = 4

	// doubtsPerSecond is how many questions a second about aliases a segment has to bear
	// while all aliases of a NIC are in doubt. A thousand aliases at the rhythm of 100 ms
	// would be asked for 160,000 times a second, each time in a frame to everybody.
	doubtsPerSecond = 20000

	// pingRhythm is the rhythm below which a ping costs too much to be the first
	// question: hosts on the segment are then asked by ARP.
	pingRhythm = time.Second

	// mostPinged is up to how many aliases of a NIC are asked by ICMP too. A ping makes
	// the kernel look for its target. Hundreds of dead targets at a time fill the table
	// of neighbours (1,024 by default), and then the kernel finds no client either.
	mostPinged = 64

	// sharedRhythm is the rhythm below which pings share their sockets, where they can.
	// At slower rhythms a socket for each ping does as well (docs/decisions/0015).
	sharedRhythm = 10 * time.Second

	// rivalsPerSecond is how many questions a second a segment has to bear that look for
	// rivals of what we hold, for all aliases of a NIC together.
	rivalsPerSecond = 50

	// sayAgain is when a trouble that persists is told again.
	sayAgain = time.Hour
)
