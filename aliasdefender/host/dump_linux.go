package host

import (
	"cmp"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// ifaProto is IFA_PROTO (Linux 5.18, if_addr.h): who put the address there. The netlink
// package does not know it, so this file reads and writes addresses itself. An older
// kernel ignores it, and then nothing is marked as ours.
const ifaProto = 11

// tag is our IFA_PROTO. The kernel uses 1 to 3; the rest is free for programs.
const tag = 0xad

// entry is an address as the kernel has it.
type entry struct {
	Address
	index     int
	peer      netip.Prefix // the subnet that it opens; the address's own one, except for point-to-point
	secondary bool         // leaves with its subnet's first address
	proto     uint8        // IFA_PROTO
	metric    uint32       // of its subnet's route
}

// route is a next hop of a default route.
type route struct {
	index   int
	gateway netip.Addr
	metric  uint32
}

// skipStats is RTEXT_FILTER_SKIP_STATS: counters are most of what an interface would
// tell.
const skipStats = 1 << 3

func (t *talk) links() (nics []NIC, err error) {
	query := make([]byte, unix.SizeofIfInfomsg, unix.SizeofIfInfomsg+8)
	query = binary.NativeEndian.AppendUint16(query, 8)
	query = binary.NativeEndian.AppendUint16(query, unix.IFLA_EXT_MASK)
	query = binary.NativeEndian.AppendUint32(query, skipStats)
	err = t.dump(unix.RTM_GETLINK, query, unix.RTM_NEWLINK, func(m []byte) error {
		if len(m) < unix.SizeofIfInfomsg {
			return unix.EBADMSG
		}
		flags := binary.NativeEndian.Uint32(m[8:])
		n := NIC{Index: int(binary.NativeEndian.Uint32(m[4:])), Up: flags&unix.IFF_UP != 0, Carrier: carrier(flags)}
		err := attributes(m[unix.SizeofIfInfomsg:], func(typ uint16, v []byte) {
			switch typ {
			case unix.IFLA_IFNAME:
				n.Name = t.text(v)
			case unix.IFLA_ADDRESS:
				if len(v) == len(n.HW) { // not InfiniBand, not a tunnel
					n.HW = HW(v)
				}
			}
		})
		nics = append(nics, n)
		return err
	})
	return nics, err
}

// carrier reports whether frames get through. LOWER_UP is the cable, and turns at once.
// RUNNING is the operational state (RFC 2863: up, or unknown where the driver does not
// say); until it turns the queue drops every frame without an error, so a cable alone is
// not yet a carrier. A veth, bond or VLAN gets both from the device below it.
func carrier(flags uint32) bool {
	const both = unix.IFF_LOWER_UP | unix.IFF_RUNNING
	return flags&both == both
}

// inetAddrs returns the IPv4 addresses, which are only lent until the next call.
func (t *talk) inetAddrs() ([]entry, error) {
	t.addrs = t.addrs[:0]
	query := [unix.SizeofIfAddrmsg]byte{unix.AF_INET}
	err := t.dump(unix.RTM_GETADDR, query[:], unix.RTM_NEWADDR, func(m []byte) error {
		e, ok, err := t.parseAddr(m)
		if ok && err == nil {
			t.addrs = append(t.addrs, e)
		}
		return err
	})
	return t.addrs, err
}

func (t *talk) parseAddr(m []byte) (e entry, ok bool, err error) {
	if len(m) < unix.SizeofIfAddrmsg {
		return entry{}, false, unix.EBADMSG
	}
	if m[0] != unix.AF_INET {
		return entry{}, false, nil
	}
	order := binary.NativeEndian
	bits := int(m[1])
	e.secondary = m[2]&unix.IFA_F_SECONDARY != 0
	e.index = int(order.Uint32(m[4:]))
	var local, peer netip.Addr
	err = attributes(m[unix.SizeofIfAddrmsg:], func(typ uint16, v []byte) {
		switch typ {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(v)
		case unix.IFA_ADDRESS:
			peer, _ = netip.AddrFromSlice(v)
		case unix.IFA_LABEL:
			e.Label = t.text(v)
		case unix.IFA_RT_PRIORITY:
			if len(v) == 4 {
				e.metric = order.Uint32(v)
			}
		case unix.IFA_CACHEINFO:
			if len(v) >= 8 {
				e.Lease = lease(order.Uint32(v[4:]))
			}
		case ifaProto:
			if len(v) == 1 {
				e.proto = v[0]
			}
		}
	})
	e.Ours = e.proto == tag
	e.peer = netip.PrefixFrom(peer, bits)
	e.Prefix = netip.PrefixFrom(local, bits)
	if peer != local {
		e.Prefix = netip.PrefixFrom(local, 32) // the prefix is the peer's
	}
	return e, local.Is4() && peer.Is4(), err
}

// lease is what valid_lft says. In its last second that is 0, which to us means for ever.
func lease(seconds uint32) time.Duration {
	if seconds == forEver {
		return 0
	}
	return time.Duration(max(seconds, 1)) * time.Second
}

// routes returns those next hops of the main table's default routes that have a gateway,
// best metric first.
func (t *talk) routes() (list []route, err error) {
	query := [unix.SizeofRtMsg]byte{0: unix.AF_INET, 4: unix.RT_TABLE_MAIN, 7: unix.RTN_UNICAST}
	err = t.dump(unix.RTM_GETROUTE, query[:], unix.RTM_NEWROUTE, func(m []byte) error {
		if len(m) < unix.SizeofRtMsg {
			return unix.EBADMSG
		}
		length, tos, table, kind, flags := m[1], m[3], m[4], m[7], binary.NativeEndian.Uint32(m[8:])
		if length != 0 || tos != 0 || table != unix.RT_TABLE_MAIN || kind != unix.RTN_UNICAST || flags&unix.RTM_F_CLONED != 0 {
			return nil
		}
		list, err = appendHops(list, m[unix.SizeofRtMsg:])
		return err
	})
	if errors.Is(err, unix.ENOENT) { // there is no such table yet: nobody has made a route
		list, err = nil, nil
	}
	slices.SortStableFunc(list, func(a, b route) int { return cmp.Compare(a.metric, b.metric) })
	return list, err
}

// appendHops adds a route's next hops. One without a gateway is left out: there is nobody
// to ask.
func appendHops(list []route, attrs []byte) ([]route, error) {
	one := route{}
	hops := []byte(nil)
	err := attributes(attrs, func(typ uint16, v []byte) {
		switch {
		case typ == unix.RTA_OIF && len(v) == 4:
			one.index = int(binary.NativeEndian.Uint32(v))
		case typ == unix.RTA_GATEWAY:
			one.gateway, _ = netip.AddrFromSlice(v)
		case typ == unix.RTA_PRIORITY && len(v) == 4:
			one.metric = binary.NativeEndian.Uint32(v)
		case typ == unix.RTA_MULTIPATH:
			hops = v
		}
	})
	if err != nil {
		return list, err
	}
	if one.gateway.Is4() {
		list = append(list, one)
	}
	// A row of struct rtnexthop, each with attributes.
	for len(hops) >= unix.SizeofRtNexthop {
		length := int(binary.NativeEndian.Uint16(hops))
		if length < unix.SizeofRtNexthop || length > len(hops) {
			return list, unix.EBADMSG
		}
		hop := route{index: int(binary.NativeEndian.Uint32(hops[4:])), metric: one.metric}
		err := attributes(hops[unix.SizeofRtNexthop:length], func(typ uint16, v []byte) {
			if typ == unix.RTA_GATEWAY {
				hop.gateway, _ = netip.AddrFromSlice(v)
			}
		})
		if err != nil {
			return list, err
		}
		if hops[2]&unix.RTNH_F_DEAD == 0 && hop.gateway.Is4() {
			list = append(list, hop)
		}
		hops = hops[min((length+3)&^3, len(hops)):] // each begins on a multiple of four
	}
	return list, nil
}
