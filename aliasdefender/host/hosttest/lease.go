package hosttest

import (
	"errors"
	"testing"
	"time"

	"alias-defender/aliasdefender/host"
)

// left compares what is left of the alias's lease, which may be a little less.
func (c *contract) left(t *testing.T, what string, o host.Placement, want time.Duration) {
	t.Helper()
	nic, a, ok := c.read(t).Find(o.Prefix.Addr())
	if !ok || a.Lease > want || a.Lease < want-time.Minute || want > 0 && a.Lease <= 0 {
		t.Errorf("%s: %v left, want %v (found %v)", what, a.Lease, want, ok)
	}
	if a.Lease = 0; nic != c.nic || a != ours(o) {
		t.Errorf("%s: %+v on %s, want %+v on %s", what, a, nic, ours(o), c.nic)
	}
}

func (c *contract) leased(t *testing.T) {
	o := c.order(9)
	refresh := func(lease time.Duration) {
		t.Helper()
		o.Lease = lease
		c.errors(t, "refresh", c.n.Refresh([]host.Placement{o}), "")
	}
	o.Lease = time.Hour
	c.add(t, o)
	c.left(t, "added", o, time.Hour)
	refresh(2 * time.Hour)
	c.left(t, "longer", o, 2*time.Hour)
	o.Lease = 3 * time.Hour
	c.add(t, o)
	c.left(t, "added again", o, 2*time.Hour)
	refresh(10 * time.Minute)
	c.left(t, "shorter", o, 10*time.Minute)
	refresh(0)
	c.left(t, "for ever", o, 0)
	refresh(time.Hour)
	c.left(t, "finite again", o, time.Hour)
	refresh(time.Millisecond) // a second
	c.remove(t, o)
	c.expect(t, c.nic)
	o.Lease = -time.Second
	c.refused(t, o, "-1s")
	c.errors(t, "refresh", c.n.Refresh([]host.Placement{o}), "-1s")

	// What somebody else put there stays his. But with an alias the host does not speak.
	mine := host.Placement{NIC: c.nic, Prefix: c.own, Lease: time.Hour}
	c.errors(t, "refresh", c.n.Refresh([]host.Placement{mine}), "")
	mine.Lease = 0
	c.errors(t, "refresh", c.n.Refresh([]host.Placement{mine}), "")
	if c.family == host.IPv6 {
		if _, a, _ := c.read(t).Find(c.own.Addr()); a.Ours || !a.Deprecated {
			t.Errorf("the own address, refreshed as an alias: %+v", a)
		}
		c.remove(t, mine)
		if err := c.n.Own(c.nic, c.own); err != nil {
			t.Fatal(err)
		}
	}
	c.expect(t, c.nic)
}

func (c *contract) refreshed(t *testing.T) {
	there, absent, wide, elsewhere, missing := c.order(9), c.order(10), c.order(9), c.order(9), c.order(9)
	there.Lease = time.Hour
	wide.Prefix = single(there.Prefix)
	elsewhere.NIC, missing.NIC = c.other, "missing0"
	c.add(t, there)
	errs := c.n.Refresh([]host.Placement{absent, wide, there, elsewhere, missing})
	for i, err := range errs {
		if (i == 2) != (err == nil) || err != nil && !errors.Is(err, host.ErrNotThere) {
			t.Errorf("order %d: %v", i, err)
		}
	}
	c.left(t, "the one that is there", there, time.Hour)
	c.remove(t, there)
	c.expect(t, c.nic)
	c.expect(t, c.other)
}
