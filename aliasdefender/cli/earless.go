package cli

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/probe"
)

// pingAll asks by ICMP which hosts have the aliases, on systems where we cannot hear
// ARP. The kernel finds a host that answers no ping, when the alias is added.
func (e *ear) pingAll(ctx context.Context, own netip.Addr, aliases []config.Alias, mine []int, partners []netip.Addr) error {
	var asking sync.WaitGroup
	errs := make([]error, len(mine))
	yes := make([]bool, len(mine))
	for k, i := range mine {
		asking.Go(func() {
			for n := 0; n < probes && !yes[k] && errs[k] == nil; n++ {
				q := probe.Question{Target: aliases[i].Addr, Source: own, Timeout: lookFor / probes}
				yes[k], errs[k] = probe.Ping(ctx, q)
			}
		})
	}
	for _, ip := range partners {
		if ip.IsValid() {
			// Only for the name of a rival, by what it leaves in the ARP cache.
			asking.Go(func() { _, _ = probe.Ping(ctx, probe.Question{Target: ip, Source: own, Timeout: lookFor}) })
		}
	}
	asking.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	// The answers have brought hardware addresses into the kernel's ARP cache.
	now, err := e.Host.Read()
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for ip, hw := range now.Neighbours {
		e.seen[ip] = hw
	}
	for k, i := range mine {
		ip := aliases[i].Addr
		if yes[k] {
			e.seen[ip] = now.Neighbours[ip] // or zero: some host
		} else {
			delete(e.seen, ip) // what is cached may have been so long ago
		}
	}
	return nil
}
