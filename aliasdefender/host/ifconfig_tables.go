package host

import (
	"net/netip"
	"strings"
)

// parseRoutes reads the default routes out of "netstat -rn", best first, as they are
// listed. For a default route the interface is mostly blank: then it is the one in whose
// subnet the gateway is.
func parseRoutes(text string, s State) (routes []Route) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "default" || !strings.Contains(f[2], "G") || !strings.Contains(f[2], "U") {
			continue
		}
		gateway, err := netip.ParseAddr(f[1])
		if err != nil || !gateway.Is4() {
			continue
		}
		nic := s.via(gateway)
		if len(f) > 5 {
			nic = nicOf(f[len(f)-1])
		}
		routes = append(routes, Route{NIC: nic, Gateway: gateway})
	}
	return routes
}

// parseRoute reads "route -n get default": one line for each thing that is known.
func parseRoute(text string, s State) []Route {
	var r Route
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); name {
		case "gateway":
			r.Gateway, _ = netip.ParseAddr(value)
		case "interface":
			r.NIC = nicOf(value)
		}
	}
	if !r.Gateway.Is4() {
		return nil
	}
	if r.NIC == "" {
		r.NIC = s.via(r.Gateway)
	}
	return []Route{r}
}

// nicOf is the NIC that a unit belongs to, by the unit's name.
func nicOf(unit string) string {
	nic, _, _ := strings.Cut(unit, ":")
	return nic
}

// via is the NIC that has ip in a subnet of its own.
func (s State) via(ip netip.Addr) string {
	for _, n := range s.NICs {
		for _, a := range n.Addrs {
			if a.Prefix.Masked().Contains(ip) {
				return n.Name
			}
		}
	}
	return ""
}

// parseNeighbours reads "arp -an": NIC, address, mask, flags, hardware address.
// The flags may be blank. What this host itself publishes is left out.
func parseNeighbours(text string, s State) map[netip.Addr]HW {
	known := map[netip.Addr]HW{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || len(f) > 4 && strings.ContainsAny(f[3], "LP") {
			continue
		}
		ip, err := netip.ParseAddr(f[1])
		hw, ok := parseHW(f[len(f)-1])
		if err != nil || !ip.Is4() || !ok || hw.IsZero() || s.Owns(hw) {
			continue
		}
		known[ip] = hw
	}
	return known
}
