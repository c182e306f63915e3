package rules

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

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
	any, few := []could{good, bad, parked, blind, cut, ill, unread}, []could{good, bad}
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
func play(c *groupSetting) (seen int, err error) {
	c.known = map[localKey]localDeed{}
	e := exploration{c: c, seen: map[company]bool{}, walk: [2]map[company]int{{}, {}}}
	for _, w := range worlds(c) {
		if err := e.from(w); err != nil {
			return len(e.seen), err
		}
	}
	return len(e.seen), nil
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
			n, err := play(c)
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
				if _, err := play(c); err != nil {
					found = err
				}
			}
			if found == nil {
				t.Error("nothing is wrong without it")
			}
		})
	}
}
