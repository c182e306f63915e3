package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/route"
)

// System is the network that the daemon works on.
type System struct {
	Host     defender.Network
	Listen   func(nic string, f host.Family, see func([]host.Sighting)) (defender.Wire, error) // nil: ARP is not ours to hear
	Watch    func(ctx context.Context, wake func()) error
	Boottime func() time.Duration
	Ping     *probe.Pinger // nil: each ping has its own sockets

	Routes      route.Tables // nil: no routes are kept
	WatchRoutes func(ctx context.Context, matters func(netip.Prefix) bool, wake func()) error
	ReadTables  func(tables []int, of func(netip.Prefix) bool) (routes []host.TableRoute, ruled map[host.FamilyTable]bool, vrf bool, err error) // for Check
}

// OpenHost opens this host. Reading it needs no privilege; host.Capable tells what a
// process lacks to change it.
func OpenHost() (System, error) {
	h, err := host.New()
	if err != nil {
		return System{}, err
	}
	s := System{Host: h, Watch: h.Watch, Boottime: h.Boottime, Routes: h, WatchRoutes: h.WatchRoutes}
	s.ReadTables = func(tables []int, of func(netip.Prefix) bool) ([]host.TableRoute, map[host.FamilyTable]bool, bool, error) {
		routes, err := h.ReadRoutes(tables, of)
		if err != nil {
			return nil, nil, false, err
		}
		ours, err := h.OurRoutes()
		if err != nil {
			return nil, nil, false, err
		}
		routes = append(slices.DeleteFunc(routes, func(r host.TableRoute) bool { return r.Ours }), ours...)
		ruled, vrf, err := h.RuledTables()
		return routes, ruled, vrf, err
	}
	if s.Ping, err = probe.NewPinger(); err != nil {
		s.Ping = nil // go-ping can do the same, at a higher price
	}
	if host.HearsARP {
		s.Listen = func(nic string, f host.Family, see func([]host.Sighting)) (defender.Wire, error) {
			w, err := h.Listen(nic, f, see)
			if err != nil {
				return nil, err // not w: a nil pointer in an interface is not nil
			}
			return w, nil
		}
	}
	return s, nil
}

// options connects host and probe with the interfaces that the loop declares.
func (s System) options(cfg *config.Config, version string, log logrus.FieldLogger) defender.Options {
	o := defender.Options{
		Config:   cfg,
		Version:  version,
		Network:  s.Host,
		Listen:   s.Listen,
		Watch:    s.Watch,
		Ping:     probe.Ping,
		Resolve:  Resolve,
		Boottime: s.Boottime,
		Channel: func(o peer.Options) (defender.Channel, error) {
			c, err := peer.New(o)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		Log: log,
	}
	if s.Ping != nil {
		o.Ask, o.Hearing = s.Ping.Ask, s.Ping.Hearing
	}
	return o
}

// ResolveAny looks up a name in both families. It is an error only if neither has it.
func ResolveAny(ctx context.Context, name string) (all []netip.Addr, err error) {
	var errs []error
	for _, f := range []host.Family{host.IPv4, host.IPv6} {
		addrs, err := Resolve(ctx, name, f)
		all, errs = append(all, addrs...), append(errs, err)
	}
	if len(all) == 0 {
		return nil, errors.Join(errs...)
	}
	return all, nil
}

// networks are the families as package net names them.
var networks = map[host.Family]string{host.IPv4: "ip4", host.IPv6: "ip6"}

// Resolve looks up a partner's name in one family, in DNS or the hosts file. It returns
// all addresses that a host can have. The first one counts, as with the original's ping,
// unless it cannot be the partner's. The families are asked for apart: where a server
// answers for the one alone, package net calls the answer for both whole.
func Resolve(ctx context.Context, name string, f host.Family) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, networks[f], name)
	if err != nil {
		return nil, err
	}
	all := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		// A link-local address is told apart by a NIC, which a name does not have.
		if a = a.Unmap(); !(a.Is6() && a.IsLinkLocalUnicast()) && !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", name, errNoAddress)
	}
	return all, nil
}

// errNoAddress: Debian's hosts file has 127.0.1.1 for the host's own name. A partner with
// such an address would be ourselves, alive for ever.
var errNoAddress = errors.New("has no address that another host can have")
