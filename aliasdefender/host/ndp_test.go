package host

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/ndp"
)

var (
	alias6   = netip.MustParseAddr("2001:db8::9")
	ownAddr6 = netip.MustParseAddr("2001:db8::1")
	mapped   = netip.MustParseAddr("::ffff:10.0.0.9")
)

// Addresses as they stand in the frames below.
const (
	hexOwn   = " 20010db8000000000000000000000001 "
	hexAlias = " 20010db8000000000000000000000009 "
	hexGroup = " ff0200000000000000000001ff000009 "
	hexAll   = " ff020000000000000000000000000001 "
	hexNone  = " 00000000000000000000000000000000 "
)

func must(t testing.TB) func(m neighbour, err error) neighbour {
	return func(m neighbour, err error) neighbour {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

// written is the frame as we write it.
func written(m neighbour) []byte {
	b := [ndEnd]byte(bytes.Repeat([]byte{9}, ndEnd)) // nothing of it may stay
	return b[:m.encode(&b)]
}

// The frames byte for byte, as RFC 4861, RFC 2464 and RFC 4862 draw them; their checksums
// were computed elsewhere.
func TestNeighbourFramesAreWhatTheRFCsSay(t *testing.T) {
	ok := must(t)
	for _, c := range []struct {
		name, want string
		m          neighbour
		read       Sighting
	}{
		{"question to all",
			"3333ff000009 020000000001 86dd 60000000 0020 3a ff" + hexOwn + hexGroup + "8700 1c19 00000000" + hexAlias + "0101 020000000001",
			ok(question(alias6, ownAddr6, HW{}, ourHW)), Sighting{Sender: ownAddr6, HW: ourHW, Target: alias6}},
		{"question to one",
			"020000000002 020000000001 86dd 60000000 0020 3a ff" + hexOwn + hexAlias + "8700 ec64 00000000" + hexAlias + "0101 020000000001",
			ok(question(alias6, ownAddr6, theirHW, ourHW)), Sighting{Sender: ownAddr6, HW: ourHW, Target: alias6}},
		{"probe",
			"3333ff000009 020000000001 86dd 60000000 0018 3a ff" + hexNone + hexGroup + "8700 4cdd 00000000" + hexAlias,
			ok(question(alias6, netip.IPv6Unspecified(), HW{}, ourHW)), Sighting{Sender: netip.IPv6Unspecified(), HW: ourHW, Target: alias6}},
		{"announcement",
			"333300000001 020000000001 86dd 60000000 0020 3a ff" + hexAlias + hexAll + "8800 f91a 20000000" + hexAlias + "0201 020000000001",
			ok(claim(alias6, ourHW, ourHW, false)), Sighting{Sender: alias6, HW: ourHW, Target: alias6}},
		{"announcement for another, by a router",
			"333300000001 020000000001 86dd 60000000 0020 3a ff" + hexAlias + hexAll + "8800 7919 a0000000" + hexAlias + "0201 020000000002",
			ok(claim(alias6, theirHW, ourHW, true)), Sighting{Sender: alias6, HW: theirHW, Target: alias6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := written(c.m)
			if diff := cmp.Diff(hex.Dump(unhex(t, c.want)), hex.Dump(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			s, source, err := decodeND(got)
			if err != nil || source != ourHW || s != c.read {
				t.Errorf("read back: %+v from %s, %v", s, source, err)
			}
		})
	}
	zoned := netip.MustParseAddr("fe80::9%eth0")
	if got, want := written(ok(question(zoned, zoned, HW{}, ourHW))), written(ok(question(zoned.WithZone(""), zoned.WithZone(""), HW{}, ourHW))); !bytes.Equal(got, want) {
		t.Error("a zone has changed the frame")
	}
	for _, a := range []netip.Addr{alias, mapped, {}} {
		if _, err := question(a, ownAddr6, HW{}, ourHW); err == nil {
			t.Errorf("asks for %v", a)
		}
		if _, err := question(alias6, a, HW{}, ourHW); err == nil {
			t.Errorf("asks as %v", a)
		}
		if _, err := claim(a, ourHW, ourHW, false); err == nil {
			t.Errorf("announces %v", a)
		}
	}
}

// heard are frames of others, whose checksum summed puts in, and what they say.
var heard = map[string]struct {
	frame string
	want  Sighting
}{
	"an answer": {
		"020000000001 020000000002 86dd 60000000 0020 3a ff" + hexAlias + hexOwn + "8800 0000 60000000" + hexAlias + "0201 020000000002",
		Sighting{Sender: alias6, HW: theirHW, Target: ownAddr6, Reply: true}},
	"an answer without an option": {
		"020000000001 020000000002 86dd 60000000 0018 3a ff" + hexAlias + hexOwn + "8800 0000 40000000" + hexAlias,
		Sighting{Sender: alias6, HW: theirHW, Target: ownAddr6, Reply: true}},
	"an advertisement from another of its addresses": {
		"333300000001 020000000002 86dd 60000000 0020 3a ff" + hexOwn + hexAll + "8800 0000 20000000" + hexAlias + "0201 03bf00000009",
		Sighting{Sender: alias6, HW: HW{3, 0xbf, 0, 0, 0, 9}, Target: alias6}},
	"a question with a nonce, an option of all kinds and one for others": {
		"3333ff000009 020000000002 86dd 6fffffff 0040 3a ff" + hexOwn + hexGroup + "8700 0000 ffffffff" + hexAlias +
			"0e01 123456789abc fd02 0000000000000000000000000000 0201 020000000004 0101 020000000003",
		Sighting{Sender: ownAddr6, HW: HW{2, 0, 0, 0, 0, 3}, Target: alias6}},
	"the first of two options, and padding": {
		"3333ff000009 020000000002 86dd 60000000 0028 3a ff" + hexOwn + hexGroup + "8700 0000 00000000" + hexAlias + "0101 020000000003 0101 020000000004 ffffffff",
		Sighting{Sender: ownAddr6, HW: HW{2, 0, 0, 0, 0, 3}, Target: alias6}},
}

// summed puts the right checksum into a frame that is long enough.
func summed(frame []byte) []byte {
	if len(frame) < atOptions {
		return frame
	}
	end := min(atICMP+int(be16(frame, atPayload)), len(frame))
	if end >= atOptions {
		setSum6(frame[:end])
	}
	return frame
}

func TestNeighbourFramesOfOthersAreRead(t *testing.T) {
	for name, c := range heard {
		t.Run(name, func(t *testing.T) {
			frame := unhex(t, c.frame)
			if s, _, err := decodeND(summed(frame)); err != nil || s != c.want {
				t.Errorf("read: %+v, %v", s, err)
			}
			frame[atSum]++
			if s, _, err := decodeND(frame); err == nil {
				t.Errorf("accepted with a wrong checksum as %+v", s)
			}
		})
	}
}

const (
	goodNS = "3333ff000009 020000000002 86dd 60000000 0020 3a ff" + hexOwn + hexGroup + "8700 0000 00000000" + hexAlias
	goodNA = "333300000001 020000000002 86dd 60000000 0020 3a ff" + hexOwn + hexAll + "8800 0000 20000000" + hexAlias
)

// badND are frames, each a good one with one thing wrong.
func badND(t testing.TB) map[string][]byte {
	ns, na := unhex(t, goodNS+"0101 020000000002"), unhex(t, goodNA+"0201 020000000002")
	all := map[string][]byte{"empty": {}, "no packet": na[:14], "cut": na[:85], "cut before the options": na[:77]}
	with := func(name string, frame []byte, at int, bytes ...byte) {
		b := slices.Clone(frame)
		copy(b[at:], bytes)
		all[name] = summed(b)
	}
	none, every := make([]byte, 16), unhex(t, hexAll)
	four := mapped.As16()
	with("of IPv4", na, atType, 8, 0)
	with("tagged", na, atType, 0x81, 0)
	with("version 4", na, atPacket, 0x40)
	with("behind a hop-by-hop header", na, atNext, 0)
	with("in a fragment", na, atNext, 44)
	with("forwarded", na, atHops, 254)
	with("longer than its frame", na, atPayload, 0, 33)
	with("no room for a target", na, atPayload, 0, 16)
	with("empty packet", na, atPayload, 0, 0)
	with("router advertisement", na, atICMP, 134)
	with("a code", na, atICMP, 136, 1)
	with("solicited, and to all", na, atFlags, 0x60)
	with("about a group", na, atAbout, every...)
	with("about nobody", na, atAbout, none...)
	with("about an address of IPv4", na, atAbout, four[:]...)
	with("from a group", na, atFrom, every...)
	with("from an address of IPv4", ns, atFrom, four[:]...)
	with("to an address of IPv4", na, atTo, four[:]...)
	with("about a group, asked", ns, atAbout, every...)
	with("about nobody, asked", ns, atAbout, none...)
	with("a probe with an option", ns, atFrom, none...)
	with("an option without a length", na, atOptions, 2, 0)
	with("an option without a length, of a kind that nobody knows", na, atOptions, 200, 0)
	with("an option beyond the end", na, atOptions, 2, 2)
	with("an option beyond the end, of a kind that nobody knows", na, atOptions, 200, 2)
	with("half an option", na, atPayload, 0, 28)
	with("of nobody", na, atOptions, 2, 1, 0, 0, 0, 0, 0, 0)
	with("of everybody", na, atOptions, 2, 1, 255, 255, 255, 255, 255, 255)
	probe := slices.Clone(ns[:atOptions])
	probe[atPayload+1] = 24
	copy(probe[atFrom:], none)
	with("a probe to all", probe, atTo, every...)
	probe = unhex(t, "3333ff000009 020000000002 86dd 60000000 0028 3a ff"+hexOwn+hexGroup+"8700 0000 00000000"+hexAlias+"0102 0200000000020000000000000000")
	all["a long address"] = summed(probe)
	return all
}

func TestBadNeighbourFramesAreRefused(t *testing.T) {
	for name, frame := range badND(t) {
		t.Run(name, func(t *testing.T) {
			if s, source, err := decodeND(frame); err == nil || s != (Sighting{}) || !source.IsZero() {
				t.Errorf("accepted as %+v", s)
			}
		})
	}
	for _, good := range []string{goodNS + "0101 020000000002", goodNA + "0201 020000000002"} {
		if _, _, err := decodeND(summed(unhex(t, good))); err != nil {
			t.Errorf("the good one: %v", err)
		}
	}
}

// onlyLinkLayer is a message without the options that we do not look at: mdlayher/ndp
// judges them too, and a host must not.
func onlyLinkLayer(message []byte, which byte) []byte {
	b := slices.Clone(message[:24])
	for rest := message[24:]; len(rest) > 0; {
		n := max(8*int(rest[1]), 8)
		if rest[0] == which {
			b = append(b, rest[:n]...)
			break // and the first one counts
		}
		rest = rest[n:]
	}
	return b
}

// FuzzNDPFrame: no frame makes decodeND panic; what it reads is what mdlayher/ndp reads;
// and what it says, written as a frame of ours, is what mdlayher/ndp writes.
func FuzzNDPFrame(f *testing.F) {
	for _, frame := range badND(f) {
		f.Add(frame)
	}
	for _, c := range heard {
		f.Add(summed(unhex(f, c.frame)))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, _, first := decodeND(frame)
		if first != nil { // what is guessed has no right checksum
			frame = summed(slices.Clone(frame))
		}
		s, source, err := decodeND(frame)
		if err != nil {
			if s != (Sighting{}) || !source.IsZero() {
				t.Errorf("refused, and yet %+v from %s", s, source)
			}
			return
		}
		if s.HW.IsZero() || s.HW == broadcast || !is6(s.Sender) || !is6(s.Target) || s.Sender.IsMulticast() || frame[atHops] != 255 {
			t.Fatalf("accepted %+v", s)
		}
		end := atICMP + int(be16(frame, atPayload))
		solicit := frame[atICMP] == solicitation
		which := ofTarget
		if solicit {
			which = ofSource
		}
		m, err := ndp.ParseMessage(onlyLinkLayer(frame[atICMP:end], byte(which)))
		if err != nil {
			t.Fatalf("accepted %+v, mdlayher/ndp: %v", s, err)
		}
		from, to := netip.AddrFrom16([16]byte(frame[atFrom:])), netip.AddrFrom16([16]byte(frame[atTo:]))
		want, options := Sighting{HW: source}, []ndp.Option(nil)
		switch m := m.(type) {
		case *ndp.NeighborSolicitation:
			want.Sender, want.Target, options = from, m.TargetAddress, m.Options
		case *ndp.NeighborAdvertisement:
			want.Sender, want.Target, want.Reply, options = m.TargetAddress, m.TargetAddress, m.Solicited, m.Options
			if m.Solicited {
				want.Target = to
			}
		}
		for _, o := range options {
			want.HW = HW(o.(*ndp.LinkLayerAddress).Addr)
		}
		if s != want {
			t.Errorf("read %+v, mdlayher/ndp %+v", s, want)
		}
		judgeWriting(t, s, source, solicit)
	})
}

// judgeWriting compares our frames about what was read with those of mdlayher/ndp.
func judgeWriting(t *testing.T, s Sighting, source HW, solicit bool) {
	t.Helper()
	var m neighbour
	var err error
	var by ndp.Message
	if solicit {
		m, err = question(s.Target, s.Sender, HW{}, source)
		n := &ndp.NeighborSolicitation{TargetAddress: s.Target}
		if !s.Sender.IsUnspecified() {
			n.Options = []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: net.HardwareAddr(source[:])}}
		}
		by = n
		group, fault := ndp.SolicitedNodeMulticast(s.Target)
		if fault != nil || group != m.to {
			t.Errorf("group %v, mdlayher/ndp %v, %v", m.to, group, fault)
		}
	} else {
		m, err = claim(s.Sender, s.HW, source, s.Reply)
		by = &ndp.NeighborAdvertisement{Router: s.Reply, Override: true, TargetAddress: s.Sender,
			Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: net.HardwareAddr(s.HW[:])}}}
	}
	if err != nil {
		t.Fatal(err)
	}
	if m.source.IsZero() && solicit { // a frame whose source is none: we have one
		return
	}
	want, err := ndp.MarshalMessageChecksum(by, m.from, m.to)
	if err != nil {
		t.Fatal(err)
	}
	if got := written(m)[atICMP:]; !bytes.Equal(got, want) {
		t.Errorf("written:\n%sby mdlayher/ndp:\n%s", hex.Dump(got), hex.Dump(want))
	}
}
