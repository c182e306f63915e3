package detect

import (
	"errors"
	"slices"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// Target is one address that is asked, for all aliases that depend on it.
type Target struct {
	Key
	Rhythm            // the fastest of those who depend on it
	users  []*subject // who depend on it
	of     *subject   // the alias that it is: asked by ARP first, and twice as long; nil: it is none
	nic    *nic       // the NIC that it is on; nil: it is outside our subnets

	fact     rules.Fact
	hw       host.HW            // of the last frame that claimed the address
	habit    habit              // how it answers
	byARP    bool               // ask by ARP first: an alias, or it answers by ARP only
	troubles [media + 1]trouble // why a medium cannot ask, and at forNobody, that it is answered for nobody

	turn   agenda.Entry
	next   time.Time // the next regular question
	since  time.Time // answers to earlier questions do not count
	wanted time.Time // somebody needs an answer to a question put since then
	window window

	vain      int // windows in a row without an answer
	blind     int // windows of this doubt in which nothing could be asked, or heard
	proof     proof
	lost      bool // it fell silent, and has not been heard since
	toldNewer bool // that its fact is newer was noted, and has not been taken out yet
}

// window is one timeout's worth of questions.
type window struct {
	start time.Time // zero: none open
	put   int       // questions put in it,
	most  int       // of at most so many if it belongs to a doubt
	probe bool      // a question put in it was a probe
	by    [media]asked

	doubtful bool // it was answered by ARP, which proves nothing: see mistrusted
}

// asked is when the questions of a window were put by one medium. Those that could not be
// sent are left out.
type asked struct {
	at [perWindow]time.Time // in their order
	n  int
}

func (a *asked) left() bool { return a.n > 0 }

// last is when the newest of them was put; zero: there is none.
func (a *asked) last() time.Time {
	if a.n == 0 {
		return time.Time{}
	}
	return a.at[a.n-1]
}

func (a *asked) add(at time.Time) {
	if a.n == len(a.at) {
		copy(a.at[:], a.at[1:])
		a.n--
	}
	a.at[a.n] = at
	a.n++
}

// drop takes out the question that was put at that time.
func (a *asked) drop(at time.Time) {
	for i, x := range a.at[:a.n] {
		if x.Equal(at) {
			copy(a.at[i:a.n], a.at[i+1:a.n])
			a.n--
			return
		}
	}
}

// Fact says what is known of whether the address answers. A nil Target is an address that
// nobody asks, so nothing is known about it.
func (t *Target) Fact() rules.Fact {
	if t == nil {
		return rules.Fact{}
	}
	return t.fact
}

// HW returns the hardware address of the last frame that claimed the address; zero: none
// was seen.
func (t *Target) HW() host.HW {
	if t == nil {
		return host.HW{}
	}
	return t.hw
}

// Doubted tells whether the target may fall silent by then if it does not answer.
func (t *Target) Doubted(now, by time.Time) bool {
	return t.fact.Value != rules.Silent && t.vain+1 >= t.needed(now) &&
		!t.window.start.IsZero() && !t.window.start.Add(t.Timeout).After(by)
}

// Every returns how often the target is asked at present. The rules have to know if that
// is less often than its Interval.
func (t *Target) Every(now time.Time) time.Duration {
	switch {
	case t.held():
		// To look for rivals of all that we hold, a segment is asked at most
		// rivalsPerSecond times a second.
		return max(t.Interval, time.Duration(t.nic.held(now))*time.Second/rivalsPerSecond)
	case t.fact.Value == rules.Silent && slices.ContainsFunc(t.users, func(u *subject) bool { return u.alias != t && u.partner != t && u.Here().Holding }):
		// The router is silent beside an alias that we hold. We may be cut off, and the
		// partner may have the alias too, until we are heard again.
		return t.Timeout
	}
	return t.Interval
}

// For yields the Owners of the Wishes that depend on the target.
func (t *Target) For(yield func(any) bool) {
	for _, u := range t.users {
		if !yield(u.Owner) {
			return
		}
	}
}

// held tells whether the target is an alias that we hold ourselves.
func (t *Target) held() bool { return t.of != nil && t.of.Here().Holding }

// inTurns tells whether we hold so many aliases on the NIC that the segment cannot be
// asked for the rivals of all of them at once. Then one question in vain is enough: a
// rival is normally heard without being asked. An alias that the kernel has lost is asked
// for at once: nobody serves it meanwhile.
func (t *Target) inTurns(now time.Time) bool {
	return t.held() && t.nic.crowded(now) && t.of.Here().Kernel != rules.No
}

// takeTurn puts the questions that are due and closes the windows that are over.
func (s *Set) takeTurn(t *Target) {
	if !s.ready {
		return
	}
	if !t.window.start.IsZero() && !s.now.Before(t.window.start.Add(t.Timeout)) {
		s.close(t)
	}
	switch {
	case !t.window.start.IsZero():
		for t.dense(s.now) && t.window.put < t.window.most && !s.now.Before(t.slot()) {
			s.ask(t)
		}
	case s.now.Before(t.next):
	case t.inTurns(s.now) && t.nic.Err == nil && !t.nic.mayAsk(s.now):
		t.next = t.nic.asksFrom.Add(time.Second)
	default:
		t.next = agenda.Grid(s.epoch, s.now, t.Every(s.now))
		s.openWindow(t)
	}
	s.plan(t)
}

// plan puts the target's next turn on the agenda.
func (s *Set) plan(t *Target) {
	at := t.next
	if !t.window.start.IsZero() {
		at = t.window.start.Add(t.Timeout)
		if slot := t.slot(); t.dense(s.now) && t.window.put < t.window.most && slot.Before(at) {
			at = slot
		}
	}
	s.agenda.Set(&t.turn, at)
}

// needed is how many windows in a row must be in vain.
func (t *Target) needed(now time.Time) int {
	if t.inTurns(now) {
		return 1
	}
	return t.Misses
}

// dense tells whether the open window belongs to a doubt, and so has all its questions.
// Where one window decides, the first one does.
func (t *Target) dense(now time.Time) bool {
	return (t.vain+t.blind > 0 || t.Misses == 1) && !t.inTurns(now)
}

// slot is when the window's next question is due.
func (t *Target) slot() time.Time {
	return t.window.start.Add(time.Duration(t.window.put) * t.Timeout / time.Duration(t.window.most))
}

// most is how many questions a doubt's window has that begins now. It is fewer while many
// aliases are in doubt at a fast rhythm, so that their segment can carry the questions.
func (t *Target) most() int {
	if t.of == nil || t.nic == nil {
		return perWindow
	}
	return max(1, min(perWindow, mostOf(t.nic.doubts, t.Timeout)))
}

// lastLook tells whether the present question is a probe: one of the last before the
// alias would be taken. Of an alias that we hold a probe would do harm: whoever else has
// it answers a probe in IPv6 to all hosts (RFC 4861, 7.2.4), and a partner to whom it is
// being handed over may not serve it yet.
func (t *Target) lastLook(now time.Time) bool {
	if doubt := t.vain+t.blind > 0 || t.Misses == 1 && t.window.put > 0; t.of == nil || !doubt || t.held() {
		return false
	}
	if t.window.most > 1 {
		return t.window.put*2 >= t.window.most
	}
	return t.vain+1 >= t.needed(now)
}

// hasten brings the next question forward if the rhythm has become faster.
func (s *Set) hasten(t *Target) {
	every := t.Every(s.now)
	if at := s.now.Add(every); every < t.Interval && t.next.After(at) {
		t.next = at
		s.plan(t)
	}
}

// openWindow begins a window with its first question.
func (s *Set) openWindow(t *Target) {
	t.window = window{start: s.now, most: t.most()}
	s.ask(t)
}

// askNow asks out of turn, if nothing is being asked already.
func (s *Set) askNow(t *Target) {
	if !t.window.start.IsZero() && !s.now.Before(t.window.start.Add(t.Timeout)) {
		s.close(t) // it ends in this very turn: it counts, and goes on as a doubt
	}
	switch {
	case !t.window.start.IsZero() && (t.vain+t.blind > 0 || !t.window.start.Before(s.now)):
	case t.inTurns(s.now):
		t.next = s.now
	default:
		t.vain, t.blind = 0, 0
		s.openWindow(t)
	}
	t.wanted = s.now
	s.plan(t)
}

// close ends a window that brought no answer.
func (s *Set) close(t *Target) {
	var last time.Time
	for i := range t.window.by {
		if at := t.window.by[i].last(); at.After(last) {
			last = at
		}
	}
	deaf := s.deafened(t)
	t.window.start = time.Time{}
	if !deaf && !t.held() {
		for i := range t.window.by {
			t.habit.inVain += uint64(t.window.by[i].n)
		}
	}
	switch {
	case last.IsZero(), t.window.doubtful && !t.window.by[ICMP].left(): // no ping was put that would tell
		s.couldNot(t)
		return
	case deaf:
		s.unheard(t)
		return
	}
	if t.fact.Value == rules.Silent && t.vain == 0 {
		t.fact.Set(rules.Silent, last, s.now) // it was silent before, and still is
		s.confirmed(t)
		return
	}
	if t.vain++; t.vain == 1 && t.of != nil && t.nic != nil {
		t.nic.doubts++
	}
	if t.fact.Miss.IsZero() {
		s.missed(t)
	}
	if t.vain == 2 {
		s.changed(t) // a holder notes that its router was away for more than a blink
	}
	fallen := t.vain >= t.needed(s.now) && t.fact.Value != rules.Silent
	t.lost = t.lost || fallen
	if fallen && t.window.doubtful && t.forNobody() {
		s.say(t, forNobody, ErrForNobody[t.Side().Family])
	}
	if fallen || t.fact.Value == rules.Silent {
		t.fact.Set(rules.Silent, last, s.now)
		s.changed(t)
		s.hasten(t)
	}
	switch {
	case t.vain >= t.lastWindow(s.now):
		t.vain, t.blind = 0, 0
	case fallen && t.dense(s.now):
		// What follows from the silence of a thousand aliases comes first.
		most := t.most()
		t.window = window{start: s.now, most: most, put: min(1, most-1)}
	default:
		s.openWindow(t)
	}
}

// lastWindow is for how many windows a target in doubt is asked. An alias that has fallen
// silent is asked for as long again: a primary whose partner lives waits for that.
func (t *Target) lastWindow(now time.Time) int {
	if t.of != nil && !t.held() {
		return 2 * t.Misses
	}
	return t.needed(now)
}

// missed begins a doubt. The addresses that the decision will rest on are asked at once:
// an earlier answer proves nothing about the network now.
func (s *Set) missed(t *Target) {
	t.fact.Miss = s.now
	s.note(Change{Target: t, What: Missed})
	for _, u := range t.users {
		if u.alias != t && u.partner != t {
			continue
		}
		for other := range u.others() {
			if other != t {
				s.askNow(other)
			}
		}
	}
}

// couldNot ends a window in which nothing could be asked.
func (s *Set) couldNot(t *Target) {
	s.unknown(t)
	if t.blind++; t.blind < 2*t.Misses {
		s.openWindow(t)
		return
	}
	t.blind = 0
}

// unknown makes a target unknown whose doubt has decided nothing.
func (s *Set) unknown(t *Target) {
	t.vain = 0
	t.fact = rules.Fact{Since: t.fact.Since, Value: t.fact.Value}
	t.fact.Set(rules.Unknown, s.now, s.now)
	s.changed(t)
}

// trouble is why a medium cannot ask, told on change and once an hour.
type trouble struct {
	text string
	at   time.Time
}

// ErrForNobody says, by family, why an alias that is answered counts as silent.
var ErrForNobody = map[host.Family]error{
	host.IPv4: errors.New("the alias is answered by ARP, although neither host has it, and answers no ping: the router or the partner answers ARP for others (proxy_arp_pvlan); it counts as silent"),
	host.IPv6: errors.New("the alias is answered by neighbour discovery, although neither host has it, and answers no ping: the router or the partner answers neighbour solicitations for others (proxy_ndp); it counts as silent"),
}

// forNobody has the place of ErrForNobody among the troubles of the media.
const forNobody = media

// errProxy is why an answer says nothing about an alias.
var errProxy = map[host.Family]error{
	host.IPv4: errors.New("the router answers for it (proxy ARP): it is not known whether any host serves it"),
	host.IPv6: errors.New("the router answers for it (proxy NDP): it is not known whether any host serves it"),
}

// say reports why a medium cannot ask the target.
func (s *Set) say(t *Target, m Medium, err error) {
	was := &t.troubles[m]
	since := s.now.Sub(was.at)
	if err == nil || was.text == err.Error() && since < sayAgain || !was.at.IsZero() && since < time.Minute {
		return
	}
	was.text, was.at = err.Error(), s.now
	s.note(Change{Target: t, What: Cannot, Err: err})
}
