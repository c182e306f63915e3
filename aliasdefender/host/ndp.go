package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
)

var (
	errNotND   = errors.New("not a neighbour solicitation or advertisement")
	errNotIPv6 = errors.New("not an IPv6 address")
)

// Neighbour discovery on Ethernet (RFC 4861, RFC 2464): an IPv6 header without extension
// headers and an ICMPv6 message, whose fields have their places as those of ARP have.
const (
	atPayload = 18 // the length of what follows the IPv6 header
	atNext    = 20
	atHops    = 21
	atFrom    = 22
	atTo      = 38
	atICMP    = 54 // the type; the code follows
	atSum     = 56
	atFlags   = 58
	atAbout   = 62 // the target address
	atOptions = 78
	ndEnd     = 86 // with the one option that we send

	typeIPv6      = 0x86dd
	icmpv6        = 58
	solicitation  = 135
	advertisement = 136
	farAway       = 255 // the hop limit that no router has counted down

	flagRouter, flagSolicited = 0x80, 0x40 // of an advertisement

	ofSource, ofTarget = 1, 2 // the options with a link-layer address
)

var (
	allNodes   = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1})
	allNodesHW = groupHW(allNodes)
)

// groupOf is the solicited-node group of an address (RFC 4291, 2.7.1), to which questions
// about it are sent: addresses with the same last three bytes share one.
func groupOf(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// groupHW is the hardware address of a group (RFC 2464, 7).
func groupHW(group netip.Addr) HW {
	b := group.As16()
	return HW{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// is6 tells whether it is an address of IPv6, whatever its zone.
func is6(a netip.Addr) bool { return a.IsValid() && FamilyOf(a) == IPv6 }

// decodeND reads an Ethernet frame that holds a neighbour solicitation or advertisement,
// and refuses what RFC 4861, 7.1.1 and 7.1.2, has a host discard: what it accepts is what
// the segment's hosts believe. source is the frame's own sender. An advertisement or a
// solicitation without a link-layer address is its frame's sender's. NIC, At and zones
// are left to the caller.
func decodeND(frame []byte) (s Sighting, source HW, err error) {
	if len(frame) < atOptions || be16(frame, atType) != typeIPv6 || frame[atPacket]>>4 != 6 ||
		frame[atNext] != icmpv6 || frame[atHops] != farAway {
		return Sighting{}, HW{}, errNotND
	}
	kind, end := be16(frame, atICMP), atICMP+int(be16(frame, atPayload))
	if kind != solicitation<<8 && kind != advertisement<<8 || end < atOptions || end > len(frame) ||
		sum6(frame[atFrom:end]) != 0 {
		return Sighting{}, HW{}, errNotND
	}
	from, to := netip.AddrFrom16([16]byte(frame[atFrom:])), netip.AddrFrom16([16]byte(frame[atTo:]))
	about := netip.AddrFrom16([16]byte(frame[atAbout:]))
	// A host has neither an address of all nor one of none, and no packet has a mapped one.
	if from.IsMulticast() || from.Is4In6() || to.Is4In6() || about.IsMulticast() || about.Is4In6() || about.IsUnspecified() {
		return Sighting{}, HW{}, errNobody
	}
	which := byte(ofSource)
	if kind == advertisement<<8 {
		which = ofTarget
	}
	hw, has, ok := linkLayer(frame[atOptions:end], which)
	if !ok {
		return Sighting{}, HW{}, errNotND
	}
	if kind == solicitation<<8 {
		if from.IsUnspecified() && (has || !isSolicitedNode(to)) {
			return Sighting{}, HW{}, errNotND
		}
		s = Sighting{Sender: from, Target: about}
	} else {
		s = Sighting{Sender: about, Target: about, Reply: frame[atFlags]&flagSolicited != 0}
		if s.Reply {
			if to.IsMulticast() {
				return Sighting{}, HW{}, errNotND
			}
			s.Target = to
		}
	}
	if s.HW = HW(frame[atSource:]); has {
		s.HW = hw
	}
	if s.HW.IsZero() || s.HW == broadcast {
		return Sighting{}, HW{}, errNobody
	}
	return s, HW(frame[atSource:]), nil
}

func isSolicitedNode(a netip.Addr) bool { return a == groupOf(a) }

// linkLayer walks the options. It is not ok if one of them has no length or reaches beyond
// the end: then all of the message is void (RFC 4861, 4.6). The first of two options of
// one type counts, as it does for Linux.
func linkLayer(options []byte, which byte) (hw HW, has, ok bool) {
	for len(options) > 0 {
		if len(options) < 8 { // the shortest option
			return HW{}, false, false
		}
		length := 8 * int(options[1])
		if length == 0 || length > len(options) {
			return HW{}, false, false
		}
		if options[0] == which && !has {
			if length != 8 { // of a network that is no Ethernet
				return HW{}, false, false
			}
			hw, has = HW(options[2:]), true
		}
		options = options[length:]
	}
	return hw, has, true
}

// sum6 is the checksum of an ICMPv6 message (RFC 4443, 2.3), which covers the addresses
// too: b has both, and the message behind them, as the packet has. It is 0 where the
// message has the right one in its place.
func sum6(b []byte) uint16 { return checksum(b, uint32(len(b)-32)+icmpv6) }

// checksum is RFC 1071's, which goes on from a sum.
func checksum(b []byte, sum uint32) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(be16(b, 0))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// neighbour is a frame of neighbour discovery that we send.
type neighbour struct {
	source, dest HW         // of the frame
	from, to     netip.Addr // of the packet
	advert       bool       // otherwise it is a solicitation
	router       bool       // of an advertisement
	about        netip.Addr
	hw           HW // in the option; zero: there is none
}

// question asks who has target (RFC 4861, 7.2.2); from :: it is the probe of RFC 4862,
// 5.4.2, which must not have the option and goes to the group in any case.
func question(target, from netip.Addr, to, source HW) (neighbour, error) {
	if !is6(target) || !is6(from) {
		return neighbour{}, errNotIPv6
	}
	m := neighbour{source: source, dest: to, from: from, to: target, about: target, hw: source}
	if from.IsUnspecified() {
		m.hw = HW{}
	}
	if to.IsZero() || from.IsUnspecified() {
		m.to = groupOf(target)
	}
	if to.IsZero() {
		m.dest = groupHW(m.to)
	}
	return m, nil
}

// claim tells everybody that hw has the alias (RFC 4861, 7.2.6). The flag Override and the
// link-layer address are what moves an entry that a host has already.
func claim(alias netip.Addr, hw, source HW, router bool) (neighbour, error) {
	if !is6(alias) {
		return neighbour{}, errNotIPv6
	}
	return neighbour{source: source, dest: allNodesHW, from: alias, to: allNodes, advert: true, router: router, about: alias, hw: hw}, nil
}

// solicitForm and advertForm are both messages as mdlayher's packages write them, in an
// IPv6 packet with no addresses in it yet.
var (
	solicitForm = formND(&ndp.NeighborSolicitation{TargetAddress: netip.IPv6Unspecified(),
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: make(net.HardwareAddr, len(HW{}))}}})
	advertForm = formND(&ndp.NeighborAdvertisement{TargetAddress: netip.IPv6Unspecified(), Override: true,
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: make(net.HardwareAddr, len(HW{}))}}})
)

func formND(m ndp.Message) (b [ndEnd]byte) {
	message, err := ndp.MarshalMessage(m)
	if err != nil {
		panic(err) // cannot be: good addresses
	}
	nobody := make(net.HardwareAddr, len(HW{}))
	frame, err := (&ethernet.Frame{Destination: nobody, Source: nobody, EtherType: ethernet.EtherTypeIPv6,
		Payload: append(make([]byte, atICMP-atPacket), message...)}).MarshalBinary()
	if err != nil || len(frame) != ndEnd {
		panic(fmt.Sprint(len(frame), err))
	}
	frame[atPacket], frame[atNext], frame[atHops] = 6<<4, icmpv6, farAway
	copy(b[:], frame)
	return b
}

// encode writes the frame and returns its length: the form, each address in its place, and
// the checksum.
func (m neighbour) encode(b *[ndEnd]byte) int {
	*b = solicitForm
	if m.advert {
		*b = advertForm
	}
	end := ndEnd
	if m.hw.IsZero() {
		end = atOptions
	}
	b[atPayload+1] = byte(end - atICMP)
	copy(b[atDest:], m.dest[:])
	copy(b[atSource:], m.source[:])
	from, to, about := m.from.As16(), m.to.As16(), m.about.As16()
	copy(b[atFrom:], from[:])
	copy(b[atTo:], to[:])
	if m.router {
		b[atFlags] |= flagRouter
	}
	copy(b[atAbout:], about[:])
	copy(b[atOptions+2:], m.hw[:])
	setSum6(b[:end])
	return end
}

// setSum6 puts the checksum into a frame with an ICMPv6 message.
func setSum6(frame []byte) {
	frame[atSum], frame[atSum+1] = 0, 0
	sum := sum6(frame[atFrom:])
	frame[atSum], frame[atSum+1] = byte(sum>>8), byte(sum)
}
