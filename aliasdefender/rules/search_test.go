package rules

import (
	"flag"
	"hash/maphash"
	"slices"
	"strings"
	"testing"
	"time"
)

var deeper = flag.Int("deeper", 0, "how many more events the search tries; each makes it forty times as long")

// settings are the pairs that the search plays.
func settings() []setting {
	one, both, none := [2]bool{true, false}, [2]bool{true, true}, [2]bool{}
	return []setting{
		{name: "one primary, a channel", primary: one, channel: true},
		{name: "one primary, a channel on a cable of its own", primary: one, channel: true, second: true},
		{name: "one primary with failback, a channel", primary: one, channel: true, back: true},
		{name: "one primary, no channel", primary: one},
		{name: "one primary with failback, no channel", primary: one, back: true},
		{name: "one primary, no channel; its daemon is dead, and the other has the alias", primary: one,
			from: []string{"A: power fails", "A: boots", "A: its daemon is killed"}},
		{name: "two primaries, a channel", primary: both, channel: true},
		{name: "two primaries, no channel", primary: both},
		{name: "no primary, a channel", primary: none, channel: true},

		{name: "one primary, a channel, forged claims", primary: one, channel: true, forged: true, only: whoClaims},
		{name: "one primary, no channel, forged claims", primary: one, forged: true, only: whoClaims},
		{name: "two primaries, no channel, forged claims", primary: both, forged: true, only: whoClaims},
		{name: "one primary, no channel, two NICs on the segment", primary: one, nics: true, only: whoClaims},
		{name: "two primaries, no channel, two NICs on the segment", primary: both, nics: true, only: whoClaims},
		{name: "one primary, a channel, takes are counted", primary: one, channel: true, takes: 1, only: whoTakes},
		{name: "one primary, no channel, takes are counted", primary: one, takes: 1, only: whoTakes},
		{name: "one primary, a channel; own addresses go and come back", primary: one, channel: true, own: true, few: true},
		{name: "one primary, no channel, the partner is fenced", primary: one, fences: true, only: whoFences},
		{name: "one primary, a channel, the partner is fenced", primary: one, channel: true, fences: true, only: whoFences},

		{name: "one primary, a channel, a group", primary: one, channel: true, group: true, only: whoIsApart},
		{name: "one primary with failback, a channel, a group that is released where it is split", primary: one, channel: true, back: true, group: true, release: true, only: whoIsApart},
	}
}

var (
	whoIsApart = []string{"another member", "cable", "Alias", "Handover", "its daemon is", "says is l", "power", "boots"}
	whoClaims  = []string{"forged claim", "the segment", "the channel", "its daemon is killed", "its daemon starts", "force", "power", "boots"}
	whoTakes   = []string{"cable", "the segment", "the channel", "power", "boots", "its daemon is killed", "its daemon starts"}
	whoFences  = []string{"fences", "cable", "the segment", "power", "boots", "its daemon is killed", "its daemon starts", "AddAlias", "RemoveAlias"}
)

// tries tells whether the setting has that event.
func (c *setting) tries(e event) bool {
	if c.few && !e.few {
		return false
	}
	return len(c.only) == 0 || slices.ContainsFunc(c.only, func(s string) bool { return strings.Contains(e.text, s) })
}

// TestSearchFindsNothingWrong tries every order of two events of any kind.
func TestSearchFindsNothingWrong(t *testing.T) {
	for _, c := range settings() {
		c.depth = 2 + *deeper
		if testing.Short() || raceEnabled {
			c.depth = 1
		}
		t.Run(c.name, func(t *testing.T) { mustFindNothing(t, c) })
		if c.depth > 1 && !c.second && len(c.only) == 0 {
			c := c
			c.lossy = true
			t.Run(c.name+", ARP listeners lose frames", func(t *testing.T) { mustFindNothing(t, c) })
		}
	}
}

// TestThreeEventsSearch tries every order of three events that disturb a hand-over.
func TestThreeEventsSearch(t *testing.T) {
	if testing.Short() || raceEnabled {
		return
	}
	for _, c := range settings() {
		if len(c.only) > 0 || !c.channel || c.second || c.primary == [2]bool{true, true} {
			continue
		}
		c.few, c.depth = true, 3+*deeper
		t.Run(c.name, func(t *testing.T) { mustFindNothing(t, c) })
	}
}

func mustFindNothing(t *testing.T, c setting) {
	t.Parallel()
	c.rows = Rows()
	begun := time.Now()
	found, states := find(&c)
	if found != nil {
		t.Errorf("with %d events:\n%s\n=> %s", c.depth, found.story, found.what)
	}
	t.Logf("%d events, %d states, %v", c.depth, states, time.Since(begun).Round(time.Millisecond))
}

// search tries every order of events up to the setting's depth, each at any moment.
// It follows whatever it reaches step by step until that rests, and between any two
// steps the next event may come. It stops at the first finding, which has the fewest
// events.
//
// It knows a state by its hash. Among ten million states, two with the same hash come
// once in some hundred thousand runs.
type search struct {
	c      *setting
	all    []event
	seed   maphash.Seed
	seen   set
	parent []uint32 // for each state: which event or step led to it
	by     []uint8
	chain  map[uint64]int
	walked []pair
}

// aStep is what lets the world go on, beside the events.
const aStep = 255

// finding is what went wrong, and how it came about.
type finding struct {
	story story
	what  string
}

// reached is a state of the last round.
type reached struct {
	p  pair
	id uint32
}

// find searches a setting. It also returns how many states it saw.
func find(c *setting) (*finding, int) {
	s := &search{c: c, all: events(), seed: maphash.MakeSeed(), seen: newSet(), chain: map[uint64]int{}}
	var last, next []reached
	keep := func(r reached) { next = append(next, r) }
	if f := s.follow(begin(c), 0, aStep, keep); f != nil {
		return f, len(s.by)
	}
	for depth := range c.depth {
		last, next = next, last[:0]
		if depth == c.depth-1 {
			keep = func(reached) {}
		}
		for i := range last {
			for e := range s.all {
				p := last[i].p
				if !c.tries(s.all[e]) || !s.all[e].do(&p, c) {
					continue
				}
				if f := s.follow(p, last[i].id, uint8(e), keep); f != nil {
					return f, len(s.by)
				}
			}
		}
	}
	return nil, len(s.by)
}

// add notes a state, and returns whether it is new.
func (s *search) add(h uint64, parent uint32, by uint8) (uint32, bool) {
	if !s.seen.add(h) {
		return 0, false
	}
	s.parent, s.by = append(s.parent, parent), append(s.by, by)
	return uint32(len(s.by) - 1), true
}

// follow goes on from a state until it rests, or reaches a known one.
func (s *search) follow(p pair, parent uint32, by uint8, keep func(reached)) *finding {
	clear(s.chain)
	s.walked = s.walked[:0]
	for range settles {
		h := maphash.Comparable(s.seed, p)
		if from, ok := s.chain[h]; ok {
			if what := wrongAtRest(s.c, s.walked[from:]); what != "" {
				return &finding{s.tell(parent), what}
			}
			return nil
		}
		id, isNew := s.add(h, parent, by)
		if !isNew {
			return nil
		}
		s.chain[h] = len(s.walked)
		s.walked = append(s.walked, p)
		keep(reached{p, id})
		parent, by = id, aStep
		if what := p.step(s.c); what != "" {
			return &finding{s.tell(parent), what}
		}
	}
	return &finding{s.tell(parent), restless}
}

// tell is how a state was reached.
func (s *search) tell(id uint32) story {
	var back []uint8
	for ; id != 0; id = s.parent[id] {
		back = append(back, s.by[id])
	}
	var told story
	for i := range back {
		switch by := back[len(back)-1-i]; {
		case by != aStep:
			told = append(told, line{event: s.all[by].text})
		case len(told) > 0 && told[len(told)-1].steps > 0:
			told[len(told)-1].steps++
		default:
			told = append(told, line{steps: 1})
		}
	}
	return told
}

// settles bounds how many steps the world may take to come to rest.
const settles = 150

const restless = "it does not come to rest"

// wrongAtRest is what must not be so if the world goes in that circle.
func wrongAtRest(c *setting, circle []pair) string {
	for i := range circle {
		if what := circle[i].wrong(c); what != "" {
			return what
		}
	}
	return circle[0].lies(c)
}

// wrong is what must not be so if the world rests.
func (p *pair) wrong(c *setting) string {
	a, b := &p.h[0], &p.h[1]
	if p.moves {
		return restless
	}
	if a.kernel && b.kernel && p.joined() && a.daemon == running && b.daemon == running && !a.lossy && !b.lossy {
		return "both have the alias"
	}
	served := 2
	for i := range p.h {
		m, other := &p.h[i], &p.h[1-i]
		switch {
		case m.daemon == running && m.told && !m.stopping: // otherwise its deadline, which the model does not have, ends it
			return hosts[i] + "'s daemon does not end"
		case m.kernel && m.daemon == running && m.parks:
			return hosts[i] + " has the alias, and is parked"
		case m.kernel && m.daemon == running && m.cable && m.behind:
			return hosts[i] + " speaks with the alias"
		case m.kernel && m.daemon == running && !m.cable:
			return hosts[i] + " has the alias, and no link"
		case m.daemon == running && m.kernel != m.holding && !m.lossy: // whose rivals are unknown
			return hosts[i] + "'s record of the alias is wrong"
		case m.kernel && m.ill && !other.kernel && p.serves(1-i) && m.said != never && p.talks(c):
			return hosts[i] + " has the alias with an ill service, and " + hosts[1-i] + " could"
		case c.group && m.kernel && m.apart && !other.kernel && !other.apart && p.serves(1-i) && m.said != never && p.talks(c):
			return hosts[i] + " has a part of the group, and " + hosts[1-i] + " could have all"
		case c.release && m.kernel && m.apart && !other.on && p.serves(i) && m.daemonHeard != never:
			return hosts[i] + " has a part of a group, and " + hosts[1-i] + " is dead"
		case c.release && m.kernel && m.apart && other.apart && p.serves(i) && other.daemon == running && p.talks(c):
			return hosts[i] + " has a part of a group that neither could have"
		case !m.kernel && !p.faulty && p.calm && int(p.wanted) == i && p.serves(i) && !c.back:
			return "AddAlias on " + hosts[i] + " was in vain"
		case !m.kernel && c.back && c.primary[i] && p.serves(i) && p.joined() && other.kernel && other.daemon == running && !m.noReturn && !m.apart:
			return hosts[i] + " does not get the alias back"
		case c.release && m.apart && !(p.serves(1-i) && !other.apart): // nobody is to have it
		case !m.kernel && !(other.kernel && p.joined()) && p.serves(i) && !p.excused(c, i):
			return "nobody has the alias, and " + hosts[i] + " could"
		case m.kernel && p.reaches(i):
			served = i
		}
	}
	// A host that does not hear its rival does not hear either that the rival has
	// gone.
	alone := !(a.kernel && b.kernel && p.joined()) && (served == 2 || !p.h[served].lossy)
	if served != 2 && alone && p.h[served].daemon == running && p.cache == uint8(1-served) {
		return "clients are not at " + hosts[served]
	}
	return ""
}

// serves tells whether the host could serve: its daemon, link and router are well,
// and no operator took the alias off it.
func (p *pair) serves(i int) bool {
	m := &p.h[i]
	return m.on && m.daemon == running && !m.parks && !m.told && !m.ill && m.cable && !m.lossy && p.router && p.reaches(i)
}

// excused is what the design leaves open (W12): a host that is not primary, has no
// order, did not itself let the alias go, and was not told by a channel, leaves the
// alias to a host that is alive.
func (p *pair) excused(c *setting, i int) bool {
	m := &p.h[i]
	fenced := m.fenced != never && !m.unfenced
	return !c.primary[i] && m.order == NoOrder && !m.ours && !fenced && p.joined() && (!c.channel || m.daemonHeard == never)
}

// mustServe tells whether a host must have the alias after this release: if a hand-over
// was its reason or was open, or if only operators did something and the other host had
// said that it would take. What the other host could not tell in time is excused.
func (p *pair) mustServe(c *setting, i int, r Reason) bool {
	m, other := &p.h[i], &p.h[1-i]
	if other.daemon != running || other.kernel || other.holding || other.parks || other.robbed || other.order != NoOrder || !p.joined() {
		return false
	}
	if r == OperatorReleases || r == LinkLost {
		return p.calm && !p.faulty && p.serves(1-i) && (m.word.standing == SaysAble || m.word.standing == SaysHolding)
	}
	if r == GroupSplit {
		return false // nobody is to have it
	}
	if r == RivalPartner && !c.primary[0] && !c.primary[1] && !p.talks(c) {
		return false // nobody tells two that are not primary apart
	}
	return r == HandedOver || r == GivenBack || m.hand.side != NoSide || m.hand.ended <= 1
}

// mustNotTake is why a take is wrong, unless a host that could know better ordered or
// offered it.
func (p *pair) mustNotTake(i int, r Reason) string {
	m, other := &p.h[i], &p.h[1-i]
	switch {
	case !m.cable:
		return hosts[i] + " takes without a link"
	case m.ill && !other.ill && p.whole >= known && other.daemon == running:
		return hosts[i] + " takes with an ill service"
	case r == OperatorTakes || r == Offered || r == FailbackTakes:
	case other.kernel && p.whole >= known && other.had >= known:
		return hosts[i] + " takes what " + hosts[1-i] + " has"
	case r == PartnerSilent && p.whole >= known:
		return hosts[i] + " takes as from a silent partner, and " + hosts[1-i] + " lives"
	case m.router.value != Answered || m.router.asked > 1:
		return hosts[i] + " takes where no router answers"
	}
	return ""
}

// set is a set of hashes.
type set struct {
	slots []uint64
	n     int
}

func newSet() set { return set{slots: make([]uint64, 1<<16)} }

// add returns whether h was missing.
func (s *set) add(h uint64) bool {
	h |= 1 // 0 marks a free slot
	if s.n*2 > len(s.slots) {
		was := s.slots
		s.slots, s.n = make([]uint64, 2*len(was)), 0
		for _, h := range was {
			if h != 0 {
				s.add(h)
			}
		}
	}
	mask := uint64(len(s.slots) - 1)
	for i := h >> 1 & mask; ; i = (i + 1) & mask {
		switch s.slots[i] {
		case h:
			return false
		case 0:
			s.slots[i] = h
			s.n++
			return true
		}
	}
}
