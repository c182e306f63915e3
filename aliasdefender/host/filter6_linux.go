package host

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// neighboursOnly drops all but neighbour solicitations and advertisements that no router
// has forwarded. One behind extension headers is dropped: a filter cannot follow such a
// chain to its end, and RFC 6980 forbids the one header that a host could need there, the
// fragment's.
var neighboursOnly = []bpf.Instruction{
	bpf.LoadAbsolute{Off: atNext, Size: 2}, // and the hop limit
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv6<<8 | farAway, SkipFalse: 3},
	bpf.LoadAbsolute{Off: atICMP, Size: 2}, // type and code
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: solicitation << 8, SkipTrue: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: advertisement << 8, SkipTrue: 1},
	bpf.RetConstant{Val: 0},
}

// onlyNeighbours passes all neighbour discovery of this segment.
var onlyNeighbours = slices.Concat(dropOtherHosts, neighboursOnly, []bpf.Instruction{bpf.RetConstant{Val: packetSize}})

// want6 is Want for IPv6. The kernel's filter looks at the last four bytes of an address,
// in which addresses of one segment differ; the reader looks at all of it.
func (w *Wire) want6(addrs []netip.Addr) error {
	w.wanting.Lock()
	defer w.wanting.Unlock()
	var numbers []uint32
	var mine []netip.Addr
	set := map[netip.Addr]struct{}{}
	for _, a := range addrs {
		if is6(a) {
			a = a.WithZone("")
			b := a.As16()
			set[a] = struct{}{}
			mine, numbers = append(mine, a), append(numbers, binary.BigEndian.Uint32(b[12:]))
		}
	}
	if err := w.join(mine); err != nil {
		return fmt.Errorf("host: filter on %s: %w", w.nic, err)
	}
	w.want.Store(&set)
	return w.filter(runs(numbers), speaksOf6, onlyNeighbours)
}

// speaksOf6 is the filter that passes solicitations whose source or target ends like a
// wanted address, and advertisements whose target does. The kernel drops a frame that is
// too short to have them.
func speaksOf6(all []span) []bpf.Instruction {
	source := within(all, atFrom+12, packetSize)
	filter := slices.Concat(dropOtherHosts, neighboursOnly, []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: solicitation << 8, SkipTrue: 1}, // it is still loaded
		bpf.Jump{Skip: uint32(len(source))},
	})
	return append(slices.Concat(filter, source, within(all, atAbout+12, packetSize)), bpf.RetConstant{Val: 0})
}
