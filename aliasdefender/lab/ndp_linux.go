package lab

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Types of messages of neighbour discovery, and of their options (RFC 4861, sections 4.3,
// 4.4 and 4.6).
const (
	solicitation  = 135
	advertisement = 136
	sourceOption  = 1
	targetOption  = 2
)

// Flags of an advertisement (RFC 4861, section 4.4).
const (
	routerFlag    = 0x80
	solicitedFlag = 0x40
	overrideFlag  = 0x20
)

const (
	ethLen   = 14
	ipv6Len  = 40
	nsLen    = 24 // of the message without options, of an advertisement too
	hopLimit = 255
)

// allNodes is ff02::1.
var allNodes = netip.MustParseAddr("ff02::1")

// solicitedNode is the group of an address (RFC 4291, section 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// marshalNDP makes an advertisement of a claim, and of any other frame a solicitation.
func (f Frame) marshalNDP() []byte {
	message := make([]byte, nsLen, nsLen+8)
	option, about := byte(targetOption), f.SenderIP
	from, to := f.SenderIP, allNodes
	switch {
	case f.Op == Reply || f.SenderIP == f.TargetIP:
		message[0] = advertisement
		if f.Op == Reply && f.TargetIP != f.SenderIP {
			message[4] |= solicitedFlag
			to = f.TargetIP
		}
		if !f.Weak {
			message[4] |= overrideFlag
		}
		if f.Router {
			message[4] |= routerFlag
		}
	default:
		message[0], option, about, to = solicitation, sourceOption, f.TargetIP, solicitedNode(f.TargetIP)
		if f.EthDst[0]&1 == 0 {
			to = f.TargetIP
		}
	}
	copy(message[8:], about.AsSlice())
	if !from.IsUnspecified() {
		message = append(append(message, option, 1), f.SenderHW...)
	}
	packet := make([]byte, ipv6Len, ipv6Len+len(message))
	packet[0] = 6 << 4
	binary.BigEndian.PutUint16(packet[4:], uint16(len(message)))
	packet[6], packet[7] = unix.IPPROTO_ICMPV6, hopLimit
	copy(packet[8:], from.AsSlice())
	copy(packet[24:], to.AsSlice())
	binary.BigEndian.PutUint16(message[2:], checksum6(packet, message))
	b := append(slices.Clone([]byte(f.EthDst)), f.EthSrc...)
	b = binary.BigEndian.AppendUint16(b, etherIPv6)
	return append(append(b, packet...), message...)
}

// checksum6 is that of an ICMPv6 message behind an IPv6 header (RFC 8200, section 8.1).
func checksum6(packet, message []byte) uint16 {
	sum := uint32(len(message)) + unix.IPPROTO_ICMPV6
	for _, b := range [][]byte{packet[8:ipv6Len], message} {
		for i := 0; i+1 < len(b); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		if len(b)%2 == 1 {
			sum += uint32(b[len(b)-1]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// parseNDP reads a solicitation or an advertisement. Its checksum may be wrong.
func parseNDP(b []byte) (f Frame, ok bool) {
	if len(b) < ethLen+ipv6Len+nsLen || b[ethLen+6] != unix.IPPROTO_ICMPV6 || b[ethLen+7] != hopLimit {
		return f, false
	}
	b = slices.Clone(b)
	packet, message := b[ethLen:ethLen+ipv6Len], b[ethLen+ipv6Len:]
	if n := int(binary.BigEndian.Uint16(packet[4:])); n < nsLen || n > len(message) {
		return f, false
	} else {
		message = message[:n]
	}
	from, to := netip.AddrFrom16([16]byte(packet[8:24])), netip.AddrFrom16([16]byte(packet[24:40]))
	about := netip.AddrFrom16([16]byte(message[8:24]))
	f = Frame{EthDst: b[0:6], EthSrc: b[6:12], Op: Request, SenderIP: from, TargetIP: about}
	switch message[0] {
	case solicitation:
		f.SenderHW = linkLayer(message[nsLen:], sourceOption)
	case advertisement:
		if f.SenderHW = linkLayer(message[nsLen:], targetOption); f.SenderHW == nil {
			f.SenderHW = f.EthSrc // it may be left out in an answer to who knows it (RFC 4861, 4.4)
		}
		f.SenderIP = about
		f.Router, f.Weak = message[4]&routerFlag != 0, message[4]&overrideFlag == 0
		if message[4]&solicitedFlag != 0 {
			f.Op, f.TargetIP = Reply, to
		}
	default:
		return f, false
	}
	return f, true
}

// linkLayer is the hardware address in the first option of that kind, or nil.
func linkLayer(options []byte, kind byte) net.HardwareAddr {
	for len(options) >= 8 && options[1] > 0 && int(options[1])*8 <= len(options) {
		if options[0] == kind {
			return options[2:8]
		}
		options = options[int(options[1])*8:]
	}
	return nil
}
