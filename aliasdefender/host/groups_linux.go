package host

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// mostGroups is how many groups the NIC is asked for one by one. NICs have room for some
// tens to some hundreds of them, and the kernel goes through its list for each new one.
const mostGroups = 64

// groups are the multicast groups whose frames the NIC passes on to us. The kernel keeps
// them for the socket and drops them with it. It tells no switch about them: a switch that
// forwards a group only to hosts that have joined it by MLD (RFC 4541, 3) sends us no
// questions about an address that we do not have. Announcements and the answers to our
// own questions come in any case: the one go to all nodes, which no switch holds back,
// the others to us.
type groups struct {
	joined map[HW]bool
	all    bool // every group, instead
}

// join has the NIC pass the solicited-node groups of the addresses, and that of all nodes.
// New ones are joined before old ones are left.
func (w *Wire) join(addrs []netip.Addr) error {
	wanted := map[HW]bool{allNodesHW: true} // the kernel's own, unless IPv6 is off on the NIC
	for _, a := range addrs {
		wanted[groupHW(groupOf(a))] = true
	}
	all := len(wanted) > mostGroups
	if all {
		wanted = map[HW]bool{allNodesHW: true}
	}
	g := &w.groups
	if all && !g.all {
		if err := w.member(unix.PACKET_ADD_MEMBERSHIP, unix.PACKET_MR_ALLMULTI, HW{}); err != nil {
			return err
		}
	}
	for hw := range wanted {
		if g.joined[hw] {
			continue
		}
		if err := w.member(unix.PACKET_ADD_MEMBERSHIP, unix.PACKET_MR_MULTICAST, hw); err != nil {
			return err
		}
	}
	var errs []error
	for hw := range g.joined {
		if !wanted[hw] {
			errs = append(errs, w.member(unix.PACKET_DROP_MEMBERSHIP, unix.PACKET_MR_MULTICAST, hw))
		}
	}
	if g.all && !all {
		errs = append(errs, w.member(unix.PACKET_DROP_MEMBERSHIP, unix.PACKET_MR_ALLMULTI, HW{}))
	}
	g.joined, g.all = wanted, all
	return errors.Join(errs...)
}

func (w *Wire) member(what, kind int, hw HW) (err error) {
	mreq := &unix.PacketMreq{Ifindex: int32(w.index), Type: uint16(kind)}
	if kind == unix.PACKET_MR_MULTICAST {
		mreq.Alen = uint16(copy(mreq.Address[:], hw[:]))
	}
	if control := w.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptPacketMreq(int(fd), unix.SOL_PACKET, what, mreq)
	}); control != nil {
		return control
	}
	if err != nil {
		return fmt.Errorf("multicast group %s: %w", hw, err)
	}
	return nil
}
