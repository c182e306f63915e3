package chaos

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// lateness is by how much a busy machine of two cores may miss a deadline.
const lateness = 300 * time.Millisecond

// sure is what the model knows about something while faults come and go: yes and no
// are certain at every instant.
type sure int8

const (
	no sure = iota
	maybe
	yes
)

// daemonState is what a host's Monitor is doing.
type daemonState uint8

const (
	dead daemonState = iota
	paused
	changing // it is starting, receiving an order, or ending
	running
)

// member is one of the two hosts.
type member struct {
	up     bool
	cable  bool // its NIC has a carrier
	mute   bool // no frame passes its port
	lossy  bool // some frames do
	busy   bool // its network is being changed; the result is known when that is done
	noOwn  bool // its NIC has no address of its own
	off    bool // its NIC was set down inside the host
	daemon daemonState

	removed []removal // what other programs took off it since its daemon started
	blinked time.Time // when its own address last came back

	blinkedBefore time.Time // and the time before that

	// From the files that its daemon has read.
	interval time.Duration
	rows     []stage.Row
}

// the two, the router, the client and the attacker in the model's arrays.
const (
	hostA = iota
	hostB
	theRouter
	theClient
	mallory
)

var names = [...]string{"a", "b", "router", "client", "mallory"}

// moment is the state of everything that faults change, from a certain time on.
type moment struct {
	at      time.Time
	keyed   bool // the two have a channel
	hosts   [2]member
	router  bool   // the router is up
	group   [5]int // of a partition; all 0: none
	netBusy bool   // router or partition are being changed

	forged netip.Addr // the alias that an attacker claims without having it
	inName bool       // it also claims the two hosts' own addresses
	byPair bool       // it uses the hardware address of one of the two
	laptop netip.Addr // the alias that the attacker's kernel has; its spans tell when
	storm  bool       // the attacker floods the segment, which excuses nothing
}

func (m *member) reachable() sure {
	switch {
	case m.busy:
		return maybe
	case !m.up || !m.cable || m.mute || m.off:
		return no
	case m.lossy:
		return maybe
	}
	return yes
}

// reach tells whether all frames pass between two hosts, in both directions.
func (m *moment) reach(x, y int) sure {
	s := yes
	for _, i := range []int{x, y} {
		switch {
		case i < theRouter:
			s = min(s, m.hosts[i].reachable())
		case i == theRouter && !m.router:
			s = no
		}
	}
	switch {
	case m.netBusy:
		s = min(s, maybe)
	case m.group[x] != m.group[y]:
		s = no
	}
	return s
}

// faults counts what is broken.
func (m *moment) faults() (n int) {
	broken := []bool{!m.router, m.group != [5]int{}, m.forged.IsValid(), m.laptop.IsValid(), m.storm}
	for _, h := range m.hosts {
		broken = append(broken, !h.up, !h.cable, h.mute, h.lossy, h.off, h.noOwn, h.up && h.daemon < running)
	}
	for _, b := range broken {
		if b {
			n++
		}
	}
	return n
}

// has returns the row of the alias in the files that a host's daemon has read.
func (m *member) has(alias netip.Addr) (stage.Row, bool) {
	i := slices.IndexFunc(m.rows, func(r stage.Row) bool { return r.Alias.Addr() == alias })
	if i < 0 {
		return stage.Row{}, false
	}
	return m.rows[i], true
}

// runs tells whether a host's daemon is alive and has the alias in its file.
func (m *moment) runs(i int, alias netip.Addr) bool {
	h := &m.hosts[i]
	_, has := h.has(alias)
	return h.up && !h.busy && !h.noOwn && h.daemon == running && has
}

// should tells whether a host certainly has to take the alias if it is silent: the
// host can, and it is primary or its partner is silent too (rows W10 and W14; the
// exceptions of W12 are not included). A claim of the alias, true or forged, counts
// as a sign of its life (W6), and a frame in the partner's name as one of the
// partner's life.
func (m *moment) should(i int, alias netip.Addr) bool {
	if !m.runs(i, alias) || m.reach(i, theRouter) != yes || m.forged == alias {
		return false
	}
	r, _ := m.hosts[i].has(alias)
	return r.Primary || m.reach(i, 1-i) == no && !m.inName
}

func (m *member) timeout() time.Duration {
	return min(max(m.interval/4, 5*time.Millisecond), time.Second)
}

// detection is how long an alias may be without a holder: it is found silent after
// interval and misses times timeout, and a primary whose partner is alive doubts for
// as long again.
func (m *member) detection() time.Duration { return m.interval + 6*m.timeout() }

// handover is how long a hand-over may last, in which the taker has the alias before the
// giver lets it go: 2 s (GiveWithin), and a timeout more for the taker. Without a channel
// there is none.
func (m *moment) handover() time.Duration {
	if !m.keyed {
		return 0
	}
	return 2*time.Second + max(m.hosts[hostA].timeout(), m.hosts[hostB].timeout())
}

// rivalry is how long two hosts that hear each other may both hold it: until the next
// question for rivals, which is asked less often if there are many aliases.
func (m *moment) rivalry() time.Duration {
	longest := time.Duration(0)
	for _, h := range m.hosts {
		longest = max(longest, h.interval+h.timeout(), time.Duration(len(h.rows))*20*time.Millisecond)
	}
	return longest
}

// violation is a promise that was not kept.
type violation struct {
	alias    netip.Addr
	text     string
	from, to time.Time
	limit    time.Duration
}

func (v violation) String() string {
	return fmt.Sprintf("%s: %s for %v, from %s to %s; at most %v are promised", v.alias, v.text, v.to.Sub(v.from).Round(time.Millisecond),
		v.from.Format("15:04:05.000"), v.to.Format("15:04:05.000"), v.limit)
}

// lasting is a condition that must not last longer than its limit.
type lasting struct {
	text  string
	since time.Time // zero: the condition is not met
	limit time.Duration
}

// breaches compares who had an alias with what the design promises, for the whole
// story up to a moment.
func breaches(story []moment, spans []lab.Span, alias netip.Addr, end time.Time) (all []violation) {
	tracks := map[string]*lasting{}
	track := func(at time.Time, text string, holds bool, limit time.Duration) {
		l := tracks[text]
		if l == nil {
			l = &lasting{text: text}
			tracks[text] = l
		}
		if !l.since.IsZero() && at.Sub(l.since) > l.limit && (!holds || at.Equal(end)) {
			all = append(all, violation{alias, l.text, l.since, at, l.limit})
			l.since, l.limit = time.Time{}, 0
		}
		switch {
		case !holds:
			l.since, l.limit = time.Time{}, 0
		case l.since.IsZero():
			l.since = at
			fallthrough
		default:
			l.limit = max(l.limit, limit)
		}
	}
	for _, at := range turns(story, spans, end) {
		m := stateAt(story, at)
		holders := holdersAt(spans, at)
		both := slices.Contains(holders, hostA) && slices.Contains(holders, hostB)
		bothRun := m.runs(hostA, alias) && m.runs(hostB, alias)
		track(at, "held by both, which hear each other", both && bothRun && m.reach(hostA, hostB) == yes, max(m.rivalry(), m.handover())+lateness)
		for i := range m.hosts {
			served := sure(no)
			for _, h := range holders {
				if h == i {
					served = yes
				} else {
					served = max(served, m.reach(i, h))
				}
			}
			track(at, "held by nobody that "+names[i]+" hears, which should take it", served == no && m.should(i, alias) && !at.Before(m.hosts[i].restores(alias)), m.hosts[i].detection()+lateness)
			h := &m.hosts[i]
			_, has := h.has(alias)
			left := h.up && !h.busy && h.daemon == running && !has && slices.Contains(holders, i)
			track(at, "held by "+names[i]+" without a row", left, m.handover()+lateness)
		}
	}
	return append(append(all, stolen(story, spans, alias)...), yielded(story, spans, alias)...)
}

// stolen finds an alias that was taken although another host answered for it, during
// the whole doubt or ever since the taker's daemon woke. An alias that is handed over is
// taken while the giver has it, whoever else has it: then one of the two lets it go soon.
func stolen(story []moment, spans []lab.Span, alias netip.Addr) (all []violation) {
	for _, s := range spans {
		taker := slices.Index(names[:], s.By)
		if taker == mallory || continues(story, spans, s) {
			continue
		}
		m := stateAt(story, s.From)
		doubt := s.From.Add(-m.hosts[taker].detection() - lateness)
		from := doubt
		if awake := since(story, s.From, func(m *moment) bool { return m.hosts[taker].daemon >= changing }); awake.After(from) {
			from = awake
		}
		for _, held := range spans {
			holder := slices.Index(names[:], held.By)
			if holder == taker || held.From.After(from) || !held.To.After(s.From) {
				continue
			}
			if m.gives(held, s) || holder == mallory && slices.ContainsFunc(spans, func(other lab.Span) bool {
				return other.By != s.By && m.gives(other, s) // beside a laptop
			}) {
				continue
			}
			heard := since(story, s.From, func(m *moment) bool { return m.reach(taker, holder) == yes })
			if !heard.After(from) {
				all = append(all, violation{alias, "taken by " + s.By + " while " + held.By + ", which it hears, held it", from, s.From, 0})
			}
		}
	}
	return all
}

// gives tells whether a host of the pair may be handing over what it had to who took it.
func (m *moment) gives(had, took lab.Span) bool {
	return m.keyed && had.By != names[mallory] && had.From.Before(took.From) && had.To.After(took.From) &&
		earlier(had.To, took.To).Sub(took.From) <= m.handover()+lateness
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// since tells from when on, up to a time, something was so without a break; if it is
// not so at that time, it returns that time.
func since(story []moment, at time.Time, holds func(*moment) bool) time.Time {
	from := at
	for i := len(story) - 1; i >= 0; i-- {
		if story[i].at.After(at) {
			continue
		}
		if !holds(&story[i]) {
			return from
		}
		from = story[i].at
	}
	return time.Time{} // always
}

// turns are the times at which anything changed, and the end.
func turns(story []moment, spans []lab.Span, end time.Time) []time.Time {
	all := []time.Time{end}
	for _, m := range story {
		all = append(all, m.at)
	}
	for i := range story {
		for h := range story[i].hosts {
			r := story[i].hosts[h].removed
			if n := len(r); n > 0 && (i == 0 || len(story[i-1].hosts[h].removed) != n) {
				all = append(all, r[n-1].again)
			}
		}
	}
	for _, s := range spans {
		all = append(all, s.From, s.To)
	}
	all = slices.DeleteFunc(all, func(t time.Time) bool { return t.After(end) || t.Before(story[0].at) })
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

// stateAt is the moment that covers a time, or the first one if the time is before it
// began.
func stateAt(story []moment, at time.Time) *moment {
	i, _ := slices.BinarySearchFunc(story, at, func(m moment, at time.Time) int {
		if m.at.After(at) {
			return 1
		}
		return -1
	})
	return &story[max(i-1, 0)]
}

func holdersAt(spans []lab.Span, at time.Time) (all []int) {
	for _, s := range spans {
		if i := slices.Index(names[:], s.By); i >= 0 && !s.From.After(at) && (s.To.After(at) || s.Open) && !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	return all
}
