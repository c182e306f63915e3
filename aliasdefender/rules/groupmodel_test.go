package rules

import (
	"fmt"
	"strings"
)

// A small world for groups: two hosts, two or three members, and who could have which. The
// real rules decide, about facts as they are when everything has been asked; words are on
// their way for any time, and arrive in any order. A take, a release and a hand-over are
// one step each: what goes on within them is the search's.

// could is how a host stands to a member that it does not hold.
type could uint8

const (
	good   could = iota // it could have it
	bad                 // its NIC is down
	parked              // an operator took it off
	blind               // the state of its NIC is not known
	cut                 // its NIC hears nobody, and is up
	ill                 // its service fails
	unread              // it is not known whether an operator took it off
)

var coulds = [...]string{good: "good", bad: "down", parked: "parked", blind: "not known", cut: "cut off", ill: "ill", unread: "disk not read"}

// told is what a host has heard of a member.
type told struct {
	standing Standing
	ill      bool
	whole    Value // of the group, whichever member the word is about
}

// company is the whole small world. Unused members are zero.
type company struct {
	can   [2][3]could
	has   [2][3]bool
	heard [2][3]told
}

// local is what a host sees of a member: all that its decisions can depend on.
type local struct {
	can             could
	has             bool
	served, partner bool // the alias is answered by the other host, and so is its own address
	heard           told
}

// groupSetting is a setting of the small world. It remembers what is decided and said.
type groupSetting struct {
	members int
	among   []could // how a host may stand to a member
	release bool    // when_split
	primary int
	back    bool // failback
	mixed   bool // both files say primary, and the lower hardware address is A's for every second member only
	rows    []Row
	known   map[localKey]localDeed
}

type localKey struct {
	host, member int
	seats        [3]local
}

type localDeed struct {
	action Action
	says   told
}

func (c *groupSetting) policy(h, m int) Policy {
	p := Policy{
		Primary: c.mixed || h == c.primary, Channel: true, Interval: tick, Timeout: tick / 2, Misses: 2, ReleaseSplit: c.release, Place: Follower,
		Failback: c.back, FailbackAfter: 3 * tick,
	}
	if m == 0 {
		p.Place = Leader
	}
	return p
}

// facts are what the host knows of a member without its group.
func (l local) facts(c *groupSetting, h, m int) (State, Facts) {
	at := agoTable[old]
	is := func(v Value) Fact { return Fact{Value: v, Since: at, Asked: noon} }
	f := Facts{
		Now: noon, NIC: is(Yes), Carrier: is(Yes), Own: is(Yes), Kernel: is(Of(l.has)), Service: is(Of(l.can != ill)), Behind: is(No),
		ParkedKnown: is(Yes), Elsewhere: is(No), RouterKnown: true, Router: is(Of(l.can != cut)), Partner: is(Of(l.partner)),
		Alias: is(Of(l.served)), ByPartner: Yes, WeAreLow: Of(h == 0), Claimant: is(Yes),
	}
	switch l.can {
	case bad:
		f.Carrier = is(No)
	case blind:
		f.Carrier = Fact{}
	case unread:
		f.ParkedKnown = Fact{}
	}
	f.Peer = Peer{Heard: noon, Said: noon, Word: Word{Standing: l.heard.standing}, Primary: Of(c.mixed || 1-h == c.primary), HWLower: Of(h == 0)}
	if c.mixed {
		f.Peer.HWLower = Of((h+m)%2 == 0)
	}
	if l.heard.standing == SaysHolding {
		f.Peer.Held = noon
	}
	f.Peer.Facts[FactService], f.Peer.Facts[FactWhole] = Of(!l.heard.ill), l.heard.whole
	return State{Holding: l.has, Parked: l.can == parked}, f
}

// does is what the host decides about the member, and says of it.
func (c *groupSetting) does(w *company, h, m int) localDeed {
	key := localKey{host: h, member: m}
	for i := range c.members {
		near := w.near(i)
		key.seats[i] = local{w.can[h][i], w.has[h][i], near && w.has[1-h][i], near, w.heard[h][i]}
	}
	if d, ok := c.known[key]; ok {
		return d
	}
	var seats [3]Seat
	for i := range c.members {
		s, f := key.seats[i].facts(c, h, i)
		seats[i] = SeatOf(c.policy(h, i), s, f)
	}
	p := c.policy(h, m)
	s, f := key.seats[m].facts(c, h, m)
	Together(seats[:c.members]).Tell(p, &f)
	f.Whole.Since = agoTable[old]
	d := localDeed{decide(c.rows, p, s, f).Action, told{Say(p, s, f).Standing, w.can[h][m] == ill, f.Whole.Value}}
	c.known[key] = d
	return d
}

// near tells whether the hosts reach each other where the member is.
func (w *company) near(m int) bool {
	for h := range 2 {
		if w.can[h][m] == cut || w.can[h][m] == bad {
			return false
		}
	}
	return true
}

// hears delivers the other host's word about the member.
func (w *company) hears(c *groupSetting, h, m int) bool {
	was := w.heard[h][m]
	w.heard[h][m] = c.does(w, 1-h, m).says
	return was != w.heard[h][m]
}

// acts carries out what the host decides about the member. It tells whether anything
// changed, and what must not be done.
func (w *company) acts(c *groupSetting, h, m int) (changed bool, wrong string) {
	switch c.does(w, h, m).action {
	case Take:
		if w.mustGive(c, h) {
			return true, fmt.Sprintf("%s takes member %d, which it would hand over at once", hosts[h], m)
		}
		w.has[h][m] = true
	case Release, Forget:
		w.has[h][m] = false
	case HandOver:
		if c.does(w, 1-h, m).says.standing != SaysAble {
			return false, "" // it refuses
		}
		if w.can[h][m] != ill && w.can[h][m] != parked && !w.other(c, h) {
			return true, fmt.Sprintf("%s hands member %d to a host that could not have all", hosts[h], m)
		}
		w.has[h][m], w.has[1-h][m] = false, true
	case AskHandover:
		if !w.has[1-h][m] || w.can[1-h][m] == blind || w.heard[1-h][m].standing != SaysAble {
			return false, "" // it would not be given
		}
		for i := range c.members {
			if !w.has[h][i] && !w.able(h, i) {
				return true, fmt.Sprintf("%s asks for member %d, and does not know that it could have member %d", hosts[h], m, i)
			}
		}
		w.has[h][m], w.has[1-h][m] = true, false
	default:
		return false, ""
	}
	return true, ""
}

// mustGive tells whether the host could not have all, and has heard that the other could.
func (w *company) mustGive(c *groupSetting, h int) bool {
	for m := range c.members {
		if !w.has[h][m] && (w.can[h][m] == bad || w.can[h][m] == parked) {
			return w.other(c, h)
		}
	}
	return false
}

// other tells whether the host has heard that the other could have all.
func (w *company) other(c *groupSetting, h int) bool {
	for m := range c.members {
		if said := w.heard[h][m]; said.whole == No || said.standing != SaysAble && said.standing != SaysHolding {
			return false
		}
	}
	return true
}

// round has each host act on each member and hear of it, in a fair order.
func (w *company) round(c *groupSetting, turn int) (wrong string) {
	for i := range 2 * c.members {
		h, m := (turn+i)%2, (turn+i)/2%c.members
		if _, wrong = w.acts(c, h, m); wrong != "" {
			return wrong
		}
		w.hears(c, 1-h, m)
	}
	return ""
}

// able tells whether the host has the member, or could.
func (w *company) able(h, m int) bool {
	switch w.can[h][m] {
	case good:
		return true
	case unread:
		return w.has[h][m] || !w.near(m)
	}
	return w.has[h][m] && (w.can[h][m] == ill || w.can[h][m] == blind)
}

// known tells whether it is known that the host could not have the member.
func (w *company) unable(h, m int) bool {
	switch w.can[h][m] {
	case bad, parked:
		return true
	case ill:
		return !w.has[h][m]
	case unread:
		return !w.able(h, m)
	case cut:
		return !w.has[h][m] || w.has[1-h][m] && w.can[1-h][m] != cut // of two that are cut off neither knows of the other
	}
	return false
}

// wrong is what must not be so at rest: promise 9 first.
func (w *company) wrong(c *groupSetting) string {
	var whole, none [2]bool
	parts := [2]int{}
	for h := range 2 {
		whole[h] = true
		for m := range c.members {
			whole[h] = whole[h] && w.able(h, m) && !(w.has[1-h][m] && w.can[1-h][m] == blind) // what is not known to have a link is not handed over
			none[h] = none[h] || w.unable(h, m)
			if w.has[h][m] && w.can[h][m] != cut {
				parts[h]++
			}
		}
	}
	split := none[0] && none[1]
	for h := range 2 {
		// A host that does not know what it could have knows all the same that the other
		// has the first.
		leads := w.has[h][0]
		if parts[0] > 0 && parts[1] > 0 && whole[h] && (none[1-h] || whole[1-h] || leads) {
			return hosts[h] + " could have all, and both have parts"
		}
		for m := range c.members {
			switch {
			case c.release && split && w.has[h][m]:
				return fmt.Sprintf("neither could have all, and %s has member %d", hosts[h], m)
			case w.has[0][m] && w.has[1][m] && w.can[0][m] != cut && w.can[1][m] != cut:
				return fmt.Sprintf("both have member %d", m)
			case w.has[h][m] && (w.can[h][m] == bad || w.can[h][m] == parked):
				return fmt.Sprintf("%s has member %d, which it cannot have", hosts[h], m)
			case w.able(h, m) && !w.has[0][m] && !w.has[1][m] && w.can[1-h][m] != blind && !(c.release && split):
				return fmt.Sprintf("nobody has member %d, and %s could", m, hosts[h])
			}
		}
	}
	return ""
}

func (w company) String() string {
	var b strings.Builder
	for h := range 2 {
		fmt.Fprintf(&b, "%s:", hosts[h])
		for m := range 3 {
			fmt.Fprintf(&b, " [%s", coulds[w.can[h][m]])
			if w.has[h][m] {
				b.WriteString(", has it")
			}
			fmt.Fprintf(&b, ", hears %s]", w.heard[h][m].standing)
		}
		b.WriteString("\n")
	}
	return b.String()
}
