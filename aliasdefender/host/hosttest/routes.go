package hosttest

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/host"
)

// Tables is what is tested, and two hands of an administrator's: one makes a route that is
// not ours, in front of those with its prefix and metric, and one removes whatever route has
// that prefix, table and metric.
type Tables interface {
	ReadRoutes(tables []int, of func(netip.Prefix) bool) ([]host.TableRoute, error)
	OurRoutes() ([]host.TableRoute, error)
	AddRoutes([]host.TableRoute) []error
	ReplaceRoutes([]host.TableRoute) []error
	RemoveRoutes([]host.TableRoute) []error
	Foreign(host.TableRoute) error
	Delete(host.TableRoute) error
}

// RouteContract tests the routing tables of a host that has nic with own (IPv4: /24, IPv6:
// /64) and reaches the next two addresses there. It has no route to the prefixes that the
// test uses, and is left without.
func RouteContract(t *testing.T, n Tables, nic string, own ...netip.Prefix) {
	for _, one := range own {
		c := &routeContract{n: n, nic: nic, prefix: netip.MustParsePrefix("192.0.2.32/27")}
		if one.Addr().Is6() {
			c.prefix = netip.MustParsePrefix("2001:db8:99::/48")
		}
		hop := one.Addr()
		for range 2 {
			hop = hop.Next()
			c.hops = append(c.hops, host.NextHop{NIC: nic, Gateway: hop, Weight: 1})
		}
		t.Run(host.FamilyOf(one.Addr()).String(), c.all)
	}
}

type routeContract struct {
	n      Tables
	nic    string
	prefix netip.Prefix
	hops   []host.NextHop
}

func (c *routeContract) all(t *testing.T) {
	t.Run("a route is added, and found with its mark", c.added)
	t.Run("a route is added once", c.addedOnce)
	t.Run("a route is replaced", c.replaced)
	t.Run("a route that is not there is not replaced", c.notThere)
	t.Run("a route of somebody else's is neither replaced nor removed", c.foreign)
	t.Run("a route of somebody else's in front of ours is not replaced", c.inFront)
	t.Run("routes that differ in metric or table are others", c.others)
	t.Run("our routes are found in whatever table", c.ours)
	t.Run("removing what is not there is no error, and takes no other metric", c.removed)
	t.Run("a route by an interface that is not there is refused, and the others are added", c.many)
	t.Run("a next hop on no connected network is refused", c.unreachable)
}

// route is ours, by these hops.
func (c *routeContract) route(hops ...int) host.TableRoute {
	r := host.TableRoute{Prefix: c.prefix, Table: 254, Metric: host.Metric(c.prefix, 0), Ours: true}
	for _, i := range hops {
		r.Hops = append(r.Hops, c.hops[i])
	}
	return r
}

func theirs(r host.TableRoute) host.TableRoute {
	r.Ours = false
	return r
}

// with is a route as a key of its own.
func with(r host.TableRoute, table, metric int) host.TableRoute {
	r.Table, r.Metric = table, metric
	return r
}

func (c *routeContract) add(t *testing.T, all ...host.TableRoute) {
	t.Helper()
	for i, err := range c.n.AddRoutes(all) {
		if err != nil {
			t.Fatalf("add %v: %v", all[i], err)
		}
	}
	t.Cleanup(func() { c.n.RemoveRoutes(all) })
}

var alike = gocmp.Options{gocmp.Comparer(func(a, b netip.Addr) bool { return a == b }), gocmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

// expect compares the routes of the prefix, in the order of the tables 254 and 100.
func (c *routeContract) expect(t *testing.T, want ...host.TableRoute) {
	t.Helper()
	got, err := c.n.ReadRoutes([]int{254, 100}, func(p netip.Prefix) bool { return p == c.prefix })
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, got, alike); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// is wants one error, or none.
func is(t *testing.T, what string, errs []error, want error) {
	t.Helper()
	if len(errs) != 1 || !errors.Is(errs[0], want) {
		t.Errorf("%s: %v, want %v", what, errs, want)
	}
}

func one(r host.TableRoute) []host.TableRoute { return []host.TableRoute{r} }

func (c *routeContract) added(t *testing.T) {
	c.add(t, c.route(0))
	c.expect(t, c.route(0))
	is(t, "remove", c.n.RemoveRoutes(one(c.route(0))), nil)
	c.expect(t)
	both := c.route(0, 1)
	both.Hops = slices.Clone(both.Hops)
	both.Hops[1].Weight = 3
	c.add(t, both)
	c.expect(t, both)
}

func (c *routeContract) addedOnce(t *testing.T) {
	c.add(t, c.route(0))
	is(t, "add again", c.n.AddRoutes(one(c.route(1))), host.ErrRouteThere)
	c.expect(t, c.route(0))
}

func (c *routeContract) replaced(t *testing.T) {
	c.add(t, c.route(0))
	for _, r := range []host.TableRoute{c.route(1), c.route(0, 1), c.route(0), c.route(1, 0), c.route(1)} {
		is(t, "replace", c.n.ReplaceRoutes(one(r)), nil)
		c.expect(t, r)
	}
	is(t, "remove, by whatever hops", c.n.RemoveRoutes(one(c.route(0))), nil)
	c.expect(t)
}

func (c *routeContract) notThere(t *testing.T) {
	is(t, "replace", c.n.ReplaceRoutes(one(c.route(0))), host.ErrNotThere)
	c.expect(t)
}

// byHand has an administrator make a route.
func (c *routeContract) byHand(t *testing.T, r host.TableRoute) {
	t.Helper()
	if err := c.n.Foreign(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.n.Delete(r) })
}

func (c *routeContract) foreign(t *testing.T) {
	c.byHand(t, theirs(c.route(0)))
	is(t, "add", c.n.AddRoutes(one(c.route(1))), host.ErrRouteThere)
	is(t, "replace", c.n.ReplaceRoutes(one(c.route(1))), host.ErrNotOurs)
	is(t, "remove", c.n.RemoveRoutes(one(c.route(0))), nil)
	c.expect(t, theirs(c.route(0)))
}

func (c *routeContract) inFront(t *testing.T) {
	if c.prefix.Addr().Is6() {
		return // IPv6 makes one route of those that differ in their hops alone
	}
	c.add(t, c.route(0))
	c.byHand(t, theirs(c.route(1)))
	is(t, "replace", c.n.ReplaceRoutes(one(c.route(1))), host.ErrNotOurs)
	c.expect(t, theirs(c.route(1)), c.route(0))
	is(t, "remove", c.n.RemoveRoutes(one(c.route(0))), nil)
	c.expect(t, theirs(c.route(1)))
}

func (c *routeContract) others(t *testing.T) {
	main, worse, table := c.route(0), with(c.route(1), 254, 2048), with(c.route(1), 100, c.route(0).Metric)
	c.byHand(t, theirs(with(c.route(0), 254, 7)))
	c.add(t, worse, table, main)
	want := []host.TableRoute{main, theirs(with(c.route(0), 254, 7)), worse, table}
	slices.SortStableFunc(want[:3], func(a, b host.TableRoute) int { return a.Metric - b.Metric })
	c.expect(t, want...)
	is(t, "replace", c.n.ReplaceRoutes(one(with(c.route(0), 254, 2048))), nil)
	want[slices.IndexFunc(want, func(r host.TableRoute) bool { return r.Metric == 2048 })].Hops = c.route(0).Hops
	c.expect(t, want...)
}

func (c *routeContract) ours(t *testing.T) {
	far := with(c.route(1), 4711, 9)
	c.byHand(t, theirs(with(c.route(0), 4711, 8)))
	c.byHand(t, theirs(with(c.route(0), 254, 7)))
	c.add(t, c.route(0), far)
	all, err := c.n.OurRoutes()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b host.TableRoute) int { return a.Table - b.Table })
	if diff := gocmp.Diff([]host.TableRoute{c.route(0), far}, all, alike); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func (c *routeContract) removed(t *testing.T) {
	worse := with(c.route(1), 254, 2048)
	c.add(t, worse)
	is(t, "remove another", c.n.RemoveRoutes(one(c.route(0))), nil)
	c.expect(t, worse)
}

func (c *routeContract) many(t *testing.T) {
	missing := with(c.route(0), 254, 30)
	missing.Hops = []host.NextHop{{NIC: "missing0", Gateway: c.hops[0].Gateway, Weight: 1}}
	list := []host.TableRoute{with(c.route(0), 254, 10), missing, with(c.route(1), 254, 20)}
	t.Cleanup(func() { c.n.RemoveRoutes(list) })
	errs := c.n.AddRoutes(list)
	if len(errs) != 3 || errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("%v", errs)
	}
	c.expect(t, list[0], list[2])
	if errs := c.n.AddRoutes(nil); len(errs) != 0 {
		t.Errorf("add none: %v", errs)
	}
}

func (c *routeContract) unreachable(t *testing.T) {
	r := c.route(0)
	r.Hops = []host.NextHop{{NIC: c.nic, Gateway: netip.MustParseAddr("203.0.113.9"), Weight: 1}}
	if c.prefix.Addr().Is6() {
		r.Hops[0].Gateway = netip.MustParseAddr("2001:db8:77::9")
	}
	if errs := c.n.AddRoutes(one(r)); errs[0] == nil {
		t.Error("it was added")
	}
	c.expect(t)
}
