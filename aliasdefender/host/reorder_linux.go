package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Reorder puts each address behind those of its subnet that somebody else put on the NIC,
// if it is before them: the host uses the first address of a subnet as its source.
// Reorder removes the address and adds it again as the order says, at most 64 in one
// message, which takes some tenths of a millisecond. No other address of the NIC goes
// with it. The kernel drops the routes that have the address as their source, and Reorder
// puts them back. It leaves an address as it is that is already behind, without an error.
// It does the same with an IPv6 address: the host uses no IPv6 alias as its source,
// wherever that is.
//
// The error is ErrNotThere if the NIC does not have the address with this prefix. After
// any other error the address may be gone: read the host.
func (h *Host) Reorder(orders []Placement) []error {
	return h.carryOut(orders, (*talk).reorder)
}

// together is how many addresses are removed and added in one message.
const together = atOnce / 2

func (t *talk) reorder(orders []Placement) ([]error, error) {
	s, lent, err := t.inventory()
	if err != nil {
		return nil, err
	}
	addrs := slices.Clone(lent)
	todo, errs := s.JudgeReorder(orders)
	if len(todo) == 0 {
		return errs, nil
	}
	moving := map[netip.Addr]bool{}
	for _, i := range todo {
		moving[orders[i].Prefix.Addr()] = true
	}
	routes, err := retried("routes", func() ([]*nl.NetlinkRequest, error) { return t.routesFrom(moving) })
	if err != nil {
		return nil, err
	}
	// The first address goes last: before that, the others only step behind it.
	for len(todo) > 0 {
		n := min(together, len(todo))
		t.moveBehind(s, orders, todo[len(todo)-n:], addrs, errs)
		todo = todo[:len(todo)-n]
	}
	for _, err := range t.do(routes) {
		if err == nil || errors.Is(err, unix.EEXIST) {
			continue
		}
		for i, o := range orders {
			if moving[o.Prefix.Addr()] && errs[i] == nil {
				errs[i] = fmt.Errorf("host: reorder %s on %s: a route with it as source could not be put back: %w", o.Prefix, o.NIC, err)
			}
		}
	}
	return errs, nil
}

// moveBehind removes some addresses and adds them again, in one message.
func (t *talk) moveBehind(s State, orders []Placement, which []int, addrs []entry, errs []error) {
	var off, on []*nl.NetlinkRequest
	var whose []int
	for k := range which {
		i := which[len(which)-1-k]
		o := orders[i]
		n, _ := s.NIC(o.NIC)
		at := slices.IndexFunc(addrs, func(e entry) bool { return e.index == n.Index && e.Prefix == o.Prefix })
		if at < 0 {
			continue // cannot be: the same reading has told that it is there
		}
		if !addrs[at].secondary {
			restore, err := t.promote(n.Index)
			defer restore()
			if err != nil {
				errs[i] = fmt.Errorf("host: reorder %s on %s: %w", o.Prefix, o.NIC, err)
				continue
			}
		}
		off, whose = append(off, aboutAddr(unix.RTM_DELADDR, unix.NLM_F_ACK, addrs[at])), append(whose, i)
	}
	slices.Reverse(whose)
	for _, i := range whose {
		n, _ := s.NIC(orders[i].NIC)
		on = append(on, newAddr(n.Index, orders[i], subnets{}))
	}
	done := t.do(append(off, on...))
	for k, i := range whose {
		err := done[len(off)+k]
		if gone := done[len(off)-1-k]; gone != nil {
			err = errors.Join(gone, err)
		}
		if err != nil {
			errs[i] = fmt.Errorf("host: reorder %s on %s: %w", orders[i].Prefix, orders[i].NIC, err)
		}
	}
}

// rtmOnlink is RTNH_F_ONLINK, the only flag of a route that the kernel does not set by
// itself.
const rtmOnlink = unix.RTNH_F_ONLINK

// routesFrom returns the requests that put back the routes of all tables that have one of
// these addresses as their preferred source. The kernel makes its own routes anew by
// itself.
func (t *talk) routesFrom(sources map[netip.Addr]bool) (list []*nl.NetlinkRequest, err error) {
	query := [unix.SizeofRtMsg]byte{0: unix.AF_INET}
	err = t.dump(unix.RTM_GETROUTE, query[:], unix.RTM_NEWROUTE, func(m []byte) error {
		if len(m) < unix.SizeofRtMsg {
			return unix.EBADMSG
		}
		protocol, flags := m[5], binary.NativeEndian.Uint32(m[8:])
		if m[0] != unix.AF_INET || protocol == unix.RTPROT_KERNEL || flags&unix.RTM_F_CLONED != 0 {
			return nil
		}
		ours := false
		err := attributes(m[unix.SizeofRtMsg:], func(typ uint16, v []byte) {
			if typ == unix.RTA_PREFSRC {
				a, _ := netip.AddrFromSlice(v)
				ours = sources[a]
			}
		})
		if err == nil && ours {
			list = append(list, again(m))
		}
		return err
	})
	if errors.Is(err, unix.ENOENT) { // no table yet
		list, err = nil, nil
	}
	return list, err
}

// raw is a finished part of a request.
type raw []byte

func (r raw) Len() int          { return len(r) }
func (r raw) Serialize() []byte { return r }

// again is the request that makes a route again which the kernel has listed. The state of
// the next hops, which the kernel lists too, is left out.
func again(route []byte) *nl.NetlinkRequest {
	m := slices.Clone(route)
	order := binary.NativeEndian
	order.PutUint32(m[8:], order.Uint32(m[8:])&rtmOnlink)
	body := m[unix.SizeofRtMsg:]
	byObject := false
	_ = attributes(body, func(typ uint16, _ []byte) { byObject = byObject || typ == rtaNextHop })
	req := nl.NewNetlinkRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND|unix.NLM_F_ACK)
	req.AddData(raw(m[:unix.SizeofRtMsg]))
	_ = attributes(body, func(typ uint16, v []byte) {
		switch typ {
		case unix.RTA_CACHEINFO:
			return
		case unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH, unix.RTA_ENCAP, unix.RTA_ENCAP_TYPE:
			if byObject { // the kernel lists it twice, and accepts it once
				return
			}
		}
		if typ == unix.RTA_MULTIPATH {
			for hops := v; len(hops) >= unix.SizeofRtNexthop; {
				hops[2] &= rtmOnlink
				length := int(order.Uint16(hops))
				if length < unix.SizeofRtNexthop {
					break
				}
				hops = hops[min((length+3)&^3, len(hops)):]
			}
		}
		req.AddData(nl.NewRtAttr(int(typ), v))
	})
	return req
}

// rtaNextHop is RTA_NH_ID (linux/rtnetlink.h, Linux 5.3).
const rtaNextHop = 30
