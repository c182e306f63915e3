package defender

import (
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// questions is how many are put in one timeout while in doubt.
const questions = 4

// doubtsPerSecond is how many questions about aliases a segment is put to in a
// second while all of a NIC are in doubt: a thousand at the rhythm of 100 ms would
// be asked for 160,000 times, each a frame to everybody.
const doubtsPerSecond = 20000

// pingRhythm is the rhythm below which a ping costs too much to be the first
// question: ARP asks those on the segment.
const pingRhythm = time.Second

// mostPinged is up to how many aliases of a NIC are asked by ICMP too. A ping
// makes the kernel look for its target: hundreds of dead ones at a time fill the
// table of neighbours (1,024 by default), and then it finds no client either.
const mostPinged = 64

// askRhythm is the rhythm below which questions share their sockets, where they
// can; above it a ping of its own does as well (docs/decisions/0015).
const askRhythm = 10 * time.Second

// key names one address to ask. An address off every subnet of ours has no
// NIC: the kernel routes to it.
type key struct {
	nic  string
	addr netip.Addr
}

// target is one address that is asked, for all aliases that depend on it.
//
// It is asked once an interval. An answer in time files yes. A missed one
// starts a doubt: windows of one timeout with up to four questions each, by ICMP
// and ARP, until an answer or until misses windows in a row, the first
// question's own counted, have passed in vain: silent. A window in which
// nothing could be asked counts for nothing and makes the fact unknown.
type target struct {
	key
	interval time.Duration // the shortest of those who depend on it
	timeout  time.Duration
	misses   int
	users    []*alias // who depend on it
	of       *alias   // whose address this is: asked by ARP first, and twice as long; nil: of no alias
	iface    *nic     // that it is on; nil: off every subnet of ours

	fact    rules.Fact
	hw      host.HW    // of the last frame that claimed the address
	byARP   bool       // ask by ARP first: an alias, or it answers by ARP only
	trouble [2]trouble // why ICMP, and ARP, cannot ask

	next   time.Time // the next regular question
	task   task      // its next turn
	since  time.Time // answers to questions from before count for nothing
	window window
	wanted time.Time // somebody needs an answer to a question put since

	lost        bool   // it fell silent, and was not heard since
	confirmedIn uint64 // the turn that its users were last marked for

	vain  int // windows in a row without an answer
	blind int // windows in a row in which nothing could be asked
}

// window is one timeout's worth of questions.
type window struct {
	start time.Time // zero: none open
	put   int       // questions put in it,
	most  int       // of so many where it is one of a doubt
	byARP time.Time // when the last one left by ARP; zero: none
	pings int       // by ICMP
	lost  int       // of these, how many could not be sent
	ping  time.Time // when the last of these was put
}

func (t *target) doubt() time.Duration { return time.Duration(t.misses) * t.timeout }

// held tells whether the target is an alias that we hold ourselves.
func (t *target) held() bool { return t.of != nil && t.of.state.Holding }

// inTurns tells whether so many aliases are held on the NIC that the segment
// cannot be asked for the rivals of all at once. One question in vain is then
// enough: a rival is heard rather than asked for. What the kernel has lost is
// asked for at once: nobody serves it meanwhile.
func (t *target) inTurns() bool {
	return t.held() && t.iface.held > rivalsPerSecond && t.of.kernel.Value != rules.No
}

// trouble is why a medium cannot ask, said on change and once an hour.
type trouble struct {
	text string
	at   time.Time
}

// turn puts the questions that are due and closes the windows that are over.
func (t *target) turn(l *loop) {
	if l.readAt.IsZero() {
		return // nobody knows yet what there is to ask from
	}
	if !t.window.start.IsZero() && !l.now.Before(t.window.start.Add(t.timeout)) {
		t.close(l)
	}
	switch {
	case !t.window.start.IsZero():
		for t.dense() && t.window.put < t.window.most && !l.now.Before(t.slot()) {
			t.ask(l)
		}
	case l.now.Before(t.next):
	case t.inTurns() && t.iface.ready() == nil && !t.iface.mayAsk(l.now):
		t.next = t.iface.asksFrom.Add(time.Second)
	default:
		t.next = l.grid(t.rhythm())
		t.open(l)
	}
	t.plan(l)
}

// plan puts the target's next turn on the agenda.
func (t *target) plan(l *loop) {
	at := t.next
	if !t.window.start.IsZero() {
		at = t.window.start.Add(t.timeout)
		if s := t.slot(); t.dense() && t.window.put < t.window.most && s.Before(at) {
			at = s
		}
	}
	l.agenda.set(&t.task, at)
}

// needed is how many windows in a row have to pass in vain.
func (t *target) needed() int {
	if t.inTurns() {
		return 1
	}
	return t.misses
}

// dense tells whether the open window is one of a doubt, with all its
// questions. Where one window decides, the first is.
func (t *target) dense() bool {
	return (t.vain+t.blind > 0 || t.misses == 1) && !t.inTurns()
}

// verges tells whether the target falls silent by then unless it answers.
func (t *target) verges(by time.Time) bool {
	return t.fact.Value != rules.Silent && t.vain+1 >= t.needed() &&
		!t.window.start.IsZero() && !t.window.start.Add(t.timeout).After(by)
}

// slot is when the window's next question is due.
func (t *target) slot() time.Time {
	return t.window.start.Add(time.Duration(t.window.put) * t.timeout / time.Duration(t.window.most))
}

// most is how many questions a window of a doubt has that begins now: while many
// aliases are in doubt at a fast rhythm fewer, so that their segment can carry them.
func (t *target) most() int {
	if t.of == nil || t.iface == nil {
		return questions
	}
	return max(1, min(questions, mostOf(t.iface.doubts, t.timeout)))
}

// mostOf is how many questions about each of n aliases a segment can carry in a
// timeout.
func mostOf(n int, timeout time.Duration) int {
	return int(int64(timeout) * doubtsPerSecond / int64(time.Second) / int64(max(1, n)))
}

// countDoubts works out how many aliases of each NIC are in doubt, where that may
// be too many.
func (l *loop) countDoubts() {
	crowded := false
	for _, n := range l.nics {
		n.doubts = 0
		crowded = crowded || mostOf(n.aliases, l.brisk) < questions
	}
	if !crowded {
		return
	}
	for _, t := range l.asked {
		if t.of != nil && t.vain+t.blind > 0 && t.iface != nil {
			t.iface.doubts++
		}
	}
}

// lastLook tells whether what is asked now is a probe: the last questions before
// the alias would be taken.
func (t *target) lastLook() bool {
	if t.of == nil || t.vain+t.blind == 0 {
		return false
	}
	if t.window.most > 1 {
		return t.window.put*2 >= t.window.most
	}
	return t.vain+1 >= t.needed()
}

// rhythm is the interval between regular questions. A segment is asked for
// rivals of all that we hold at most rivalsPerSecond times a second. A router that
// is silent beside an alias that we hold is asked each timeout: we may be cut off,
// and the partner have the alias too, until we are heard again.
func (t *target) rhythm() time.Duration {
	switch {
	case t.held():
		return max(t.interval, time.Duration(t.iface.held)*time.Second/rivalsPerSecond)
	case t.fact.Value == rules.Silent && slices.ContainsFunc(t.users, func(a *alias) bool { return a.state.Holding && a.alias != t && a.partner != t }):
		return t.timeout
	}
	return t.interval
}

// hasten brings the next question forward where the rhythm has become faster.
func (t *target) hasten(l *loop) {
	if at := l.now.Add(t.rhythm()); t.rhythm() < t.interval && t.next.After(at) {
		t.next = at
		t.plan(l)
	}
}

// open begins a window with its first question.
func (t *target) open(l *loop) {
	t.window = window{start: l.now, most: t.most()}
	t.ask(l)
}

// askNow asks out of turn, if nothing is being asked already.
func (t *target) askNow(l *loop) {
	if !t.window.start.IsZero() && !l.now.Before(t.window.start.Add(t.timeout)) {
		t.close(l) // over in this very turn: it counts, and goes on as a doubt
	}
	switch {
	case !t.window.start.IsZero() && (t.vain+t.blind > 0 || !t.window.start.Before(l.now)):
	case t.inTurns():
		t.next = l.now
	default:
		t.vain, t.blind = 0, 0
		t.open(l)
	}
	t.wanted = l.now
	t.plan(l)
}

// restart begins the present window anew: the process was away for part of it.
func (t *target) restart(l *loop) {
	if !t.window.start.IsZero() {
		t.open(l)
		t.plan(l)
	}
}

// forget makes the fact unknown and asks anew.
func (t *target) forget(l *loop) {
	t.fact = rules.Fact{}
	t.window.start, t.vain, t.blind = time.Time{}, 0, 0
	t.since, t.next = l.now, l.now
	t.plan(l)
	t.changed(l)
}

// rest ends the doubt: the alias is about to be put on, and a thousand that are
// should have the kernel for themselves. Where that takes long it is asked for
// as usual, so that the fact stays fresh.
func (t *target) rest(l *loop) {
	t.window, t.vain, t.blind = window{}, 0, 0
	t.next = l.now.Add(t.timeout)
	t.plan(l)
}

func (t *target) changed(l *loop) {
	for _, a := range t.users {
		l.mark(a)
	}
}

// confirmed is for a fact that is what it was, only newer: what is settled
// without it is not decided again, nor what is under way, whose end decides. It
// is when the older one would have become too old. Of many frames in one turn
// the first has them marked.
func (t *target) confirmed(l *loop) {
	if t.confirmedIn == l.turns {
		return
	}
	t.confirmedIn = l.turns
	for _, a := range t.users {
		if a.phase != working && !a.settled() {
			l.mark(a)
		}
	}
}

// close ends a window that brought no answer.
func (t *target) close(l *loop) {
	asked := t.window.byARP
	if t.window.pings > t.window.lost && t.window.ping.After(asked) {
		asked = t.window.ping
	}
	t.window.start = time.Time{}
	if asked.IsZero() {
		t.couldNot(l)
		return
	}
	t.blind = 0
	if t.fact.Value == rules.Silent && t.vain == 0 {
		t.fact.Set(rules.Silent, asked, l.now) // silent before, and still
		t.confirmed(l)
		return
	}
	if t.vain++; t.vain == 1 && t.of != nil && t.iface != nil {
		t.iface.doubts++
	}
	if t.fact.Miss.IsZero() {
		t.missed(l)
	}
	if t.vain == 2 {
		t.changed(l) // a holder notes that its router was away, if it was for more than a blink
	}
	fallen := t.vain >= t.needed() && t.fact.Value != rules.Silent
	t.lost = t.lost || fallen
	if fallen || t.fact.Value == rules.Silent {
		t.fact.Set(rules.Silent, asked, l.now)
		t.changed(l)
		t.hasten(l)
	}
	switch {
	case t.vain >= t.lastWindow():
		t.vain = 0
	case fallen && t.dense():
		// What follows from the silence comes first, if it is that of a thousand.
		most := t.most()
		t.window = window{start: l.now, most: most, put: min(1, most-1)}
	default:
		t.open(l)
	}
}

// lastWindow is how many windows are asked in doubt. An alias that has fallen
// silent is asked for as long again: a primary whose partner lives waits for it.
func (t *target) lastWindow() int {
	if t.of != nil && !t.held() {
		return 2 * t.misses
	}
	return t.needed()
}

// missed begins a doubt. What the decision will rest on is asked at once: an
// answer from before proves nothing about the network now.
func (t *target) missed(l *loop) {
	t.fact.Miss = l.now
	for _, a := range t.users {
		if a.alias != t && a.partner != t {
			continue
		}
		for other := range a.others() {
			if other != t {
				other.askNow(l)
			}
		}
		l.mark(a)
	}
}

// couldNot ends a window in which nothing could be asked.
func (t *target) couldNot(l *loop) {
	t.vain = 0
	t.fact = rules.Fact{Since: t.fact.Since, Value: t.fact.Value}
	t.fact.Set(rules.Unknown, l.now, l.now)
	t.changed(l)
	if t.blind++; t.blind < 2*t.misses {
		t.open(l)
		return
	}
	t.blind = 0
}

// answered files an answer, or any frame that the target sent, seen at that time.
func (t *target) answered(l *loop, asked time.Time) {
	t.window.start, t.vain, t.blind = time.Time{}, 0, 0
	if asked.Before(t.wanted) {
		t.open(l) // an answer, but to a question from before
	}
	back := t.lost
	t.lost = false
	same := t.fact.Value == rules.Answered && t.fact.Miss.IsZero()
	t.fact.Miss = time.Time{}
	if asked.Before(t.fact.Asked) && t.fact.Value == rules.Answered {
		asked = t.fact.Asked
	}
	t.fact.Set(rules.Answered, asked, l.now)
	if same && !t.held() {
		t.confirmed(l)
		t.plan(l)
		return
	}
	t.changed(l)
	for _, a := range t.users {
		if back && a.partner == t && a.state.Holding {
			a.state.Reannounce(l.now) // it may have been cut off, its cache and its segment's with it
			a.alias.askNow(l)         // and have taken the alias meanwhile
		}
		if back && a.partner != t && a.alias != t {
			// What fell silent together with the router, or while it was, may have
			// been cut off from us by the same fault: it is asked anew.
			for _, other := range []*target{a.alias, a.partner} {
				switch {
				case other == nil || other.fact.Value != rules.Silent:
				case !a.state.Holding:
					other.forget(l)
				case other == a.alias:
					other.askNow(l)
				}
			}
		}
		if a.alias == t && a.state.Holding {
			// A rival is watched closely until it has fallen silent.
			t.next = l.now.Add(max(t.timeout, time.Second/rivalsPerSecond))
		}
	}
	t.plan(l)
}

// proxied tells whether what answers for an alias is the router, for others:
// proxy ARP. Nothing is known of the alias then.
func (l *loop) proxied(t *target) bool {
	for _, a := range t.users {
		if a.alias != t || a.router == nil || t.hw.IsZero() || a.router.hw != t.hw {
			continue
		}
		if a.partner != nil && a.partner.hw == t.hw {
			continue // the partner is the router
		}
		return true
	}
	return false
}

// byProxy files an answer for an alias that the router gave for others.
func (t *target) byProxy(l *loop) {
	t.window.start, t.vain, t.blind = time.Time{}, 0, 0
	t.fact.Miss = time.Time{}
	t.fact.Set(rules.Unknown, l.now, l.now)
	t.say(l, 1, errProxy)
	t.plan(l)
	t.changed(l)
}

// sighted takes in one ARP frame.
func (l *loop) sighted(s host.Sighting) {
	if l.state.Owns(s.HW) {
		return // another NIC of ours on the same segment
	}
	if t := l.targets[key{s.NIC, s.Sender}]; t != nil {
		t.hw = s.HW
		if t.of != nil && l.proxied(t) {
			t.byProxy(l)
		} else {
			t.byARP = t.byARP || s.Reply && t.vain > 0 // where ICMP asked in vain
			t.answered(l, s.At)
		}
	}
	a := l.aliases[s.Target]
	if a == nil || !a.state.Holding || s.Sender == s.Target || a.cfg.NIC != s.NIC {
		return
	}
	a.known = a.known || s.Reply && s.Sender == a.verifier()
	if s.Sender.IsUnspecified() && l.now.Sub(a.announced) >= time.Second {
		// Somebody doubts that it is served: let the whole segment hear where it is.
		a.state.Reannounce(l.now)
		l.mark(a)
	}
}
