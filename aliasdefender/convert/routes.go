package convert

import (
	"net/netip"
	"slices"
	"strings"
)

// routesOf takes in virtual_routes: each becomes the arguments of ip route.
func (in *interpreter) routesOf(v *instance, n *node) {
	v.routesAt = n.at
	for _, s := range n.block {
		route, problem := v.route(s.words)
		if problem != "" {
			v.do(s.at, "route %s: %s; write a hook for take and release that adds and removes it (docs/hooks.md)", clip(strings.Join(s.words, " ")), problem)
			continue
		}
		v.routes = append(v.routes, route)
	}
}

// kindsOfRoute are those that lead nowhere.
var kindsOfRoute = []string{"blackhole", "unreachable", "prohibit", "throw"}

// valued are the words of a route with one value, as ip route has them.
var valued = map[string]string{
	"via": "via", "gw": "via", "dev": "dev", "oif": "dev", "src": "src", "scope": "scope", "table": "table",
	"metric": "metric", "priority": "metric", "preference": "metric", "mtu": "mtu", "proto": "proto", "protocol": "proto", "tos": "tos",
}

// route makes of a route of keepalived's the arguments of ip route.
func (v *instance) route(words []string) (route, problem string) {
	var kind, prefix string
	var rest []string
	leads := false
	for i := 0; i < len(words); i++ {
		w := words[i]
		if strings.Trim(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:-") != "" {
			return "", show(w) + " is no word of a route"
		}
		key := valued[w]
		switch {
		case key != "" && i+1 < len(words):
			i++
			if strings.HasPrefix(words[i], "-") {
				return "", show(words[i]) + " is no value"
			}
			leads = leads || key == "via" || key == "dev"
			rest = append(rest, key, words[i])
		case w == "to" || w == "no_track":
		case w == "onlink" || w == "inet" || w == "inet6":
			if w == "onlink" {
				rest = append(rest, w)
			}
		case slices.Contains(kindsOfRoute, w):
			kind, leads = w, true
		case prefix == "" && isPrefix(w):
			prefix = w
		default:
			return "", show(w) + " is not converted"
		}
	}
	if prefix == "" {
		return "", "it has no destination"
	}
	if !leads && v.nic != "" {
		rest = append(rest, "dev", v.nic)
	}
	return strings.Join(slices.Concat(strings.Fields(kind), []string{prefix}, rest), " "), ""
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
