package host

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Add puts each address on its NIC, with its label (the NIC's name if empty), a broadcast
// address where the subnet has one (not /31 and /32, RFC 3021), and our tag. An address
// that is already there, and its lease, are left as they are, without an error. Add
// carries out the orders as if one after the other, the IPv4 orders first. An order that
// fails does not keep the others from being carried out; the error of each order is at
// its index.
//
// An IPv6 address has no label and no broadcast address. It is usable at once: the caller
// has asked the segment for it (RFC 4862, 5.4), and the kernel does not ask again. On a
// NIC with a carrier Add returns when the kernel takes packets for the address, or after
// 200 ms. The address is deprecated from the beginning, so that the host does not use it
// as its source address (RFC 6724, 5, rule 3). It gets a route to its subnet only if
// nobody else has an address of that subnet on the NIC; with /128 it gets none. If the
// address is there but not usable ([Address.Usable]), Add removes it and adds it again.
//
// It is an error if the address has another prefix there or is on another NIC, because
// the kernel would silently accept a second copy (a link-local address may be on each
// NIC); if the NIC has no usable address of the family that somebody else put there,
// because an alias must not become the host's source address; if IPv6 is disabled on the
// NIC; if an IPv4 label is longer than 15 bytes, unless only the NIC's long name makes it
// so, which Add shortens; and if no host can have the address.
func (h *Host) Add(orders []Placement) []error {
	return h.carryOut(orders, (*talk).add)
}

// Remove takes each address off its NIC, whatever its prefix and label, and no matter who
// put it there. It is not an error if the address or the NIC is not there. The same
// address on another NIC stays, because this order is not about it. Errors are as for
// Add.
//
// If an order has an Index, Remove takes the address off the NIC with that number too.
//
// No other address goes with it. Together with the first address of a subnet the kernel
// deletes those that came later, unless promote_secondaries is set. Where that matters,
// Remove sets it for the NIC while it removes the address.
func (h *Host) Remove(orders []Placement) []error {
	return h.carryOut(orders, (*talk).remove)
}

// Refresh renews the lease of each address that is there, and changes nothing else about
// it. But an IPv6 address is deprecated from then on, no matter who put it there, and
// keeps a route to its subnet only if Add would give it one. Refresh puts no packet on
// the wire. The error is ErrNotThere if the NIC does not have the address with this
// prefix: Refresh does not bring back an address that has lapsed or was removed.
func (h *Host) Refresh(orders []Placement) []error {
	return h.carryOut(orders, (*talk).refresh)
}

// carryOut has f carry out the orders. If f cannot even begin, its error is that of each
// order. Orders of IPv4 come first: the kernel is quicker with them.
func (h *Host) carryOut(orders []Placement, f func(*talk, []Placement) ([]error, error)) []error {
	if len(orders) == 0 {
		return nil
	}
	sorted := slices.Clone(orders) // a call that is left behind may look at them later
	byFamily := func(a, b Placement) int {
		return cmp.Compare(FamilyOf(a.Prefix.Addr()), FamilyOf(b.Prefix.Addr()))
	}
	mixed := !slices.IsSortedFunc(sorted, byFamily)
	if mixed {
		slices.SortStableFunc(sorted, byFamily)
	}
	errs, err := withKernel(h, func(t *talk) ([]error, error) { return f(t, sorted) })
	if err != nil {
		return slices.Repeat([]error{err}, len(orders))
	}
	if !mixed {
		return errs
	}
	next := map[Family]int{IPv6: slices.IndexFunc(sorted, func(o Placement) bool { return FamilyOf(o.Prefix.Addr()) == IPv6 })}
	asOrdered := make([]error, len(orders))
	for i, o := range orders {
		family := FamilyOf(o.Prefix.Addr())
		asOrdered[i] = errs[next[family]]
		next[family]++
	}
	return asOrdered
}

func (t *talk) add(orders []Placement) ([]error, error) {
	s, there, err := t.inventory()
	if err != nil {
		return nil, err
	}
	todo, errs := s.Judge(orders)
	on := opened(there)
	requests := make([]*nl.NetlinkRequest, 0, len(todo))
	whose := make([]int, 0, len(todo)) // the order that each request is for; -1: its answer does not matter
	for _, at := range todo {
		o := orders[at]
		n, _ := s.NIC(o.NIC)
		if e, is := on.entry(n, o.Prefix); is { // and not usable
			requests, whose = append(requests, aboutAddr(unix.RTM_DELADDR, unix.NLM_F_ACK, e)), append(whose, -1)
		}
		requests, whose = append(requests, newAddr(n.Index, o, on)), append(whose, at)
	}
	failed, quicker := map[place]error{}, false
	for i, err := range t.do(requests) {
		if err == nil || whose[i] < 0 {
			continue
		}
		o := orders[whose[i]]
		failed[place{nic: o.NIC, prefix: o.Prefix}] = fmt.Errorf("host: add %s to %s: %w", o.Prefix, o.NIC, err)
		quicker = quicker || errors.Is(err, unix.EEXIST)
	}
	var six []Placement
	for _, at := range todo {
		if o := orders[at]; o.Prefix.Addr().Is6() && failed[place{nic: o.NIC, prefix: o.Prefix}] == nil {
			six = append(six, o)
		}
	}
	t.awaitServed(s, six)
	if len(failed) == 0 {
		return errs, nil
	}
	var later []error
	if quicker { // a second look tells whether it was with the same address
		if s, _, err := t.inventory(); err == nil {
			todo, later = s.Judge(orders)
		}
	}
	for i, o := range orders {
		err := failed[place{nic: o.NIC, prefix: o.Prefix}]
		if errs[i] != nil || err == nil {
			continue
		}
		if errs[i] = err; errors.Is(err, unix.EEXIST) && later != nil && !slices.Contains(todo, i) {
			errs[i] = later[i]
		}
	}
	return errs, nil
}

func (t *talk) refresh(orders []Placement) ([]error, error) {
	s, addrs, err := t.inventory()
	if err != nil {
		return nil, err
	}
	errs := s.JudgeRefresh(orders)
	on := opened(addrs)
	var requests []*nl.NetlinkRequest
	var whose []int
	for i, o := range orders {
		if errs[i] == nil {
			n, _ := s.NIC(o.NIC)
			e, _ := on.entry(n, o.Prefix) // the same reading has told that it is there
			requests = append(requests, renewAddr(e, o.Lease, on))
			whose = append(whose, i)
		}
	}
	lost := false
	for n, err := range t.do(requests) {
		if o := orders[whose[n]]; err != nil {
			errs[whose[n]] = fmt.Errorf("host: refresh %s on %s: %w", o.Prefix, o.NIC, err)
			lost = true
		}
	}
	if !lost { // gone since the reading
		return errs, nil
	}
	if s, _, err := t.inventory(); err == nil {
		for i, err := range s.JudgeRefresh(orders) {
			if err != nil {
				errs[i] = err
			}
		}
	}
	return errs, nil
}

func (t *talk) remove(orders []Placement) ([]error, error) {
	s, addrs, err := t.inventory()
	if err != nil {
		return nil, err
	}
	type target struct {
		index int
		ip    netip.Addr
	}
	targets := make([][]target, len(orders))
	wanted := map[target]bool{}
	for i, o := range orders {
		for _, n := range s.NICs {
			if n.Name == o.NIC || n.Index == o.Index {
				one := target{n.Index, o.Prefix.Addr()}
				targets[i], wanted[one] = append(targets[i], one), true
			}
		}
	}
	// An address may be there with several prefixes. Those on which other addresses of
	// their subnet depend are removed last: each time one leaves, the kernel promotes
	// another and moves all the rest to it.
	var going, last []entry
	for _, e := range addrs {
		switch {
		case !wanted[target{e.index, e.Prefix.Addr()}]:
		case e.secondary:
			going = append(going, e)
		default:
			last = append(last, e)
		}
	}
	going = append(going, last...)
	failed := map[target]error{}
	for i, err := range t.delete(going, addrs) {
		if err != nil {
			failed[target{going[i].index, going[i].Prefix.Addr()}] = err
		}
	}
	errs := make([]error, len(orders))
	for i, o := range orders {
		for _, one := range targets[i] {
			if err := failed[one]; err != nil {
				errs[i] = fmt.Errorf("host: remove %s from %s: %w", o.Prefix, o.NIC, err)
			}
		}
	}
	return errs, nil
}

// delete takes these entries off and leaves all others.
func (t *talk) delete(going, all []entry) []error {
	errs := make([]error, len(going))
	kept := map[int]error{} // NICs that have been told to keep the others
	depended := subnetsWithSecondaries(all)
	var requests []*nl.NetlinkRequest
	var whose []int
	for i, e := range going {
		if !e.secondary && depended[subnet{e.index, e.peer.Masked()}] {
			err, told := kept[e.index]
			if !told {
				var restore func()
				restore, err = t.promote(e.index)
				defer restore()
				kept[e.index] = err
			}
			if err != nil {
				errs[i] = err
				continue
			}
		}
		requests, whose = append(requests, aboutAddr(unix.RTM_DELADDR, unix.NLM_F_ACK, e)), append(whose, i)
	}
	for i, err := range t.do(requests) {
		errs[whose[i]] = err
	}
	for i, err := range errs {
		if gone(err) {
			errs[i] = nil
		}
	}
	return errs
}

// gone reports that what was to be removed, or its NIC, is not there.
func gone(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV)
}
