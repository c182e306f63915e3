package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// surroundings is what a rehearsal takes over from the real network, and all that it ever
// learns of it. It is read once, before the program enters namespaces from which the real
// network cannot be seen.
type surroundings struct {
	NICs  map[string]seenNIC  `json:"nics,omitempty"`  // of the NICs of the file, those that are there
	Names map[string]families `json:"names,omitempty"` // of the partners' names, those that resolve
}

// seenNIC is one of the real host's NICs.
type seenNIC struct {
	Own     []netip.Prefix `json:"own,omitempty"` // without aliases; not masked
	Gateway families       `json:"gateway"`       // of the default routes out of it
}

// seenEnv hands the surroundings to the same program inside the namespaces. It starts
// there with the same arguments, but could see and resolve nothing.
const seenEnv = "ALIASDEFENDER_REHEARSE_SEEN"

// namesWithin is how long names may take to resolve, all together.
const namesWithin = 5 * time.Second

// lookAround reads the surroundings, or takes over what this program saw before it
// entered the namespaces. What cannot be read counts as absent: a rehearsal works without
// it.
func lookAround(ctx context.Context, cfg *config.Config, resolve Resolver) (surroundings, error) {
	var seen surroundings
	if text := os.Getenv(seenEnv); text != "" {
		if err := json.Unmarshal([]byte(text), &seen); err != nil {
			return seen, fmt.Errorf("%s does not belong to us: %w; unset it", seenEnv, err)
		}
		return seen, nil
	}
	seen = surroundings{NICs: seeNICs(cfg), Names: resolveAll(ctx, cfg, resolve)}
	text, err := json.Marshal(seen)
	if err != nil {
		return seen, err
	}
	return seen, os.Setenv(seenEnv, string(text))
}

// seeNICs reads this host's network. It needs no privilege.
func seeNICs(cfg *config.Config) map[string]seenNIC {
	h, err := host.New()
	if err != nil {
		return nil
	}
	state, err := h.Read()
	if err != nil {
		return nil
	}
	aliases := map[netip.Addr]bool{}
	for _, a := range cfg.Pairs() {
		aliases[bare(a.Addr)] = true
	}
	nics := map[string]seenNIC{}
	for _, a := range cfg.Pairs() {
		n, ok := state.NIC(a.NIC)
		if _, done := nics[a.NIC]; done || !ok {
			continue
		}
		var seen seenNIC
		for _, addr := range n.Addrs {
			if !addr.Ours && addr.Usable() && !aliases[addr.Prefix.Addr()] {
				seen.Own = append(seen.Own, addr.Prefix)
			}
		}
		for _, r := range state.Routes {
			if r.NIC == a.NIC {
				seen.Gateway.add(r.Gateway)
			}
		}
		nics[a.NIC] = seen
	}
	return nics
}

// resolveAll looks up the partners' names, all at once.
func resolveAll(ctx context.Context, cfg *config.Config, resolve Resolver) map[string]families {
	ctx, cancel := context.WithTimeout(ctx, namesWithin)
	defer cancel()
	var (
		mu    sync.Mutex
		all   sync.WaitGroup
		asked = map[string]bool{}
		names = map[string]families{}
	)
	for _, a := range cfg.Pairs() {
		name := a.Partner.Name
		if a.Partner.Addr.IsValid() || asked[name] {
			continue
		}
		asked[name] = true
		all.Go(func() {
			addrs, err := resolve(ctx, name)
			addrs = slices.DeleteFunc(addrs, func(addr netip.Addr) bool { // a Monitor ignores these too
				return slices.ContainsFunc(cfg.Pairs(), func(a config.Alias) bool { return bare(a.Addr) == bare(addr) })
			})
			if err == nil && len(addrs) > 0 {
				var first families
				for _, addr := range addrs {
					first.add(addr)
				}
				mu.Lock()
				defer mu.Unlock()
				names[name] = first
			}
		})
	}
	all.Wait()
	return names
}
