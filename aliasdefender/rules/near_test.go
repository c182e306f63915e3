package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// nearInstances draws what the rules may be asked about, also on a loopback interface.
func nearInstances() *rapid.Generator[instance] {
	return rapid.Custom(func(t *rapid.T) instance {
		c := instances().Draw(t, "instance")
		c.p.Loopback = rapid.IntRange(0, 4).Draw(t, "loopback") == 0
		c.p.Checked = rapid.Bool().Draw(t, "checked")
		return c
	})
}

// Each claim of what a row lacks is so: with it the table decides by that row, and without
// either half of a pair it does not.
func TestWhatARowLacksMakesItDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := nearInstances().Draw(t, "case")
		n, proof := nearest(c.p, c.s, c.f)
		if d := Decide(c.p, c.s, c.f); n.Row.ID != d.Row || n.Row.Reason != d.Reason {
			t.Fatalf("%s %s decides, and the nearest are those of %s %s", d.Row, d.Reason, n.Row.ID, n.Row.Reason)
		}
		decides := func(r Row, all ...hypothesis) bool {
			is := instanceOf(c)
			for _, h := range all {
				is = is.with(h)
			}
			d := Decide(is.p, is.s, is.f)
			return d.Row == r.ID && d.Action == r.Action && d.Reason == r.Reason && is.s.Holding == r.Holding
		}
		for i, l := range n.Above {
			if d := cmp.Diff(l.Needs, texts(proof[i])); d != "" {
				t.Fatal(d)
			}
			if l.Together {
				if len(l.Needs) != 2 || !decides(l.Row, proof[i]...) {
					t.Errorf("%s %s does not decide with %q", l.Row.ID, l.Row.When, l.Needs)
				}
				continue
			}
			for _, h := range proof[i] {
				if !decides(l.Row, h) {
					t.Errorf("%s %s does not decide if %s", l.Row.ID, l.Row.When, h.text)
				}
			}
		}
	})
}

// Every row above the one that decides is told of, in its order, and none twice.
func TestEachRowAboveIsToldOfOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := nearInstances().Draw(t, "case")
		n := Nearest(c.p, c.s, c.f)
		var told, want []string
		for _, l := range n.Above {
			told = append(told, l.Row.When)
		}
		for _, r := range n.Far {
			told = append(told, r.When)
		}
		for _, r := range tableFor(c.p) {
			if r.Holding == c.s.Holding {
				want = append(want, r.When)
			}
			if r.Holding == n.Row.Holding && r.When == n.Row.When {
				break
			}
		}
		want = want[:len(want)-1]
		slices.Sort(told)
		slices.Sort(want)
		if d := cmp.Diff(want, told, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}

// meanings are what must be so once a hypothesis that is no fact's is made: the test's own
// words for its text.
var meanings = map[string]func(is instanceOf) bool{
	"an operator parks it":                                  func(is instanceOf) bool { return is.s.Parked },
	"its row goes from the file":                            func(is instanceOf) bool { return is.s.Leaving },
	"an operator orders it handed over":                     func(is instanceOf) bool { return is.s.Give },
	"an operator orders it here (AddAlias)":                 func(is instanceOf) bool { return is.s.Order == OrderTake },
	"an operator forces it here (AddAlias --force)":         func(is instanceOf) bool { return is.s.Order == OrderForce },
	"no router is known":                                    func(is instanceOf) bool { return !is.f.RouterKnown },
	"the partner has the first member of the group":         func(is instanceOf) bool { return is.f.PartnerLeads == Yes },
	"the partner says: holding":                             says1(SaysHolding),
	"the partner says: able":                                says1(SaysAble),
	"the partner says: cannot serve":                        says1(SaysCannot),
	"the partner says: parked":                              says1(SaysParked),
	"the partner says: released":                            says1(SaysReleased),
	"the partner asks for it":                               func(is instanceOf) bool { return is.v().asked() },
	"the partner offers it":                                 func(is instanceOf) bool { return is.v().offered() },
	"the partner confirms that it took what we handed over": func(is instanceOf) bool { return is.v().confirmed() },
	"it was handed over to us, and the router does not answer it here": func(is instanceOf) bool {
		return is.v().unverified()
	},
	"a hand-over is open":                                    func(is instanceOf) bool { return is.v().handing() },
	"no hand-over is open, and none has just failed":         func(is instanceOf) bool { return is.v().rested() },
	"the partner's daemon has fallen silent":                 func(is instanceOf) bool { return is.v().daemon() == No },
	"the partner's daemon has been silent for a day":         func(is instanceOf) bool { return !is.f.Now.Before(is.f.Peer.Heard.Add(24 * time.Hour)) },
	"the partner's service fails":                            func(is instanceOf) bool { return is.v().told(is.f.Peer.Facts[FactService]) == No },
	"this host acts as primary":                              func(is instanceOf) bool { return is.v().primary() },
	"we were the last to let it go, because of a fault here": func(is instanceOf) bool { return is.s.OursLast },
	"it was taken max_takes times within the hour, the last time just now": func(is instanceOf) bool {
		return len(is.s.Takes) == is.p.MaxTakes && is.s.Takes[len(is.s.Takes)-1].Equal(is.f.Now)
	},
	"it has just been put back for the second time":               func(is instanceOf) bool { return is.s.Restores == 2 && is.s.Restored.Equal(is.f.Now) },
	"it was put back twice within the minute":                     func(is instanceOf) bool { return is.s.Restores == 2 && is.f.Now.Sub(is.s.Restored) < time.Minute },
	"its lease is due":                                            func(is instanceOf) bool { return is.f.Now.Before(is.s.Lease) },
	"its lease has run out":                                       func(is instanceOf) bool { return !is.f.Now.Before(is.s.Lease) },
	"an announcement is due":                                      func(is instanceOf) bool { return !is.f.Now.Before(is.s.Next) && !is.s.Next.IsZero() },
	"our own address was put before it twice within the minute":   func(is instanceOf) bool { return is.s.Reorders == 2 && is.v().reorders() == 2 },
	"a rival has just been answered":                              func(is instanceOf) bool { return is.s.Defences == 1 && is.s.Defended.Equal(is.f.Now) },
	"a rival was heard before":                                    func(is instanceOf) bool { return is.s.Claimed },
	"we took it by failback, and have answered the partner since": func(is instanceOf) bool { return is.s.Failback && is.s.Defences == 1 },
	"we have answered the rival twice, and our hardware address is the higher": func(is instanceOf) bool {
		return is.s.Defences == 2 && is.f.WeAreLow == No
	},
	"failback = true":                   func(is instanceOf) bool { return is.p.Failback },
	`on_isolation = "release"`:          func(is instanceOf) bool { return is.p.ReleaseIsolated },
	`on_service_failure = "release"`:    func(is instanceOf) bool { return is.p.ReleaseFailing },
	`when_split = "release"`:            func(is instanceOf) bool { return is.p.ReleaseSplit },
	"the partner answers for the alias": answered(Yes), "a third host answers for the alias": answered(No),
	"the partner claims the alias": answered(Yes), "a third host claims the alias": answered(No),
}

func says1(s Standing) func(instanceOf) bool {
	return func(is instanceOf) bool { return is.v().word() == Word{Standing: s} }
}

func answered(partner Value) func(instanceOf) bool {
	return func(is instanceOf) bool { return is.f.Alias.Value == Yes && is.f.ByPartner == partner }
}

// A hypothesis does what its text says. One of a fact changes that fact and no other.
func TestEachHypothesisIsWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := nearInstances().Draw(t, "case")
		for _, h := range instanceOf(c).hypotheses() {
			is := instanceOf(c).with(h)
			text, long := strings.CutSuffix(h.text, ", for an hour already")
			text, anew := strings.CutSuffix(text, ", asked just now")
			if so, known := meanings[text]; known {
				if !so(is) || long && is.f.Now.Sub(is.f.Alias.Since) != time.Hour {
					t.Errorf("not so: %s", h.text)
				}
				continue
			}
			id, value := factOf(text)
			if id == FactCount {
				t.Fatalf("no fact, and without a meaning in this test: %s", h.text)
			}
			for _, r := range factRows {
				was, now := *r.Of(&c.f), *r.Of(&is.f)
				switch {
				case r.ID != id && now != was:
					t.Errorf("%s: changes %s", h.text, r.Name)
				case r.ID == id && (now.Value != value || !now.Asked.Equal(c.f.Now)):
					t.Errorf("%s: it is %s, asked at %v", h.text, r.Spell(now.Value), now.Asked)
				case r.ID == id && long != (c.f.Now.Sub(now.Since) == time.Hour) && !anew:
					t.Errorf("%s: since %v", h.text, now.Since)
				}
			}
		}
	})
}

// No meaning is left of a hypothesis that is no longer made. The draws are always the same
// ones: how many of the rare ones a few of them have is chance.
func TestEachMeaningIsOfAHypothesis(t *testing.T) {
	left := maps.Clone(meanings)
	for seed := 0; len(left) > 0 && seed < 2000; seed++ {
		for _, h := range instanceOf(nearInstances().Example(seed)).hypotheses() {
			text, _ := strings.CutSuffix(h.text, ", for an hour already")
			text, _ = strings.CutSuffix(text, ", asked just now")
			delete(left, text)
		}
	}
	for text := range left {
		t.Errorf("never made: %s", text)
	}
}

// factOf is the fact and its value that a text is about.
func factOf(text string) (FactID, Value) {
	text = strings.Replace(text, "another host claims", "another host answers for", 1)
	text = strings.Replace(text, "no other host claims", "no other host answers for", 1)
	for id, all := range clauses {
		for v, clause := range all {
			if clause == text {
				return FactID(id), Value(v)
			}
		}
	}
	return FactCount, Unknown
}

// What an administrator reads of a standby that waits.
func TestWhatTheRowsAboveAStandbyLack(t *testing.T) {
	c := nobody()
	c.p.Channel, c.p.Checked = true, true
	says(&c, Word{Standing: SaysHolding})
	c.f.Alias, c.f.ByPartner, c.f.Service = seen(Yes, time.Hour), Yes, seen(Yes, time.Hour)
	n := Nearest(c.p, c.s, c.f)
	var told []string
	for _, l := range n.Above {
		told = append(told, fmt.Sprintf("%s %s, %s: %s", l.Row.ID, l.Row.Action, l.Row.Reason, strings.Join(l.Needs, map[bool]string{true: " and ", false: " or "}[l.Together])))
	}
	want := []string{
		"W1 wait, parked: an operator parks it or its row goes from the file",
		"W1 wait, parked unknown: the list of parked aliases cannot be read or the list of parked aliases has not been read",
		"W2 wait, no link: the NIC is missing or down or the NIC has no carrier or the NIC has no address of its own",
		"W2 wait, link unknown: it is not known whether the NIC is up or it is not known whether the NIC has carrier or it is not known whether the NIC has an address of its own",
		"W2 wait, on another NIC: another NIC of this host has the alias or it is not known whether another NIC of this host has the alias",
		"W3 wait, service failing: our own service fails",
		"W4 take, operator: an operator forces it here (AddAlias --force)",
		"W5 take, offered: the partner offers it",
		"W4 ask for hand-over, operator: an operator orders it here (AddAlias)",
	}
	if d := cmp.Diff(want, told); d != "" || n.Row.Reason != Served {
		t.Errorf("%s %s decides (-want +got):\n%s", n.Row.ID, n.Row.Reason, d)
	}
}

func BenchmarkNearest(b *testing.B) {
	c := holder()
	c.p.Channel, c.p.Lease = true, time.Minute
	says(&c, Word{Standing: SaysAble})
	for b.Loop() {
		Nearest(c.p, c.s, c.f)
	}
}

func TestEachFactThatARowReadsHasItsClauses(t *testing.T) {
	for _, r := range factRows {
		for v, clause := range clauses[r.ID] {
			if (clause == "") != r.Ours {
				t.Errorf("%s, %s: %q", r.Name, Value(v), clause)
			}
		}
	}
}
