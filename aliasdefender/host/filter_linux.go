package host

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// mostSpans is how many spans of addresses a filter can tell apart: each costs some eight
// instructions, and the kernel takes 4,096.
const mostSpans = 400

// Want makes the kernel pass only frames that name one of these addresses, as sender or
// as target. Before the first call the kernel passes all frames of this segment. With the
// filter, a storm of frames about other addresses neither wakes this process nor takes
// the room of frames that matter. One filter replaces the other at once, and nothing is
// lost. Frames that the old filter let in may still be delivered. With ARP, frames about
// addresses that lie between the wanted ones may be delivered too, because a filter has
// no room for thousands of single addresses. Want ignores addresses of the other family,
// and zones, because a Wire is on one NIC.
//
// In IPv6 a frame names the address that a solicitation asks for, its source, and the
// address that an advertisement is about. Want also tells the NIC to pass the groups to
// which questions about the wanted addresses are sent.
//
// After an error it is unknown what the filter passes: close the Wire.
func (w *Wire) Want(addrs []netip.Addr) error {
	if w.family == IPv6 {
		return w.want6(addrs)
	}
	return w.filter(spans(addrs), speaksOf, onlyThisSegment)
}

// filter attaches the finest filter that the kernel takes, and without any the whole
// segment's.
func (w *Wire) filter(all []span, of func([]span) []bpf.Instruction, segment []bpf.Instruction) error {
	// The kernel bounds the memory of a socket's filters (net.core.optmem_max).
	for most := mostSpans; most > 0; most /= 4 {
		if w.attach(of(join(all, most))) == nil {
			return nil
		}
	}
	if err := w.attach(segment); err != nil {
		return fmt.Errorf("host: filter on %s: %w", w.nic, err)
	}
	return nil
}

func (w *Wire) attach(filter []bpf.Instruction) error {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	return w.conn.SetBPF(raw)
}

// onlyThisSegment drops frames for other hosts, and every frame of a VLAN that has no
// interface here. The kernel takes such a frame's tag off before we see it and marks the
// frame so; nothing else tells it from a frame of this segment.
var onlyThisSegment = append(slices.Clone(dropOtherHosts), bpf.RetConstant{Val: frameSize})

var dropOtherHosts = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OTHERHOST, SkipFalse: 1},
	bpf.RetConstant{Val: 0},
}

// span is a run of addresses, including both ends.
type span struct{ from, to uint32 }

// spans are the IPv4 addresses as runs, in ascending order.
func spans(addrs []netip.Addr) []span {
	var numbers []uint32
	for _, a := range addrs {
		if a.Is4() {
			b := a.As4()
			numbers = append(numbers, binary.BigEndian.Uint32(b[:]))
		}
	}
	return runs(numbers)
}

// runs are the numbers as spans, in ascending order.
func runs(numbers []uint32) (all []span) {
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		if last := len(all) - 1; last >= 0 && all[last].to == n-1 {
			all[last].to = n
		} else {
			all = append(all, span{n, n})
		}
	}
	return all
}

// join reduces them to at most so many spans, by closing the smallest gaps.
func join(all []span, most int) []span {
	if len(all) <= most {
		return all
	}
	gaps := make([]uint32, len(all)-1)
	for i := range gaps {
		gaps[i] = all[i+1].from - all[i].to
	}
	sorted := slices.Sorted(slices.Values(gaps))
	widest := sorted[len(all)-most-1] // the widest gap that is closed
	fewer := []span{all[0]}
	for i, gap := range gaps {
		if gap <= widest {
			fewer[len(fewer)-1].to = all[i+1].to
		} else {
			fewer = append(fewer, all[i+1])
		}
	}
	return fewer
}

// speaksOf is the filter that passes frames whose sender or target is in the spans. The
// kernel drops a frame that is too short to have them.
func speaksOf(all []span) []bpf.Instruction {
	filter := slices.Clone(dropOtherHosts)
	for _, at := range []uint32{atSender, atTarget} {
		filter = append(filter, within(all, at, frameSize)...)
	}
	return append(filter, bpf.RetConstant{Val: 0})
}

// within lets through so many bytes of a frame in which the number at that place is in the
// spans, and otherwise goes on behind its own end.
func within(all []span, at, size uint32) []bpf.Instruction {
	if len(all) == 0 {
		return nil
	}
	found := search(all, 0, size)
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: at, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: all[0].from, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(found))},
	}, found...)
}

// search passes the frame if the number is in the spans, which it finds by halving.
// Otherwise it goes on that many instructions after its own end. The number is known not
// to be below the first span.
func search(all []span, after int, size uint32) []bpf.Instruction {
	if len(all) == 1 {
		return []bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: all[0].to, SkipTrue: 1},
			bpf.RetConstant{Val: size},
			bpf.Jump{Skip: uint32(after)},
		}
	}
	half := len(all) / 2
	upper := search(all[half:], after, size)
	lower := search(all[:half], after+len(upper), size)
	decide := []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: all[half].from, SkipTrue: uint8(len(lower))}}
	if len(lower) > 255 { // a condition cannot jump further
		decide = []bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: all[half].from, SkipFalse: 1},
			bpf.Jump{Skip: uint32(len(lower))},
		}
	}
	return slices.Concat(decide, lower, upper)
}
