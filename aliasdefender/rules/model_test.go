package rules

import "time"

// The model of the search: two hosts with their kernels and daemons, the wire, the
// router, the channel and a client. The real code decides and records: Decide, Say,
// and State with its Done, Obey, Report and Saw. The rest is the least that a daemon
// does around them. The one exception is what a clause leaves out on purpose.
//
// Time goes in ticks of half a second, the interval of the model; a tick is also a
// doubt. What happens between two ticks has an order but takes no time: a changed
// word is on its way for a step, and anything else may happen in that step.

// tick is the time between two questions, and between two heartbeats.
const tick = time.Second / 2

// Times for which only "long ago" matters run faster, or the search would spend its
// time on waiting: half a minute between two hand-overs, ten seconds between two
// defences.
const (
	fastEnded    = 30
	fastDefended = 10
	fastTaken    = 10 // so that the first wait after flapping, a minute, is as long as old
)

const (
	old   ticks = 12
	never ticks = 255
	known ticks = 4 // after this time everybody who asks knows
)

// heard is a fact with its times in ticks.
type heard struct {
	value              Value
	since, asked, miss ticks
}

// unheard is a fact that was never asked, or is forgotten: it has no since.
var unheard = heard{since: never, asked: old, miss: never}

func (h heard) fact() Fact {
	return Fact{Value: h.value, Since: h.since.time(), Asked: h.asked.time(), Miss: h.miss.time()}
}

func (h *heard) pass() {
	h.since.pass()
	h.asked.pass()
	if h.miss != never {
		h.miss.pass()
	}
}

func (h *heard) set(v Value) {
	if h.value != v {
		h.since = 0
	}
	h.value, h.asked = v, 0
}

func (h *heard) answered() {
	h.set(Answered)
	h.miss = never
}

// missed is one tick's question without an answer. The second makes a silence.
func (h *heard) missed() {
	if h.miss == never {
		h.miss = 0
		return
	}
	h.set(Silent)
}

// lost is one tick's question whose answer may have been lost on the way. A silent or
// never asked address becomes unknown; an answer grows old.
func (h *heard) lost() {
	if h.value == Silent || h.since == never {
		*h = heard{since: 0, asked: 0, miss: never}
	}
}

// life is what a daemon is doing.
type life uint8

const (
	dead life = iota
	running
	frozen
)

// talk is a word of the model, without the reason, which is for people.
type talk struct {
	standing Standing
	step     Step
	number   uint8
}

func (t talk) word() Word { return Word{Standing: t.standing, Step: t.step, Number: uint32(t.number)} }

func talkOf(w Word) talk { return talk{w.Standing, w.Step, uint8(w.Number)} }

// open is the record of a hand-over.
type open struct {
	side     Side
	number   uint8
	why      Reason
	began    ticks
	verified Value
	failure  Reason
	ended    ticks
}

// member is one host. It is compared and hashed whole: no pointers.
type member struct {
	on     bool // it has power
	cable  bool
	ill    bool // the service behind the alias fails
	apart  bool // another member of the alias's group could not be here
	daemon life
	kernel bool  // it has the alias
	had    ticks // for how long
	lease  left  // the kernel's
	parks  bool  // on disk: operators want it off this host
	told   bool  // its daemon was told to end
	ours   bool  // it let the alias go because of a fault of its own, and nobody has had it since
	robbed bool  // another program took the alias away, and the daemon has not put it back
	fenced ticks // when it fenced the other, as its disk says; never if it did not
	behind bool  // its own address went and came back while it had the alias: the alias is the first now

	// The daemon's record.
	holding, parked, give, stopping, oursLast, cutOff, failback, noReturn, claimed bool
	order                                                                          Order
	hand                                                                           open
	defences                                                                       uint8
	defended                                                                       ticks
	announced                                                                      uint8
	next                                                                           left
	anew, woke                                                                     ticks
	leased                                                                         left

	takes uint8 // that count
	taken ticks // the last of them

	unfenced bool // that counts no more

	reorders  uint8
	reordered ticks

	// Its facts.
	carrier                ticks // since when it is as it is
	alias, partner, router heard
	daemonHeard, said      ticks
	held                   ticks // when the other last said that it holds it; not older than we can know
	word                   talk
	partnerIll             bool
	partnerApart           bool
	partnerWhole           Value // what it says of the whole group
	claimant               heard // about a rival: whether it answers for the partner's address
	asking                 bool  // it is being asked
	forged                 bool  // the last claim that it saw was forged
	owned                  bool  // since it heard of a rival, one claim that it saw was the other host's

	lossy bool // its ARP listener loses frames: what it does not hear is unknown

	verifying bool // a ping from the alias is on its way
	deaf      bool // the next one will not be answered

	sent    talk  // last
	flying  bool  // sent is on its way
	late    uint8 // and will be for so many ticks
	written bool  // something happened on this host, and it has not decided yet
}

// pair is the whole world.
type pair struct {
	h       [2]member
	cut     bool // the segment between the two
	side    uint8
	router  bool // up; if it is divided, the client is on the side that is named
	channel bool
	cache   uint8 // the host to which the client sends: 0, 1, or 2 for neither
	race    bool  // in the next step both decide before either acts
	whole   ticks // since when the two have heard each other; never if they do not
	wanted  uint8 // the host that an AddAlias was for; 2: no operator did anything yet; 3: operators did more
	moves   bool  // in the last step a host took or let go
	calm    bool  // one has had the alias while the other says that it would take it
	faulty  bool  // something else happened than operators' orders
}

// setting is one configuration to search.
type setting struct {
	name    string
	primary [2]bool
	channel bool
	second  bool // the channel has its own cable
	back    bool // failback
	forged  bool // somebody forges claims
	nics    bool // the alias is on another NIC than the own address, both on one segment
	takes   int  // this many takes count as flapping; 0: any number is fine
	depth   int
	only    []string // the events, by parts of their names; none: all
	from    []string // what happened before, with the world at rest after each
	lossy   bool     // the ARP listeners lose frames
	own     bool     // own addresses go and come back
	fences  bool     // a host may fence the other, where the rules allow it
	group   bool     // the alias leads a group, whose other member is where it is
	release bool     // when_split = "release"
	few     bool     // only what operators do, what happens to daemons, and lost words
	rows    []Row
	without clause
	view    view // used again and again: the search decides some hundred million times
}

// clause is a clause of the hand-over that the model itself can leave out; leaving
// out other rows covers the rest.
type clause uint8

const (
	none       clause = iota
	forgetting        // at its end it forgets sightings of rivals
	patience          // the taker waits longer than the giver
	lastWord          // the host that has it at the end announces
)

func (c *setting) policy(i int) Policy {
	place := Ungrouped
	if c.group {
		place = Leader
	}
	return Policy{
		Place: place, ReleaseSplit: c.release,
		Primary: c.primary[i], Channel: c.channel,
		Interval: tick, Timeout: tick / 2, Misses: 2,
		Failback: c.back, FailbackAfter: 3 * tick, Lease: 6 * tick, MaxTakes: c.takes,
	}
}

// begin is both hosts just switched on, with what the setting says happened since.
func begin(c *setting) pair {
	p := pair{router: true, channel: true, cache: 2, wanted: 2}
	for i := range p.h {
		p.h[i] = boot(false)
		p.h[i].start()
	}
	for _, text := range c.from {
		p.settle(c)
		for _, e := range events() {
			if e.text == text {
				e.do(&p, c)
			}
		}
		p.settle(c)
	}
	return p
}

// settle lets the world come to rest; that alone can do no harm.
func (p *pair) settle(c *setting) {
	for range settles {
		p.step(c)
	}
}

func boot(parked bool) member {
	m := member{on: true, cable: true, lease: forever, parks: parked, fenced: never}
	m.clear()
	return m
}

// clear is a host without a daemon: it knows nothing and has no record.
func (m *member) clear() {
	if m.unfenced {
		m.fenced = never
	}
	*m = member{on: m.on, cable: m.cable, ill: m.ill, apart: m.apart, lossy: m.lossy, kernel: m.kernel, had: m.had, lease: m.lease, parks: m.parks, behind: m.behind, fenced: m.fenced}
	m.hand = open{began: never, ended: never}
	m.next, m.leased = forever, forever
	m.defended, m.anew, m.woke, m.carrier, m.taken, m.reordered = never, never, never, old, never, never
	m.claimant = unheard
	m.alias, m.partner, m.router = unheard, unheard, unheard
	m.daemonHeard, m.said, m.held = never, never, never
}

func (m *member) start() {
	m.clear()
	m.daemon, m.written = running, true
	if m.parks {
		s := m.state()
		s.Obey(RemoveAlias, Facts{Now: noon})
		m.keep(&s)
	}
}

// joined tells whether the two hear each other on the segment.
func (p *pair) joined() bool {
	return p.h[0].on && p.h[1].on && p.h[0].cable && p.h[1].cable && !p.cut
}

// reaches tells whether the host is on the side of router and client.
func (p *pair) reaches(i int) bool {
	return p.h[i].on && p.h[i].cable && (!p.cut || int(p.side) == i)
}

func (p *pair) talks(c *setting) bool {
	return c.channel && p.channel && p.h[0].on && p.h[1].on && (c.second || p.joined())
}

func (m *member) state() State {
	s := State{
		Holding: m.holding, Parked: m.parked, Give: m.give, Order: m.order, OursLast: m.oursLast,
		Claimed: m.claimed, Defences: int(m.defences), Defended: m.defended.fast(fastDefended),
		Announced: int(m.announced), Next: m.next.time(), CutOff: m.cutOff, Failback: m.failback, NoReturn: m.noReturn,
		Anew: m.anew.time(), Woke: m.woke.time(), Lease: m.leased.time(),
		Reorders: int(m.reorders), Reordered: m.reordered.time(),
	}
	if m.unfenced {
		s.FenceOver = m.fenced.time()
	}
	if m.stopping {
		s.Exit, s.Ending = ExitGive, true
	}
	for range m.takes {
		s.Takes = append(s.Takes, m.taken.fast(fastTaken))
	}
	h := &m.hand
	s.Handover = Handover{
		Side: h.side, Number: uint32(h.number), Why: h.why, Began: h.began.time(), Verified: h.verified,
		Failure: h.failure, Ended: h.ended.fast(fastEnded),
	}
	return s
}

func (m *member) keep(s *State) {
	m.holding, m.parked, m.oursLast, m.order, m.give = s.Holding, s.Parked, s.OursLast, s.Order, s.Give
	m.stopping = s.Exit != NoExit
	m.unfenced = m.fenced != never && s.FenceOver.Equal(m.fenced.time())
	m.cutOff, m.failback, m.noReturn, m.claimed = s.CutOff, s.Failback, s.NoReturn, s.Claimed
	m.defences, m.defended = uint8(min(s.Defences, 2)), agoOf(s.Defended, fastDefended)
	m.announced, m.next = uint8(s.Announced), leftOf(s.Next)
	m.anew, m.woke, m.leased = agoOf(s.Anew, 1), agoOf(s.Woke, 1), leftOf(s.Lease)
	if m.takes = uint8(min(len(s.Takes), 2)); m.takes > 0 {
		m.taken = agoOf(s.Takes[len(s.Takes)-1], fastTaken)
	} else {
		m.taken = never
	}
	m.reorders, m.reordered = uint8(s.Reorders), agoOf(s.Reordered, 1)
	h := &s.Handover
	m.hand = open{
		side: h.Side, number: uint8(h.Number), why: h.Why, began: agoOf(h.Began, 1), verified: h.Verified,
		failure: h.Failure, ended: agoOf(h.Ended, fastEnded),
	}
	if m.announced >= 2 {
		// The schedule is the real one, but ends sooner. Announcing each minute would
		// not help: if clients are at the wrong host for that long, it is a finding.
		m.announced, m.next = 2, forever
	}
}

func (m *member) facts(c *setting, i int) Facts {
	own := Fact{Value: Yes, Since: agoTable[old], Asked: noon}
	f := Facts{
		Now: noon, NIC: own, Own: own, ParkedKnown: own, RouterKnown: true,
		Elsewhere: Fact{Value: No, Since: agoTable[old], Asked: noon},
		Carrier:   Fact{Value: Of(m.cable), Since: m.carrier.time(), Asked: noon},
		Kernel:    Fact{Value: Of(m.kernel), Since: agoTable[old], Asked: noon},
		Behind:    Fact{Value: Of(m.kernel && m.behind), Since: agoTable[old], Asked: noon},
		Alias:     m.alias.fact(), Partner: m.partner.fact(), Router: m.router.fact(),
		ByPartner: Of(!c.nics), Claimant: m.claimant.fact(), WeAreLow: Of(i == 0), Service: Fact{Value: Of(!m.ill), Since: agoTable[old], Asked: noon},
	}
	if m.fenced != never {
		f.Fenced = Fact{Value: Yes, Since: m.fenced.time(), Asked: m.fenced.time(), Lives: time.Hour}
	}
	if m.daemonHeard != never {
		f.Peer.Heard = m.daemonHeard.time()
	}
	if m.said != never {
		f.Peer.Said, f.Peer.Word = m.said.time(), m.word.word()
		if m.held != never {
			f.Peer.Held = m.held.time()
		}
		f.Peer.Primary, f.Peer.HWLower, f.Peer.Facts[FactService] = Of(c.primary[1-i]), Of(i == 0), Of(!m.partnerIll)
		f.Peer.Facts[FactWhole] = m.partnerWhole
	}
	if c.group {
		m.group(c.policy(i), &f)
	}
	return f
}

// group tells of the alias's group. Of its other member only this is known: whether it
// could be here, or at the partner.
func (m *member) group(p Policy, f *Facts) {
	own := SeatOf(p, m.state(), *f)
	other := Seat{Here: Of(!m.apart), Lives: own.Lives}
	if f.Peer.Counts(p, noon) {
		other.There = Of(!m.partnerApart)
	}
	Together([]Seat{own, other}).Tell(p, f)
	f.Whole.Since = agoTable[old]
}
