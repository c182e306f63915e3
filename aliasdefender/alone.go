package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"aliasdefender/config"
	"aliasdefender/control"
	"aliasdefender/defender"
	"aliasdefender/host"
)

// Without a Monitor the verbs look for themselves: RFC 5227's three probes,
// closer together, for an operator waits.
const (
	probes       = 3
	probeEvery   = 300 * time.Millisecond
	lookFor      = time.Second // counted from the first probe
	announceGap  = time.Second
	resolveFor   = 2 * time.Second
	noMonitorNow = "no Monitor runs here: nothing watches it until one is started"
)

// orderAlone carries out an order where no Monitor runs.
func (a *app) orderAlone(ctx context.Context, o control.Order) ([]control.Outcome, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	chosen := cfg.Aliases
	if o.Alias.IsValid() {
		i := slices.IndexFunc(chosen, func(al config.Alias) bool { return al.Addr == o.Alias })
		if i < 0 {
			return nil, noSuchAlias(o.Alias, a.aliases, addresses(cfg.Aliases))
		}
		chosen = chosen[i : i+1]
	}
	network, err := thisHost()
	if o.DryRun && o.Remove {
		network, err = openHost() // only to be read, which anybody may
	}
	if err != nil {
		return nil, err
	}
	if !o.DryRun {
		// A Monitor that starts now would look and take, as we do: it waits
		// until we have done, or is told of us.
		lock, err := control.Acquire(cfg.Settings.Socket)
		if held := (*control.HeldError)(nil); errors.As(err, &held) {
			return nil, fmt.Errorf("%s: process %d is at work there: a Monitor that is just starting, or another such command; try again", held.Socket, held.PID)
		}
		if err != nil {
			return nil, err
		}
		defer lock.Release()
	}
	s := &solo{cfg: cfg, order: o, system: network, state: &stateFile{dir: cfg.Settings.StateDir}}
	return s.run(ctx, chosen)
}

// solo is one order carried out without a Monitor.
type solo struct {
	cfg   *config.Config
	order control.Order
	system
	state *stateFile
}

func (s *solo) run(ctx context.Context, chosen []config.Alias) ([]control.Outcome, error) {
	forgotten := ""
	if !s.order.DryRun {
		if err := s.remember(chosen); err != nil {
			forgotten = err.Error()
		}
	}
	var all []control.Outcome
	var err error
	if s.order.Remove {
		all, err = s.remove(chosen)
	} else {
		all, err = s.add(ctx, chosen)
	}
	for i := range all {
		all[i].NotRemembered = forgotten
	}
	return all, err
}

// remember parks or unparks in the state file. A damaged line in it does not
// keep the good ones from being kept.
func (s *solo) remember(chosen []config.Alias) error {
	kept, damage := s.state.read()
	parked := kept.Parked
	for _, al := range chosen {
		parked = slices.DeleteFunc(parked, func(p netip.Addr) bool { return p == al.Addr })
		if s.order.Remove {
			parked = append(parked, al.Addr)
		}
	}
	slices.SortFunc(parked, netip.Addr.Compare)
	if err := s.state.write(defender.Kept{Parked: parked, Maintenance: kept.Maintenance}); err != nil {
		return err
	}
	if damage != nil {
		return fmt.Errorf("what was damaged, and is gone from the file now: %w", damage)
	}
	return nil
}

// remove takes the aliases off this host.
func (s *solo) remove(chosen []config.Alias) ([]control.Outcome, error) {
	now, err := s.host.Read()
	if err != nil {
		return nil, err
	}
	var all []control.Outcome
	var orders []host.Order
	var whose []int
	for i, al := range chosen {
		out := control.Outcome{Alias: al.Addr.String(), Done: true, Next: afterRemoval(al)}
		nic, _, here := now.Find(al.Addr)
		here = here && nic == al.NIC
		switch {
		case s.order.DryRun && here:
			out.Text = "would be released and parked"
		case s.order.DryRun:
			out.Text = "this host does not have it; it would be parked"
		case here:
			out.Text = "released: it is off this host, and parked"
			orders, whose = append(orders, hostOrder(al)), append(whose, i)
		default:
			out.Text = "it was not on this host, and is parked"
		}
		all = append(all, out)
	}
	for n, err := range s.host.Remove(orders) {
		if out := &all[whose[n]]; err != nil {
			out.Done, out.Text, out.Next = false, "parked, but not released: "+err.Error(), "this host has it still; the next Monitor takes it off"
		}
	}
	return all, nil
}

// afterRemoval says what becomes of an alias that this host lets go.
func afterRemoval(al config.Alias) string {
	if al.Primary {
		return "if nobody else serves it, nobody will: the partner is not primary and takes nothing while this host answers its pings (W12); run AddAlias here or there"
	}
	return "the partner, if it is primary and well, serves it or takes it within its detection time; this host stays out until AddAlias, after a restart too"
}

// add puts the aliases on this host that no other host answers for.
func (s *solo) add(ctx context.Context, chosen []config.Alias) ([]control.Outcome, error) {
	now, err := s.host.Read()
	if err != nil {
		return nil, err
	}
	all := make([]control.Outcome, len(chosen))
	// By NIC, for each has one ear; side by side, for each takes its second.
	var nics sync.WaitGroup
	for _, nic := range nicsOf(chosen) {
		nics.Go(func() {
			e := &ear{solo: s, now: now, nic: nic, seen: map[netip.Addr]host.HW{}}
			e.serve(ctx, chosen, all)
		})
	}
	nics.Wait()
	if err := ctx.Err(); err != nil {
		return all, errors.New("interrupted")
	}
	return all, nil
}

func nicsOf(aliases []config.Alias) (all []string) {
	for _, al := range aliases {
		if !slices.Contains(all, al.NIC) {
			all = append(all, al.NIC)
		}
	}
	return all
}

func hostOrder(al config.Alias) host.Order {
	return host.Order{NIC: al.NIC, Label: al.Label, Prefix: al.Prefix}
}
