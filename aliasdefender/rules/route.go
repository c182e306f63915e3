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

// Saw records that a route of ours was found in the kernel, and where it leads.
func (s *RouteState) Saw(via []Via) {
	if len(via) == 1 && via[0].Hop >= 0 {
		s.Last = via[0].Hop + 1
	}
}

// Leave lets the route go, because its row is gone, or because the daemon ends and does
// not keep it.
func (s *RouteState) Leave() { s.Leaving = true }

// Return keeps a route that was to go: its row is back before the route has gone.
func (s *RouteState) Return() { s.Leaving = false }

// Renumber follows a row whose hops have changed: hop i is now hop to[i]; -1: it is gone.
func (s *RouteState) Renumber(to []int) {
	if last := s.Last - 1; last >= 0 && last < len(to) {
		s.Last = to[last] + 1
	}
}
