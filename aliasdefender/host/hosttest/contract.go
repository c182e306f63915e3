// Package hosttest says what a host's network must do, as a test that the kernel
// and every fake must pass.
package hosttest

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/host"
)

// Network is what is tested, and Own: an administrator's hand, which gives a NIC
// an address that is no alias.
type Network interface {
	Read() (host.State, error)
	Add([]host.Placement) []error
	Remove([]host.Placement) []error
	Refresh([]host.Placement) []error
	Reorder([]host.Placement) []error
	Own(nic string, p netip.Prefix) error
}

// Contract tests n, once for each own address, with addresses of that one's family: a
// network that knows IPv4 alone is given one own address, one that knows both families is
// given one of each. Of that family the network must have: nic, with own (IPv4: /24,
// IPv6: /64) as its only address; another NIC with an address; and one without any. It is
// left as it was found.
func Contract(t *testing.T, n Network, nic string, own ...netip.Prefix) {
	for _, one := range own {
		c := &contract{n: n, nic: nic, own: one, family: host.FamilyOf(one.Addr()), both: len(own) > 1}
		t.Run(c.family.String(), c.all)
	}
	if len(own) == 2 {
		both := &mixture{contract{n: n, nic: nic, own: own[0]}, own[1]}
		t.Run("both", both.all)
	}
}

func (c *contract) all(t *testing.T) {
	c.before = c.read(t)
	for _, other := range c.before.NICs {
		switch {
		case other.Name == c.nic:
		case len(c.ofFamily(other)) == 0:
			c.bare = other.Name
		default:
			c.other = other.Name
		}
	}
	mine, _ := c.before.NIC(c.nic)
	if of := c.ofFamily(mine); len(of) != 1 || of[0].Prefix != c.own || c.bare == "" || c.other == "" {
		t.Fatalf("not the network that the contract is about: %+v", c.before)
	}
	t.Run("an alias is added with its prefix, label and tag", c.added)
	t.Run("without a label it has the NIC's name", c.unlabelled)
	t.Run("adding what is there and removing what is gone are done", c.repeated)
	t.Run("another prefix of the same address is refused", c.otherPrefix)
	t.Run("the same address on another NIC is refused", c.otherNIC)
	t.Run("an alias does not become a NIC's first address", c.firstAddress)
	t.Run("an alias does not count as a NIC's own address", c.afterLoss)
	t.Run("what cannot be an alias is refused", c.impossible)
	t.Run("a missing NIC is an error for adding and done for removing", c.missingNIC)
	t.Run("removing does not ask for the prefix, the label or the tag", c.foreign)
	t.Run("removing leaves the address on another NIC", c.elsewhere)
	t.Run("removing by its number finds the NIC that has another name", c.renamed)
	t.Run("removing takes no other address of the subnet along", c.dependents)
	t.Run("of many orders each has its own answer", c.many)
	t.Run("orders are carried out as if one after the other", c.inOrder)
	t.Run("many are removed and leave the others", c.manyRemoved)
	t.Run("a lease is told, renewed and ended, and nothing else changes", c.leased)
	t.Run("a refresh adds nothing", c.refreshed)
	if c.family == host.IPv4 {
		t.Run("an own address that has come later is put before the aliases", c.reordered)
	} else {
		t.Run("an own address that has come later is left behind the aliases", c.unordered)
		t.Run("a link-local alias may be on each NIC", c.linkLocal)
	}
	t.Run("reordering puts nothing on, and leaves alone what is in order", c.inOrderAlready)
}

type contract struct {
	n                Network
	nic, other, bare string
	own              netip.Prefix
	family           host.Family // own's
	both             bool        // the network knows the other family too
	before           host.State
}

// ofFamily are the NIC's addresses of the contract's family.
func (c *contract) ofFamily(n host.NIC) []host.Address {
	return slices.DeleteFunc(slices.Clone(n.Addrs), func(a host.Address) bool {
		return host.FamilyOf(a.Prefix.Addr()) != c.family
	})
}

func (c *contract) read(t *testing.T) host.State {
	t.Helper()
	s, err := c.n.Read()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// order is the alias number i of the NIC's own subnet.
func (c *contract) order(i byte) host.Placement {
	b := c.own.Masked().Addr().AsSlice()
	b[len(b)-1] = i
	ip, _ := netip.AddrFromSlice(b)
	return host.Placement{NIC: c.nic, Label: c.nic + ":" + string('a'+rune(i%26)), Prefix: netip.PrefixFrom(ip, c.own.Bits())}
}

// single is the prefix of the address alone.
func single(p netip.Prefix) netip.Prefix { return netip.PrefixFrom(p.Addr(), p.Addr().BitLen()) }

// apart is the alias number i of a subnet of which the NIC has nothing but aliases.
func (c *contract) apart(i int) host.Placement {
	o := c.order(byte(i))
	if hi, lo := byte(i/100), byte(1+i%100); c.family == host.IPv4 {
		o.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, hi, lo}), 16)
	} else {
		o.Prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0x01, 0x98, 14: hi, 15: lo}), 64)
	}
	return o
}

func (c *contract) add(t *testing.T, o host.Placement) {
	t.Helper()
	if err := c.tryAdd(o); err != nil {
		t.Fatalf("add %+v: %v", o, err)
	}
	t.Cleanup(func() { c.remove(t, o) })
}

func (c *contract) tryAdd(o host.Placement) error { return c.n.Add([]host.Placement{o})[0] }

func (c *contract) remove(t *testing.T, o host.Placement) {
	t.Helper()
	if err := c.n.Remove([]host.Placement{o})[0]; err != nil {
		t.Fatalf("remove %+v: %v", o, err)
	}
}

// expect compares a NIC's addresses, in any order, with those that it had at
// the beginning and more.
func (c *contract) expect(t *testing.T, nic string, more ...host.Address) {
	t.Helper()
	was, _ := c.before.NIC(nic)
	is, ok := c.read(t).NIC(nic)
	if !ok {
		t.Fatalf("NIC %s is gone", nic)
	}
	byPrefix := func(a, b host.Address) int {
		return cmp.Compare(a.Prefix.String()+a.Label, b.Prefix.String()+b.Label)
	}
	want := slices.SortedFunc(slices.Values(slices.Concat(was.Addrs, more)), byPrefix)
	got := slices.SortedFunc(slices.Values(is.Addrs), byPrefix)
	equal := gocmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := gocmp.Diff(want, got, equal); diff != "" {
		t.Errorf("addresses of %s (-want +got):\n%s", nic, diff)
	}
}

// refused checks that the order is an error that says word, and changes nothing.
func (c *contract) refused(t *testing.T, o host.Placement, word string, more ...host.Address) {
	t.Helper()
	switch err := c.tryAdd(o); {
	case err == nil:
		c.remove(t, o)
		t.Errorf("add %+v: no error", o)
	case !strings.Contains(err.Error(), word):
		t.Errorf("add %+v: %q does not say %q", o, err, word)
	}
	if _, ok := c.before.NIC(o.NIC); ok {
		c.expect(t, o.NIC, more...)
	}
}

// ours is the order's address once it is added, with no lease. One of IPv6 has no label,
// and the host does not speak with it.
func ours(o host.Placement) host.Address {
	a := host.Address{Prefix: o.Prefix, Label: o.Label, Ours: true}
	if a.Deprecated = host.FamilyOf(o.Prefix.Addr()) == host.IPv6; a.Deprecated || a.Label == "" {
		a.Label = o.NIC
	}
	return a
}

func (c *contract) added(t *testing.T) {
	o := c.order(9)
	c.add(t, o)
	c.expect(t, c.nic, ours(o))
	if nic, a, ok := c.read(t).Find(o.Prefix.Addr()); nic != c.nic || !ok || !a.Ours {
		t.Errorf("found on %q, %+v, %v", nic, a, ok)
	}
	c.remove(t, o)
	c.expect(t, c.nic)
}

func (c *contract) unlabelled(t *testing.T) {
	o := c.order(9)
	o.Label = ""
	c.add(t, o)
	c.expect(t, c.nic, ours(o))
}

func (c *contract) repeated(t *testing.T) {
	o := c.order(9)
	c.add(t, o)
	c.add(t, o)
	c.expect(t, c.nic, ours(o))
	c.remove(t, o)
	c.remove(t, o)
	c.expect(t, c.nic)
}

func (c *contract) otherPrefix(t *testing.T) {
	o := c.order(9)
	c.add(t, o)
	wide := o
	wide.Prefix = single(o.Prefix)
	c.refused(t, wide, o.Prefix.String(), ours(o))
}

func (c *contract) otherNIC(t *testing.T) {
	o := c.order(9)
	c.add(t, o)
	there := o
	there.NIC, there.Label = c.other, ""
	c.refused(t, there, c.nic)
	c.expect(t, c.nic, ours(o))
}

func (c *contract) firstAddress(t *testing.T) {
	o := c.order(9)
	o.NIC, o.Label = c.bare, ""
	c.refused(t, o, "no address of its own")
}

// afterLoss: whether the alias outlives the NIC's own address is the system's
// business. If it does, it does not open the door to others.
func (c *contract) afterLoss(t *testing.T) {
	o, own := c.order(9), host.Placement{NIC: c.nic, Prefix: c.own}
	o.Prefix = single(o.Prefix)
	c.add(t, o)
	c.remove(t, own)
	if err := c.tryAdd(c.order(10)); err == nil || !strings.Contains(err.Error(), "no address of its own") {
		t.Errorf("added beside an alias only: %v", err)
	}
	if err := c.n.Own(c.nic, c.own); err != nil {
		t.Fatal(err)
	}
	c.expect(t, c.nic, ours(o))
}

func (c *contract) impossible(t *testing.T) {
	no := map[host.Family][]string{
		host.IPv4: {"224.0.0.5/24", "255.255.255.255/32", "0.0.0.0/8", "127.0.0.9/8"},
		host.IPv6: {"ff02::1/64", "::/64", "::1/128", "::ffff:192.0.2.9/120"},
	}[c.family]
	if !c.both { // then it has no address of its own in the other family
		no = append(no, map[host.Family]string{host.IPv4: "2001:db8::1/64", host.IPv6: "192.0.2.77/24"}[c.family])
	}
	for _, p := range no {
		o := c.order(9)
		o.Prefix = netip.MustParsePrefix(p)
		c.refused(t, o, o.Prefix.String())
	}
	o := c.order(9)
	o.Prefix = netip.Prefix{}
	c.refused(t, o, "IPv4")
	o, long := c.order(9), c.order(10)
	o.Label, long.Label = "0123456789abcde", "0123456789abcdef"
	c.add(t, o)
	if c.family == host.IPv6 { // which has none
		c.add(t, long)
		c.expect(t, c.nic, ours(o), ours(long))
		return
	}
	c.refused(t, long, "15 bytes", ours(o))
	c.expect(t, c.nic, ours(o))
}

func (c *contract) missingNIC(t *testing.T) {
	o := c.order(9)
	o.NIC, o.Label = "missing0", ""
	c.refused(t, o, "missing0")
	c.remove(t, o)
}

func (c *contract) foreign(t *testing.T) {
	o := c.order(9)
	c.add(t, o)
	c.remove(t, host.Placement{NIC: c.nic, Prefix: single(o.Prefix)})
	c.expect(t, c.nic)
}

func (c *contract) elsewhere(t *testing.T) {
	o := c.order(9)
	o.NIC, o.Label = c.other, ""
	c.add(t, o)
	here := o
	here.NIC = c.nic
	c.remove(t, here)
	c.expect(t, c.other, ours(o))
}

// dependents: a subnet of which the NIC has nothing but aliases.
func (c *contract) dependents(t *testing.T) {
	var list []host.Placement
	for i := range 3 {
		o := c.apart(20 + i)
		c.add(t, o)
		list = append(list, o)
	}
	for i, o := range list {
		var rest []host.Address
		for _, later := range list[i+1:] {
			rest = append(rest, ours(later))
		}
		c.remove(t, o)
		c.expect(t, c.nic, rest...)
	}
}

// errors compares what became of each order with the words it must say; "" is done.
func (c *contract) errors(t *testing.T, what string, errs []error, words ...string) {
	t.Helper()
	if len(errs) != len(words) {
		t.Fatalf("%s: %d answers to %d orders: %v", what, len(errs), len(words), errs)
	}
	for i, word := range words {
		if err := errs[i]; (err == nil) != (word == "") || err != nil && !strings.Contains(err.Error(), word) {
			t.Errorf("%s, order %d: %v, want %q", what, i, err, word)
		}
	}
}

func (c *contract) many(t *testing.T) {
	there, missing, bare, good, ended := c.order(9), c.order(10), c.order(11), c.order(12), c.order(13)
	c.add(t, there)
	missing.NIC, bare.NIC, ended.Lease = "missing0", c.bare, -time.Second
	list := []host.Placement{missing, there, bare, good, ended, c.order(14)}
	t.Cleanup(func() { c.n.Remove(list) })
	c.errors(t, "add", c.n.Add(list), "missing0", "", "no address of its own", "", "-1s", "")
	c.expect(t, c.nic, ours(there), ours(good), ours(c.order(14)))
	c.errors(t, "remove", c.n.Remove(list), "", "", "", "", "", "")
	c.expect(t, c.nic)
	if errs := c.n.Add(nil); len(errs) != 0 {
		t.Errorf("add none: %v", errs)
	}
}

func (c *contract) inOrder(t *testing.T) {
	o := c.order(9)
	wide, there := o, o
	wide.Prefix = single(o.Prefix)
	there.NIC, there.Label = c.other, ""
	list := []host.Placement{o, wide, o, there}
	t.Cleanup(func() { c.n.Remove(list) })
	c.errors(t, "add", c.n.Add(list), "", o.Prefix.String(), "", c.nic)
	c.expect(t, c.nic, ours(o))
	c.expect(t, c.other)
	c.errors(t, "remove", c.n.Remove([]host.Placement{o, wide, o}), "", "", "")
	c.expect(t, c.nic)
}

// manyRemoved: more than one system call carries, with the first of the subnet
// among them and one that stays.
func (c *contract) manyRemoved(t *testing.T) {
	var list []host.Placement
	for i := range 300 {
		list = append(list, c.apart(i))
	}
	t.Cleanup(func() { c.n.Remove(list) })
	c.errors(t, "add", c.n.Add(list), make([]string, len(list))...)
	stays := list[len(list)-1]
	c.errors(t, "remove", c.n.Remove(list[:len(list)-1]), make([]string, len(list)-1)...)
	c.expect(t, c.nic, ours(stays))
}
