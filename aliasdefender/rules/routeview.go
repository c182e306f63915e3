package rules

import (
	"time"
)

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

// HopSeen is a hop as the rules see it: what is too old is unknown.
type HopSeen struct {
	Answer, Link Value
	Lives        Value
}

// SeeHops returns the hops of a route as DecideRoute sees them, for callers that show
// them.
func SeeHops(p RoutePolicy, f RouteFacts) (all []HopSeen) {
	v := newRouteView(p, RouteState{}, f)
	for i, h := range f.Hops {
		all = append(all, HopSeen{v.seen.fresh(h.Answer), v.seen.local(h.Link), v.lives[i]})
	}
	return all
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
