package metrics

import (
	"slices"

	"alias-defender/aliasdefender/control"
)

// hops is a row for each next hop of each route.
func hops(is func(r *control.Route, h control.Hop) bool) func(*page) {
	return func(p *page) {
		for i := range p.Routes {
			for _, h := range p.Routes[i].Hops {
				p.yes(labels("route", p.Routes[i].Route, "hop", h.Hop), is(&p.Routes[i], h))
			}
		}
	}
}

// routes is a row for each route.
func routes(of func(p *page, in string, r *control.Route)) func(*page) {
	return func(p *page) {
		for i := range p.Routes {
			of(p, labels("route", p.Routes[i].Route), &p.Routes[i])
		}
	}
}

var ofRoutes = []Family{
	{"aliasdefender_route_kept", Gauge, "route", "1: the kernel has the route, or its hooks were told where it leads.",
		routes(func(p *page, in string, r *control.Route) {
			p.yes(in, r.Kept == "yes" || r.Kept == "hooks" && len(r.Via) > 0)
		})},
	{"aliasdefender_route_problem", Gauge, "route", "1: somebody must look at the route: Status shows a warning, an error or an alarm.",
		routes(func(p *page, in string, r *control.Route) { p.yes(in, r.Level != "") })},
	{"aliasdefender_route_moves_total", Counter, "route", "How often the route was added, moved to other hops or withdrawn.",
		routes(func(p *page, in string, r *control.Route) { p.number(in, p.events.routes[r.Route]) })},
	{"aliasdefender_route_hop_lives", Gauge, "route hop", "1: the next hop lives: it answers, or its check is good, and the NIC that leads to it is up.",
		hops(func(_ *control.Route, h control.Hop) bool { return h.Lives == "yes" })},
	{"aliasdefender_route_hop_used", Gauge, "route hop", "1: the route leads to this next hop.",
		hops(func(r *control.Route, h control.Hop) bool {
			return slices.ContainsFunc(r.Via, func(v control.Via) bool { return v.Hop == h.Hop })
		})},
	{"aliasdefender_hop_probes_sent_total", Counter, "hop nic", "Questions to a next hop by ARP, neighbour discovery or ICMP, for all routes that have it. A check counts its own.",
		asked(func(h control.Hop) uint64 { return h.Sent })},
	{"aliasdefender_hop_probes_lost_total", Counter, "hop nic", "Questions to a next hop in vain.",
		asked(func(h control.Hop) uint64 { return h.Lost })},
}

// asked is a row for each next hop that is asked itself. Many routes may have one.
func asked(of func(control.Hop) uint64) func(*page) {
	return func(p *page) {
		said := map[string]bool{}
		for i := range p.Routes {
			for _, h := range p.Routes[i].Hops {
				in := labels("hop", h.Hop, "nic", h.NIC)
				if p.Routes[i].Check == "" && h.NIC != "" && !said[in] {
					said[in] = true
					p.number(in, of(h))
				}
			}
		}
	}
}
