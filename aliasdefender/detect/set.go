package detect

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/count"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// Set is all addresses that are asked. One goroutine uses it.
type Set struct {
	noARP bool // we have no ARP: the kernel answers and announces by itself
	epoch time.Time
	now   time.Time // of the call under way
	ready bool      // this host was read: there is an address to ask from

	subjects map[Key]*subject
	targets  map[Key]*Target
	asked    []*Target // the same, in the order in which they were made
	nics     map[host.Side]*nic
	agenda   agenda.Agenda
	brisk    time.Duration // the shortest timeout of all
	pings    ear           // hears the answers to all pings
	trips    Trips

	questions, lentQuestions []Question // those to take out, and those taken out before
	changes, lentChanges     []Change
}

// subject is one alias with the targets that it depends on.
type subject struct {
	Wish
	alias   *Target
	partner *Target   // nil: not known
	routers []*Target // those that are known
	third   []*Target // these, and the witnesses
}

// New makes an empty Set whose rhythms are counted from epoch. Without ARP it asks only
// by ICMP.
func New(epoch time.Time, arp bool) *Set {
	return &Set{epoch: epoch, noARP: !arp, brisk: time.Hour, subjects: map[Key]*subject{}, targets: map[Key]*Target{}, nics: map[host.Side]*nic{}}
}

// Want replaces all wishes. What is known of an address that is still wanted stays known.
// No two Wishes may have the same alias.
func (s *Set) Want(now time.Time, wishes []Wish) {
	s.now = now
	for _, t := range s.asked {
		t.users, t.of = nil, nil
	}
	for _, n := range s.nics {
		n.subjects, n.counted = n.subjects[:0], time.Time{}
	}
	s.subjects = make(map[Key]*subject, len(wishes))
	for _, w := range wishes {
		u := &subject{Wish: w, alias: s.target(w.Alias, w.Rhythm)}
		s.subjects[w.Alias] = u
		if w.Partner.Addr.IsValid() {
			u.partner = s.target(w.Partner, w.Rhythm)
		}
		for _, k := range slices.Concat(w.Routers, w.Witnesses) {
			u.third = append(u.third, s.target(k, w.Rhythm))
		}
		u.routers = u.third[:len(w.Routers)]
		n := s.nic(w.Alias.Side())
		n.subjects = append(n.subjects, u)
		u.alias.of = u
		if len(u.alias.users) == 0 && u.alias.fact.Asked.IsZero() {
			u.alias.byARP = true
		}
		s.serve(u.alias, u)
		for t := range u.others() {
			s.serve(t, u)
		}
	}
	s.tidy()
}

// tidy forgets the addresses and halves of NICs that nobody depends on any more.
func (s *Set) tidy() {
	s.asked = slices.DeleteFunc(s.asked, func(t *Target) bool {
		if len(t.users) > 0 {
			return false
		}
		delete(s.targets, t.Key)
		s.agenda.Set(&t.turn, time.Time{})
		return true
	})
	s.brisk = time.Hour
	for _, t := range s.asked {
		s.brisk = min(s.brisk, t.Timeout)
	}
	for side, n := range s.nics {
		if len(n.subjects) == 0 {
			delete(s.nics, side)
		}
	}
}

// target is the target of that key; it is made if there is none.
func (s *Set) target(k Key, r Rhythm) *Target {
	t := s.targets[k]
	if t == nil {
		t = &Target{Key: k, Rhythm: r, next: s.now}
		t.turn.Do = func() { s.takeTurn(t) }
		if k.NIC != "" {
			t.nic = s.nic(k.Side())
		}
		s.plan(t)
		s.targets[k] = t
		s.asked = append(s.asked, t)
	}
	return t
}

// serve adds u to the users of the target. The target's rhythm is the fastest that any of
// them wants.
func (s *Set) serve(t *Target, u *subject) {
	if len(t.users) == 0 || u.Interval < t.Interval {
		t.Interval = u.Interval
	}
	if len(t.users) == 0 || u.Timeout < t.Timeout {
		t.Timeout = u.Timeout
	}
	if len(t.users) == 0 || u.Misses > t.Misses {
		t.Misses = u.Misses
	}
	if n := len(t.users); n == 0 || t.users[n-1] != u {
		t.users = append(t.users, u)
	}
	if t.next.After(s.now.Add(t.Interval)) {
		t.next = agenda.Grid(s.epoch, s.now, t.Interval)
	}
	s.plan(t)
}

// others are the addresses whose answers decide what the alias's silence means.
func (u *subject) others() iter.Seq[*Target] {
	return func(yield func(*Target) bool) {
		if u.partner != nil && !yield(u.partner) {
			return
		}
		for _, t := range u.third {
			if !yield(t) {
				return
			}
		}
	}
}

// At returns the target of a key that is wanted; nil for any other key.
func (s *Set) At(k Key) *Target { return s.targets[k] }

// Targets returns all targets, in no particular order.
func (s *Set) Targets() []*Target { return s.asked }

// On returns the addresses that are asked on one half of a NIC, in their order. A
// listener there need hear of no others.
func (s *Set) On(side host.Side) []netip.Addr {
	var all []netip.Addr
	for _, t := range s.asked {
		if t.NIC != "" && t.Side() == side {
			all = append(all, t.Addr)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// Trips is how long answers took, by medium. By ARP that is the time since the newest of
// the window's questions.
type Trips [media]count.Histogram

// Took counts how long the answer to a ping took. For ARP the Set measures that itself.
func (s *Set) Took(d time.Duration) { s.trips[ICMP].Add(d) }

// Trips returns the trips of all targets.
func (s *Set) Trips() Trips { return s.trips }

// Counts tells how many questions the target was asked, and how many of them were in a
// window that brought no answer although we could hear. An alias that this host has
// should be silent, so its silence is not counted.
func (t *Target) Counts() (sent, lost uint64) { return t.habit.questions, t.habit.inVain }

// Addrs returns the addresses whose frames matter.
func (s *Set) Addrs() map[netip.Addr]bool {
	all := make(map[netip.Addr]bool, len(s.asked))
	for _, t := range s.asked {
		all[t.Addr] = true
	}
	return all
}

// Brisk returns the shortest timeout of all targets; an hour if nothing is asked.
func (s *Set) Brisk() time.Duration { return s.brisk }

// Begin lets the asking begin: before this host has been read, nobody knows an address to
// ask from.
func (s *Set) Begin(now time.Time) {
	s.now, s.ready = now, true
	for _, t := range s.asked {
		s.plan(t)
	}
}

// Turn lets time pass: it closes windows that are over, and puts due questions into
// [Set.Questions] until there are most of them. The other questions are due again at
// once.
func (s *Set) Turn(now time.Time, most int) {
	s.now = now
	s.countDoubts()
	for len(s.questions) < most {
		e := s.agenda.Take(now)
		if e == nil {
			return
		}
		e.Do()
	}
}

// Next is when Turn has something to do; zero: never.
func (s *Set) Next() time.Time { return s.agenda.Next() }

// Questions takes out the questions to ask, in their order. The slice is valid until the
// next call of Questions.
func (s *Set) Questions() []Question {
	s.questions, s.lentQuestions = s.lentQuestions[:0], s.questions
	return s.lentQuestions
}

// Changes takes out the changes since the last call, in their order. The slice is valid
// until the next call of Changes.
func (s *Set) Changes() []Change {
	s.changes, s.lentChanges = s.lentChanges[:0], s.changes
	for _, c := range s.lentChanges {
		if c.What == Newer {
			c.Target.toldNewer = false
		}
	}
	return s.lentChanges
}

// changed notes that a target's fact has another value.
func (s *Set) changed(t *Target) { s.note(Change{Target: t, What: Other}) }

func (s *Set) note(c Change) { s.changes = append(s.changes, c) }

// confirmed notes that the fact is only newer. Of many frames only the first is noted.
func (s *Set) confirmed(t *Target) {
	if !t.toldNewer {
		t.toldNewer = true
		s.note(Change{Target: t, What: Newer})
	}
}

// Away records that this process heard nothing for the duration away. A target that may
// have fallen silent meanwhile becomes unknown, and is asked anew. A window that the
// pause fell into begins again. Away returns the aliases for which something is unknown
// now.
func (s *Set) Away(now time.Time, away time.Duration) (forgotten []Key) {
	s.now = now
	seen := map[*subject]bool{}
	for _, t := range s.asked {
		switch {
		case away > t.Interval+t.Doubt():
			s.forget(t)
			for _, u := range t.users {
				if !seen[u] {
					seen[u] = true
					forgotten = append(forgotten, u.Alias)
				}
			}
		case away > t.Timeout && !t.window.start.IsZero():
			s.openWindow(t)
			s.plan(t)
		}
	}
	return forgotten
}

// Moved records that the alias came to this host or left it. A target that is asked more
// often from now on has its next question sooner.
func (s *Set) Moved(now time.Time, alias Key) {
	s.now = now
	if u := s.subjects[alias]; u != nil {
		s.nic(alias.Side()).counted = time.Time{}
		for _, t := range u.third {
			s.hasten(t)
		}
	}
}

// Ask asks out of turn, if nothing is being asked already.
func (s *Set) Ask(now time.Time, t *Target) {
	s.now = now
	s.askNow(t)
}

// AskByARP does the same by ARP.
func (s *Set) AskByARP(now time.Time, t *Target) {
	s.now = now
	t.byARP = true
	s.askNow(t)
}

// Forget makes a target unknown, and asks it anew.
func (s *Set) Forget(now time.Time, t *Target) {
	s.now = now
	s.forget(t)
}

// Look makes the next regular question of a target due at once.
func (s *Set) Look(now time.Time, t *Target) {
	s.now = now
	t.next = now
	s.plan(t)
}

// Rest ends the doubt about an alias that is about to be added: while a thousand aliases
// are being added, the kernel should have no other work. If adding takes long, the Set
// asks for the alias as usual, so that its fact stays fresh.
func (s *Set) Rest(now time.Time, t *Target) {
	s.now = now
	t.window, t.vain, t.blind = window{}, 0, 0
	t.next = now.Add(t.Timeout)
	s.plan(t)
}

// forget is Forget.
func (s *Set) forget(t *Target) {
	t.fact = rules.Fact{}
	t.window.start, t.vain, t.blind = time.Time{}, 0, 0
	t.since, t.next = s.now, s.now
	s.plan(t)
	s.changed(t)
}
