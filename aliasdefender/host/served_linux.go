package host

import (
	"errors"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// servedWithin is how long the kernel may take at most to take packets for addresses
	// that were added. It is no error if it takes longer.
	servedWithin = time.Second
	// servedEvery is how often it is asked.
	servedEvery = 200 * time.Microsecond
)

// awaitServed waits until the kernel takes packets for the addresses of IPv6. It answers
// the order to add one before it makes the route by which it knows the address as its own
// (addrconf_dad_work, in net/ipv6/addrconf.c): a task of its own does that, on a busy
// machine most of a second later. Whoever is told in between that the alias is here
// would not be served. What another program has removed meanwhile is not waited for.
func (t *talk) awaitServed(s State, orders []Placement) {
	deadline := time.Now().Add(servedWithin)
	for _, o := range orders {
		n, _ := s.NIC(o.NIC)
		for n.Up && n.Carrier && !t.over.Load() {
			served, err := t.served(n.Index, o.Prefix.Addr())
			unknown := err != nil && !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EHOSTUNREACH)
			if served || unknown || time.Now().After(deadline) || t.gone(n.Index, o.Prefix.Addr()) {
				break
			}
			time.Sleep(servedEvery)
		}
	}
}

// gone tells whether the interface is known not to have the address of IPv6.
func (t *talk) gone(index int, addr netip.Addr) bool {
	req := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_ACK)
	about := nl.NewIfAddrmsg(unix.AF_INET6)
	about.Index = uint32(index)
	req.AddData(about)
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, addr.AsSlice()))
	err := t.one(req, unix.RTM_NEWADDR, func([]byte) error { return nil })
	return errors.Is(err, unix.EADDRNOTAVAIL)
}

// served tells whether the kernel takes packets for the address that arrive at the
// interface.
func (t *talk) served(index int, addr netip.Addr) (served bool, err error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_ACK)
	about := &nl.RtMsg{}
	about.Family, about.Dst_len = unix.AF_INET6, uint8(addr.BitLen())
	req.AddData(about)
	req.AddData(nl.NewRtAttr(unix.RTA_DST, addr.AsSlice()))
	if addr.IsLinkLocalUnicast() {
		req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
	}
	err = t.one(req, unix.RTM_NEWROUTE, func(m []byte) error {
		if len(m) < unix.SizeofRtMsg {
			return unix.EBADMSG
		}
		served = m[7] == unix.RTN_LOCAL
		return nil
	})
	return served, err
}
