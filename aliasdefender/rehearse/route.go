package rehearse

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
)

// routeKey is the scenario that plays a route. It has a stage of its own: nothing moves there
// but a route of the router, so it is no matter of holders.
const routeKey = "route"

// routePlan is the network of one route: its router, its next hops and a client.
type routePlan struct {
	Route   config.Route   // as it is played: installed, and its hops pinged
	Checked bool           // its hops are asked by a check otherwise
	Service netip.Prefix   // an address within the prefix, which all hops have
	Near    []netip.Prefix // the router's address beside each hop
	NICs    []string       // the router's NIC that leads to each hop
	Front   netip.Prefix   // the router's address beside the client
	Client  netip.Prefix
}

// routePlayed is the plan for the first route that can be played: one with two next hops.
func routePlayed(cfg *config.Config) *routePlan {
	for _, r := range cfg.Routes {
		if len(r.Via) > 1 {
			return planRoute(r)
		}
	}
	return nil
}

// planRoute lays out the network. What a check would ask is not there: the hops are pinged.
func planRoute(r config.Route) *routePlan {
	checked := r.Check != ""
	r.Check, r.Install, r.Hooks, r.Table = "", true, config.Hooks{}, config.DefaultTable
	p := &routePlan{Route: r, Checked: checked, Service: netip.PrefixFrom(serviceIn(r.Prefix), r.Prefix.Addr().BitLen())}
	bits, fronts := 24, []string{"198.18.0.0/24", "198.51.100.0/24", "203.0.113.0/24"}
	if r.Prefix.Addr().Is6() {
		bits, fronts = 64, []string{"2001:2::/64", "2001:db8:0:1::/64", "fd12:3456:789a:1::/64"}
	}
	for _, text := range fronts { // the client's network is neither the prefix's nor a hop's
		front := netip.MustParsePrefix(text)
		at := front.Addr().Next()
		p.Front, p.Client = netip.PrefixFrom(at, bits), netip.PrefixFrom(at.Next(), bits)
		if !front.Overlaps(p.Service) && (r.Prefix.Bits() == 0 || !front.Overlaps(r.Prefix)) && !slices.ContainsFunc(r.Via, front.Contains) {
			break
		}
	}
	nics := map[string]string{} // by the network, or the zone of a link-local hop
	for _, hop := range r.Via {
		net, _ := hop.WithZone("").Prefix(bits)
		key := net.String() + hop.Zone()
		if nics[key] == "" {
			if nics[key] = hop.Zone(); hop.Zone() == "" {
				nics[key] = fmt.Sprintf("hop%d", len(nics))
			}
		}
		p.NICs = append(p.NICs, nics[key])
		p.Near = append(p.Near, netip.PrefixFrom(beside(net, append(slices.Clone(r.Via), p.Service.Addr())), bits))
	}
	return p
}

// routeNotes is what the user has to know about the route that is played.
func (d daemons) routeNotes(cfg *config.Config) (all []string) {
	if d.Route == nil {
		return nil
	}
	if n := len(cfg.Routes); n > 1 {
		all = append(all, fmt.Sprintf("of %d routes one is played, %s", n, d.Route.Route.Name()))
	}
	if d.Route.Checked {
		all = append(all, "the next hops of the route are pinged; its check is not run")
	}
	return all
}

// serviceIn is an address of the prefix that a host can have.
func serviceIn(p netip.Prefix) netip.Addr {
	switch {
	case p.Bits() == 0 && p.Addr().Is6():
		return netip.MustParseAddr("2001:db8:ffff::1")
	case p.Bits() == 0:
		return netip.MustParseAddr("192.0.2.1")
	case p.IsSingleIP():
		return p.Addr()
	}
	return p.Addr().Next()
}

// beside is an address of a network that is none of those.
func beside(net netip.Prefix, hops []netip.Addr) netip.Addr {
	a := net.Addr().Next()
	for taken := true; taken; {
		taken = false
		for _, hop := range hops {
			if hop.WithZone("") == a {
				a, taken = a.Next(), true
			}
		}
	}
	return a
}

// settings are those of the router on the stage.
func (p *routePlan) settings(dir string) string {
	r := p.Route
	via := make([]string, len(r.Via))
	for i, hop := range r.Via {
		via[i] = fmt.Sprintf("%q", hop)
	}
	more := fmt.Sprintf("failback = %t", r.Failback)
	if r.Mode == config.RouteSpread {
		more = "mode = \"spread\""
		if len(r.Weights) > 0 {
			more += "\nweights = [" + strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Weights), " ", ", "), "[]") + "]"
		}
	}
	return fmt.Sprintf("interval = %q\ntimeout = %q\nmisses = %d\n[control]\nsocket = %q\n[state]\ndir = %q\n[log]\nto = \"stderr\"\n[[route]]\nprefix = %q\nvia = [%s]\nmetric = %d\n%s\n",
		r.Interval, r.Timeout, r.Misses, dir+"/sock", dir+"/state", r.Prefix, strings.Join(via, ", "), r.Metric, more)
}

// within is how long the client may wait when the hop dies that serves it.
func (p *routePlan) within() time.Duration { return p.Route.Detect() + p.Route.Timeout + slack }

// lasts is about how long the scenario takes.
func (p *routePlan) lasts() time.Duration { return 3 * p.within() }

// networks is how many networks there are.
func (p *routePlan) networks() int {
	return 1 + len(slices.Compact(slices.Sorted(slices.Values(p.NICs))))
}

// judgeRoute judges one step by who serves in the end, and the client's gap. noise is what of
// it is the machine's: the control client's gap, or how long the Monitor waited for a processor.
func judgeRoute(wanted []string, by string, gap, most, noise time.Duration) (good bool, verdict string) {
	right := false
	for _, w := range wanted {
		right = right || w == by
	}
	switch {
	case by == "":
		return false, "nobody serves it in the end"
	case !right:
		return false, fmt.Sprintf("%s serves it in the end, and not %s", by, strings.Join(wanted, " or "))
	case gap > most && noise < noisyGap:
		return false, fmt.Sprintf("nobody answered for longer than %s", config.Tidy(most))
	case gap > most:
		return true, fmt.Sprintf("late, but this machine stood still for %d ms", noise.Milliseconds())
	}
	return true, "good"
}
