package rules

import "time"

// Seat is what is known of one member of a group: where it is, or could be. If a host has
// the member in vain, because its router is silent there and the partner has the member
// too, the host counts as one that could not have it.
type Seat struct {
	Here  Value // it is on this host, or this host would take it
	There Value // the same of the partner, as far as it tells

	Ours   bool // we hold it
	Theirs bool // the partner says that it holds it
	Comes  bool // a hand-over of it to us is open

	// Lives tells whether the partner's machine lives, as far as this member shows it.
	// Yes: its daemon is heard or its address answers. No: the address is silent, and the
	// daemon is not heard.
	Lives Value
	Deaf  bool // our NIC there has no link: then an unknown Lives says nothing

	// Until is when time alone makes some of this unknown; zero: never.
	Until time.Time
}

// SeatOf makes the seat of one alias from the alias's own facts. It reads no fact about
// the group.
func SeatOf(p Policy, s State, f Facts) Seat {
	v := view{p: p, s: s, f: f}
	own, _ := v.alone()
	said := v.word().Standing
	seat := Seat{Here: own.seat(), There: said.seat(), Ours: s.Holding, Theirs: said == SaysHolding}
	if v.told(f.Peer.Facts[FactWhole]) == No {
		seat.There = No // it knows more about its own members than its words about them tell
	}
	if own == SaysHolding && seat.Theirs && v.fresh(f.Router) == Silent {
		seat.Here = No
	}
	seat.Comes = !s.Holding && (v.open(Asking) || v.open(Getting))
	if seat.Lives = v.partner(); v.daemon() == Yes {
		seat.Lives = Yes
	}
	seat.Deaf = v.link() == No
	seat.Until = v.again
	return seat
}

// seat tells whether a host that says so has the alias or would take it.
func (s Standing) seat() Value {
	switch s {
	case SaysHolding, SaysAble:
		return Yes
	case SaysCannot, SaysParked, SaysReleased:
		return No
	}
	return Unknown
}

// Alike tells whether two seats say the same, no matter until when.
func (s Seat) Alike(other Seat) bool {
	s.Until, other.Until = time.Time{}, time.Time{}
	return s == other
}

// Whole is what is known of a whole group.
type Whole struct {
	Here  Value // this host has, or could have, every member
	There Value // the partner has, or could have, every member
	Leads Value // the partner has the first member, and we do not; unknown while it is on its way to us

	Until time.Time // when time alone makes something of this unknown; zero: never
}

// Together makes a group of its members' seats, the first member's first. The partners of
// all members are one machine: if it is silent wherever it could be asked, it has nothing
// and could have nothing. This holds even if its daemon was not heard since our start,
// because a restart must not bring back a part.
func Together(seats []Seat) Whole {
	var w Whole
	for i, s := range seats {
		if i == 0 {
			w = Whole{Here: s.Here, There: s.There, Leads: s.leads(), Until: s.Until}
			continue
		}
		w.Here, w.There = both(w.Here, s.Here), both(w.There, s.There)
		if w.Until.IsZero() || !s.Until.IsZero() && s.Until.Before(w.Until) {
			w.Until = s.Until
		}
	}
	if lives(seats) == No {
		w.There = No
	}
	return w
}

// lives tells whether the partner's machine does.
func lives(seats []Seat) Value {
	all := Unknown
	for _, s := range seats {
		switch {
		case s.Lives == Yes:
			return Yes
		case s.Lives == No:
			all = No
		}
	}
	for _, s := range seats {
		if s.Lives == Unknown && !s.Deaf {
			return Unknown
		}
	}
	return all
}

// leads tells whether the first member is at the partner: not if it comes from there.
func (s Seat) leads() Value {
	if s.Theirs && s.Comes {
		return Unknown
	}
	return Of(s.Theirs && !s.Ours)
}

// both is yes if both are, and no if either is.
func both(a, b Value) Value {
	switch {
	case a == No || b == No:
		return No
	case a == Yes && b == Yes:
		return Yes
	}
	return Unknown
}

// Tell puts what is known of the group among the facts of a member. Each fact keeps the
// time since when it has its value. If one of many members misses an answer, this host's
// fact is unknown for a moment; if that counted, failback would never be due in a large
// group. So a fact that is yes again before a fact grows too old was yes all the time.
func (w Whole) Tell(p Policy, f *Facts) {
	lives := time.Duration(0)
	if !w.Until.IsZero() {
		lives = max(w.Until.Sub(f.Now), 1)
	}
	f.Whole.doubt(w.Here, p.Stale(), f.Now)
	f.PartnerWhole.Set(w.There, f.Now, f.Now)
	f.Whole.Lives, f.PartnerWhole.Lives = lives, lives
	f.PartnerLeads = w.Leads
}

// doubt is Set, but for an unknown between two times yes that is shorter than most: Since
// is then that of the first. Miss is when it began.
func (f *Fact) doubt(v Value, most time.Duration, now time.Time) {
	passed := !f.Miss.IsZero() && now.Sub(f.Miss) >= most
	switch {
	case v == Unknown && f.Value == Yes:
		f.Value, f.Miss = v, now
	case v == Unknown && f.Value == v && passed:
		f.Since, f.Miss = f.Miss, time.Time{}
	case v == Yes && f.Value == Unknown && !f.Miss.IsZero() && !passed:
		f.Value, f.Miss = v, time.Time{}
	case v != f.Value:
		f.Miss = time.Time{}
	}
	f.Set(v, now, now)
}

// Place is the part that an alias has in its group.
type Place uint8

// The places.
const (
	Ungrouped Place = iota
	Leader          // it is listed first
	Follower
)

// apart tells whether this host could not have the whole group, and the partner could.
func (v *view) apart() bool {
	return v.fresh(v.f.Whole) == No && v.fresh(v.f.PartnerWhole) == Yes
}

// split tells whether neither host could have the whole group.
func (v *view) split() bool {
	return v.fresh(v.f.Whole) == No && v.fresh(v.f.PartnerWhole) == No
}

// joins tells whether the partner has the first member, and could have all.
func (v *view) joins() bool {
	return v.f.PartnerLeads == Yes && v.fresh(v.f.PartnerWhole) == Yes
}

// grouped is why the group keeps this host from taking the alias; NoRow if it does not.
func (v *view) grouped() Reason {
	switch {
	case v.apart():
		return GroupApart
	case v.p.ReleaseSplit && v.split():
		return GroupSplit
	}
	return NoRow
}

// returns tells whether the group lets a failback go on: this host has been able to have
// all of it for as long as failback wants.
func (v *view) returns() bool {
	return v.p.Place == Ungrouped || v.fresh(v.f.Whole) == Yes && v.reached(v.f.Whole.Since.Add(v.p.failbackAfter()))
}
