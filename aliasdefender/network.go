package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/probe"
)

// system is the network that the daemon works on.
type system struct {
	host     defender.Network
	listen   func(nic string, see func([]host.Sighting)) (defender.Wire, error) // nil: ARP is not ours to hear
	watch    func(ctx context.Context, wake func()) error
	ping     *probe.Pinger // nil: each ping has its own sockets
	boottime func() time.Duration
}

// thisHost returns the real one, or what this process lacks to use it.
func thisHost() (system, error) {
	if err := host.Capable(); err != nil {
		return system{}, err
	}
	return openHost()
}

// openHost returns the real one; reading it needs no privilege. It is a variable
// so that a test can have another system's.
var openHost = func() (system, error) {
	h, err := host.New()
	if err != nil {
		return system{}, err
	}
	s := system{host: h, watch: h.Watch, boottime: h.Boottime}
	if s.ping, err = probe.NewPinger(); err != nil {
		s.ping = nil // go-ping can do what it does, at a price
	}
	if host.HearsARP {
		s.listen = func(nic string, see func([]host.Sighting)) (defender.Wire, error) {
			w, err := h.Listen(nic, see)
			if err != nil {
				return nil, err // not w: a nil pointer in an interface is not nil
			}
			return w, nil
		}
	}
	return s, nil
}

// options joins host and probe with the interfaces that the loop declares.
func (s system) options(cfg *config.Config, version string, log logrus.FieldLogger) defender.Options {
	o := defender.Options{
		Config:   cfg,
		Version:  version,
		Network:  s.host,
		Listen:   s.listen,
		Watch:    s.watch,
		Ping:     probe.Ping,
		Resolve:  resolve,
		Boottime: s.boottime,
		Channel: func(o peer.Options) (defender.Channel, error) {
			c, err := peer.New(o)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		Log: log,
	}
	if s.ping != nil {
		o.Ask = s.ping.Ask
	}
	return o
}

// resolve looks a partner's name up, in DNS or the hosts file. Of several
// addresses the first one counts, as with the original's ping.
func resolve(ctx context.Context, name string) (netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range addrs {
		if a = a.Unmap(); !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%s: %w", name, errNoAddress)
}

// errNoAddress: Debian's hosts file has 127.0.1.1 for the host's own name, and
// a partner at such an address would be ourselves, alive for ever.
var errNoAddress = errors.New("has no address that another host can have")
