package host

import (
	"fmt"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// echoFrame is room for an Ethernet header, an IP header without options, and an ICMP
// message of ours.
const (
	echoHeader = atPacket + ipv4.HeaderLen
	echoFrame  = 128
)

// Echo sends an ICMP message for target, from an address of this host, in a frame to that
// hardware address. Wherever this host believes target to be, the host with that hardware
// address gets the frame, and answers only if it has target. Nobody forwards the message,
// because it may take one hop only. The answer comes like any packet, to any socket that
// listens for it. Echo fills in the checksum of an ICMPv6 message, because that covers
// the addresses. Errors are as for Ask.
func (w *Wire) Echo(target, from netip.Addr, to HW, icmp []byte) error {
	in, say := echoIn, w.sender.sayFrame
	if w.family == IPv6 {
		in, say = echoIn6, w.sender.sayIPv6
	}
	frame, err := in(target, from, to, w.hw, icmp)
	if err == nil {
		err = say(w, frame)
	}
	if err != nil {
		return fmt.Errorf("host: ask %s for %s on %s: %w", to, target, w.nic, err)
	}
	return nil
}

// echoIn is the whole frame (RFC 894, RFC 791).
func echoIn(target, from netip.Addr, to, source HW, icmp []byte) ([]byte, error) {
	if !target.Is4() || !from.Is4() {
		return nil, errNotIPv4
	}
	if len(icmp) > echoFrame-echoHeader {
		return nil, tooLong(icmp)
	}
	b := make([]byte, echoHeader, echoFrame)
	copy(b[atDest:], to[:])
	copy(b[atSource:], source[:])
	b[atType], b[atType+1] = typeIPv4>>8, typeIPv4&0xff
	ip := b[atPacket:]
	total := ipv4.HeaderLen + len(icmp)
	ip[0] = ipv4.Version<<4 | ipv4.HeaderLen/4
	ip[2], ip[3] = byte(total>>8), byte(total)
	ip[6] = 0x40 // not to be fragmented
	ip[8] = 1    // one hop
	ip[9] = unix.IPPROTO_ICMP
	src, dst := from.As4(), target.As4()
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	sum := checksum(ip, 0)
	ip[10], ip[11] = byte(sum>>8), byte(sum)
	b = append(b, icmp...)
	return b[:max(len(b), shortest)], nil
}

// echoIn6 is the whole frame (RFC 2464, RFC 8200).
func echoIn6(target, from netip.Addr, to, source HW, icmp []byte) ([]byte, error) {
	if !is6(target) || !is6(from) {
		return nil, errNotIPv6
	}
	if len(icmp) > echoFrame-atICMP {
		return nil, tooLong(icmp)
	}
	if len(icmp) < 8 {
		return nil, fmt.Errorf("%d bytes are no ICMPv6 message", len(icmp))
	}
	b := make([]byte, atICMP, echoFrame)
	copy(b[atDest:], to[:])
	copy(b[atSource:], source[:])
	b[atType], b[atType+1] = typeIPv6>>8, typeIPv6&0xff
	b[atPacket] = 6 << 4
	b[atPayload+1] = byte(len(icmp))
	b[atNext] = icmpv6
	b[atHops] = 1 // one hop
	src, dst := from.As16(), target.As16()
	copy(b[atFrom:], src[:])
	copy(b[atTo:], dst[:])
	b = append(b, icmp...)
	setSum6(b)
	return b, nil
}

func tooLong(icmp []byte) error {
	return fmt.Errorf("an ICMP message of %d bytes is too long", len(icmp))
}

// sayIPv6 sends a frame of IPv6, which the socket is for, or fails at once.
func (v *sender) sayIPv6(w *Wire, frame []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sendNow(w, frame)
}

// sayFrame sends a frame that is not ARP, or fails at once. The socket is for ARP, so
// programs that look at outgoing frames have to be told what this one is.
func (v *sender) sayFrame(w *Wire, frame []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var sent error
	err := w.raw.Control(func(fd uintptr) {
		at, err := unix.Getsockname(int(fd))
		nic, ok := at.(*unix.SockaddrLinklayer)
		if sent = err; err != nil || !ok {
			return
		}
		to := &unix.SockaddrLinklayer{Protocol: be16([]byte{typeIPv4 & 0xff, typeIPv4 >> 8}, 0), Ifindex: nic.Ifindex, Halen: 6}
		copy(to.Addr[:], frame[atDest:atDest+6])
		sent = unix.Sendto(int(fd), frame, unix.MSG_DONTWAIT, to)
	})
	if err != nil {
		return err
	}
	return sent
}
