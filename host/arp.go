package host

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

// broadcast is the hardware address of everybody on the segment.
var broadcast = HW{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

var errNotARP = errors.New("not an ARP request or reply for IPv4 on Ethernet")

// decode reads an Ethernet frame that holds ARP (RFC 826). source is the frame's
// own sender: it differs from the Sighting's where one host announces for
// another. NIC and At are left to the caller.
func decode(frame []byte) (s Sighting, source HW, err error) {
	var f ethernet.Frame
	if err := f.UnmarshalBinary(frame); err != nil {
		return Sighting{}, HW{}, err
	}
	if f.EtherType != ethernet.EtherTypeARP || f.VLAN != nil {
		return Sighting{}, HW{}, errNotARP
	}
	var p arp.Packet
	if err := p.UnmarshalBinary(f.Payload); err != nil {
		return Sighting{}, HW{}, err
	}
	const ethernet1, ieee802 = 1, 6 // hardware types; Linux accepts both (RFC 1122, 2.3.3)
	switch {
	case p.HardwareType != ethernet1 && p.HardwareType != ieee802,
		p.ProtocolType != uint16(ethernet.EtherTypeIPv4),
		p.HardwareAddrLength != 6, p.IPLength != 4,
		p.Operation != arp.OperationRequest && p.Operation != arp.OperationReply:
		return Sighting{}, HW{}, errNotARP
	}
	s = Sighting{
		Sender: p.SenderIP,
		HW:     HW(p.SenderHardwareAddr),
		Target: p.TargetIP,
		Reply:  p.Operation == arp.OperationReply,
	}
	// A group address is let through: a load-balancing cluster has one, and
	// what it owns is owned.
	if s.HW.IsZero() || s.HW == broadcast {
		return Sighting{}, HW{}, fmt.Errorf("sender %s is nobody", s.HW)
	}
	return s, HW(f.Source), nil
}

// message is an ARP frame that we send.
type message struct {
	source, dest     HW // of the frame
	reply            bool
	sender, target   netip.Addr
	senderHW, destHW HW // of the packet inside
}

// announcement says that hw has the alias (RFC 5227, 2.3), in both forms, for
// each is ignored by somebody. The reply names its own sender as the target:
// Linux takes another for some other host's business.
func announcement(alias netip.Addr, hw, source HW) []message {
	request := message{source: source, dest: broadcast, sender: alias, target: alias, senderHW: hw}
	reply := request
	reply.reply, reply.destHW = true, hw
	return []message{request, reply}
}

func (m message) encode() ([]byte, error) {
	op := arp.OperationRequest
	if m.reply {
		op = arp.OperationReply
	}
	p, err := arp.NewPacket(op, m.senderHW[:], m.sender, m.destHW[:], m.target)
	if err != nil {
		return nil, err
	}
	payload, err := p.MarshalBinary()
	if err != nil {
		return nil, err
	}
	f := ethernet.Frame{
		Destination: m.dest[:],
		Source:      m.source[:],
		EtherType:   ethernet.EtherTypeARP,
		Payload:     payload,
	}
	return f.MarshalBinary()
}
