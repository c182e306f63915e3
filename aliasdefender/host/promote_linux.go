package host

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// subnet is one that a NIC is in.
type subnet struct {
	index  int
	prefix netip.Prefix // masked
}

// subnetsWithSecondaries tells in which subnets addresses would leave together with the
// first one.
func subnetsWithSecondaries(addrs []entry) map[subnet]bool {
	found := map[subnet]bool{}
	for _, e := range addrs {
		if e.secondary {
			found[subnet{e.index, e.peer.Masked()}] = true
		}
	}
	return found
}

// promoteSecondaries is IPV4_DEVCONF_PROMOTE_SECONDARIES (linux/ip.h).
const promoteSecondaries = 20

// promote makes the NIC keep a subnet's addresses when the first one leaves, and returns
// how to undo that. It uses netlink rather than /proc/sys, which a hardened unit mounts
// read-only.
func (t *talk) promote(index int) (restore func(), err error) {
	restore = func() {}
	was, err := t.interfaceSetting(index, promoteSecondaries)
	if err == nil && was == 0 {
		err = t.setInterfaceSetting(index, promoteSecondaries, 1)
		// If undoing fails, the NIC merely keeps more addresses than before.
		restore = func() { _ = t.setInterfaceSetting(index, promoteSecondaries, 0) }
	}
	if err != nil {
		return restore, fmt.Errorf("the other addresses of its subnet would go with it, because promote_secondaries cannot be set: %w", err)
	}
	return restore, nil
}

// interfaceSetting reads one of the NIC's values of /proc/sys/net/ipv4/conf.
func (t *talk) interfaceSetting(index, setting int) (value uint32, err error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	found := false
	err = t.one(req, unix.RTM_NEWLINK, func(m []byte) error {
		values := m[unix.SizeofIfInfomsg:]
		for _, inner := range []uint16{unix.IFLA_AF_SPEC, unix.AF_INET, unix.IFLA_INET_CONF} {
			attrs, err := nl.ParseRouteAttrAsMap(values)
			if err != nil {
				return err
			}
			values = attrs[inner].Value
		}
		if at := 4 * (setting - 1); len(values) >= at+4 {
			value, found = nl.NativeEndian().Uint32(values[at:]), true
		}
		return nil
	})
	if err == nil && !found {
		err = unix.ENODATA
	}
	return value, err
}

func (t *talk) setInterfaceSetting(index, setting int, value uint32) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	conf := spec.AddRtAttr(unix.AF_INET, nil).AddRtAttr(unix.IFLA_INET_CONF, nil)
	conf.AddRtAttr(setting, nl.Uint32Attr(value))
	req.AddData(spec)
	failed := []error{nil}
	err := t.doAtOnce([]*nl.NetlinkRequest{req}, failed) // restoring is done even if nobody waits any longer
	return errors.Join(err, failed[0])
}
