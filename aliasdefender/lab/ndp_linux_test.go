package lab

import (
	"net"
	"net/netip"
	"reflect"
	"testing"
)

// TestFramesOfNeighbourDiscoveryAreReadAsTheyWereMade also judges the checksum.
func TestFramesOfNeighbourDiscoveryAreReadAsTheyWereMade(t *testing.T) {
	one, two := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	mac, other := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	for name, f := range map[string]Frame{
		"an announcement":                  Gratuitous(one, mac),
		"an answer":                        {EthSrc: mac, EthDst: other, Op: Reply, SenderHW: mac, SenderIP: one, TargetIP: two},
		"an answer without override":       {EthSrc: mac, EthDst: other, Op: Reply, SenderHW: mac, SenderIP: one, TargetIP: two, Weak: true},
		"an answer of a router":            {EthSrc: mac, EthDst: other, Op: Reply, SenderHW: mac, SenderIP: one, TargetIP: two, Router: true},
		"a question":                       {EthSrc: mac, EthDst: AllNodes, Op: Request, SenderHW: mac, SenderIP: one, TargetIP: two},
		"a question to one hardware":       {EthSrc: mac, EthDst: other, Op: Request, SenderHW: mac, SenderIP: one, TargetIP: two},
		"a probe, which has no link layer": {EthSrc: mac, EthDst: AllNodes, Op: Request, SenderIP: netip.IPv6Unspecified(), TargetIP: two},
	} {
		t.Run(name, func(t *testing.T) {
			b := f.marshal()
			got, ok := parseFrame(b)
			want := f
			want.TargetHW = nil
			if !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, ok, want)
			}
			if sum := checksum6(b[ethLen:], b[ethLen+ipv6Len:]); sum != 0 {
				t.Errorf("the checksum is %#x off", sum)
			}
			for n := range b {
				parseFrame(b[:n])
			}
		})
	}
}
