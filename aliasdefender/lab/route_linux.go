package lab

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// SetDefaultRoute replaces the default route of the gateway's family by one through it.
func (h *Host) SetDefaultRoute(gateway netip.Addr) error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if h.space == nil {
		return fmt.Errorf("host %s is down", h.Name)
	}
	if err := h.delDefaultRoute(gateway.Is6()); err != nil {
		return err
	}
	return h.addDefaultRoute(gateway)
}

// DelDefaultRoute removes the default routes. None there is not an error.
func (h *Host) DelDefaultRoute() error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if h.space == nil {
		return fmt.Errorf("host %s is down", h.Name)
	}
	return errors.Join(h.delDefaultRoute(false), h.delDefaultRoute(true))
}

func (h *Host) addDefaultRoute(gateway netip.Addr) error {
	if !gateway.IsValid() {
		return nil
	}
	route := &netlink.Route{Gw: gateway.AsSlice()}
	if n := h.NIC(gateway.Zone()); n != nil {
		route.LinkIndex = n.index
	}
	err := h.space.nl.RouteAdd(route)
	if err != nil && !isDone(err) {
		return fmt.Errorf("default route of %s via %s: %w", h.Name, gateway, err)
	}
	return nil
}

func (h *Host) delDefaultRoute(ipv6 bool) error {
	family := unix.AF_INET
	if ipv6 {
		family = unix.AF_INET6
	}
	routes, err := whole(func() ([]netlink.Route, error) { return h.space.nl.RouteList(nil, family) })
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.Gw == nil || r.Dst != nil && !r.Dst.IP.IsUnspecified() {
			continue
		}
		if err := h.space.nl.RouteDel(&r); err != nil && !isDone(err) {
			return fmt.Errorf("delete default route of %s: %w", h.Name, err)
		}
	}
	return nil
}
