package rules

import "time"

// A route is a prefix that this router sends to the first of its next hops that lives, or to
// all that live. [DecideRoute] is pure, as [Decide] is: hops and kernel in, a decision with
// its reason out. Whoever carries it out adds with EXCL and replaces atomically, so that the
// prefix is never without a route, and touches only routes that bear our protocol number.

// RoutePolicy is what the administrator set for one route.
type RoutePolicy struct {
	Interval time.Duration // of the questions to each hop
	Timeout  time.Duration
	Misses   int

	Spread   bool  // mode "spread": to all hops that live; otherwise to the first of them
	Weights  []int // of the hops, in their order; empty: each has 1
	Failback bool  // mode "first": back to a hop of more preference as soon as it lives
	Withdraw bool  // on_all_dead "withdraw": without a hop that lives there is no route
}

// rhythm is what decides how old a fact may be.
func (p RoutePolicy) rhythm() Policy {
	return Policy{Interval: p.Interval, Timeout: p.Timeout, Misses: p.Misses}
}

// weight is the weight of a hop in a spread.
func (p RoutePolicy) weight(hop int) int {
	if hop < len(p.Weights) {
		return p.Weights[hop]
	}
	return 1
}

// Hop is what is known of one next hop.
type Hop struct {
	Answer Fact // whether it answers, or whether the service behind it does where a check asks
	Link   Fact // the NIC that leads to it is up and has carrier
	Off    bool // it is on no network of this host: the kernel makes no route to it
}

// Via is a hop that a route leads to.
type Via struct {
	Hop    int // its index; -1: it is none of the hops that are set
	Weight int // 1 unless the mode is "spread"
}

// RouteFacts are everything that is known about one route at one moment.
type RouteFacts struct {
	Now   time.Time
	Since time.Time // when the hops began to be asked
	Hops  []Hop     // in order of preference

	Kernel   Fact  // a route of ours with this prefix, table and metric is there
	Via      []Via // to which hops it leads, in the order of Hops; only while Kernel is yes
	Foreign  Value // a route that is not ours has that prefix, table and metric
	Shadowed Value // a route that is not ours has that prefix and table, and comes before ours: by its metric, or of one metric in the kernel's order
}

// RouteState is our own record of one route.
type RouteState struct {
	Leaving bool // it has to go: gone from the file, or the daemon ends and does not keep it
	Last    int  // mode "first": the hop it was last sent to, counted from 1; 0: none yet
}

// RouteAction is what to do about a route.
type RouteAction uint8

// The actions on routes.
const (
	RouteRest     RouteAction = iota // do nothing
	RouteAdd                         // add it: it is an error if another has taken its place
	RouteReplace                     // replace ours
	RouteWithdraw                    // remove ours
)

var routeActions = [...]string{RouteRest: "rest", RouteAdd: "add", RouteReplace: "replace", RouteWithdraw: "withdraw"}

func (a RouteAction) String() string { return spelled(routeActions[:], int(a)) }

// RouteReason is why a decision about a route was made.
type RouteReason uint8

// The reasons, in the order of the table.
const (
	RouteOrderedOff RouteReason = iota
	RouteGone
	RoutesUnknown
	RouteForeign
	HopsDeadWithdrawn
	HopsDead
	HopsUnknownLong
	HopsUnknown
	HopStaysUnknown
	HopPreferred
	HopChosen
	HopsChanged
	RouteRestored
	RouteShadowed
	RouteGood

	routeReasonCount
)

var routeReasons = [routeReasonCount]struct {
	name  string
	level Level
	text  string
}{
	RouteOrderedOff:   {"ordered off", Info, "its row has gone, or the daemon ends and does not keep it"},
	RouteGone:         {"gone", Info, "it has left, as ordered"},
	RoutesUnknown:     {"routes unknown", Warning, "this host's routes cannot be read"},
	RouteForeign:      {"foreign route", Alarm, "a route that is not ours has the same prefix, table and metric; it is left alone"},
	HopsDeadWithdrawn: {"all hops dead", Alarm, "no next hop lives, and on_all_dead is withdraw"},
	HopsDead:          {"all hops dead", Alarm, "no next hop lives; nothing is changed"},
	HopsUnknownLong:   {"hops unknown", Alarm, "of no next hop it is known that it lives; what is there stays, and nothing is added"},
	HopsUnknown:       {"hops not known yet", Info, "it is not known yet which next hops live; what is there stays, and nothing is added"},
	HopStaysUnknown:   {"hop unknown", Warning, "it is not known whether its next hop lives; it stays there"},
	HopPreferred:      {"failback", Info, "a next hop of more preference lives again"},
	HopChosen:         {"hop dead", Warning, "its next hop is dead, or is none of those that are set: it goes to the first that lives"},
	HopsChanged:       {"hops changed", Warning, "the next hops that live are others than those it goes to"},
	RouteRestored:     {"added", Info, "it is not there: it is added"},
	RouteShadowed:     {"shadowed", Alarm, "a route that is not ours has the same prefix and table, and comes before ours: ours is not used"},
	RouteGood:         {"good", Info, "it goes where it shall"},
}

func (r RouteReason) row() RouteReason { return min(r, routeReasonCount-1) }

// String is the reason's short name.
func (r RouteReason) String() string { return routeReasons[r.row()].name }

// Text explains the reason in one clause.
func (r RouteReason) Text() string { return routeReasons[r.row()].text }

// Level is how serious the reason is.
func (r RouteReason) Level() Level { return routeReasons[r.row()].level }

// RouteDecision is what to do about one route, and why.
type RouteDecision struct {
	Row    string // "R7"
	Action RouteAction
	Reason RouteReason
	Via    []Via     // of RouteAdd and RouteReplace: to which hops, in their order
	Again  time.Time // as in Decision
}

// RouteRow is one line of the table.
type RouteRow struct {
	ID     string
	When   string
	Action RouteAction
	Reason RouteReason

	when func(*routeView) bool
}

// RouteRows is the table, in order: the first row that matches decides.
func RouteRows() []RouteRow { return routeRows }

var routeRows = []RouteRow{
	{"R1", "this host's routes unknown", RouteRest, RoutesUnknown,
		func(v *routeView) bool { return v.kernel == Unknown }},
	{"R2", "ordered off, and ours is there", RouteWithdraw, RouteOrderedOff,
		func(v *routeView) bool { return v.s.Leaving && v.there() }},
	{"R2", "ordered off", RouteRest, RouteGone,
		func(v *routeView) bool { return v.s.Leaving }},
	{"R3", "a foreign route has its place, and ours is not there", RouteRest, RouteForeign,
		func(v *routeView) bool { return v.f.Foreign == Yes && !v.there() }},
	{"R3", "it is not known whether a foreign route has its place, and ours is not there", RouteRest, RoutesUnknown,
		func(v *routeView) bool { return v.f.Foreign == Unknown && !v.there() }},
	{"R4", "all hops dead, ours is there, and on_all_dead = \"withdraw\"", RouteWithdraw, HopsDeadWithdrawn,
		func(v *routeView) bool { return v.allDead() && v.p.Withdraw && v.there() }},
	{"R4", "all hops dead", RouteRest, HopsDead,
		func(v *routeView) bool { return v.allDead() }},
	{"R5", "no hop lives, nothing that is known can be mended, and interval + doubt have passed since the start", RouteRest, HopsUnknownLong,
		func(v *routeView) bool {
			return v.stuck() && v.settled()
		}},
	{"R5", "no hop lives, and nothing that is known can be mended", RouteRest, HopsUnknown, (*routeView).stuck},
	{"R5", "ours is not there, a hop that it would rather lead to is not known yet, and interval + doubt have not passed since the start, or since that hop's NIC came back", RouteRest, HopsUnknown, (*routeView).early},
	{"R6", "ours is not there", RouteAdd, RouteRestored,
		func(v *routeView) bool { return !v.there() }},
	{"R7", "mode first, the hop it goes to unknown", RouteRest, HopStaysUnknown,
		func(v *routeView) bool { return !v.p.Spread && v.goesTo() == Unknown }},
	{"R7", "mode spread, nothing else is wanted, a hop that it goes to unknown, and interval + doubt have passed since the start", RouteRest, HopStaysUnknown,
		func(v *routeView) bool { return v.p.Spread && !v.differs() && v.unsure() && v.settled() }},
	{"R8", "mode first, failback, and a hop of more preference lives", RouteReplace, HopPreferred,
		func(v *routeView) bool { return !v.p.Spread && v.goesTo() == Yes && v.differs() }},
	{"R9", "mode first, the hop it goes to dead, or none of those that are set", RouteReplace, HopChosen,
		func(v *routeView) bool { return !v.p.Spread && v.differs() }},
	{"R10", "mode spread, and other hops or weights are wanted", RouteReplace, HopsChanged,
		func(v *routeView) bool { return v.differs() }},
	{"R11", "a foreign route shadows it", RouteRest, RouteShadowed,
		func(v *routeView) bool { return v.f.Shadowed == Yes }},
	{"R12", "otherwise", RouteRest, RouteGood,
		func(v *routeView) bool { return true }},
}

// DecideRoute says what to do about one route. The first row that matches decides.
func DecideRoute(p RoutePolicy, s RouteState, f RouteFacts) RouteDecision {
	v := newRouteView(p, s, f)
	for _, r := range routeRows {
		if !r.when(v) {
			continue
		}
		d := RouteDecision{Row: r.ID, Action: r.Action, Reason: r.Reason, Again: v.seen.again}
		if d.Action == RouteAdd || d.Action == RouteReplace {
			d.Via = v.wanted
		}
		return d
	}
	return RouteDecision{Reason: RoutesUnknown, Again: v.seen.again} // the last row matches everything
}

// Done records a deed that has succeeded.
func (s *RouteState) Done(d RouteDecision) {
	if d.Action == RouteAdd || d.Action == RouteReplace {
		s.Saw(d.Via)
	}
}

// Saw records where a route of ours leads that was found in the kernel.
func (s *RouteState) Saw(via []Via) {
	if len(via) == 1 && via[0].Hop >= 0 {
		s.Last = via[0].Hop + 1
	}
}

// Leave has the route go: its row has gone, or the daemon ends and does not keep it.
func (s *RouteState) Leave() { s.Leaving = true }

// Return is for a row that is back before its route has gone.
func (s *RouteState) Return() { s.Leaving = false }

// Renumber is for a row whose hops have changed: hop i has become to[i]; -1: it has gone.
func (s *RouteState) Renumber(to []int) {
	if last := s.Last - 1; last >= 0 && last < len(to) {
		s.Last = to[last] + 1
	}
}

// routeView is the facts as the rows read them.
type routeView struct {
	p RoutePolicy
	s RouteState
	f RouteFacts

	seen   view // it finds what is too old, and when
	kernel Value
	lives  []Value // of each hop: yes, no or unknown
	wanted []Via   // to which hops it shall go; none: nothing better is known
}

func newRouteView(p RoutePolicy, s RouteState, f RouteFacts) *routeView {
	v := &routeView{p: p, s: s, f: f, seen: view{p: p.rhythm(), f: Facts{Now: f.Now}}}
	v.kernel = v.seen.local(f.Kernel)
	for _, h := range f.Hops {
		v.lives = append(v.lives, v.alive(h))
	}
	v.wanted = v.want()
	return v
}

// alive tells whether a hop lives. It is dead if it is silent, and also if its NIC is known
// to be down or without carrier; what else is known of it is then of no use.
func (v *routeView) alive(h Hop) Value {
	if v.seen.local(h.Link) == No {
		return No
	}
	return v.seen.fresh(h.Answer)
}

// there tells whether a route of ours is in the kernel.
func (v *routeView) there() bool { return v.kernel == Yes }

// goes tells whether the route that is there leads to a hop.
func (v *routeView) goes(hop int) bool {
	if v.there() {
		for _, via := range v.f.Via {
			if via.Hop == hop {
				return true
			}
		}
	}
	return false
}

// goesTo is whether the one hop that the route leads to lives. A route that leads to
// several, or to none of those that are set, counts as one to a dead hop.
func (v *routeView) goesTo() Value {
	if len(v.f.Via) != 1 || v.f.Via[0].Hop < 0 || v.f.Via[0].Hop >= len(v.lives) {
		return No
	}
	return v.lives[v.f.Via[0].Hop]
}

func (v *routeView) allDead() bool {
	for _, lives := range v.lives {
		if lives != No {
			return false
		}
	}
	return true
}

// stuck tells whether no hop lives and there is nothing better than what is there. A spread
// drops a hop that is known to be dead even then, if another is left of which nothing is
// known.
func (v *routeView) stuck() bool {
	for _, lives := range v.lives {
		if lives == Yes {
			return false
		}
	}
	for _, via := range v.f.Via {
		if len(v.wanted) > 0 && (via.Hop < 0 || via.Hop >= len(v.lives) || v.lives[via.Hop] == No) {
			return false
		}
	}
	return true
}

// settled tells whether each hop that could be asked has been, and could have fallen silent.
func (v *routeView) settled() bool { return v.settledSince(v.f.Since) }

func (v *routeView) settledSince(t time.Time) bool {
	return v.seen.reached(t.Add(v.p.Interval + v.p.rhythm().Doubt()))
}

// unsure tells whether nothing is known of a hop that the route leads to.
func (v *routeView) unsure() bool {
	for hop, lives := range v.lives {
		if lives == Unknown && v.goes(hop) {
			return true
		}
	}
	return false
}

// early tells whether a route that is not there should wait a moment for what is not known
// yet: at the start, or of a hop whose NIC has just come back. Otherwise it would lead to
// whichever hop answers first and, without failback, stay there.
func (v *routeView) early() bool {
	if v.there() || len(v.wanted) == 0 {
		return false
	}
	first, last := v.wanted[0].Hop, -1
	if !v.p.Spread && !v.p.Failback {
		if last = v.present(); first == last {
			return false
		}
	}
	early := false
	for hop, lives := range v.lives {
		if lives == Unknown && (v.p.Spread || hop < first || hop == last) {
			back := v.f.Hops[hop].Link.Since
			early = !v.settled() || !v.settledSince(back) || early
		}
	}
	return early
}

// want are the hops to which the route shall go. Of a hop of which nothing is known a spread
// neither takes in nor drops what is there. But a hop to which the kernel makes no route is
// left out of whatever is changed: the kernel would refuse all of it, and a dead hop would
// keep its share.
func (v *routeView) want() (all []Via) {
	if v.p.Spread {
		if all = v.spread(true); v.there() && !v.differsFrom(all) {
			return all
		}
		return v.spread(false)
	}
	if last := v.present(); !v.p.Failback && last >= 0 && v.lives[last] == Yes {
		return []Via{{last, 1}}
	}
	for hop, lives := range v.lives {
		if lives == Yes {
			return []Via{{hop, 1}}
		}
	}
	return nil
}

// spread are the hops that live, and those that are there and not known. With off, hops that
// are on no network are among these.
func (v *routeView) spread(off bool) (all []Via) {
	for hop, lives := range v.lives {
		if lives == Yes || lives == Unknown && v.goes(hop) && (off || !v.f.Hops[hop].Off) {
			all = append(all, Via{hop, v.p.weight(hop)})
		}
	}
	return all
}

// present is the hop that the route leads to or, if it is not there, did last; -1: none of
// those that are set.
func (v *routeView) present() int {
	hop := v.s.Last - 1
	if v.there() {
		if hop = -1; len(v.f.Via) == 1 {
			hop = v.f.Via[0].Hop
		}
	}
	if hop < 0 || hop >= len(v.lives) {
		return -1
	}
	return hop
}

// differs tells whether the route that is there leads elsewhere than it shall.
func (v *routeView) differs() bool { return v.differsFrom(v.wanted) }

func (v *routeView) differsFrom(wanted []Via) bool {
	if len(wanted) != len(v.f.Via) {
		return true
	}
	for i, via := range wanted {
		if via != v.f.Via[i] {
			return true
		}
	}
	return false
}
