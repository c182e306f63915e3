package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Route is one [[route]]: a prefix that this router sends to the first, or to all, of its
// next hops that live.
type Route struct {
	Line      int          // of its [[route]], from 1
	Prefix    netip.Prefix // without host bits
	Via       []netip.Addr // the next hops in order of preference, of the prefix's family; a link-local one has its NIC as the zone
	Mode      RouteMode
	Weights   []int  // of Via, one for each; nil: each has 1
	Check     string // the name of the check that is asked through each next hop; empty: each is asked itself
	Failback  bool
	Table     int // of the kernel's routing tables
	Metric    int // 0: the kernel's own default
	OnAllDead OnAllDead
	Install   bool // false: this host's routes are left alone, and only hooks are told

	Rhythm // of the questions to the next hops, as at the top of the file
	Hooks  Hooks
}

// Name tells routes apart: "192.0.2.32/27", with the table and the metric where they are set.
func (r Route) Name() string {
	name := r.Prefix.String()
	if r.Table != DefaultTable {
		name += fmt.Sprintf(" table %d", r.Table)
	}
	if r.Metric != 0 {
		name += fmt.Sprintf(" metric %d", r.Metric)
	}
	return name
}

// RouteMode says how many of its next hops a route leads to.
type RouteMode string

// OnAllDead says what happens to a route when none of its next hops lives.
type OnAllDead string

// What the settings mode and on_all_dead accept.
const (
	RouteFirst  RouteMode = "first"
	RouteSpread RouteMode = "spread"

	AllDeadKeep     OnAllDead = "keep"
	AllDeadWithdraw OnAllDead = "withdraw"
)

// Defaults and bounds of a [[route]].
const (
	DefaultTable = 254 // main
	localTable   = 255 // the kernel's own
	maxTable     = 1<<31 - 1
	maxMetric    = 1<<31 - 1
	maxHops      = 32
	maxWeight    = 256
	maxRoutes    = 4096 // a file is not larger than MaxFile
)

// routeTable is one [[route]] as it is read.
type routeTable struct {
	line int

	prefix            given[netip.Prefix]
	via               given[[]witness]
	mode              given[RouteMode]
	weights           given[[]int]
	check             given[string]
	failback, install given[bool]
	table, metric     given[int]
	onAllDead         given[OnAllDead]
}

// routeKeys are the keys of a [[route]].
var routeKeys = map[string]func(*routeTable, value) Mistakes{
	"prefix":   func(r *routeTable, v value) Mistakes { return fill(&r.prefix, v, routePrefix) },
	"via":      func(r *routeTable, v value) Mistakes { return fill(&r.via, v, addrList("10.1.0.2")) },
	"mode":     func(r *routeTable, v value) Mistakes { return fill(&r.mode, v, oneOf(RouteFirst, RouteSpread)) },
	"weights":  func(r *routeTable, v value) Mistakes { return fill(&r.weights, v, weightList) },
	"check":    func(r *routeTable, v value) Mistakes { return fill(&r.check, v, oneCheck) },
	"failback": func(r *routeTable, v value) Mistakes { return fill(&r.failback, v, truth) },
	"table":    func(r *routeTable, v value) Mistakes { return fill(&r.table, v, tableNumber) },
	"metric":   func(r *routeTable, v value) Mistakes { return fill(&r.metric, v, whole(0, maxMetric)) },
	"on_all_dead": func(r *routeTable, v value) Mistakes {
		return fill(&r.onAllDead, v, oneOf(AllDeadKeep, AllDeadWithdraw))
	},
	"install": func(r *routeTable, v value) Mistakes { return fill(&r.install, v, truth) },
}

// routeReader is the reading of all [[route]] of a file.
type routeReader struct {
	file     string
	routes   []*routeTable
	mistakes Mistakes
	single   bool // written as [route], which was reported
}

func (r *routeReader) mistake(p place, format string, args ...any) {
	r.mistakes = append(r.mistakes, Mistake{File: r.file, Line: p.line, Field: p.field, Text: fmt.Sprintf(format, args...)})
}

// take files one value or header.
func (r *routeReader) take(v value) {
	switch key := v.path[len(v.path)-1]; {
	case len(v.path) == 1 && v.kind == unstable.ArrayTable:
		r.routes = append(r.routes, &routeTable{line: v.line})
		if len(r.routes) == maxRoutes+1 {
			r.mistake(place{v.line, "route"}, "is one route more than the %d that there may be", maxRoutes)
		}
	case len(r.routes) == 0 || len(v.path) == 1:
		if !r.single {
			r.mistake(place{v.line, "route"}, "is a table for each route; write [[route]], and its keys below")
		}
		r.single = true
	case r.single:
	case len(v.path) > 2 || v.kind == unstable.Table || v.kind == unstable.ArrayTable:
		r.mistake(place{v.line, v.field()}, "unknown; [[route]] has no tables")
	case routeKeys[key] == nil:
		known := slices.Sorted(maps.Keys(routeKeys))
		if near, ok := nearest(key, known); ok {
			r.mistake(place{v.line, v.field()}, "unknown; did you mean %s?", near)
		} else {
			r.mistake(place{v.line, v.field()}, "unknown; known here: %s", strings.Join(known, ", "))
		}
	default:
		for _, m := range routeKeys[key](r.routes[len(r.routes)-1], v) {
			r.mistake(place{m.Line, v.field()}, "%s", m.Text)
		}
	}
}

// finish finds what contradicts itself within a route, and between routes.
func (r *routeReader) finish() {
	for _, t := range r.routes {
		at := place{t.line, "route"}
		if !t.prefix.isSet() {
			r.mistake(at, "has no prefix; write prefix = \"192.0.2.32/27\"")
		}
		switch {
		case t.via.bad:
		case len(t.via.value) == 0:
			r.mistake(at, "has no next hop; write via = [\"10.1.0.2\", \"10.1.0.3\"], the one first that is preferred")
		case len(t.via.value) > maxHops:
			r.mistake(t.via.place(), "has %d next hops; there may be %d", len(t.via.value), maxHops)
		}
		r.finishHops(t)
		switch w := t.weights; {
		case !w.isSet() || w.bad:
		case t.mode.orDefault(RouteFirst) != RouteSpread:
			r.mistake(w.place(), "is for mode = \"spread\", and this route leads to the first of its next hops")
		case !t.install.bad && !t.install.orDefault(true):
			r.mistake(w.place(), "is for install = true: a hook is told the next hops, and no weights")
		case !t.via.bad && len(w.value) != len(t.via.value):
			r.mistake(w.place(), "has %s, and via has %d; write one for each", plural(len(w.value), "number"), len(t.via.value))
		}
		if t.failback.isSet() && t.mode.value == RouteSpread {
			r.mistake(t.failback.place(), "is for mode = \"first\": a spread takes in each next hop that lives again")
		}
	}
	if !installsRoutes {
		r.refuseInstalls()
	}
	r.finishPrefixes()
}

// refuseInstalls refuses what only Linux can do.
func (r *routeReader) refuseInstalls() {
	for _, t := range r.routes {
		if !t.install.bad && t.install.orDefault(true) {
			r.mistake(place{t.line, "route"}, "routes are installed on Linux only; with install = false this host asks the next hops, and the hook route tells the router")
		}
	}
}

// kernelMetric is the metric that the kernel gives to the route: one of IPv6 without has 1024.
func (t *routeTable) kernelMetric() int {
	if t.metric.value == 0 && t.prefix.value.Addr().Is6() {
		return 1024
	}
	return t.metric.value
}

// finishHops finds next hops that cannot be those of the route.
func (r *routeReader) finishHops(t *routeTable) {
	if t.prefix.bad || !t.prefix.isSet() {
		return
	}
	prefix := t.prefix.value
	for _, hop := range t.via.value {
		at := place{hop.line, t.via.field}
		switch {
		case hop.addr.Is6() != prefix.Addr().Is6():
			r.mistake(at, "%s is %s, and the prefix %s is not of that family", hop.addr, familyOf(hop.addr), prefix)
		case withNIC(hop.addr) != "":
			r.mistake(at, "%s", withNIC(hop.addr))
		case prefix.Bits() > 0 && holds(prefix, hop.addr):
			r.mistake(at, "%s is in %s itself: the route would lead to its own end", hop.addr, prefix)
		}
	}
}

// finishPrefixes finds routes that would be in each other's way. Two routes of one prefix
// and table are told apart by their metrics.
func (r *routeReader) finishPrefixes() {
	sorted := slices.Clone(r.routes)
	sorted = slices.DeleteFunc(sorted, func(t *routeTable) bool { return !t.prefix.isSet() || t.prefix.bad })
	table := func(t *routeTable) int { return t.table.orDefault(DefaultTable) }
	slices.SortStableFunc(sorted, func(a, b *routeTable) int {
		if d := table(a) - table(b); d != 0 {
			return d
		}
		if d := a.prefix.value.Addr().Compare(b.prefix.value.Addr()); d != 0 {
			return d
		}
		return a.prefix.value.Bits() - b.prefix.value.Bits()
	})
	var around []*routeTable // the routes that may have the next one within them, the widest first
	for _, t := range sorted {
		for len(around) > 0 && (table(around[0]) != table(t) || !around[len(around)-1].prefix.value.Overlaps(t.prefix.value)) {
			around = around[:len(around)-1]
		}
		for _, other := range around {
			same := other.prefix.value == t.prefix.value
			switch {
			case same && other.kernelMetric() == t.kernelMetric():
				r.mistake(t.prefix.place(), "%s is the prefix of the route in line %d, with the same table and metric", t.prefix.value, other.line)
			case !same && t.prefix.value.Bits() > 0 && other.prefix.value.Bits() > 0:
				r.mistake(t.prefix.place(), "%s is within %s, the prefix of the route in line %d: which of the two a packet takes is easily mistaken; split the wider one", t.prefix.value, other.prefix.value, other.line)
			default:
				continue
			}
			break
		}
		around = append(around, t)
	}
}

// checkRoutes finds what in the routes does not fit the checks, and what in the checks does
// not fit those who use them: one that asks through a next hop is a route's, and no other
// is.
func (j *joint) checkRoutes() {
	f := j.settings
	for _, t := range f.routes.routes {
		if t.check.value == "" || t.check.bad {
			continue
		}
		at := t.check.place()
		i := slices.IndexFunc(f.checks, func(c *checkTable) bool { return c.name == t.check.value })
		switch {
		case i < 0:
			j.mistake(at, j.noCheck(t.check.value))
		case f.checks[i].broken || f.checks[i].kind.bad:
		case !f.checks[i].via():
			j.mistake(at, fmt.Sprintf("the check %s (line %d) asks the same whatever next hop is meant; write %s where the next hop's address belongs, such as http = \"http://%s/\"", show(t.check.value), f.checks[i].line, viaWord, viaWord))
		case f.checks[i].holding.value:
			j.mistake(at, fmt.Sprintf("the check %s (line %d) is asked while an alias is here, and a next hop is asked always; take when = \"holding\" away", show(t.check.value), f.checks[i].line))
		}
	}
	uses := func(n string, p place) {
		if i := slices.IndexFunc(f.checks, func(c *checkTable) bool { return c.name == n }); i >= 0 && f.checks[i].via() {
			j.mistake(p, fmt.Sprintf("the check %s (line %d) asks through the next hop of a route (%s), and an alias has none; write a check of its own", show(n), f.checks[i].line, viaWord))
		}
	}
	for _, s := range append([]*scope{&f.all}, f.aliases...) {
		for _, n := range s.checks.value {
			uses(n.name, place{n.line, s.checks.field})
		}
		uses(s.recover.check.value, s.recover.check.place())
		if g := s.hooks.programs[HookRoute]; g.isSet() && s != &f.all {
			j.mistake(g.place(), "is told of routes, and an alias is none; write it in [hooks]")
		}
	}
}

// routed are the routes with their defaults and those of the file.
func (f *SettingsFile) routed() (all []Route) {
	for _, t := range f.routes.routes {
		r := t.route()
		r.Rhythm, r.Hooks = f.all.rhythm(), f.all.hooks.hooks(HookName.ofRoutes)
		all = append(all, r)
	}
	return all
}

// viaWord stands in a check for the address of a route's next hop.
const viaWord = "{via}"

// Through returns the check that asks through one next hop of a route.
func (c Check) Through(hop netip.Addr) Check {
	inURL := hop.String()
	if hop.Is6() {
		inURL = "[" + inURL + "]"
	}
	c.Name += " via " + hop.String()
	c.HTTP.URL = strings.ReplaceAll(c.HTTP.URL, viaWord, strings.ReplaceAll(inURL, "%", "%25"))
	c.Address = strings.ReplaceAll(c.Address, viaWord, inURL)
	c.Command = slices.Clone(c.Command)
	for i := range c.Command {
		c.Command[i] = strings.ReplaceAll(c.Command[i], viaWord, hop.String())
	}
	return c
}

// via tells whether the check asks through a route's next hop.
func (c *checkTable) via() bool {
	return strings.Contains(c.http.value, viaWord) || strings.Contains(c.address.value, viaWord) ||
		slices.ContainsFunc(c.command.value, func(arg string) bool { return strings.Contains(arg, viaWord) })
}

// anyHop puts an address where that of a next hop belongs, to see whether the rest is good.
func anyHop(v value, s string) (string, Mistakes) {
	if strings.Contains(s, "["+viaWord+"]") {
		return "", wrong(v, "%s has brackets around %s; leave them out: an address of IPv6 gets its own", show(s), viaWord)
	}
	return strings.ReplaceAll(s, viaWord, "192.0.2.1"), nil
}

// route is the table with the defaults filled in.
func (t *routeTable) route() Route {
	r := Route{
		Line: t.line, Prefix: t.prefix.value, Mode: t.mode.orDefault(RouteFirst), Weights: t.weights.value, Check: t.check.value,
		Failback: t.failback.orDefault(true), Table: t.table.orDefault(DefaultTable), Metric: t.metric.value,
		OnAllDead: t.onAllDead.orDefault(AllDeadKeep), Install: t.install.orDefault(true),
	}
	for _, hop := range t.via.value {
		r.Via = append(r.Via, hop.addr)
	}
	return r
}

// routePrefix reads the prefix of a route.
func routePrefix(v value) (netip.Prefix, Mistakes) {
	const example = "192.0.2.32/27"
	s, mistakes := text(v, example)
	if mistakes != nil {
		return netip.Prefix{}, mistakes
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, wrong(v, "%s is no prefix, such as %q or \"2001:db8:1::/48\"", show(s), example)
	case p.Addr().Is4In6():
		return netip.Prefix{}, wrong(v, "%s is of IPv4-mapped IPv6 addresses; write it as IPv4", show(s))
	case p != p.Masked():
		return netip.Prefix{}, wrong(v, "%s has bits behind its length; write %s", p, p.Masked())
	case p.Addr().IsLoopback(), p.Addr().IsMulticast(), linkLocal(p.Addr()):
		return netip.Prefix{}, wrong(v, "%s is not routed to other hosts", p)
	}
	return p, nil
}

// weightList reads the weights of a spread.
func weightList(v value) (list []int, mistakes Mistakes) {
	if v.kind != unstable.Array {
		return nil, wrong(v, "%s; write a list of whole numbers, such as [2, 1]", v.is())
	}
	for _, item := range v.items {
		n, bad := whole(1, maxWeight)(item)
		mistakes = append(mistakes, bad...)
		list = append(list, n)
	}
	return list, mistakes
}

// oneCheck reads the name of a check; none is the empty one.
func oneCheck(v value) (string, Mistakes) {
	s, mistakes := text(v, "web")
	if mistakes == nil && s != "" && !plainName(s) {
		return "", wrong(v, "%s is no name of a check", show(s))
	}
	return s, mistakes
}

// tableNumber reads the number of a routing table.
func tableNumber(v value) (int, Mistakes) {
	n, mistakes := whole(1, maxTable)(v)
	if mistakes == nil && n == localTable {
		return 0, wrong(v, "%d is the kernel's own table, of what is local to this host; write %d for the main one", n, DefaultTable)
	}
	return n, mistakes
}
