package nstest

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Patience is how long a test waits for what has to come. It is long, for a
// machine may be busy; only a failing test waits that long.
const Patience = time.Minute

// Cable joins the two by a veth pair and puts both ends up.
func Cable(t testing.TB, a *Space, nicA string, b *Space, nicB string) {
	t.Helper()
	a.do(t, "veth "+nicA, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = nicA
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: nicB, PeerNamespace: netlink.NsFd(int(b.ns))})
	})
	a.Up(t, nicA)
	b.Up(t, nicB)
	a.Ready(t, nicA)
	b.Ready(t, nicB)
}

// Up puts the NIC up.
func (s *Space) Up(t testing.TB, nic string) {
	t.Helper()
	s.link(t, "up", nic, netlink.LinkSetUp)
}

// Down puts the NIC down.
func (s *Space) Down(t testing.TB, nic string) {
	t.Helper()
	s.link(t, "down", nic, netlink.LinkSetDown)
}

// Delete takes the NIC away, and a cable's other end with it.
func (s *Space) Delete(t testing.TB, nic string) {
	t.Helper()
	s.link(t, "delete", nic, netlink.LinkDel)
}

// Address gives the NIC an address. Nobody is asked whether another host has one of IPv6.
func (s *Space) Address(t testing.TB, nic, prefix string) {
	t.Helper()
	s.address(t, nic, prefix, unix.IFA_F_NODAD)
}

// AddressToDetect gives the NIC an address of IPv6, and the kernel asks whether another
// host has it (RFC 4862, 5.4).
func (s *Space) AddressToDetect(t testing.TB, nic, prefix string) {
	t.Helper()
	s.address(t, nic, prefix, 0)
}

func (s *Space) address(t testing.TB, nic, prefix string, flags int) {
	t.Helper()
	s.link(t, "address "+prefix, nic, func(l netlink.Link) error {
		addr, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		if addr.IP.To4() == nil {
			addr.Flags |= flags
		}
		return netlink.AddrAdd(l, addr)
	})
}

// Route makes via the default route, unless change says otherwise.
func (s *Space) Route(t testing.TB, nic, via string, change func(*netlink.Route)) {
	t.Helper()
	s.link(t, "route via "+via, nic, func(l netlink.Link) error {
		r := &netlink.Route{LinkIndex: l.Attrs().Index, Gw: net.ParseIP(via)}
		if change != nil {
			change(r)
		}
		return netlink.RouteAdd(r)
	})
}

// HW returns the NIC's hardware address.
func (s *Space) HW(t testing.TB, nic string) (hw [6]byte) {
	t.Helper()
	s.link(t, "hardware address", nic, func(l netlink.Link) error {
		hw = [6]byte(l.Attrs().HardwareAddr)
		return nil
	})
	return hw
}

// Neighbour gives the NIC an entry of its ARP table.
func (s *Space) Neighbour(t testing.TB, nic string, ip netip.Addr, hw [6]byte) {
	t.Helper()
	s.link(t, "neighbour "+ip.String(), nic, func(l netlink.Link) error {
		return netlink.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, State: netlink.NUD_STALE,
			IP: ip.AsSlice(), HardwareAddr: hw[:],
		})
	})
}

// Serves waits until the kernel takes packets to an address of a NIC that is ready for
// its own: with IPv6 that is a moment after the address was added.
func (s *Space) Serves(t testing.TB, nic string, addr netip.Addr) {
	t.Helper()
	s.Await(t, nic+" serves "+addr.String(), func() bool {
		routes, err := netlink.RouteGetWithOptions(addr.AsSlice(), &netlink.RouteGetOptions{Oif: nic})
		return err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL
	})
}

// Ready waits until the NIC's carrier is there: the kernel takes its time.
func (s *Space) Ready(t testing.TB, nic string) {
	t.Helper()
	s.Await(t, nic+" ready", func() bool {
		l, err := netlink.LinkByName(nic)
		return err == nil && l.Attrs().RawFlags&unix.IFF_RUNNING != 0
	})
}

// Await waits until ok, which is called in the namespace, now and after each
// event in it.
func (s *Space) Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	s.Do(func() {
		sock, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR,
			unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_NEIGH, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE,
			unix.RTNLGRP_IPV6_IFINFO)
		if err != nil {
			t.Fatalf("await %s: %v", what, err)
		}
		defer sock.Close()
		deadline := time.Now().Add(Patience)
		for !ok() {
			left := unix.NsecToTimeval(max(time.Until(deadline), time.Microsecond).Nanoseconds())
			_ = sock.SetReceiveTimeout(&left)
			if _, _, err := sock.Receive(); err != nil {
				t.Fatalf("await %s: %v", what, err)
			}
		}
	})
}

func (s *Space) link(t testing.TB, what, nic string, f func(netlink.Link) error) {
	t.Helper()
	s.do(t, nic+": "+what, func() error {
		l, err := netlink.LinkByName(nic)
		if err != nil {
			return err
		}
		return f(l)
	})
}

func (s *Space) do(t testing.TB, what string, f func() error) {
	t.Helper()
	s.Do(func() {
		if err := f(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	})
}
