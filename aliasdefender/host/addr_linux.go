package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Add puts each address on its NIC, with its label (the NIC's name if empty), a broadcast
// address where the subnet has one (not /31 and /32, RFC 3021), and our tag. An address
// that is already there, and its lease, are left as they are, without an error.
// The orders are carried out as if one after the other. One that fails does not keep the
// others from being done; the error of each stands at its index.
//
// It is an error if the address has another prefix there or stands on another NIC,
// because the kernel would take a second copy without a word; if the NIC has no address
// that somebody else put there, because an alias must not become the one that the host
// speaks with; if the label is longer than 15 bytes, except where a long NIC's name makes
// it so, which is shortened; and if no host can have the address.
func (h *Host) Add(orders []Placement) []error {
	return h.carryOut(orders, (*talk).add)
}

// Remove takes each address off its NIC, whatever its prefix, its label and whoever put
// it there. It is no error if the address or the NIC is not there. The same address on
// another NIC stays: this order does not mean it. Errors are as for Add.
//
// Where an order has an Index, the address goes from the NIC of that number too.
//
// No other address goes with it. The kernel deletes those that came into a
// subnet later together with the first one, unless promote_secondaries is set;
// where it matters, it is set for the NIC while the address is removed.
func (h *Host) Remove(orders []Placement) []error {
	return h.carryOut(orders, (*talk).remove)
}

// Refresh gives each address that is there its lease anew, and changes nothing else of
// it. It puts no packet on the wire. The error is ErrNotThere if the NIC does not have
// the address with this prefix: a refresh does not bring back an address that has lapsed
// or was removed.
func (h *Host) Refresh(orders []Placement) []error {
	return h.carryOut(orders, (*talk).refresh)
}

// carryOut has f carry out the orders. If f cannot even begin, its error is that of each
// order.
func (h *Host) carryOut(orders []Placement, f func(*talk, []Placement) ([]error, error)) []error {
	if len(orders) == 0 {
		return nil
	}
	orders = slices.Clone(orders) // a call that is left behind may look at them later
	errs, err := withKernel(h, func(t *talk) ([]error, error) { return f(t, orders) })
	if err != nil {
		return slices.Repeat([]error{err}, len(orders))
	}
	return errs
}

func (t *talk) add(orders []Placement) ([]error, error) {
	s, _, err := t.inventory()
	if err != nil {
		return nil, err
	}
	todo, errs := s.Judge(orders)
	requests := make([]*nl.NetlinkRequest, len(todo))
	for i, at := range todo {
		n, _ := s.NIC(orders[at].NIC)
		requests[i] = newAddr(n.Index, orders[at])
	}
	failed, quicker := map[netip.Addr]error{}, false
	for i, err := range t.do(requests) {
		if o := orders[todo[i]]; err != nil {
			failed[o.Prefix.Addr()] = fmt.Errorf("host: add %s to %s: %w", o.Prefix, o.NIC, err)
			quicker = quicker || errors.Is(err, unix.EEXIST)
		}
	}
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
		err := failed[o.Prefix.Addr()]
		if errs[i] != nil || err == nil {
			continue
		}
		if errs[i] = err; errors.Is(err, unix.EEXIST) && later != nil && !slices.Contains(todo, i) {
			errs[i] = later[i]
		}
	}
	return errs, nil
}

func newAddr(index int, o Placement) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	msg := nl.NewIfAddrmsg(unix.AF_INET)
	msg.Index = uint32(index)
	msg.Prefixlen = uint8(o.Prefix.Bits())
	req.AddData(msg)
	ip := o.Prefix.Addr().As4()
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, ip[:]))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, ip[:]))
	if bits := o.Prefix.Bits(); bits < 31 {
		var broadcast [4]byte
		binary.BigEndian.PutUint32(broadcast[:], binary.BigEndian.Uint32(ip[:])|(1<<(32-bits)-1))
		req.AddData(nl.NewRtAttr(unix.IFA_BROADCAST, broadcast[:]))
	}
	if label := o.label(); label != "" {
		req.AddData(nl.NewRtAttr(unix.IFA_LABEL, nl.ZeroTerminated(label)))
	}
	req.AddData(nl.NewRtAttr(ifaProto, []byte{tag}))
	req.AddData(lifetimes(o.Lease))
	return req
}

// forEver is INFINITY_LIFE_TIME (linux/if_addr.h).
const forEver = 1<<32 - 1

// lifetimes is struct ifa_cacheinfo. Both lifetimes are given: while the preferred one is
// for ever, the kernel counts down neither.
func lifetimes(lease time.Duration) *nl.RtAttr {
	seconds := uint32(forEver)
	if lease > 0 {
		seconds = uint32(min((lease+time.Second-1)/time.Second, forEver-1))
	}
	var b [16]byte
	binary.NativeEndian.PutUint32(b[0:], seconds) // preferred
	binary.NativeEndian.PutUint32(b[4:], seconds) // valid
	return nl.NewRtAttr(unix.IFA_CACHEINFO, b[:])
}

func (t *talk) refresh(orders []Placement) ([]error, error) {
	s, addrs, err := t.inventory()
	if err != nil {
		return nil, err
	}
	there := make(map[place]entry, len(addrs))
	for _, e := range addrs {
		for _, n := range s.NICs {
			if n.Index == e.index {
				there[place{n.Name, e.Prefix}] = e
			}
		}
	}
	errs := s.JudgeRefresh(orders)
	var requests []*nl.NetlinkRequest
	var whose []int
	for i, o := range orders {
		if errs[i] == nil {
			requests = append(requests, renewAddr(there[place{o.NIC, o.Prefix}], o.Lease))
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

// renewAddr changes an address's lifetimes. Whatever the request says, the kernel would
// add an address that is not there. So the request wants the address to join its own
// multicast group. The kernel adds such an address only after it has joined, which only a
// multicast address can. For an address that is there, it does not look at this flag.
// Everything else that the request replaces is given as it is.
func renewAddr(e entry, lease time.Duration) *nl.NetlinkRequest {
	req := aboutAddr(unix.RTM_NEWADDR, unix.NLM_F_REPLACE|unix.NLM_F_ACK, e)
	req.AddData(nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(unix.IFA_F_MCAUTOJOIN)))
	if e.proto != 0 {
		req.AddData(nl.NewRtAttr(ifaProto, []byte{e.proto}))
	}
	if e.metric != 0 {
		req.AddData(nl.NewRtAttr(unix.IFA_RT_PRIORITY, nl.Uint32Attr(e.metric)))
	}
	req.AddData(lifetimes(lease))
	return req
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

// aboutAddr begins a request about an address that is there.
func aboutAddr(typ, flags int, e entry) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(typ, flags)
	msg := nl.NewIfAddrmsg(unix.AF_INET)
	msg.Index = uint32(e.index)
	msg.Prefixlen = uint8(e.peer.Bits())
	req.AddData(msg)
	local, peer := e.Prefix.Addr().As4(), e.peer.Addr().As4()
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, local[:]))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, peer[:]))
	return req
}

// gone reports that what was to be removed, or its NIC, is not there.
func gone(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV)
}
