package route

import (
	"fmt"
	"slices"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// key is what tells routes apart. One that is no longer to be in the kernel is another.
type key struct {
	host.RouteKey
	install bool
}

func keyOf(r config.Route) key {
	return key{host.RouteKey{Prefix: r.Prefix, Table: r.Table, Metric: host.Metric(r.Prefix, r.Metric)}, r.Install}
}

// other is the key of the same row with the other install. The two have one name.
func (k key) other() key { return key{k.RouteKey, !k.install} }

// route is one route, and all that is known of it.
type route struct {
	key   key
	cfg   config.Route
	state rules.RouteState
	hops  []*hop // as in the row
	since time.Time
	known

	decision rules.RouteDecision
	decided  time.Time // since when it is this one
	said     time.Time // when it was recorded last
	marked   bool
	working  bool // a deed is under way
	waits    bool // a deed is due, and waits for the batch that is under way
	due      agenda.Entry

	fails struct {
		text string // of the last deed; empty: it succeeded
		n    int    // in a row
		pause
	}
	vanished struct {
		at []time.Time // when it was found gone, within vanishWithin
		pause
	}
	heir *route // takes its place, because the row has changed; nil: none does
}

// pause is a deed that is not tried again for a while. Any other is.
type pause struct {
	deed  string
	until time.Time
}

func (p pause) lasts(now time.Time) bool { return now.Before(p.until) }

// deed is what a decision has done, to tell it from others.
func (r *route) deed(d rules.RouteDecision) string { return d.Action.String() + " " + r.names(d.Via) }

// attempt is a deed with all that the kernel's answer to it may depend on: if any of this
// has changed, it is worth another try.
func (l *loop) attempt(r *route, d rules.RouteDecision) string {
	all := r.deed(d) + fmt.Sprint(r.foreign, r.shadowed)
	for _, v := range d.Via {
		h := r.hops[v.Hop]
		all += fmt.Sprint(" ", h.nic, h.link.Value, h.near == nil)
	}
	return all
}

// waits is until when a deed has to wait; zero: it need not.
func (l *loop) waits(r *route, d rules.RouteDecision) (until time.Time) {
	if p := r.fails.pause; p.lasts(l.now) && p.deed == l.attempt(r, d) {
		until = p.until
	}
	if p := r.vanished.pause; p.lasts(l.now) && p.deed == r.deed(d) && p.until.After(until) {
		until = p.until
	}
	return until
}

// known is what is known of the kernel or, of a route that is not installed, what its hooks
// were told.
type known struct {
	kernel            rules.Fact
	via               []rules.Via
	foreign, shadowed rules.Value
	changed           uint64 // readings up to this one may not show what was done
}

const (
	// A route that another program keeps removing is put back at once twice, and then after
	// pauses that double up to this.
	pauseMost    = time.Minute
	pauseLeast   = time.Second
	vanishWithin = time.Minute
	vanishFree   = 2
)

// policy is what the row says, for the rules. A check has a rhythm of its own: until it has
// been asked as often as it takes to tell, nothing is late.
func (r *route) policy() rules.RoutePolicy {
	p := rules.RoutePolicy{
		Interval: r.cfg.Interval, Timeout: r.cfg.Timeout, Misses: r.cfg.Misses,
		Spread: r.cfg.Mode == config.RouteSpread, Weights: r.cfg.Weights,
		Failback: r.cfg.Failback, Withdraw: r.cfg.OnAllDead == config.AllDeadWithdraw,
	}
	if r.cfg.Check != "" && len(r.hops) > 0 {
		c := r.hops[0].report.Check
		p.Interval, p.Timeout, p.Misses = time.Duration(max(c.Rise, c.Fall, 1))*max(c.Interval, time.Second), c.Timeout, 1
	}
	return p
}

// facts are all that is known of it.
func (l *loop) facts(r *route) rules.RouteFacts {
	f := rules.RouteFacts{Now: l.now, Since: r.since, Kernel: r.kernel, Via: r.via, Foreign: r.foreign, Shadowed: r.shadowed}
	if !r.key.install {
		f.Kernel.Asked, f.Foreign, f.Shadowed = l.now, rules.No, rules.No
		if f.Kernel.Value == rules.Unknown {
			f.Kernel.Value = rules.No
		}
	}
	for _, h := range r.hops {
		f.Hops = append(f.Hops, rules.Hop{Answer: h.answer(l), Link: h.link, Off: h.near != nil})
	}
	return f
}

// there tells whether it is in the kernel, or its hooks were told that it is.
func (r *route) there() bool { return r.kernel.Value == rules.Yes }

// inherits tells whether a route that leaves has to stay until its heir is there: its row has
// only changed. It does not where the heir's row wants no route, because all hops are dead.
func (l *loop) inherits(r *route) bool {
	h := r.heir
	return h != nil && l.ending.IsZero() && !l.o.Observe && !h.there() &&
		!(h.decision.Reason == rules.HopsDead && h.policy().Withdraw)
}

// sort puts the hops to which it leads into their order.
func (r *route) sort() {
	slices.SortStableFunc(r.via, func(a, b rules.Via) int { return a.Hop - b.Hop })
}

// leads is the route as the kernel has to have it.
func (r *route) leads(via []rules.Via) host.TableRoute {
	o := host.TableRoute{Prefix: r.key.Prefix, Table: r.key.Table, Metric: r.key.Metric, Ours: true}
	for _, v := range via {
		h := r.hops[v.Hop]
		o.Hops = append(o.Hops, host.NextHop{NIC: h.nic, Gateway: h.addr, Weight: v.Weight})
	}
	return o
}

// read takes in the kernel's routes of its prefix and table, in their order.
func (l *loop) readRoute(r *route, all []host.TableRoute, asked time.Time, number uint64) {
	if r.working || number <= r.changed {
		return
	}
	was, seen, first := r.kernel.Value, r.kernel.Asked, r.kernel.Asked.IsZero()
	before := known{via: r.via, foreign: r.foreign, shadowed: r.shadowed}
	there, foreign, shadowed := false, false, false
	for _, one := range all {
		if one.Key().Table != r.key.Table {
			continue
		}
		same := one.Metric == r.key.Metric
		switch {
		case same && one.Ours && !there: // the kernel uses, and replaces, the first
			there = true
			r.via = r.read(one.Hops)
		case same && one.Ours:
		case same:
			foreign = true
			shadowed = shadowed || !there
		case !one.Ours && one.Metric < r.key.Metric:
			shadowed = true
		}
	}
	r.kernel.Set(rules.Of(there), asked, l.now)
	r.foreign, r.shadowed = rules.Of(foreign), rules.Of(shadowed && there)
	switch {
	case there:
		r.state.Saw(r.via)
		if first && !r.state.Leaving {
			l.adopted(r)
		}
	case was == rules.Yes:
		l.lost(r, seen)
		r.via = nil
	default:
		r.via = nil
	}
	if first || was != r.kernel.Value || before.foreign != r.foreign || before.shadowed != r.shadowed || !slices.Equal(before.via, r.via) {
		l.mark(r) // what is only newer waits until time calls for it
	}
}

// read is where the route leads, by the numbers of its hops. The kernel does not keep the
// weight of an only hop.
func (r *route) read(hops []host.NextHop) (all []rules.Via) {
	for _, h := range hops {
		v := rules.Via{Hop: slices.IndexFunc(r.hops, func(one *hop) bool { return one.addr == h.Gateway && one.nic == h.NIC }), Weight: h.Weight}
		if len(hops) == 1 && v.Hop >= 0 && v.Hop < len(r.cfg.Weights) {
			v.Weight = r.cfg.Weights[v.Hop]
		}
		all = append(all, v)
	}
	slices.SortStableFunc(all, func(a, b rules.Via) int { return a.Hop - b.Hop })
	return all
}

// lost notes that it was found gone although nobody here removed it. It was there when last
// seen. What a NIC took along that went down is no other program's work.
func (l *loop) lost(r *route, seen time.Time) {
	for _, v := range r.via {
		if v.Hop < 0 {
			continue
		}
		if h := r.hops[v.Hop]; h.link.Value != rules.Yes || h.link.Since.After(seen) {
			l.wentWithNIC(r, h)
			return
		}
	}
	gone := &r.vanished
	gone.at = slices.DeleteFunc(append(gone.at, l.now), func(at time.Time) bool { return l.now.Sub(at) >= vanishWithin })
	if n := len(gone.at) - vanishFree; n > 0 {
		gone.pause = pause{r.deed(rules.RouteDecision{Action: rules.RouteAdd, Via: r.via}), l.now.Add(doubled(n))}
	}
	l.vanishedEvent(r)
}

// doubled is the nth pause.
func doubled(n int) time.Duration {
	return min(pauseMost, pauseLeast<<min(n-1, 10))
}
