package hook

import (
	"strconv"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// setRoutes puts new routes in force. A route that is gone keeps its hooks until it is
// withdrawn. mu is held.
func (r *Runner) setRoutes(routes []config.Route) {
	for _, l := range r.routes {
		l.gone = true
	}
	for _, row := range routes {
		name := row.Name()
		l := r.routes[name]
		if l == nil {
			l = &lane{route: name, last: map[config.HookName]Run{}}
			r.routes[name] = l
		}
		l.hooks, l.gone = row.Hooks, false
	}
	for _, l := range r.routes {
		r.tidy(l)
	}
}

// laneOf is the lane of whatever a job or an event is about; nil: there is none. mu is held.
func (r *Runner) laneOf(at subject) *lane {
	if at.route != "" {
		return r.routes[at.route]
	}
	return r.lanes[idOf(at.alias)]
}

// heedRoute is heed for a route.
func (s *standing) heedRoute(e record.Event) (names []config.HookName) {
	switch e.Kind {
	case record.RouteMoved:
		s.holding = e.Via != ""
		if e.Via != e.ViaOld { // otherwise it was found
			names = append(names, config.HookRoute)
		}
		return append(names, s.loud(e)...)
	case record.RouteDecided:
		return s.loud(e)
	case record.RouteVanished:
		if e.Level >= rules.Error { // otherwise whatever was wrong before is so still
			return s.loud(e)
		}
	}
	return nil
}

// routeEnvironment is the whole environment of a hook about a route.
func routeEnvironment(name config.HookName, e record.Event) []string {
	prefix, _, _ := strings.Cut(e.Route, " ")
	return environmentOf([]variable{
		{"EVENT", string(name)},
		{"ROUTE", e.Route},
		{"PREFIX", prefix},
		{"VIA", e.Via},
		{"VIA_OLD", e.ViaOld},
		{"ROW", e.Decision.Row},
		{"REASON", e.Decision.Reason},
		{"WHY", e.Decision.Why},
		{"SEQ", strconv.FormatUint(e.Seq, 10)},
		{"TIME", e.Time.UTC().Format(time.RFC3339Nano)},
	})
}
