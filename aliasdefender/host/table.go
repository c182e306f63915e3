package host

import (
	"errors"
	"fmt"
	"net/netip"
)

// RouteProtocol marks the routes that are ours: nobody else uses this number in the
// kernel's rtm_protocol.
const RouteProtocol = 77

// defaultMetric6 is the metric that the kernel gives to a route of IPv6 that has none.
const defaultMetric6 = 1024

// TableRoute is one route of one of the kernel's routing tables.
type TableRoute struct {
	Prefix netip.Prefix // without host bits
	Table  int
	Metric int       // as the kernel has it: see Metric
	Hops   []NextHop // none: a route to nowhere, or one that this package does not understand
	Ours   bool      // carries RouteProtocol
}

// NextHop is where a route leads.
type NextHop struct {
	NIC     string
	Gateway netip.Addr // with the NIC as the zone where it is link-local; the zero Addr: the NIC itself
	Weight  int        // among the hops of its route; at least 1
}

// RouteKey is what tells routes apart.
type RouteKey struct {
	Prefix netip.Prefix
	Table  int
	Metric int
}

// FamilyTable is one family's half of a routing table.
type FamilyTable struct {
	Family Family
	Table  int
}

// Key is what tells the route from others.
func (r TableRoute) Key() RouteKey { return RouteKey{r.Prefix, r.Table, r.Metric} }

// Metric returns the metric that the kernel gives to a route of that prefix if metric is
// asked for: without one, an IPv6 route has 1024.
func Metric(prefix netip.Prefix, metric int) int {
	if metric == 0 && prefix.Addr().Is6() {
		return defaultMetric6
	}
	return metric
}

// ErrRouteThere is the error of adding a route if another route has its prefix, table and
// metric.
var ErrRouteThere = errors.New("another route has the same prefix, table and metric")

// ErrNotOurs is the error of replacing a route that is not ours.
var ErrNotOurs = errors.New("the route that is there is not ours")

// Removal is how an administrator removes the route, on Linux.
func (r TableRoute) Removal() string {
	family := ""
	if r.Prefix.Addr().Is6() {
		family = "-6 "
	}
	text := fmt.Sprintf("ip %sroute del %s table %d proto %d", family, r.Prefix, r.Table, RouteProtocol)
	if r.Metric != 0 {
		text += fmt.Sprintf(" metric %d", r.Metric)
	}
	return text
}
