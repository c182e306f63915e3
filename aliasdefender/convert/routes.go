package convert

import (
	"net/netip"
	"slices"
	"strings"
)

// route is one of virtual_routes: the arguments of ip route, with -4 or -6 before them where
// they are of one family only.
type route struct {
	at    Place
	words string
	leads bool // it says where to
}

// routesOf takes in virtual_routes: each becomes the arguments of ip route.
func (in *interpreter) routesOf(v *instance, n *node) {
	for _, s := range n.block {
		route, problem := routeOf(s.words)
		if problem != "" {
			v.do(s.at, "route %s: %s; write a hook for take and release that adds and removes it (docs/hooks.md)", clip(strings.Join(s.words, " ")), problem)
			continue
		}
		if slices.Contains(s.words, "no_track") {
			v.note(s.at, "route %s: no_track: a route that another program removes is put back when the alias is", clip(strings.Join(s.words, " ")))
		}
		route.at = s.at
		v.routes = append(v.routes, route)
	}
}

// leadRoutes has the routes that say nothing else lead to the interface of their instance.
func (v *instance) leadRoutes() {
	for i, r := range v.routes {
		if !r.leads && v.nic != "" {
			v.routes[i].words, v.routes[i].leads = r.words+" dev "+v.nic, true
		}
	}
}

// kindsOfRoute are those that lead nowhere.
var kindsOfRoute = []string{"blackhole", "unreachable", "prohibit", "throw"}

// valued are the words of a route with one value, as ip route has them.
var valued = map[string]string{
	"via": "via", "gw": "via", "dev": "dev", "oif": "dev", "src": "src", "scope": "scope", "table": "table",
	"metric": "metric", "priority": "metric", "preference": "metric", "mtu": "mtu", "proto": "proto", "protocol": "proto", "tos": "tos",
}

// routeOf makes of a route of keepalived's the arguments of ip route.
func routeOf(words []string) (r route, problem string) {
	var kind, prefix string
	var rest, families []string
	leads := false
	for i := 0; i < len(words); i++ {
		w := words[i]
		if strings.Trim(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:-") != "" {
			return route{}, show(w) + " is not a word of a route"
		}
		key := valued[w]
		switch {
		case key != "" && i+1 < len(words):
			i++
			if strings.HasPrefix(words[i], "-") {
				return route{}, show(words[i]) + " is no value"
			}
			families = append(families, familyOf(words[i]))
			leads = leads || key == "via" || key == "dev"
			rest = append(rest, key, words[i])
		case w == "to" || w == "no_track":
		case w == "onlink":
			rest = append(rest, w)
		case w == "inet":
			families = append(families, "-4")
		case w == "inet6":
			families = append(families, "-6")
		case slices.Contains(kindsOfRoute, w):
			kind, leads = w, true
		case prefix == "" && isPrefix(w):
			prefix = w
			families = append(families, familyOf(w))
		default:
			return route{}, show(w) + " is not converted"
		}
	}
	if prefix == "" {
		return route{}, "it has no destination"
	}
	// Without a family ip takes a default route for one of IPv4.
	families = slices.DeleteFunc(families, func(f string) bool { return f == "" })
	slices.Sort(families)
	if families = slices.Compact(families); len(families) > 1 {
		return route{}, "it is of both families"
	}
	if len(families) == 1 && families[0] == "-4" && !slices.Contains(words, "inet") {
		families = nil // which goes without saying
	}
	return route{words: strings.Join(slices.Concat(families, strings.Fields(kind), []string{prefix}, rest), " "), leads: leads}, ""
}

// familyOf is the option of ip for the family of an address or a prefix; empty: it is neither.
func familyOf(w string) string {
	addr, err := netip.ParseAddr(w)
	if err != nil {
		prefix, err := netip.ParsePrefix(w)
		if err != nil {
			return ""
		}
		addr = prefix.Addr()
	}
	if addr.Is4() {
		return "-4"
	}
	return "-6"
}

// isPrefix tells whether a word is a destination.
func isPrefix(w string) bool {
	if w == "default" {
		return true
	}
	if _, err := netip.ParseAddr(w); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(w)
	return err == nil
}
