package host

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

var (
	ourHW   = HW{2, 0, 0, 0, 0, 1}
	theirHW = HW{2, 0, 0, 0, 0, 2}
	alias   = netip.MustParseAddr("10.0.0.9")
	ownAddr = netip.MustParseAddr("10.0.0.1")
)

// The frames byte for byte, as RFC 826 and RFC 5227 draw them.
func TestFramesAreWhatTheRFCsSay(t *testing.T) {
	for _, c := range []struct {
		name string
		m    message
		want string
	}{
		{"question to all",
			message{source: ourHW, dest: broadcast, sender: ownAddr, target: alias, senderHW: ourHW},
			"ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000009"},
		{"question to one",
			message{source: ourHW, dest: theirHW, sender: ownAddr, target: alias, senderHW: ourHW, destHW: theirHW},
			"020000000002 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 020000000002 0a000009"},
		{"probe",
			message{source: ourHW, dest: broadcast, sender: netip.IPv4Unspecified(), target: alias, senderHW: ourHW},
			"ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 00000000 000000000000 0a000009"},
		{"announcement, as a request",
			announcement(alias, ourHW, ourHW)[0],
			"ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000009 000000000000 0a000009"},
		{"announcement for another, as a reply",
			announcement(alias, theirHW, ourHW)[1],
			"ffffffffffff 020000000001 0806 0001 0800 06 04 0002 020000000002 0a000009 020000000002 0a000009"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := encoded(t, c.m)
			want := make([]byte, 60) // padded to the shortest frame
			copy(want, unhex(t, c.want))
			if diff := cmp.Diff(hex.Dump(want), hex.Dump(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			s, source, err := decode(got)
			if err != nil || source != c.m.source || s.HW != c.m.senderHW || s.Sender != c.m.sender || s.Target != c.m.target || s.Reply != c.m.reply {
				t.Errorf("read back: %+v from %s, %v", s, source, err)
			}
		})
	}
}

// encoded is the frame as we write it.
func encoded(t testing.TB, m message) []byte {
	t.Helper()
	b := [shortest]byte(bytes.Repeat([]byte{9}, shortest)) // nothing of it may stay
	if err := m.encode(&b); err != nil {
		t.Fatal(err)
	}
	return b[:]
}

// library is the same frame as the usual ARP in Go writes it.
func library(t testing.TB, m message) []byte {
	t.Helper()
	op := arp.OperationRequest
	if m.reply {
		op = arp.OperationReply
	}
	p, err := arp.NewPacket(op, m.senderHW[:], m.sender, m.destHW[:], m.target)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	f := ethernet.Frame{Destination: m.dest[:], Source: m.source[:], EtherType: ethernet.EtherTypeARP, Payload: payload}
	b, err := f.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readByLibrary tells whether the usual ARP in Go takes the frame for one that
// concerns us, and what it reads.
func readByLibrary(frame []byte) (p arp.Packet, ok bool) {
	var f ethernet.Frame
	if f.UnmarshalBinary(frame) != nil || f.EtherType != ethernet.EtherTypeARP || f.VLAN != nil || p.UnmarshalBinary(f.Payload) != nil {
		return p, false
	}
	return p, (p.HardwareType == 1 || p.HardwareType == 6) && p.ProtocolType == uint16(ethernet.EtherTypeIPv4) &&
		p.HardwareAddrLength == 6 && p.IPLength == 4 && (p.Operation == arp.OperationRequest || p.Operation == arp.OperationReply)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bad frames, each the good one with one thing wrong.
var bad = map[string]string{
	"empty":              "",
	"no payload":         "ffffffffffff 020000000002 0806",
	"cut":                "ffffffffffff 020000000002 0806 0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a0000",
	"not ARP":            "ffffffffffff 020000000002 0800 0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a000009",
	"tagged":             "ffffffffffff 020000000002 8100 0007 0806 0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a000009",
	"token ring":         "ffffffffffff 020000000002 0806 0004 0800 06 04 0001 020000000002 0a000002 000000000000 0a000009",
	"not IPv4":           "ffffffffffff 020000000002 0806 0001 86dd 06 04 0001 020000000002 0a000002 000000000000 0a000009",
	"8-byte hardware":    "ffffffffffff 020000000002 0806 0001 0800 08 04 0001 0200000000020000 0a000002 0000000000000000 0a000009",
	"16-byte addresses":  "ffffffffffff 020000000002 0806 0001 0800 06 10 0001 020000000002 0a000002000000000000000000000000 000000000000 0a000009000000000000000000000000",
	"lengths that lie":   "ffffffffffff 020000000002 0806 0001 0800 ff ff 0001 020000000002 0a000002 000000000000 0a000009",
	"zero lengths":       "ffffffffffff 020000000002 0806 0001 0800 00 00 0001 020000000002 0a000002 000000000000 0a000009",
	"reverse ARP":        "ffffffffffff 020000000002 0806 0001 0800 06 04 0003 020000000002 0a000002 000000000000 0a000009",
	"sent by nobody":     "ffffffffffff 020000000002 0806 0001 0800 06 04 0001 000000000000 0a000002 000000000000 0a000009",
	"sent by everybody":  "ffffffffffff 020000000002 0806 0001 0800 06 04 0002 ffffffffffff 0a000002 000000000000 0a000009",
	"half a service tag": "ffffffffffff 020000000002 88a8 0007 8100",
}

func TestBadFramesAreRefused(t *testing.T) {
	for name, frame := range bad {
		t.Run(name, func(t *testing.T) {
			if s, _, err := decode(unhex(t, frame)); err == nil {
				t.Errorf("accepted as %+v", s)
			}
		})
	}
}

// FuzzARPFrame: no frame makes decode panic; what it reads is what mdlayher/arp
// reads; and what it accepts says the same when it is written again.
func FuzzARPFrame(f *testing.F) {
	for _, frame := range bad {
		f.Add(unhex(f, frame))
	}
	f.Add(unhex(f, "ffffffffffff 020000000002 0806 0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a000009"))
	f.Add(unhex(f, "020000000001 020000000002 0806 0006 0800 06 04 0002 03bf0a000009 0a000009 020000000001 0a000001 0000"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		s, source, err := decode(frame)
		p, ok := readByLibrary(frame)
		if err != nil {
			if s != (Sighting{}) || !source.IsZero() {
				t.Errorf("refused, and yet %+v from %s", s, source)
			}
			if ok && HW(p.SenderHardwareAddr) != broadcast && !HW(p.SenderHardwareAddr).IsZero() {
				t.Errorf("%v, and yet %+v", err, p)
			}
			return
		}
		if !ok || s.HW.IsZero() || s.HW == broadcast {
			t.Fatalf("accepted %+v", s)
		}
		if want := (Sighting{Sender: p.SenderIP, HW: HW(p.SenderHardwareAddr), Target: p.TargetIP, Reply: p.Operation == arp.OperationReply}); s != want {
			t.Errorf("read %+v, mdlayher/arp %+v", s, want)
		}
		m := message{source: source, dest: HW(frame[:6]), reply: s.Reply, sender: s.Sender, target: s.Target, senderHW: s.HW, destHW: HW(frame[32:38])}
		again := encoded(t, m)
		if !bytes.Equal(again, library(t, m)) {
			t.Errorf("written:\n%sby mdlayher/arp:\n%s", hex.Dump(again), hex.Dump(library(t, m)))
		}
		copy(again[14:16], frame[14:16]) // either hardware type
		if !bytes.Equal(again[:42], frame[:42]) {
			t.Errorf("read:\n%swritten:\n%s", hex.Dump(frame[:42]), hex.Dump(again[:42]))
		}
	})
}
