package host

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// onLinkMetric is the metric of the route by which an alias of IPv6 opens its subnet. It
// is none of the system's own (the kernel's is 256), so that this route is never one with
// a router's: the alias's lease would end that too.
const onLinkMetric = 512

// subnets is what a batch of orders has to know of the addresses that are there.
type subnets struct {
	entries map[subnet]entry        // by NIC and own prefix, which is not masked
	foreign map[subnet][]netip.Addr // of IPv6, and not ours
}

// opened sorts what a reading has found.
func opened(addrs []entry) subnets {
	on := subnets{make(map[subnet]entry, len(addrs)), map[subnet][]netip.Addr{}}
	for _, e := range addrs {
		key := subnet{e.index, e.Prefix}
		on.entries[key] = e
		if !e.Ours && e.Prefix.Addr().Is6() {
			key.prefix = e.peer.Masked()
			on.foreign[key] = append(on.foreign[key], e.Prefix.Addr())
		}
	}
	return on
}

// entry is the NIC's address of that prefix.
func (on subnets) entry(n NIC, prefix netip.Prefix) (e entry, there bool) {
	e, there = on.entries[subnet{n.Index, prefix}]
	return e, there
}

// flags are the IFA_FLAGS of an alias of IPv6. The route to a subnet that somebody else
// has opened is his; it may be by a router's advertisement, and would end with the
// alias's lease.
func (on subnets) flags(index int, prefix netip.Prefix) uint32 {
	others := on.foreign[subnet{index, prefix.Masked()}]
	if prefix.IsSingleIP() || slices.ContainsFunc(others, func(a netip.Addr) bool { return a != prefix.Addr() }) {
		return unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE
	}
	return unix.IFA_F_NODAD
}

func newAddr(index int, o Placement, on subnets) *nl.NetlinkRequest {
	prefix := o.Prefix
	req := aboutAddr(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK,
		entry{Address: Address{Prefix: prefix}, index: index, peer: prefix})
	if ip := prefix.Addr(); ip.Is4() {
		if bits := prefix.Bits(); bits < 31 {
			b := ip.As4()
			binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|(1<<(32-bits)-1))
			req.AddData(nl.NewRtAttr(unix.IFA_BROADCAST, b[:]))
		}
		if label := o.label(); label != "" {
			req.AddData(nl.NewRtAttr(unix.IFA_LABEL, nl.ZeroTerminated(label)))
		}
	} else {
		req.AddData(nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(on.flags(index, prefix))))
		req.AddData(nl.NewRtAttr(unix.IFA_RT_PRIORITY, nl.Uint32Attr(onLinkMetric)))
	}
	req.AddData(nl.NewRtAttr(ifaProto, []byte{tag}))
	req.AddData(lifetimes(o.Lease, prefix.Addr()))
	return req
}

// forEver is INFINITY_LIFE_TIME (linux/if_addr.h).
const forEver = 1<<32 - 1

// lifetimes is struct ifa_cacheinfo. An address of IPv6 is preferred for no time at all.
// One of IPv4 has both lifetimes: while the preferred one is for ever, the kernel counts
// down neither.
func lifetimes(lease time.Duration, ip netip.Addr) *nl.RtAttr {
	valid := uint32(forEver)
	if lease > 0 {
		valid = uint32(min((lease+time.Second-1)/time.Second, forEver-1))
	}
	preferred := valid
	if ip.Is6() {
		preferred = 0
	}
	var b [16]byte
	binary.NativeEndian.PutUint32(b[0:], preferred)
	binary.NativeEndian.PutUint32(b[4:], valid)
	return nl.NewRtAttr(unix.IFA_CACHEINFO, b[:])
}

// keptFlags are those of an address of IPv6 that a refresh gives as they are.
const keptFlags = unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR

// renewAddr changes an address's lifetimes. Whatever the request says, the kernel would
// add an address that is not there. So the request wants the address to join its own
// multicast group. The kernel adds such an address only after it has joined, which only a
// multicast address can. For an address that is there, it does not look at this flag; one
// of IPv6 has it from then on ("autojoin"), and it means nothing there.
// Everything else that the request replaces is given as it is.
func renewAddr(e entry, lease time.Duration, on subnets) *nl.NetlinkRequest {
	req := aboutAddr(unix.RTM_NEWADDR, unix.NLM_F_REPLACE|unix.NLM_F_ACK, e)
	flags := uint32(unix.IFA_F_MCAUTOJOIN)
	if e.Prefix.Addr().Is6() {
		flags |= on.flags(e.index, e.peer) | e.flags&keptFlags
	}
	req.AddData(nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(flags)))
	if e.proto != 0 {
		req.AddData(nl.NewRtAttr(ifaProto, []byte{e.proto}))
	}
	if e.metric != 0 {
		req.AddData(nl.NewRtAttr(unix.IFA_RT_PRIORITY, nl.Uint32Attr(e.metric)))
	}
	req.AddData(lifetimes(lease, e.Prefix.Addr()))
	return req
}

// aboutAddr begins a request about an address that is there, or is to be.
func aboutAddr(typ, flags int, e entry) *nl.NetlinkRequest {
	family := unix.AF_INET
	if e.Prefix.Addr().Is6() {
		family = unix.AF_INET6
	}
	req := nl.NewNetlinkRequest(typ, flags)
	msg := nl.NewIfAddrmsg(family)
	msg.Index = uint32(e.index)
	msg.Prefixlen = uint8(e.peer.Bits())
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, e.Prefix.Addr().AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, e.peer.Addr().AsSlice()))
	return req
}
