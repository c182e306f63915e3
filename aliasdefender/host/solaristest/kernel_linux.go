package solaristest

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
)

const (
	// probes is how often, and probeEvery in which rhythm, the kernel that we play
	// asks the segment for an address before it puts it into use.
	probes     = 2
	probeEvery = 50 * time.Millisecond

	// hearsWithin is how long we wait for a sign that we have heard all answers. A
	// kernel hears them at once; this program, on a busy machine, when it gets to run.
	hearsWithin = 3 * time.Second
)

// look takes the NICs, their own addresses, cables and the router from the
// kernel of this namespace. A unit whose address the kernel has lost is gone:
// so it is after a boot.
func (m *Machine) look() error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	m.NICs = nil
	for _, l := range links {
		a := l.Attrs()
		if a.Flags&net.FlagLoopback != 0 {
			continue
		}
		m.NICs = append(m.NICs, NIC{Name: a.Name, HW: a.HardwareAddr.String(), Link: a.RawFlags&unix.IFF_RUNNING != 0})
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			return err
		}
		m.settle(a.Name, a.Flags&net.FlagUp != 0, addrs)
	}
	m.Gateway = netip.Addr{}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if gw, ok := netip.AddrFromSlice(r.Gw); ok && (r.Dst == nil || r.Dst.IP.IsUnspecified()) {
			m.Gateway = gw.Unmap()
		}
	}
	return m.meet()
}

// settle brings the units of one NIC in line with its addresses.
func (m *Machine) settle(nic string, up bool, addrs []netlink.Addr) {
	has := func(ip netip.Addr) bool {
		return slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.IP.Equal(ip.AsSlice()) })
	}
	m.Units = slices.DeleteFunc(m.Units, func(u Unit) bool {
		return strings.HasPrefix(u.Name, nic+":") && u.Up && !has(u.Addr)
	})
	for _, a := range addrs {
		ip, _ := netip.AddrFromSlice(a.IP.To4())
		bits, _ := a.Mask.Size()
		if slices.ContainsFunc(m.Units, func(u Unit) bool { return strings.HasPrefix(u.Name, nic+":") && u.Addr == ip }) {
			continue
		}
		name := nic // the NIC's first address is its own; what was added to it got a unit
		if u := m.unit(nic); u != nil && u.Addr != ip && has(u.Addr) {
			name = m.unused(nic)
		}
		m.Own(name, netip.PrefixFrom(ip, bits))
	}
	if u := m.unit(nic); u != nil {
		u.Up = up && has(u.Addr)
	}
}

// meet fills the ARP cache.
func (m *Machine) meet() error {
	m.Known = nil
	neighbours, err := netlink.NeighList(0, netlink.FAMILY_V4)
	for _, n := range neighbours {
		if ip, ok := netip.AddrFromSlice(n.IP); ok && len(n.HardwareAddr) == 6 && n.State&netlink.NUD_FAILED == 0 && n.Type == unix.RTN_UNICAST {
			m.Known = append(m.Known, Neighbour{Addr: ip.Unmap(), HW: n.HardwareAddr.String()})
		}
	}
	return err
}

// apply makes the kernel have what the units have since before. An address that
// comes up is asked for first and announced afterwards, as Solaris does by
// itself; one that another host has becomes a DUPLICATE.
func (m *Machine) apply(before []Unit) error {
	for _, u := range before {
		if now := m.unit(u.Name); u.Up && (now == nil || !now.Up || now.Addr != u.Addr) {
			if err := change(u, netlink.AddrDel); err != nil {
				return err
			}
		}
	}
	for i := range m.Units {
		u := &m.Units[i]
		if !u.Up || slices.ContainsFunc(before, func(b Unit) bool { return b.Up && b.Name == u.Name && b.Addr == u.Addr }) {
			continue
		}
		if err := m.bring(u); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) bring(u *Unit) error {
	nic, _, _ := strings.Cut(u.Name, ":")
	h, err := host.New()
	if err != nil {
		return err
	}
	claims, router := make(chan struct{}), make(chan struct{})
	claimed, answered := sync.OnceFunc(func() { close(claims) }), sync.OnceFunc(func() { close(router) })
	var last atomic.Bool // the router is asked
	wire, err := h.Listen(nic, host.IPv4, func(all []host.Sighting) {
		for _, s := range all {
			switch {
			case s.Sender == u.Addr:
				claimed()
			case s.Sender == m.Gateway && last.Load():
				answered()
			}
		}
	})
	if err != nil {
		return err
	}
	defer wire.Close()
	asked := false
	for range probes {
		if err := wire.Probe(u.Addr); err != nil {
			break // no carrier: nobody can be asked, and it comes up nevertheless
		}
		asked = true
		select {
		case <-claims:
		case <-time.After(probeEvery):
		}
	}
	last.Store(true)
	if own := m.unit(nic); asked && own != nil && m.Gateway.IsValid() && wire.Ask(m.Gateway, own.Addr, host.HW{}) == nil {
		select { // the router is asked last, so its answer comes after a claim
		case <-claims:
		case <-router:
		case <-time.After(hearsWithin):
		}
	}
	select {
	case <-claims:
		if m.minor() >= 10 {
			u.Up, u.Duplicate = false, true
			return nil
		}
	default:
	}
	if err := change(*u, netlink.AddrAdd); err != nil {
		return err
	}
	_ = wire.Announce(u.Addr, host.HW{}) // as above
	return nil
}

func change(u Unit, do func(netlink.Link, *netlink.Addr) error) error {
	nic, _, _ := strings.Cut(u.Name, ":")
	l, err := netlink.LinkByName(nic)
	if err != nil {
		return err
	}
	mask := net.CIDRMask(popcount(u.Mask), 32)
	return do(l, &netlink.Addr{IPNet: &net.IPNet{IP: u.Addr.AsSlice(), Mask: mask}})
}

func popcount(mask uint32) (n int) {
	for ; mask != 0; mask <<= 1 {
		n++
	}
	return n
}
