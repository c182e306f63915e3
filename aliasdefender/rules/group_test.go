package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
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
)

var coulds = [...]string{good: "good", bad: "down", parked: "parked", blind: "not known", cut: "cut off", ill: "ill"}

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
		can, other := w.can[h][i], w.can[1-h][i]
		near := can != cut && can != bad && other != cut && other != bad
		key.seats[i] = local{can, w.has[h][i], near && w.has[1-h][i], near, w.heard[h][i]}
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
	Together(seats[:c.members]).Tell(&f)
	f.Whole.Since = agoTable[old]
	d := localDeed{decide(c.rows, p, s, f).Action, told{Say(p, s, f).Standing, w.can[h][m] == ill, f.Whole.Value}}
	c.known[key] = d
	return d
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
			if !w.has[h][i] && w.can[h][i] != good {
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
	return w.can[h][m] == good || w.has[h][m] && (w.can[h][m] == ill || w.can[h][m] == blind)
}

// known tells whether it is known that the host could not have the member.
func (w *company) unable(h, m int) bool {
	switch w.can[h][m] {
	case bad, parked:
		return true
	case ill:
		return !w.has[h][m]
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
			case w.can[h][m] == good && !w.has[0][m] && !w.has[1][m] && w.can[1-h][m] != blind && !(c.release && split):
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

// ends lets a world come to rest in a fair order. It stops at worlds that are known to.
func (e *exploration) ends(w company, turn int) string {
	e.walks++
	for {
		switch e.walk[turn][w] {
		case 0:
		case e.walks:
			return restless // it goes in a circle
		default:
			return ""
		}
		e.walk[turn][w] = e.walks
		was := w
		if wrong := w.round(e.c, turn); wrong != "" {
			return wrong
		}
		if w == was {
			e.befalls(w)
			return w.wrong(e.c)
		}
	}
}

// befalls has something befall a world at rest: then no word that is under way is true.
func (e *exploration) befalls(w company) {
	for h := range 2 {
		for m := range e.c.members {
			for _, can := range e.c.among {
				next := w
				next.can[h][m] = can
				e.todo = append(e.todo, next)
			}
		}
	}
}

// exploration is what is known of the worlds of a setting.
type exploration struct {
	c     *groupSetting
	seen  map[company]bool
	todo  []company
	walk  [2]map[company]int // for each order: the walk that came by
	walks int
}

// from goes from a world wherever acts and words can lead, in any order, and lets each of
// the worlds that it finds come to rest.
func (e *exploration) from(begin company) error {
	e.todo = append(e.todo, begin)
	for len(e.todo) > 0 {
		w := e.todo[len(e.todo)-1]
		e.todo = e.todo[:len(e.todo)-1]
		if e.seen[w] {
			continue
		}
		e.seen[w] = true
		for turn := range 2 {
			if wrong := e.ends(w, turn); wrong != "" {
				end := w
				for range 100 {
					end.round(e.c, turn)
				}
				return fmt.Errorf("%s: after\n%sit is\n%s", wrong, w, end)
			}
		}
		for h := range 2 {
			for m := range e.c.members {
				next := w
				if changed, wrong := next.acts(e.c, h, m); wrong != "" {
					return fmt.Errorf("%s: after\n%sit is\n%s", wrong, w, next)
				} else if changed {
					e.todo = append(e.todo, next)
				}
				if next = w; next.hears(e.c, h, m) {
					e.todo = append(e.todo, next)
				}
			}
		}
	}
	return nil
}

// worlds are all worlds in which the hosts could have members as listed, and nobody, either
// host, or by a cut both have each; what they have heard is true.
func worlds(c *groupSetting) (all []company) {
	among := c.among
	total := 1
	for range c.members {
		total *= len(among) * len(among) * 4
	}
	for n := range total {
		var w company
		ok := true
		for m := range c.members {
			for h := range 2 {
				w.can[h][m] = among[n%len(among)]
				n /= len(among)
			}
			w.has[0][m], w.has[1][m] = n%4 == 1 || n%4 == 3, n%4 >= 2
			ok = ok && (n%4 < 3 || w.can[0][m] == cut || w.can[1][m] == cut)
			n /= 4
		}
		if !ok {
			continue
		}
		for range 3 { // a word may depend on the other's
			for h := range 2 {
				for m := range c.members {
					w.hears(c, h, m)
				}
			}
		}
		all = append(all, w)
	}
	return all
}

// groupSettings are what is played.
func groupSettings() map[string]*groupSetting {
	any, few := []could{good, bad, parked, blind, cut, ill}, []could{good, bad}
	return map[string]*groupSetting{
		"two members":                        {members: 2, among: any},
		"two members, release":               {members: 2, among: any, release: true, primary: 1},
		"two members, failback":              {members: 2, among: any, back: true},
		"two members, failback, mixed roles": {members: 2, among: []could{good, bad, cut, ill}, back: true, mixed: true},
		"three members":                      {members: 3, among: few},
		"three members, release":             {members: 3, among: few, release: true, primary: 1},
	}
}

// play plays a setting through, and returns what it found and how many worlds it saw.
func play(c *groupSetting) (error, int) {
	c.known = map[localKey]localDeed{}
	e := exploration{c: c, seen: map[company]bool{}, walk: [2]map[company]int{{}, {}}}
	for _, w := range worlds(c) {
		if err := e.from(w); err != nil {
			return err, len(e.seen)
		}
	}
	return nil, len(e.seen)
}

// TestAGroupIsTogether is promise 9.
func TestAGroupIsTogether(t *testing.T) {
	for name, c := range groupSettings() {
		if testing.Short() || raceEnabled {
			c.among = []could{good, cut}
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			c.rows = Rows()
			err, n := play(c)
			if err != nil {
				t.Error(err)
			}
			t.Logf("%d worlds, %v", n, time.Since(begun).Round(time.Millisecond))
		})
	}
}

// TestAGroupNeedsItsRows leaves out each row of groups that moves or holds back an alias:
// then the small world comes to a bad end.
func TestAGroupNeedsItsRows(t *testing.T) {
	for i, r := range Rows() {
		if r.ID != "W15" && (r.ID != "H11" || r.Action == Keep) {
			continue
		}
		t.Run(r.ID+" "+r.When, func(t *testing.T) {
			t.Parallel()
			found := error(nil)
			for primary := range 2 {
				c := &groupSetting{members: 2, among: []could{good, bad, cut}, release: r.Reason == GroupSplit, primary: primary, rows: slices.Delete(slices.Clone(Rows()), i, i+1)}
				if err, _ := play(c); err != nil {
					found = err
				}
			}
			if found == nil {
				t.Error("nothing is wrong without it")
			}
		})
	}
}
