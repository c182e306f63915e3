package host

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ifaProto is IFA_PROTO (Linux 5.18, if_addr.h): who put the address there. The
// netlink package at hand does not know it, so addresses are read and written
// here by hand. An older kernel passes over it, and nothing is marked as ours.
const ifaProto = 11

// tag is our IFA_PROTO. The kernel uses 1 to 3; the rest is for programs.
const tag = 0xad

// entry is an address as the kernel has it.
type entry struct {
	Address
	index     int
	peer      netip.Prefix // the subnet that it opens; its own one but for point-to-point
	secondary bool         // leaves with its subnet's first address
}

// route is a next hop of a default route.
type route struct {
	index   int
	gateway netip.Addr
	metric  uint32
}

func (t *talk) links() (nics []NIC, err error) {
	err = t.dump(unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC), unix.RTM_NEWLINK, func(m []byte) error {
		info := nl.DeserializeIfInfomsg(m)
		attrs, err := nl.ParseRouteAttr(m[info.Len():])
		if err != nil {
			return err
		}
		n := NIC{Index: int(info.Index), Up: info.Flags&unix.IFF_UP != 0}
		for _, a := range attrs {
			switch a.Attr.Type {
			case unix.IFLA_IFNAME:
				n.Name = text(a.Value)
			case unix.IFLA_ADDRESS:
				if len(a.Value) == len(n.HW) { // not InfiniBand, not a tunnel
					n.HW = HW(a.Value)
				}
			}
		}
		n.Carrier = carrier(info.Flags)
		nics = append(nics, n)
		return nil
	})
	return nics, err
}

// carrier reports whether frames get through. LOWER_UP is the cable, and turns
// at once; RUNNING is the operational state (RFC 2863: up, or unknown where the
// driver does not say), and until it turns the queue drops every frame without
// an error, so a cable alone is not yet a carrier. A veth, bond or VLAN gets
// both from what is below it.
func carrier(flags uint32) bool {
	const both = unix.IFF_LOWER_UP | unix.IFF_RUNNING
	return flags&both == both
}

func (t *talk) addrs() (list []entry, err error) {
	err = t.dump(unix.RTM_GETADDR, nl.NewIfAddrmsg(unix.AF_INET), unix.RTM_NEWADDR, func(m []byte) error {
		e, ok, err := parseAddr(m)
		if ok && err == nil {
			list = append(list, e)
		}
		return err
	})
	return list, err
}

func parseAddr(m []byte) (e entry, ok bool, err error) {
	info := nl.DeserializeIfAddrmsg(m)
	attrs, err := nl.ParseRouteAttr(m[info.Len():])
	if err != nil || info.Family != unix.AF_INET {
		return entry{}, false, err
	}
	var local, peer netip.Addr
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_ADDRESS:
			peer, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_LABEL:
			e.Label = text(a.Value)
		case ifaProto:
			e.Ours = len(a.Value) == 1 && a.Value[0] == tag
		}
	}
	e.index = int(info.Index)
	e.secondary = info.Flags&unix.IFA_F_SECONDARY != 0
	e.peer = netip.PrefixFrom(peer, int(info.Prefixlen))
	e.Prefix = netip.PrefixFrom(local, int(info.Prefixlen))
	if peer != local {
		e.Prefix = netip.PrefixFrom(local, 32) // the prefix is the peer's
	}
	return e, local.Is4() && peer.Is4(), nil
}

// routes returns the next hops that have a gateway of the main table's
// default routes, best metric first.
func (t *talk) routes() (list []route, err error) {
	query := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET}}
	err = t.dump(unix.RTM_GETROUTE, query, unix.RTM_NEWROUTE, func(m []byte) error {
		info := nl.DeserializeRtMsg(m)
		if info.Dst_len != 0 || info.Table != unix.RT_TABLE_MAIN || info.Type != unix.RTN_UNICAST ||
			info.Tos != 0 || info.Flags&unix.RTM_F_CLONED != 0 {
			return nil
		}
		attrs, err := nl.ParseRouteAttr(m[info.Len():])
		if err != nil {
			return err
		}
		var one route
		var hops []route
		for _, a := range attrs {
			switch a.Attr.Type {
			case unix.RTA_OIF:
				one.index = int(nl.NativeEndian().Uint32(a.Value))
			case unix.RTA_GATEWAY:
				one.gateway, _ = netip.AddrFromSlice(a.Value)
			case unix.RTA_PRIORITY:
				one.metric = nl.NativeEndian().Uint32(a.Value)
			case unix.RTA_MULTIPATH:
				if hops, err = nextHops(a.Value); err != nil {
					return err
				}
			}
		}
		for _, hop := range append(hops, one) {
			if hop.gateway.Is4() { // without one there is nobody to ask
				hop.metric = one.metric
				list = append(list, hop)
			}
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b route) int { return cmp.Compare(a.metric, b.metric) })
	return list, err
}

// nextHops reads RTA_MULTIPATH: a row of struct rtnexthop, each with attributes.
func nextHops(b []byte) ([]route, error) {
	var hops []route
	for len(b) >= unix.SizeofRtNexthop {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtNexthop || length > len(b) {
			return nil, unix.EBADMSG
		}
		attrs, err := nl.ParseRouteAttr(b[unix.SizeofRtNexthop:length])
		if err != nil {
			return nil, err
		}
		hop := route{index: int(binary.NativeEndian.Uint32(b[4:]))}
		for _, a := range attrs {
			if a.Attr.Type == unix.RTA_GATEWAY {
				hop.gateway, _ = netip.AddrFromSlice(a.Value)
			}
		}
		if b[2]&unix.RTNH_F_DEAD == 0 {
			hops = append(hops, hop)
		}
		b = b[min((length+3)&^3, len(b)):] // each begins on a multiple of four
	}
	return hops, nil
}

func text(b []byte) string { return strings.TrimRight(string(b), "\x00") }
