package hosttest

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/host"
)

// first is the one of the own subnet that stands first on the NIC.
func (c *contract) first(t *testing.T) netip.Prefix {
	t.Helper()
	n, _ := c.read(t).NIC(c.nic)
	i := slices.IndexFunc(n.Addrs, func(a host.Address) bool { return a.Prefix.Masked() == c.own.Masked() })
	if i < 0 {
		t.Fatalf("%s has no address in %s: %v", c.nic, c.own.Masked(), n.Addrs)
	}
	return n.Addrs[i].Prefix
}

// reordered: more aliases than one message carries, and one that is not asked for.
func (c *contract) reordered(t *testing.T) {
	if !c.before.Ordered {
		t.Fatal("not a network whose addresses have an order")
	}
	var list []host.Placement
	var all []host.Address
	for i := range 80 {
		o := c.order(byte(100 + i))
		o.Lease = time.Hour
		c.add(t, o)
		list = append(list, o)
	}
	c.remove(t, host.Placement{NIC: c.nic, Prefix: c.own})
	if err := c.n.Own(c.nic, c.own); err != nil {
		t.Fatal(err)
	}
	if first := c.first(t); first != list[0].Prefix {
		t.Fatalf("%v stands first, and not an alias", first)
	}
	for i := range list {
		list[i].Lease = 0 // the order's counts, not what it had
		all = append(all, ours(list[i]))
	}
	last, absent := list[len(list)-1], c.order(9)
	orders := append(slices.Clone(list[:len(list)-1]), absent, list[3])
	for i, err := range c.n.Reorder(orders) {
		if missing := orders[i] == absent; missing != errors.Is(err, host.ErrNotThere) || !missing && err != nil {
			t.Errorf("order %d: %v", i, err)
		}
	}
	if first := c.first(t); first != last.Prefix {
		t.Errorf("%v stands first, and not the one alias that was not asked for", first)
	}
	c.errors(t, "reorder", c.n.Reorder([]host.Placement{last, last}), "", "")
	if first := c.first(t); first != c.own {
		t.Errorf("%v stands first, and not %v", first, c.own)
	}
	c.expect(t, c.nic, all...)
}

func (c *contract) inOrderAlready(t *testing.T) {
	o, wide := c.order(9), c.order(10)
	wide.Prefix = single(wide.Prefix) // a subnet of its own
	c.add(t, o)
	c.add(t, wide)
	was, _ := c.read(t).NIC(c.nic)
	c.errors(t, "reorder", c.n.Reorder([]host.Placement{o, wide}), "", "")
	if is, _ := c.read(t).NIC(c.nic); !slices.Equal(was.Addrs, is.Addrs) {
		t.Errorf("they stood %v, and stand %v", was.Addrs, is.Addrs)
	}
	missing, ended := c.order(9), c.order(9)
	missing.NIC, ended.Lease = "missing0", -time.Second
	errs := c.n.Reorder([]host.Placement{missing, ended})
	if !errors.Is(errs[0], host.ErrNotThere) || errs[1] == nil {
		t.Errorf("reordered what cannot be: %v", errs)
	}
	if errs := c.n.Reorder(nil); len(errs) != 0 {
		t.Errorf("reorder none: %v", errs)
	}
}

func (c *contract) renamed(t *testing.T) {
	o, stays := c.order(9), c.order(10)
	c.add(t, o)
	c.add(t, stays)
	n, _ := c.read(t).NIC(c.nic)
	o.NIC, o.Index = "former0", n.Index
	c.remove(t, o)
	c.expect(t, c.nic, ours(stays))
}
