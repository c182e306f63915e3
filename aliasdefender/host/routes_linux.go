package host

import (
	"cmp"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// route is a next hop of a default route.
type route struct {
	index      int
	gateway    netip.Addr
	metric     uint32
	preference int // the router preference (RFC 4191, 2.1): 1 high, 0 medium or none, -1 low
}

// routes returns those next hops of the main table's default routes of one family
// (AF_INET, AF_INET6) that have a gateway, best metric first, and of one metric best
// router preference first.
func (t *talk) routes(family byte) (list []route, err error) {
	query := [unix.SizeofRtMsg]byte{0: family, 4: unix.RT_TABLE_MAIN, 7: unix.RTN_UNICAST}
	err = t.dump(unix.RTM_GETROUTE, query[:], unix.RTM_NEWROUTE, func(m []byte) error {
		if len(m) < unix.SizeofRtMsg {
			return unix.EBADMSG
		}
		length, from, tos, table, kind, flags := m[1], m[2], m[3], m[4], m[7], binary.NativeEndian.Uint32(m[8:])
		if m[0] != family || length != 0 || from != 0 || tos != 0 || table != unix.RT_TABLE_MAIN || kind != unix.RTN_UNICAST || flags&unix.RTM_F_CLONED != 0 {
			return nil
		}
		if family == unix.AF_INET6 && flags&lifeless != 0 {
			return nil
		}
		list, err = appendHops(list, m[unix.SizeofRtMsg:], family)
		return err
	})
	if errors.Is(err, unix.ENOENT) { // there is no such table yet: nobody has made a route
		list, err = nil, nil
	}
	slices.SortStableFunc(list, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.metric, b.metric), cmp.Compare(b.preference, a.preference))
	})
	return list, err
}

// lifeless are the flags of a next hop that nothing is sent to. A route of IPv6 stays in
// the table, and is only marked, while its NIC has no carrier.
const lifeless = unix.RTNH_F_DEAD | unix.RTNH_F_LINKDOWN

// appendHops adds a route's next hops. One without a gateway is left out: there is nobody
// to ask. So is a route that a router has given and whose time is up: the kernel removes
// it when it comes to it.
func appendHops(list []route, attrs []byte, family byte) ([]route, error) {
	one := route{}
	hops := []byte(nil)
	expired := false
	err := attributes(attrs, func(typ uint16, v []byte) {
		switch {
		case typ == unix.RTA_OIF && len(v) == 4:
			one.index = int(binary.NativeEndian.Uint32(v))
		case typ == unix.RTA_GATEWAY:
			one.gateway, _ = netip.AddrFromSlice(v)
		case typ == unix.RTA_PRIORITY && len(v) == 4:
			one.metric = binary.NativeEndian.Uint32(v)
		case typ == unix.RTA_PREF && len(v) == 1:
			one.preference = preference(v[0])
		case typ == unix.RTA_CACHEINFO && len(v) >= 12: // rta_expires of struct rta_cacheinfo
			expired = int32(binary.NativeEndian.Uint32(v[8:])) < 0
		case typ == unix.RTA_MULTIPATH:
			hops = v
		}
	})
	if err != nil || expired {
		return list, err
	}
	if is(one.gateway, family) {
		list = append(list, one)
	}
	dead := byte(unix.RTNH_F_DEAD)
	if family == unix.AF_INET6 {
		dead = lifeless
	}
	// A row of struct rtnexthop, each with attributes.
	for len(hops) >= unix.SizeofRtNexthop {
		length := int(binary.NativeEndian.Uint16(hops))
		if length < unix.SizeofRtNexthop || length > len(hops) {
			return list, unix.EBADMSG
		}
		hop := route{index: int(binary.NativeEndian.Uint32(hops[4:])), metric: one.metric, preference: one.preference}
		err := attributes(hops[unix.SizeofRtNexthop:length], func(typ uint16, v []byte) {
			if typ == unix.RTA_GATEWAY {
				hop.gateway, _ = netip.AddrFromSlice(v)
			}
		})
		if err != nil {
			return list, err
		}
		if hops[2]&dead == 0 && is(hop.gateway, family) {
			list = append(list, hop)
		}
		hops = hops[min((length+3)&^3, len(hops)):] // each begins on a multiple of four
	}
	return list, nil
}

// is tells whether a gateway is there and of the family.
func is(gateway netip.Addr, family byte) bool {
	return gateway.Is4() && family == unix.AF_INET || gateway.Is6() && family == unix.AF_INET6
}

// preference reads the two bits of a router preference; the fourth value counts as medium.
func preference(bits byte) int {
	switch bits & 3 {
	case 1:
		return 1
	case 3:
		return -1
	}
	return 0
}
