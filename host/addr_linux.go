package host

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Add puts the address on the NIC, with its label (the NIC's name if empty), a
// broadcast address where the subnet has one (not /31 and /32, RFC 3021), and
// our tag. An address that is there already is left as it is, and that is done.
//
// It is an error if the address has another prefix there or stands on another
// NIC, for the kernel would take a second copy without a word; if the NIC has
// no address that somebody else put there, for an alias must not become the
// one that the host speaks with; if the label is longer than 15 bytes; and if
// the address is none that a host can have.
func (h *Host) Add(o Order) error {
	s, err := h.Read()
	if err != nil {
		return err
	}
	done, err := s.Judge(o)
	if done || err != nil {
		return err
	}
	n, _ := s.NIC(o.NIC)
	switch err := newAddr(n.Index, o); {
	case err == nil:
		return nil
	case !errors.Is(err, unix.EEXIST):
		return fmt.Errorf("host: add %s to %s: %w", o.Prefix, o.NIC, err)
	}
	// Somebody was quicker. Whether with the same address, a second look tells.
	if s, err = h.Read(); err != nil {
		return err
	}
	if done, err = s.Judge(o); err == nil && !done {
		err = fmt.Errorf("host: add %s to %s: %w", o.Prefix, o.NIC, unix.EEXIST)
	}
	return err
}

func newAddr(index int, o Order) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	msg := nl.NewIfAddrmsg(unix.AF_INET)
	msg.Index = uint32(index)
	msg.Prefixlen = uint8(o.Prefix.Bits())
	req.AddData(msg)
	ip := o.Prefix.Addr().As4()
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, ip[:]))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, ip[:]))
	if bits := o.Prefix.Bits(); bits < 31 {
		var broadcast [4]byte
		binary.BigEndian.PutUint32(broadcast[:], binary.BigEndian.Uint32(ip[:])|(1<<(32-bits)-1))
		req.AddData(nl.NewRtAttr(unix.IFA_BROADCAST, broadcast[:]))
	}
	if o.Label != "" {
		req.AddData(nl.NewRtAttr(unix.IFA_LABEL, nl.ZeroTerminated(o.Label)))
	}
	req.AddData(nl.NewRtAttr(ifaProto, []byte{tag}))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// Remove takes the address off the NIC, whatever its prefix, its label and
// whoever put it there. An address or a NIC that is not there is done. The same
// address on another NIC stays: it is not this order's.
//
// No other address goes with it. The kernel deletes those that came into a
// subnet later together with the first one, unless promote_secondaries is set;
// where it matters, it is set for the NIC while the address is removed.
func (h *Host) Remove(o Order) error {
	links, addrs, err := inventory()
	if err != nil {
		return err
	}
	index := 0
	for _, l := range links {
		if l.Name == o.NIC {
			index = l.Index
		}
	}
	for _, e := range addrs {
		if index == 0 || e.index != index || e.Prefix.Addr() != o.Prefix.Addr() {
			continue
		}
		if err := remove(e, addrs); err != nil {
			return fmt.Errorf("host: remove %s from %s: %w", e.Prefix, o.NIC, err)
		}
	}
	return nil
}

func remove(e entry, all []entry) (err error) {
	if first(e, all) {
		restore, err := promote(e.index)
		if gone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("others of its subnet would go with it, and promote_secondaries cannot be set: %w", err)
		}
		defer restore()
	}
	req := nl.NewNetlinkRequest(unix.RTM_DELADDR, unix.NLM_F_ACK)
	msg := nl.NewIfAddrmsg(unix.AF_INET)
	msg.Index = uint32(e.index)
	msg.Prefixlen = uint8(e.peer.Bits())
	req.AddData(msg)
	local, peer := e.Prefix.Addr().As4(), e.peer.Addr().As4()
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, local[:]))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, peer[:]))
	if _, err = req.Execute(unix.NETLINK_ROUTE, 0); gone(err) {
		return nil
	}
	return err
}

// gone reports that what was to be removed, or its NIC, is not there.
func gone(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV)
}

// first reports whether other addresses of its NIC depend on e.
func first(e entry, all []entry) bool {
	for _, o := range all {
		if o.index == e.index && o.secondary && !e.secondary && o.peer.Masked() == e.peer.Masked() {
			return true
		}
	}
	return false
}

// promoteSecondaries is IPV4_DEVCONF_PROMOTE_SECONDARIES (linux/ip.h).
const promoteSecondaries = 20

// promote makes the NIC keep a subnet's addresses when the first one leaves, and
// returns how to undo it. It goes by netlink rather than by /proc/sys, which a
// hardened unit mounts read-only.
func promote(index int) (restore func(), err error) {
	was, err := interfaceSetting(index, promoteSecondaries)
	if err != nil {
		return nil, err
	}
	if was != 0 {
		return func() {}, nil
	}
	if err := setInterfaceSetting(index, promoteSecondaries, 1); err != nil {
		return nil, err
	}
	// Should undoing fail, a NIC keeps more addresses than it did: no harm.
	return func() { _ = setInterfaceSetting(index, promoteSecondaries, 0) }, nil
}

// interfaceSetting reads one of the NIC's values of /proc/sys/net/ipv4/conf.
func interfaceSetting(index, setting int) (uint32, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return 0, err
	}
	for _, m := range msgs {
		values := m[unix.SizeofIfInfomsg:]
		for _, inner := range []uint16{unix.IFLA_AF_SPEC, unix.AF_INET, unix.IFLA_INET_CONF} {
			attrs, err := nl.ParseRouteAttrAsMap(values)
			if err != nil {
				return 0, err
			}
			values = attrs[inner].Value
		}
		if at := 4 * (setting - 1); len(values) >= at+4 {
			return nl.NativeEndian().Uint32(values[at:]), nil
		}
	}
	return 0, unix.ENODATA
}

func setInterfaceSetting(index, setting int, value uint32) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	conf := spec.AddRtAttr(unix.AF_INET, nil).AddRtAttr(unix.IFLA_INET_CONF, nil)
	conf.AddRtAttr(setting, nl.Uint32Attr(value))
	req.AddData(spec)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}
