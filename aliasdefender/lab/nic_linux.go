package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NIC is a network interface of a host. Its methods change things inside the host (as an
// operator's `ip addr del` does); those of Port change its cable.
type NIC struct {
	NICSpec
	Host *Host
	Port *Port

	index int // in its host, of the last attach
}

// attach makes the NIC in its host's namespace, as at boot.
func (n *NIC) attach() error {
	if err := n.Port.plug(n.Host.space, n); err != nil {
		return err
	}
	l, err := n.link()
	if err != nil {
		return err
	}
	n.index = l.Attrs().Index
	for _, a := range n.Addrs {
		if err := n.addAddr(a); err != nil {
			return err
		}
	}
	if err := n.Host.space.nl.LinkSetUp(l); err != nil {
		return fmt.Errorf("%s up: %w", n.Name, err)
	}
	return nil
}

// use runs f with the lab held and the host up.
func (n *NIC) use(f func() error) error {
	n.Host.lab.mu.Lock()
	defer n.Host.lab.mu.Unlock()
	if n.Host.space == nil {
		return fmt.Errorf("host %s is down", n.Host.Name)
	}
	return f()
}

func (n *NIC) link() (netlink.Link, error) {
	l, err := n.Host.space.nl.LinkByName(n.Name)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", n.Name, n.Host.Name, err)
	}
	return l, nil
}

// Index returns the NIC's interface index in its host since it was last made.
func (n *NIC) Index() int {
	n.Host.lab.mu.Lock()
	defer n.Host.lab.mu.Unlock()
	return n.index
}

// Carrier reports whether the NIC is up and has a carrier, as its host sees it.
func (n *NIC) Carrier() (bool, error) {
	var up bool
	err := n.use(func() error {
		l, err := n.link()
		if err == nil {
			up = hasCarrier(l)
		}
		return err
	})
	return up, err
}

func hasCarrier(l netlink.Link) bool { return l.Attrs().RawFlags&unix.IFF_RUNNING != 0 }

// AddAddr adds an address, as an operator would. It is no error if it is already there.
func (n *NIC) AddAddr(a netip.Prefix) error {
	return n.use(func() error { return n.addAddr(a) })
}

func (n *NIC) addAddr(a netip.Prefix) error {
	l, err := n.link()
	if err != nil {
		return err
	}
	if err := n.Host.space.nl.AddrAdd(l, address(a)); err != nil && !isDone(err) {
		return fmt.Errorf("add %s to %s of %s: %w", a, n.Name, n.Host.Name, err)
	}
	return nil
}

// DelAddr removes the address, whatever its prefix, as an operator would. It is no error
// if it is absent.
func (n *NIC) DelAddr(a netip.Addr) error {
	return n.use(func() error {
		l, err := n.link()
		if err != nil {
			return err
		}
		list, err := whole(func() ([]netlink.Addr, error) { return n.Host.space.nl.AddrList(l, netlink.FAMILY_ALL) })
		if err != nil {
			return err
		}
		for _, have := range list {
			if ip, ok := netip.AddrFromSlice(have.IP); !ok || ip.Unmap() != a.WithZone("") {
				continue
			}
			if err := n.Host.space.nl.AddrDel(l, &have); err != nil && !isDone(err) {
				return fmt.Errorf("delete %s from %s of %s: %w", a, n.Name, n.Host.Name, err)
			}
		}
		return nil
	})
}

// address is one without duplicate address detection: it can be used at once.
func address(a netip.Prefix) *netlink.Addr {
	all := &netlink.Addr{IPNet: &net.IPNet{
		IP:   a.Addr().AsSlice(),
		Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen()),
	}}
	if a.Addr().Is6() {
		all.Flags = unix.IFA_F_NODAD
	}
	return all
}

// SetUp sets the link up or down inside the host. When it goes up it gets back what the
// kernel takes away when it goes down, as by ifup: its addresses of IPv6 and its host's
// default routes.
func (n *NIC) SetUp(up bool) error {
	return n.use(func() error {
		l, err := n.link()
		if err != nil {
			return err
		}
		if !up {
			return n.Host.space.nl.LinkSetDown(l)
		}
		if err := n.Host.space.nl.LinkSetUp(l); err != nil {
			return err
		}
		for _, a := range n.Addrs {
			if a.Addr().Is6() {
				if err := n.addAddr(a); err != nil {
					return err
				}
			}
		}
		return n.Host.restoreDefaultRoute(n)
	})
}

// Recreate deletes the NIC and makes it again as a driver's reload would: same
// name, hardware address and addresses, but another index.
func (n *NIC) Recreate() error {
	return n.use(func() error {
		if err := n.Port.unplug(); err != nil {
			return err
		}
		if err := n.attach(); err != nil {
			return err
		}
		return n.Host.restoreDefaultRoute(n)
	})
}

// restoreDefaultRoute adds those of the host's default routes again that leave by n.
func (h *Host) restoreDefaultRoute(n *NIC) error {
	for _, gateway := range []netip.Addr{h.spec.Gateway, h.spec.Gateway6} {
		near := gateway.IsValid() && gateway.Zone() == n.Name
		for _, a := range n.Addrs {
			near = near || gateway.IsValid() && a.Contains(gateway)
		}
		if !near {
			continue
		}
		if err := h.addDefaultRoute(gateway); err != nil {
			return err
		}
	}
	return nil
}

// ProxyARP has the NIC answer ARP questions for every address to which its host would
// send by any NIC, this one included. The host has to be a router (HostSpec.Forward).
func (n *NIC) ProxyARP(on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	return n.use(func() error {
		return n.Host.space.do(func() error {
			return errors.Join(
				sysctl("net/ipv4/conf/"+n.Name+"/proxy_arp", value),
				// Without this, questions about the NIC's own subnet are not answered.
				sysctl("net/ipv4/conf/"+n.Name+"/proxy_arp_pvlan", value))
		})
	})
}

// WaitCarrier waits until its host sees that the NIC has a carrier, or has none.
func (n *NIC) WaitCarrier(ctx context.Context, want bool) error {
	s, err := n.Host.live()
	if err != nil {
		return err
	}
	return s.awaitLinks(ctx, func() (bool, error) {
		have, err := n.Carrier()
		return have == want, err
	})
}

// carrierTimeout is much longer than the kernel needs.
const carrierTimeout = 5 * time.Second

// awaitCarriers waits until each NIC with a living port has its carrier.
func (h *Host) awaitCarriers() error {
	ctx, cancel := context.WithTimeout(context.Background(), carrierTimeout)
	defer cancel()
	return h.space.awaitLinks(ctx, func() (bool, error) {
		for _, n := range h.nics {
			l, err := n.link()
			if err != nil || !n.Port.down && !hasCarrier(l) {
				return false, err
			}
		}
		return true, nil
	})
}
