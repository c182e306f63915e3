package rules

import "time"

// Value is what is known of one thing. Unknown is never treated as No: it
// means that the question could not be put, has not been put yet, or was
// answered too long ago.
type Value uint8

// The three values. Of an address that was asked they read answered, silent
// and unknown; of anything else yes, no and unknown.
const (
	Unknown Value = iota
	No
	Yes

	Silent   = No
	Answered = Yes
)

func (v Value) String() string {
	switch v {
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return "unknown"
}

// Answer spells the value as one of an address: answered, silent, unknown.
func (v Value) Answer() string {
	switch v {
	case Silent:
		return "silent"
	case Answered:
		return "answered"
	}
	return "unknown"
}

// Of turns what is certain into a Value.
func Of(b bool) Value {
	if b {
		return Yes
	}
	return No
}

// Fact is one thing observed, with its times.
//
// Asked means one thing: the moment from which on the value is proven. For an
// answer or a silence that is when the newest question behind it was put; for a
// frame that nobody asked for, when it arrived (the kernel's time stamp); for a
// reading of this host, when the reading was begun. What happened before Asked
// is not in the value.
type Fact struct {
	Value Value
	Since time.Time // since when it has been this
	Asked time.Time // from when on it is proven
	Miss  time.Time // when the first answer of the present doubt, or silence, was missed; zero without one
}

// Set files a newer observation, keeping Since where the value stays.
func (f *Fact) Set(v Value, asked, now time.Time) {
	if f.Value != v || f.Since.IsZero() {
		f.Value, f.Since = v, now
	}
	f.Asked = asked
}

// Facts are everything that is known about one alias at one moment. Each [Fact]
// in it has a row in [FactRows].
//
// fields: each is one thing that is observed by itself, and the tests change them one at
// a time.
type Facts struct {
	Now time.Time

	// This host.
	NIC     Fact // the interface exists and is up
	Carrier Fact // it has carrier
	Own     Fact // it has an address of its own, not one of ours
	Kernel  Fact // this host's kernel has the alias
	Service Fact // the service behind the alias is well; unknown without a check
	Behind  Fact // an own address of the alias's subnet stands behind it; unknown where their order means nothing

	// ParkedKnown tells whether it is known what operators parked: no where the file
	// that has it cannot be read, unknown as long as it was not read.
	ParkedKnown Fact

	// Elsewhere: another interface of this host has the alias. Its kernel answers for
	// it there, so that nobody can be asked, and would answer for it in all segments.
	Elsewhere Fact

	// The segment. Alias is about other hosts only: not holding it tells
	// whether one serves the alias, holding it whether there is a rival.
	Alias Fact
	// AliasEvery is how often the alias is asked for where that is less often
	// than Policy.Interval: a holder of many asks for the rivals of some at a
	// time. Zero: each Interval.
	AliasEvery time.Duration
	ByPartner  Value // the other host that answers for the alias has the partner's hardware address
	WeAreLow   Value // our hardware address is lower than that host's
	// Claimant is asked of a host that claims the alias while we hold it: whether it
	// answers to the partner's address. A claim proves nothing by itself.
	Claimant Fact

	Partner     Fact
	Router      Fact  // the router or any witness: yes if one answered, no if all are silent
	RouterKnown bool  // there is a router or witness to ask
	RouterIs    Value // yes: no router but the partner answers, by its hardware address; no row reads it

	Peer Peer

	// What we have concluded ourselves and the partner is told. No row reads them.
	Ready Fact // we would take the alias if its holder failed now: [Ready]
	Hears Fact // we hear the partner's daemon

	// Watched is since when all of this is observed as it is now: our start, a reload
	// that changed the row, a pause, a change of holder. Zero: long since.
	Watched time.Time
}

// Peer is what the partner's daemon says over the channel. All of it is unknown
// where no channel is set up. What it said counts until the channel would be
// silent: the rules look at Said themselves, so that no caller can forget to.
type Peer struct {
	Heard time.Time // when its daemon was last heard; zero: not since our start
	Said  time.Time // when it last spoke of this alias; zero: never
	Held  time.Time // when it last said that it holds it; zero: never

	Since   time.Time // since when its Standing is what it is; zero: long since
	Word    Word      // of Said, as all that follows
	Primary Value     // its role
	HWLower Value     // our hardware address is lower than the partner's

	// Facts are the values of its own facts that it tells: those with a number
	// in [FactRow].Wire; the others are unknown.
	Facts [FactCount]Value
}

// Forget makes unknown what was said, after a pause of our own: it is as old as
// the pause. That the daemon was heard since our start stays, and it gets the
// whole time anew before it counts as silent.
func (p *Peer) Forget(now time.Time) {
	heard := p.Heard
	*p = Peer{}
	if !heard.IsZero() {
		p.Heard = now
	}
}

// Policy is what the administrator laid down for one alias.
type Policy struct {
	Primary  bool
	Channel  bool // partners have a key
	Interval time.Duration
	Timeout  time.Duration
	Misses   int

	MaxTakes        int // within an hour
	Failback        bool
	FailbackAfter   time.Duration
	ReleaseIsolated bool // on_isolation = "release"
	IsolatedAfter   time.Duration

	Lease time.Duration // of an alias that goes by itself; 0: it stays for ever
}

// Doubt is how long an address is asked without an answer before it counts as silent.
func (p Policy) Doubt() time.Duration { return time.Duration(p.Misses) * p.Timeout }

// Stale is the age from which on a fact is unknown.
func (p Policy) Stale() time.Duration { return p.staleAt(0) }

// staleAt is that age for what is asked less often than each Interval.
func (p Policy) staleAt(every time.Duration) time.Duration {
	return 2*max(p.Interval, every) + p.Doubt()
}

// carrierGrace is how long a holder bears a lost carrier: normally a little
// less than a partner needs to decide.
func (p Policy) carrierGrace() time.Duration {
	return time.Duration(p.Misses-1) * p.Timeout
}

// Heartbeat is how often the daemons speak where nothing changes.
func (p Policy) Heartbeat() time.Duration { return min(p.Interval, time.Second) }

// ChannelSilent is how long nothing is heard before the channel counts as
// silent: misses heartbeats, and a timeout for the last to arrive.
func (p Policy) ChannelSilent() time.Duration {
	return time.Duration(p.Misses)*p.Heartbeat() + p.Timeout
}

// GiveWithin is how long a hand-over stays open on the side that gives, and an
// ask for one on the side that asks: time for each word to be lost misses times
// either way and for the router to answer the partner, but not more than the 2 s
// that a daemon which is told to end may take.
func (p Policy) GiveWithin() time.Duration {
	return min(2*time.Duration(p.Misses)*p.Heartbeat()+2*p.Timeout, 2*time.Second)
}

// Patience is how long the taker of an offered alias waits for the giver to let
// go. It begins later than the giver's time, and is longer by a timeout: whoever
// counts the giver as a rival while a confirmation is on its way to it may yield
// just as the giver lets go.
func (p Policy) Patience() time.Duration { return p.GiveWithin() + p.Timeout }

// failbackAfter is how long all has to be good before a failback. With a channel
// it outlasts any hand-over that a daemon before us began: until it has ended
// the partner does not yield.
func (p Policy) failbackAfter() time.Duration {
	if !p.Channel {
		return p.FailbackAfter
	}
	return max(p.FailbackAfter, p.Patience())
}

// Lifetime is for how long the kernel is told to keep the alias without hearing
// of us again (valid_lft); 0: for ever. A primary without a channel keeps it as
// the original did: nobody could know that its daemon is gone.
func (p Policy) Lifetime() time.Duration {
	if p.Primary && !p.Channel {
		return 0
	}
	return p.Lease
}
