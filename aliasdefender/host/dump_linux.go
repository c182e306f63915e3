package host

import (
	"encoding/binary"
	"net/netip"
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
	flags     uint32       // IFA_FLAGS
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
		n := NIC{Index: int(binary.NativeEndian.Uint32(m[4:])), Up: flags&unix.IFF_UP != 0, Carrier: carrier(flags), NoIPv6: true}
		err := attributes(m[unix.SizeofIfInfomsg:], func(typ uint16, v []byte) {
			switch typ {
			case unix.IFLA_IFNAME:
				n.Name = t.text(v)
			case unix.IFLA_ADDRESS:
				if len(v) == len(n.HW) { // not InfiniBand, not a tunnel
					n.HW = HW(v)
				}
			case unix.IFLA_CARRIER_DOWN_COUNT:
				if len(v) == 4 {
					n.Downs = binary.NativeEndian.Uint32(v)
				}
			case unix.IFLA_AF_SPEC:
				n.NoIPv6 = noIPv6(v)
			}
		})
		nics = append(nics, n)
		return err
	})
	return nics, err
}

// disableIPv6 is DEVCONF_DISABLE_IPV6 (linux/ipv6.h), the place of disable_ipv6 among a
// NIC's values of /proc/sys/net/ipv6/conf.
const disableIPv6 = 26

// noIPv6 tells from a NIC's IFLA_AF_SPEC whether IPv6 is disabled on it. The kernel tells
// nothing of IPv6 where it has none: without the module, and with an MTU below 1280.
func noIPv6(spec []byte) bool {
	no := true
	_ = attributes(spec, func(family uint16, v []byte) {
		if family != unix.AF_INET6 {
			return
		}
		_ = attributes(v, func(typ uint16, conf []byte) {
			if at := 4 * disableIPv6; typ == unix.IFLA_INET6_CONF && len(conf) >= at+4 {
				no = binary.NativeEndian.Uint32(conf[at:]) != 0
			}
		})
	})
	return no
}

// carrier reports whether frames get through. LOWER_UP is the cable, and turns at once.
// RUNNING is the operational state (RFC 2863: up, or unknown where the driver does not
// say); until it turns the queue drops every frame without an error, so a cable alone is
// not yet a carrier. A veth, bond or VLAN gets both from the device below it.
func carrier(flags uint32) bool {
	const both = unix.IFF_LOWER_UP | unix.IFF_RUNNING
	return flags&both == both
}

// moreAddrs appends the addresses of one family (AF_INET, AF_INET6) to those that are
// lent until the next reading.
func (t *talk) moreAddrs(family byte) ([]entry, error) {
	query := [unix.SizeofIfAddrmsg]byte{family}
	err := t.dump(unix.RTM_GETADDR, query[:], unix.RTM_NEWADDR, func(m []byte) error {
		e, ok, err := t.parseAddr(m)
		if ok && err == nil && m[0] == family { // a kernel without IPv6 lists what it has instead
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
	if m[0] != unix.AF_INET && m[0] != unix.AF_INET6 {
		return entry{}, false, nil
	}
	order := binary.NativeEndian
	bits := int(m[1])
	e.flags = uint32(m[2])
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
		case unix.IFA_FLAGS:
			if len(v) == 4 {
				e.flags = order.Uint32(v)
			}
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
	if m[0] == unix.AF_INET {
		e.secondary = e.flags&unix.IFA_F_SECONDARY != 0
	} else {
		e.ofIPv6()
		if !local.IsValid() { // it is given with a peer alone
			local = peer
		}
	}
	e.peer = netip.PrefixFrom(peer, bits)
	e.Prefix = netip.PrefixFrom(local, bits)
	if peer != local {
		e.Prefix = netip.PrefixFrom(local, local.BitLen()) // the prefix is the peer's
	}
	// The kernel takes a mapped address on a NIC, but no packet has one (RFC 4291, 2.5.5.2).
	return e, local.IsValid() && peer.IsValid() && !local.Is4In6(), err
}

// ofIPv6 reads the flags that only IPv6 has. An optimistic address (RFC 4429) is usable
// while it is tentative.
func (e *entry) ofIPv6() {
	e.Tentative = e.flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_OPTIMISTIC) == unix.IFA_F_TENTATIVE
	e.DADFailed = e.flags&unix.IFA_F_DADFAILED != 0
	e.Temporary = e.flags&unix.IFA_F_TEMPORARY != 0
	e.Deprecated = e.flags&unix.IFA_F_DEPRECATED != 0
}

// lease is what valid_lft says. In its last second that is 0, which to us means for ever.
func lease(seconds uint32) time.Duration {
	if seconds == forEver {
		return 0
	}
	return time.Duration(max(seconds, 1)) * time.Second
}
