package hosttest

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/host"
)

// unordered: the host speaks with no alias of IPv6, wherever it stands.
func (c *contract) unordered(t *testing.T) {
	o, absent := c.order(9), c.order(10)
	o.Lease = time.Hour
	c.add(t, o)
	c.remove(t, host.Placement{NIC: c.nic, Prefix: c.own})
	if err := c.n.Own(c.nic, c.own); err != nil {
		t.Fatal(err)
	}
	was, _ := c.read(t).NIC(c.nic)
	errs := c.n.Reorder([]host.Placement{o, absent})
	if errs[0] != nil || !errors.Is(errs[1], host.ErrNotThere) {
		t.Errorf("reorder: %v", errs)
	}
	is, _ := c.read(t).NIC(c.nic)
	for _, n := range []host.NIC{was, is} {
		for i := range n.Addrs {
			n.Addrs[i].Lease = 0
		}
	}
	if !slices.Equal(was.Addrs, is.Addrs) {
		t.Errorf("they stood %v, and stand %v", was.Addrs, is.Addrs)
	}
	c.left(t, "not touched", o, time.Hour)
}

// linkLocal: on each NIC it is another address (RFC 4007).
func (c *contract) linkLocal(t *testing.T) {
	here := c.order(9)
	here.Prefix = netip.MustParsePrefix("fe80::9/64")
	there := here
	there.NIC = c.other
	for _, o := range []host.Placement{here, there} {
		c.add(t, o)
		if nic, a, ok := c.read(t).Find(host.Zoned(o.Prefix.Addr(), o.NIC)); nic != o.NIC || !ok || a != ours(o) {
			t.Errorf("on %s: %+v, found %v on %q", o.NIC, a, ok, nic)
		}
	}
	c.errors(t, "refresh", c.n.Refresh([]host.Placement{here, there}), "", "")
	c.remove(t, here)
	c.expect(t, c.nic)
	c.expect(t, c.other, ours(there))
}

// mixture is a network that knows both families; the contract's own address is the one of
// IPv4.
type mixture struct {
	contract
	own6 netip.Prefix
}

func (m *mixture) all(t *testing.T) {
	m.before = m.read(t)
	t.Run("of orders of both families each has its own answer", m.answers)
}

func (m *mixture) answers(t *testing.T) {
	six := &contract{nic: m.nic, own: m.own6, family: host.IPv6}
	list := []host.Placement{six.order(9), m.order(9), six.order(10), six.order(11), m.order(10), six.order(12)}
	list[2].NIC, list[3].Lease, list[4].NIC = "missing6", -time.Second, "missing4"
	t.Cleanup(func() { m.n.Remove(list) })
	m.errors(t, "add", m.n.Add(list), "", "", "missing6", "-1s", "missing4", "")
	m.expect(t, m.nic, ours(list[0]), ours(list[1]), ours(list[5]))
	for i, err := range m.n.Refresh(list) {
		if there := i == 0 || i == 1 || i == 5; there != (err == nil) {
			t.Errorf("refresh, order %d: %v", i, err)
		}
	}
	m.errors(t, "remove", m.n.Remove(list[:5]), "", "", "", "", "")
	m.expect(t, m.nic, ours(list[5]))
}
