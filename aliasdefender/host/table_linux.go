package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// KeepsRoutes: this system's routing tables can be read and changed.
const KeepsRoutes = true

// ReadRoutes reads the routes in the tables, of both families, that are ours or whose
// prefix of accepts. Routes of one prefix are in the kernel's order: the kernel uses the
// first. ReadRoutes leaves out routes for one type of service (TOS).
func (h *Host) ReadRoutes(tables []int, of func(netip.Prefix) bool) ([]TableRoute, error) {
	return withKernel(h, func(t *talk) ([]TableRoute, error) { return t.tables(tables, of) })
}

// OurRoutes reads all routes that are ours, of both families, whatever table they are in.
func (h *Host) OurRoutes() ([]TableRoute, error) {
	return withKernel(h, func(t *talk) ([]TableRoute, error) {
		return t.tables([]int{unix.RT_TABLE_UNSPEC}, func(netip.Prefix) bool { return false })
	})
}

// AddRoutes adds routes. If another route has the place of one, its error is
// ErrRouteThere.
func (h *Host) AddRoutes(orders []TableRoute) []error {
	return h.changeRoutes(orders, func(t *talk, on subjects) []error {
		return on.carryOut(t, orders, func(TableRoute) error { return nil }, func(o TableRoute) (*nl.NetlinkRequest, error) {
			return newRoute(o, unix.NLM_F_CREATE|unix.NLM_F_EXCL, on.index)
		})
	})
}

// ReplaceRoutes moves routes of ours to other hops, without a moment in which they are
// not there. The error is ErrNotThere if there is no such route. It is ErrNotOurs if
// another's route is there, or comes before ours, because the kernel would replace that
// one.
func (h *Host) ReplaceRoutes(orders []TableRoute) []error {
	return h.changeRoutes(orders, func(t *talk, on subjects) []error {
		return on.carryOut(t, orders, on.ours, func(o TableRoute) (*nl.NetlinkRequest, error) {
			return newRoute(o, unix.NLM_F_REPLACE, on.index)
		})
	})
}

// RemoveRoutes removes routes of ours. It is not an error if one is not there. Routes of
// others stay.
func (h *Host) RemoveRoutes(orders []TableRoute) []error {
	return h.changeRoutes(orders, func(t *talk, on subjects) []error {
		errs := on.carryOut(t, orders, on.removable, func(o TableRoute) (*nl.NetlinkRequest, error) { return oldRoute(o), nil })
		for i, err := range errs {
			if errors.Is(err, unix.ESRCH) || errors.Is(err, ErrNotThere) {
				errs[i] = nil
			}
		}
		return errs
	})
}

// subjects is what a batch of orders has to know of what is there.
type subjects struct {
	index map[string]int // of the NICs
	first map[RouteKey]TableRoute
	has   map[RouteKey]bool // one of ours
}

// ours is nil if the route that the kernel would replace is ours.
func (on subjects) ours(o TableRoute) error {
	switch first, there := on.first[o.Key()]; {
	case !there:
		return ErrNotThere
	case !first.Ours:
		return ErrNotOurs
	}
	return nil
}

// removable is nil if there is one of ours. The kernel takes a removal without a metric for
// one of any metric.
func (on subjects) removable(o TableRoute) error {
	if !on.has[o.Key()] {
		return ErrNotThere
	}
	return nil
}

// changeRoutes has f work on the kernel, once it is known what is there.
func (h *Host) changeRoutes(orders []TableRoute, f func(*talk, subjects) []error) []error {
	errs, err := withKernel(h, func(t *talk) ([]error, error) {
		on := subjects{index: map[string]int{}, first: map[RouteKey]TableRoute{}, has: map[RouteKey]bool{}}
		nics, err := retried("interfaces", t.links)
		if err != nil {
			return nil, err
		}
		for _, n := range nics {
			on.index[n.Name] = n.Index
		}
		wanted, tables := map[netip.Prefix]bool{}, []int(nil)
		for _, o := range orders {
			if wanted[o.Prefix] = true; !slices.Contains(tables, o.Table) {
				tables = append(tables, o.Table)
			}
		}
		there, err := t.tables(tables, func(p netip.Prefix) bool { return wanted[p] })
		if err != nil {
			return nil, err
		}
		for _, r := range there {
			if _, seen := on.first[r.Key()]; !seen {
				on.first[r.Key()] = r
			}
			on.has[r.Key()] = on.has[r.Key()] || r.Ours
		}
		return f(t, on), nil
	})
	if err != nil {
		return slices.Repeat([]error{err}, len(orders))
	}
	return errs
}

// carryOut sends the requests of those orders that may be, and returns the error of each.
func (on subjects) carryOut(t *talk, orders []TableRoute, may func(TableRoute) error, request func(TableRoute) (*nl.NetlinkRequest, error)) []error {
	errs := make([]error, len(orders))
	var requests []*nl.NetlinkRequest
	var which []int
	for i, o := range orders {
		if errs[i] = may(o); errs[i] != nil {
			continue
		}
		r, err := request(o)
		if errs[i] = err; err == nil {
			requests, which = append(requests, r), append(which, i)
		}
	}
	for i, err := range t.do(requests) {
		switch {
		case errors.Is(err, unix.EEXIST):
			err = ErrRouteThere
		case errors.Is(err, unix.ENOENT):
			err = ErrNotThere
		case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
			err = fmt.Errorf("the kernel reaches no such next hop on that interface: %w", err)
		}
		errs[which[i]] = err
	}
	return errs
}

// aboutRoute begins a request about a route.
func aboutRoute(o TableRoute, typ, flags int, scope uint8) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(typ, flags|unix.NLM_F_ACK)
	msg := &nl.RtMsg{RtMsg: unix.RtMsg{
		Family: unix.AF_INET, Dst_len: uint8(o.Prefix.Bits()), Protocol: RouteProtocol, Scope: scope, Type: unix.RTN_UNICAST,
	}}
	if o.Prefix.Addr().Is6() {
		msg.Family = unix.AF_INET6
	}
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(uint32(o.Table))))
	req.AddData(nl.NewRtAttr(unix.RTA_DST, o.Prefix.Addr().AsSlice()))
	if m := Metric(o.Prefix, o.Metric); m != 0 {
		req.AddData(nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(m))))
	}
	return req
}

// oldRoute removes a route of ours, wherever it leads: the kernel compares the protocol.
func oldRoute(o TableRoute) *nl.NetlinkRequest {
	return aboutRoute(o, unix.RTM_DELROUTE, 0, unix.RT_SCOPE_NOWHERE)
}

// newRoute adds a route, or replaces it.
func newRoute(o TableRoute, flags int, index map[string]int) (*nl.NetlinkRequest, error) {
	req := aboutRoute(o, unix.RTM_NEWROUTE, flags, unix.RT_SCOPE_UNIVERSE)
	var all []byte
	for _, hop := range o.Hops {
		i := index[hop.NIC]
		if i == 0 {
			return nil, fmt.Errorf("there is no interface %s", hop.NIC)
		}
		gateway := hop.Gateway.WithZone("").AsSlice()
		if len(o.Hops) == 1 {
			req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(i))))
			req.AddData(nl.NewRtAttr(unix.RTA_GATEWAY, gateway))
			return req, nil
		}
		attr := nl.NewRtAttr(unix.RTA_GATEWAY, gateway).Serialize()
		order := binary.NativeEndian // struct rtnexthop
		all = order.AppendUint16(all, uint16(unix.SizeofRtNexthop+len(attr)))
		all = append(all, 0, byte(hop.Weight-1))
		all = order.AppendUint32(all, uint32(i))
		all = append(all, attr...)
	}
	req.AddData(nl.NewRtAttr(unix.RTA_MULTIPATH, all))
	return req, nil
}

// tables reads those routes of the tables that are ours or asked for. RT_TABLE_UNSPEC is
// all tables.
func (t *talk) tables(tables []int, of func(netip.Prefix) bool) (all []TableRoute, err error) {
	if len(tables) == 0 {
		return nil, nil
	}
	nics, err := retried("interfaces", t.links)
	if err != nil {
		return nil, err
	}
	names := make(map[int]string, len(nics))
	for _, n := range nics {
		names[n.Index] = n.Name
	}
	for _, family := range (State{NICs: nics}).families() {
		for _, table := range tables {
			list, err := retried("routes", func() ([]TableRoute, error) { return t.tableOf(family, table, names, of) })
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
		}
	}
	return all, nil
}

// tableOf reads one table's routes of one family.
func (t *talk) tableOf(family byte, table int, names map[int]string, of func(netip.Prefix) bool) (list []TableRoute, err error) {
	query := make([]byte, unix.SizeofRtMsg)
	query[0] = family
	if table == unix.RT_TABLE_UNSPEC {
		query[5] = RouteProtocol // a host may have a table of the whole Internet
	} else {
		query = append(query, nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(uint32(table))).Serialize()...)
	}
	err = t.dump(unix.RTM_GETROUTE, query, unix.RTM_NEWROUTE, func(m []byte) error {
		if len(m) < unix.SizeofRtMsg {
			return unix.EBADMSG
		}
		if m[0] != family || m[2] != 0 || m[3] != 0 || binary.NativeEndian.Uint32(m[8:])&unix.RTM_F_CLONED != 0 {
			return nil // of a source or a type of service, or a copy of another
		}
		r, ok, err := readRoute(m, table, names)
		if ok && (r.Ours || of(r.Prefix)) {
			list = append(list, r)
		}
		return err
	})
	if errors.Is(err, unix.ENOENT) { // there is no such table yet: nobody has made a route
		list, err = nil, nil
	}
	return list, err
}

// number is a table's or a metric's; where an int has 32 bits the greatest stands for those
// beyond it, which are none of ours.
func number(n uint32) int { return int(min(uint64(n), math.MaxInt)) }

// readRoute reads one route, if it is of the table.
func readRoute(m []byte, table int, names map[int]string) (r TableRoute, ok bool, err error) {
	family, bits := m[0], int(m[1])
	r.Ours = m[5] == RouteProtocol && m[7] == unix.RTN_UNICAST
	r.Table = int(m[4])
	dst := netip.IPv4Unspecified()
	if family == unix.AF_INET6 {
		dst = netip.IPv6Unspecified()
	}
	one, hops := NextHop{Weight: 1}, []byte(nil)
	order := binary.NativeEndian
	err = attributes(m[unix.SizeofRtMsg:], func(typ uint16, v []byte) {
		switch {
		case typ == unix.RTA_DST:
			dst, _ = netip.AddrFromSlice(v)
		case typ == unix.RTA_TABLE && len(v) == 4:
			r.Table = number(order.Uint32(v))
		case typ == unix.RTA_PRIORITY && len(v) == 4:
			r.Metric = number(order.Uint32(v))
		case typ == unix.RTA_OIF && len(v) == 4:
			one.NIC = names[int(order.Uint32(v))]
		case typ == unix.RTA_GATEWAY:
			one.Gateway, _ = netip.AddrFromSlice(v)
		case typ == unix.RTA_MULTIPATH:
			hops = v
		}
	})
	if err != nil || table != unix.RT_TABLE_UNSPEC && r.Table != table || !dst.IsValid() || !is(dst, family) {
		return r, false, err
	}
	if r.Prefix, err = dst.Prefix(bits); err != nil {
		return r, false, unix.EBADMSG
	}
	if one.NIC != "" && hops == nil {
		one.Gateway = Zoned(one.Gateway, one.NIC)
		r.Hops = append(r.Hops, one)
	}
	for len(hops) >= unix.SizeofRtNexthop { // as in appendHops
		length := int(order.Uint16(hops))
		if length < unix.SizeofRtNexthop || length > len(hops) {
			return r, false, unix.EBADMSG
		}
		hop := NextHop{NIC: names[int(order.Uint32(hops[4:]))], Weight: int(hops[3]) + 1}
		if err := attributes(hops[unix.SizeofRtNexthop:length], func(typ uint16, v []byte) {
			if typ == unix.RTA_GATEWAY {
				hop.Gateway, _ = netip.AddrFromSlice(v)
			}
		}); err != nil {
			return r, false, err
		}
		hop.Gateway = Zoned(hop.Gateway, hop.NIC)
		r.Hops = append(r.Hops, hop)
		hops = hops[min((length+3)&^3, len(hops)):]
	}
	return r, true, nil
}

// WatchRoutes is Watch for a caller that keeps routes. It also wakes when a route may
// have changed that is ours, or whose prefix matters. It calls matters on a goroutine of
// its own; matters must not block.
func (h *Host) WatchRoutes(ctx context.Context, matters func(netip.Prefix) bool, wake func()) error {
	return h.watch(ctx, func(b []byte) bool { return touches(b, matters) }, wake)
}

// touches tells whether one of the messages is about such a route, or about no route.
func touches(b []byte, matters func(netip.Prefix) bool) (yes bool) {
	err := messages(b, func(m unix.NlMsghdr, data []byte) error {
		if m.Type != unix.RTM_NEWROUTE && m.Type != unix.RTM_DELROUTE || len(data) < unix.SizeofRtMsg {
			yes = true
			return nil
		}
		if yes = yes || data[5] == RouteProtocol; yes {
			return nil
		}
		dst := netip.IPv4Unspecified()
		if data[0] == unix.AF_INET6 {
			dst = netip.IPv6Unspecified()
		}
		if err := attributes(data[unix.SizeofRtMsg:], func(typ uint16, v []byte) {
			if typ == unix.RTA_DST {
				dst, _ = netip.AddrFromSlice(v)
			}
		}); err != nil {
			return err
		}
		prefix, err := dst.Prefix(int(data[1]))
		yes = err != nil || matters(prefix)
		return nil
	})
	return yes || err != nil
}

// RuledTables returns the tables that some rule looks up, for each family. vrf tells
// whether rules look up the tables of VRFs too.
func (h *Host) RuledTables() (tables map[FamilyTable]bool, vrf bool, err error) {
	tables = map[FamilyTable]bool{}
	_, err = withKernel(h, func(t *talk) (struct{}, error) {
		for f, family := range map[Family]byte{IPv4: unix.AF_INET, IPv6: unix.AF_INET6} {
			query := [unix.SizeofRtMsg]byte{0: family} // struct fib_rule_hdr has its size
			if err := t.dump(unix.RTM_GETRULE, query[:], unix.RTM_NEWRULE, func(m []byte) error {
				if len(m) < unix.SizeofRtMsg {
					return unix.EBADMSG
				}
				table := int(m[4])
				err := attributes(m[unix.SizeofRtMsg:], func(typ uint16, v []byte) {
					switch {
					case typ == unix.FRA_TABLE && len(v) == 4:
						table = number(binary.NativeEndian.Uint32(v))
					case typ == unix.FRA_L3MDEV:
						vrf = true
					}
				})
				tables[FamilyTable{f, table}] = true
				return err
			}); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return tables, vrf, err
}
