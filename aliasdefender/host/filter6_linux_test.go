package host

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

// passes6 tells whether a solicitation or an advertisement goes through whose source and
// target end with these numbers.
func passes6(t *testing.T, m *bpf.VM, kind byte, source, target uint32) bool {
	t.Helper()
	b := make([]byte, ndEnd)
	b[atNext], b[atHops], b[atICMP] = icmpv6, farAway, kind
	binary.BigEndian.PutUint32(b[atFrom+12:], source)
	binary.BigEndian.PutUint32(b[atAbout+12:], target)
	n, err := m.Run(b)
	if err != nil || n != 0 && n != packetSize {
		t.Fatalf("%d, %v", n, err)
	}
	return n > 0
}

// TestFilterOfIPv6PassesWhatSpeaksOfAWantedAddress compares the filter with a set, as that
// of ARP is.
func TestFilterOfIPv6PassesWhatSpeaksOfAWantedAddress(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 4))
	for name, numbers := range map[string][]uint32{
		"none":              nil,
		"one":               {9},
		"the ends of all":   {0, 1<<32 - 1},
		"a pair's":          {9, 1, 2, 0xfe000001},
		"a thousand in row": many(1000, func(i int) uint32 { return uint32(i) }),
		"400 all over":      many(mostSpans, func(int) uint32 { return dice.Uint32() }),
		"4000 all over":     many(4000, func(int) uint32 { return dice.Uint32() }),
	} {
		t.Run(name, func(t *testing.T) {
			set := map[uint32]bool{}
			for _, n := range numbers {
				set[n] = true
			}
			all := runs(numbers)
			exact := len(all) <= mostSpans
			m := vm(t, speaksOf6(join(all, mostSpans)))
			between := 0
			check := func(source, target uint32) {
				t.Helper()
				for kind, want := range map[byte]bool{solicitation: set[source] || set[target], advertisement: set[target], 134: false} {
					got := passes6(t, m, kind, source, target)
					if want && !got || got && !want && (exact || kind == 134) {
						t.Errorf("kind %d, source %x, target %x: passes %v", kind, source, target, got)
					}
					if got && !want {
						between++
					}
				}
			}
			const other = 0x12345678
			for n := range set {
				for _, x := range []uint32{n - 1, n, n + 1} {
					check(x, other)
					check(other, x)
					check(x, x)
				}
			}
			between = 0
			for range 10000 {
				check(dice.Uint32(), dice.Uint32())
			}
			if between > 18000 {
				t.Errorf("%d of 20,000 frames that speak of nothing wanted pass", between)
			}
		})
	}
}

// TestReaderOfIPv6LooksAtAllOfTheAddress: the filter sees a part of it.
func TestReaderOfIPv6LooksAtAllOfTheAddress(t *testing.T) {
	w := &Wire{family: IPv6}
	other := netip.MustParseAddr("2001:db8:1::9") // ends as the alias does
	says := func(sender, target netip.Addr, reply bool) Sighting {
		return Sighting{Sender: sender, Target: target, Reply: reply}
	}
	if !w.wants(says(other, other, false)) {
		t.Error("before Want a frame was not wanted")
	}
	w.want.Store(&map[netip.Addr]struct{}{alias6: {}})
	for s, want := range map[Sighting]bool{
		says(other, other, false):                      false,
		says(netip.IPv6Unspecified(), other, false):    false,
		says(netip.IPv6Unspecified(), alias6, false):   true,
		says(other, alias6, false):                     true,
		says(alias6, other, false):                     true,
		says(alias6, ownAddr6, true):                   true,
		says(other, alias6, true):                      false, // an answer to the alias about another
		says(alias6, alias6, false):                    true,
		says(netip.MustParseAddr("::9"), other, false): false,
	} {
		if got := w.wants(s); got != want {
			t.Errorf("%+v is wanted: %v", s, got)
		}
	}
}
