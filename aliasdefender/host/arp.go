package host

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

// broadcast is the hardware address of everybody on the segment.
var broadcast = HW{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

var (
	errNotARP  = errors.New("not an ARP request or reply for IPv4 on Ethernet")
	errNobody  = errors.New("sent by nobody, or by everybody")
	errNotIPv4 = errors.New("not an IPv4 address")
)

// ARP for IPv4 on Ethernet (RFC 826). Each field has its place in such a frame, so it is
// read and written there: a thousand frames a second must leave nothing for the garbage
// collector.
const (
	atDest      = 0  // of the frame
	atSource    = 6  // of the frame
	atType      = 12 // of the frame
	atPacket    = 14
	atOperation = 20
	atSenderHW  = 22
	atSender    = 28
	atTargetHW  = 32
	atTarget    = 38
	packetEnd   = 42
	shortest    = 60 // an Ethernet frame is padded to this length
	typeARP     = 0x0806
	opRequest   = 1
	opReply     = 2
	ethernet1   = 1 // hardware types; Linux accepts both (RFC 1122, 2.3.3)
	ieee802     = 6
	typeIPv4    = 0x0800
	sizesOfBoth = 0x0604 // of a hardware and of an IPv4 address
)

// decode reads an Ethernet frame that holds ARP. source is the frame's own
// sender: it differs from the Sighting's where one host announces for another.
// NIC and At are left to the caller.
func decode(frame []byte) (s Sighting, source HW, err error) {
	if len(frame) < packetEnd || be16(frame, atType) != typeARP {
		return Sighting{}, HW{}, errNotARP
	}
	hardware, operation := be16(frame, atPacket), be16(frame, atOperation)
	switch {
	case hardware != ethernet1 && hardware != ieee802,
		be16(frame, atPacket+2) != typeIPv4,
		be16(frame, atPacket+4) != sizesOfBoth,
		operation != opRequest && operation != opReply:
		return Sighting{}, HW{}, errNotARP
	}
	s = Sighting{
		Sender: netip.AddrFrom4([4]byte(frame[atSender:])),
		HW:     HW(frame[atSenderHW:]),
		Target: netip.AddrFrom4([4]byte(frame[atTarget:])),
		Reply:  operation == opReply,
	}
	// A group address is accepted: a load-balancing cluster has one, and what it owns is
	// owned.
	if s.HW.IsZero() || s.HW == broadcast {
		return Sighting{}, HW{}, errNobody
	}
	return s, HW(frame[atSource:]), nil
}

func be16(b []byte, at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }

// message is an ARP frame that we send.
type message struct {
	source, dest     HW // of the frame
	reply            bool
	sender, target   netip.Addr
	senderHW, destHW HW // of the packet inside
}

// announcement says that hw has the alias (RFC 5227, 2.3), in both forms, because some
// hosts ignore the one and some the other. The reply names its own sender as the target:
// Linux takes a reply with another target for some other host's business.
func announcement(alias netip.Addr, hw, source HW) [2]message {
	request := message{source: source, dest: broadcast, sender: alias, target: alias, senderHW: hw}
	reply := request
	reply.reply, reply.destHW = true, hw
	return [2]message{request, reply}
}

// forms are a request and a reply as mdlayher's packages write them, with no addresses in
// them yet.
var forms = [...][shortest]byte{form(arp.OperationRequest), form(arp.OperationReply)}

func form(operation arp.Operation) (b [shortest]byte) {
	nobody := make(net.HardwareAddr, len(HW{}))
	p, err := arp.NewPacket(operation, nobody, netip.IPv4Unspecified(), nobody, netip.IPv4Unspecified())
	if err != nil {
		panic(err) // cannot be: four good addresses
	}
	packet, err := p.MarshalBinary()
	if err != nil {
		panic(err)
	}
	frame, err := (&ethernet.Frame{Destination: nobody, Source: nobody, EtherType: ethernet.EtherTypeARP, Payload: packet}).MarshalBinary()
	if err != nil {
		panic(err)
	}
	copy(b[:], frame)
	return b
}

// encode writes the frame with its padding: the form, and each address in its place.
func (m message) encode(b *[shortest]byte) error {
	if !m.sender.Is4() || !m.target.Is4() {
		return errNotIPv4
	}
	*b = forms[0]
	if m.reply {
		*b = forms[1]
	}
	sender, target := m.sender.As4(), m.target.As4()
	copy(b[atDest:], m.dest[:])
	copy(b[atSource:], m.source[:])
	copy(b[atSenderHW:], m.senderHW[:])
	copy(b[atSender:], sender[:])
	copy(b[atTargetHW:], m.destHW[:])
	copy(b[atTarget:], target[:])
	return nil
}
