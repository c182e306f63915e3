package host

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

// vm runs a filter as the kernel does, but for the packet's type, which Go's machine
// does not know: it is that of a frame for us.
func vm(t *testing.T, filter []bpf.Instruction) *bpf.VM {
	t.Helper()
	if len(filter) > 4096 {
		t.Fatalf("%d instructions; the kernel takes 4096", len(filter))
	}
	filter = append([]bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegA, Val: 0}}, filter[1:]...)
	m, err := bpf.NewVM(filter)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bpf.Assemble(filter); err != nil {
		t.Fatal(err)
	}
	return m
}

// passes tells whether a frame of this sender and target goes through.
func passes(t *testing.T, m *bpf.VM, sender, target uint32) bool {
	t.Helper()
	b := make([]byte, shortest)
	binary.BigEndian.PutUint32(b[atSender:], sender)
	binary.BigEndian.PutUint32(b[atTarget:], target)
	n, err := m.Run(b)
	if err != nil || n != 0 && n != frameSize {
		t.Fatalf("%d, %v", n, err)
	}
	return n > 0
}

func ipOf(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// TestFilterPassesWhatSpeaksOfAWantedAddress compares the filter with a set: of
// random frames, and of those at each edge of each address.
func TestFilterPassesWhatSpeaksOfAWantedAddress(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	any := func() uint32 { return dice.Uint32() }
	for name, wanted := range map[string]func() []uint32{
		"none":                      func() []uint32 { return nil },
		"one":                       func() []uint32 { return []uint32{0x0a000064} },
		"the ends of all":           func() []uint32 { return []uint32{0, 1<<32 - 1} },
		"a pair's":                  func() []uint32 { return []uint32{0x0a000064, 0x0a000001, 0x0a00000b, 0x0a00000c, 0x0a000064} },
		"a thousand in a row":       func() []uint32 { return many(1000, func(i int) uint32 { return 0x0a010000 + uint32(i) }) },
		"each second of 600":        func() []uint32 { return many(300, func(i int) uint32 { return 0x0a010000 + 2*uint32(i) }) },
		"400 all over":              func() []uint32 { return many(mostSpans, func(int) uint32 { return any() }) },
		"a thousand in as many /24": func() []uint32 { return many(1000, func(i int) uint32 { return 0x0a000001 + 256*uint32(i) }) },
		"4000 all over":             func() []uint32 { return many(4000, func(int) uint32 { return any() }) },
	} {
		t.Run(name, func(t *testing.T) {
			numbers := wanted()
			addrs := []netip.Addr{netip.MustParseAddr("2001:db8::1"), {}}
			set := map[uint32]bool{}
			for _, n := range numbers {
				addrs, set[n] = append(addrs, ipOf(n)), true
			}
			exact := len(spans(addrs)) <= mostSpans
			m := vm(t, speaksOf(join(spans(addrs), mostSpans)))
			between := 0
			check := func(sender, target uint32) {
				t.Helper()
				switch got, want := passes(t, m, sender, target), set[sender] || set[target]; {
				case want && !got, exact && got && !want:
					t.Errorf("sender %v, target %v: passes %v", ipOf(sender), ipOf(target), got)
				case got && !want:
					between++
				}
			}
			other := uint32(0xc0a80001)
			for _, n := range numbers {
				for _, x := range []uint32{n - 1, n, n + 1} {
					check(x, other)
					check(other, x)
					check(x, x)
				}
			}
			between = 0
			for range 10000 {
				check(any(), any())
			}
			if between > 9000 {
				t.Errorf("%d of 10,000 frames that speak of nothing wanted pass", between)
			}
		})
	}
}

func many(n int, of func(i int) uint32) (all []uint32) {
	for i := range n {
		all = append(all, of(i))
	}
	return all
}

func TestSpansAreJoinedAcrossTheSmallestGaps(t *testing.T) {
	all := []span{{1, 2}, {4, 4}, {100, 100}, {103, 110}, {1000, 1000}}
	for most, want := range map[int]string{
		5: "[{1 2} {4 4} {100 100} {103 110} {1000 1000}]",
		4: "[{1 4} {100 100} {103 110} {1000 1000}]",
		3: "[{1 4} {100 110} {1000 1000}]",
		2: "[{1 110} {1000 1000}]",
		1: "[{1 1000}]",
	} {
		if got := fmt.Sprint(join(all, most)); got != want {
			t.Errorf("%d spans: %s, want %s", most, got, want)
		}
	}
}
