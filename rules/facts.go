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
type Fact struct {
	Value Value
	Since time.Time // since when it has been this
	Asked time.Time // when the newest question behind it was put, or the thing was seen
	Miss  time.Time // when the first answer of the present doubt, or silence, was missed; zero without one
}

// Set files a newer observation, keeping Since where the value stays.
func (f *Fact) Set(v Value, asked, now time.Time) {
	if f.Value != v || f.Since.IsZero() {
		f.Value, f.Since = v, now
	}
	f.Asked = asked
}

// Facts are everything that is known about one alias at one moment.
type Facts struct {
	Now time.Time

	// This host.
	NIC     Fact // the interface exists and is up
	Carrier Fact // it has carrier
	Own     Fact // it has an address of its own, not one of ours
	Kernel  Fact // this host's kernel has the alias
	Service Fact // the service behind the alias is well; unknown without a check

	// The segment. Alias is about other hosts only: not holding it tells
	// whether one serves the alias, holding it whether there is a rival.
	Alias Fact
	// AliasEvery is how often the alias is asked for where that is less often
	// than Policy.Interval: a holder of many asks for the rivals of some at a
	// time. Zero: each Interval.
	AliasEvery time.Duration
	ByPartner  Value // the other host that answers for the alias is the partner
	WeAreLow   Value // our hardware address is lower than that host's

	Partner     Fact
	Router      Fact // the router or any witness: yes if one answered, no if all are silent
	RouterKnown bool // there is a router or witness to ask

	Peer Peer
}

// Peer is what the partner's daemon says of itself over the channel. All of it
// is unknown where no channel is set up.
type Peer struct {
	Daemon   Fact  // heard since our start: yes while it is heard, no once it has fallen silent
	Primary  Value // its role
	HWLower  Value // our hardware address is lower than the partner's
	Able     Fact  // it would take the alias (yes), or cannot serve it (no)
	Service  Value // its service is well
	Released Value // it released the alias, and nobody has had it since
	Offers   Value // it offers the alias to us, and the offer has not expired
	Confirms Value // it confirms that it took the alias that we handed over
	Claims   Value // its word, fresh: it holds the alias
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
}

// Doubt is how long an address is asked in vain before it counts as silent.
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
