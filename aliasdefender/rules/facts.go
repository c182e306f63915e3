package rules

import "time"

// Value is what is known of one thing. Unknown is never treated as No: it means that the
// question could not be asked, has not been asked yet, or was answered too long ago.
type Value uint8

// The three values. For an address that was asked they read answered, silent and
// unknown; for anything else yes, no and unknown.
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

// Answer returns the word for the value of an address: answered, silent, unknown.
func (v Value) Answer() string {
	switch v {
	case Silent:
		return "silent"
	case Answered:
		return "answered"
	}
	return "unknown"
}

// Health returns the word for the value of a service: good, failing, unknown.
func (v Value) Health() string {
	switch v {
	case No:
		return "failing"
	case Yes:
		return "good"
	}
	return "unknown"
}

// Of turns a certain answer into a Value.
func Of(b bool) Value {
	if b {
		return Yes
	}
	return No
}

// Fact is one thing observed, with its times.
//
// Asked means one thing: the moment from which the value is proven. For an answer or
// a silence it is when the newest question behind it was put; for a frame that nobody
// asked for, when it arrived (the kernel's time stamp); for a reading of this host,
// when the reading began. The value says nothing about what happened before Asked.
type Fact struct {
	Value Value
	Since time.Time // since when it has had this value
	Asked time.Time // from when the value is proven
	Miss  time.Time // when the first answer of the present doubt or silence was missed; zero without one

	// Lives is how long after Asked the value counts. An observer with a rhythm of its own
	// sets it. 0: [Policy.Stale].
	Lives time.Duration
}

// Set records a newer observation. If the value has not changed, Since keeps its time.
func (f *Fact) Set(v Value, asked, now time.Time) {
	if f.Value != v || f.Since.IsZero() {
		f.Value, f.Since = v, now
	}
	f.Asked = asked
}

// Facts are everything that is known about one alias at one moment. Each [Fact] in it
// has a row in [FactRows].
//
// fields: each is observed by itself, and the tests change them one at a time.
type Facts struct {
	Now time.Time

	// This host.
	NIC     Fact // the interface exists and is up
	Carrier Fact // it has carrier
	Own     Fact // it has an address of its own, not one of ours
	Kernel  Fact // this host's kernel has the alias
	Service Fact // the service behind the alias is well; unknown if no check tells
	Behind  Fact // an own address of the alias's subnet stands behind it; unknown where their order has no meaning
	Fenced  Fact // the partner was cut off for this alias by a program of the administrator's; Asked is when that had succeeded

	// ParkedKnown tells whether it is known what operators parked: no if the file
	// that says so cannot be read, unknown until it has been read.
	ParkedKnown Fact

	// Elsewhere tells whether another interface of this host has the alias. Our
	// kernel would then answer our own questions for it, and would answer for it on
	// every segment.
	Elsewhere Fact

	// The segment. Alias is about other hosts only: if we do not hold it, whether
	// another host serves it; if we hold it, whether there is a rival.
	Alias Fact
	// AliasEvery is how often this host asks for the alias, if that is less often than
	// Policy.Interval: a holder of many aliases looks for the rivals of a few at a time.
	// Zero: each Interval.
	AliasEvery time.Duration
	ByPartner  Value // the other host that answers for the alias has the partner's hardware address
	WeAreLow   Value // our hardware address is lower than that host's
	// Claimant is about a host that claims the alias while we hold it: whether it
	// answers for the partner's address. A claim alone proves nothing.
	Claimant Fact

	Partner     Fact
	Router      Fact  // the router or any witness: yes if one answered, no if all are silent
	RouterKnown bool  // there is a router or witness to ask
	RouterIs    Value // yes: the only router that answers has the partner's hardware address; no row reads it

	Peer Peer

	// The group of the alias, as [Together] has it; unknown if it is in none.
	Whole        Fact  // every member is on this host, or this host would take it
	PartnerWhole Fact  // the same of the partner, as far as it tells
	PartnerLeads Value // the partner holds the first member, and we do not

	// Our own conclusions, which we tell the partner. No row reads them.
	Ready Fact // we would take the alias if its holder failed now: [Ready]
	Hears Fact // we hear the partner's daemon

	// Watched is when all of this began to be observed as it is now: our start, a
	// reload that changed the row, a pause, a change of holder. Zero: long ago.
	Watched time.Time
}

// Peer is what the partner's daemon says over the channel. All of it is unknown if
// there is no channel. A word counts until the channel would count as silent; the
// rules check Said themselves, so no caller can forget to.
type Peer struct {
	Heard time.Time // when its daemon was last heard; zero: not since our start
	Said  time.Time // when it last spoke of this alias; zero: never
	Held  time.Time // when it last said that it holds it; zero: never
	Well  time.Time // when it last said that its service is well, or may have, because we only began to listen then; zero: never

	Since   time.Time // since when its Standing has been what it is; zero: long ago
	Word    Word      // said at Said, as is all that follows
	Primary Value     // its role
	HWLower Value     // our hardware address is lower than the partner's

	// Facts are the partner's own facts that it tells: those with a number in
	// [FactRow].Wire. The others are unknown.
	Facts [FactCount]Value
}

// Forget makes the partner's words unknown after a pause of our own, because they are as
// old as the pause. It remembers that the daemon was heard since our start, and gives the
// daemon the whole time again before it counts as silent.
func (p *Peer) Forget(now time.Time) {
	heard := p.Heard
	*p = Peer{Well: p.Well}
	if !heard.IsZero() {
		p.Heard = now
	}
}

// Policy is what the administrator set for one alias.
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
	ReleaseFailing  bool // on_service_failure = "release"; it counts only without a channel, or on a loopback interface

	Loopback bool // it is on a loopback interface, and on many hosts by design: [LoopbackRows] decide
	Checked  bool // something asks whether the service behind it is well; only LoopbackRows read it

	Place        Place // in its group
	ReleaseSplit bool  // when_split = "release"

	Lease time.Duration // of an alias that expires by itself; 0: it stays for ever
}

// Doubt is how long an address is asked without an answer before it counts as silent.
func (p Policy) Doubt() time.Duration { return time.Duration(p.Misses) * p.Timeout }

// Stale is the age at which a fact becomes unknown.
func (p Policy) Stale() time.Duration { return p.staleAt(0) }

// Life is the age at which this fact becomes unknown.
func (p Policy) Life(f Fact) time.Duration {
	if f.Lives > 0 {
		return f.Lives
	}
	return p.Stale()
}

// staleAt is that age for something that is asked less often than each Interval.
func (p Policy) staleAt(every time.Duration) time.Duration {
	return 2*max(p.Interval, every) + p.Doubt()
}

// carrierGrace is how long a holder keeps the alias without carrier: normally a
// little less than the partner needs to decide.
func (p Policy) carrierGrace() time.Duration {
	return time.Duration(p.Misses-1) * p.Timeout
}

// Heartbeat is how often the daemons speak when nothing changes.
func (p Policy) Heartbeat() time.Duration { return min(p.Interval, time.Second) }

// ChannelSilent is how long the partner may be unheard before the channel counts as
// silent: misses heartbeats, and a timeout for the last one to arrive.
func (p Policy) ChannelSilent() time.Duration {
	return time.Duration(p.Misses)*p.Heartbeat() + p.Timeout
}

// GiveWithin is how long a hand-over stays open on the giver's side, and a request
// for one on the asker's. Each word may be lost misses times in either direction, and
// the router needs time to answer the partner; but a daemon that is told to end may
// take no more than 2 s.
func (p Policy) GiveWithin() time.Duration {
	return min(2*time.Duration(p.Misses)*p.Heartbeat()+2*p.Timeout, 2*time.Second)
}

// Patience is how long the taker of an offered alias waits for the giver to let go.
// It begins later than the giver's time and is a timeout longer. Otherwise the taker
// could count the giver as a rival while its confirmation is on the way, and yield
// just as the giver lets go.
func (p Policy) Patience() time.Duration { return p.GiveWithin() + p.Timeout }

// failbackAfter is how long everything has to be good before a failback. With a
// channel it is longer than any hand-over that an earlier daemon of ours began: the
// partner does not yield until that has ended.
func (p Policy) failbackAfter() time.Duration {
	if !p.Channel {
		return p.FailbackAfter
	}
	return max(p.FailbackAfter, p.Patience())
}

// Lifetime is how long the kernel is told to keep the alias without hearing from us
// again (valid_lft); 0: for ever. A primary without a channel keeps it for ever, as
// the original did: nobody could know that its daemon is gone.
func (p Policy) Lifetime() time.Duration {
	if p.Primary && !p.Channel {
		return 0
	}
	return p.Lease
}
