package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/store"
)

// Without a Monitor the verbs look for themselves: RFC 5227's three probes,
// closer together, for an operator waits.
const (
	probes       = 3
	probeEvery   = 300 * time.Millisecond
	lookFor      = time.Second // counted from the first probe
	announceGap  = time.Second
	resolveFor   = 2 * time.Second
	noMonitorNow = "no Monitor runs here: nothing watches the alias until you start one"
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
			return nil, daemon.NoSuchAlias(o.Alias, a.aliases, addresses(cfg.Aliases))
		}
		chosen = chosen[i : i+1]
	}
	if o.Maintenance == control.Off {
		return a.endMaintenanceAlone(cfg, o.DryRun)
	}
	network, err := a.openToChange()
	if o.DryRun && (o.Remove || o.Maintenance == control.On) {
		network, err = a.open() // only to be read, which anybody may
	}
	if err != nil {
		return nil, err
	}
	s := &solo{cfg: cfg, order: o, System: network, state: store.In(cfg.Settings.StateDir)}
	if o.DryRun {
		return s.run(ctx, chosen)
	}
	lock, err := inPlaceOfMonitor(cfg.Settings.Socket)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	return s.run(ctx, chosen)
}

// inPlaceOfMonitor takes the lock: a Monitor that starts now would look and
// take, as we do. It waits until we are done, or its error names our process.
func inPlaceOfMonitor(socket string) (*control.Lock, error) {
	lock, err := control.Acquire(socket)
	if held := (*control.HeldError)(nil); errors.As(err, &held) {
		return nil, fmt.Errorf("%s: process %d holds the lock: a Monitor that is starting, or another command like this one; try again", held.Socket, held.PID)
	}
	return lock, err
}

// endMaintenanceAlone ends maintenance in the state file. It touches no address, so
// it needs no privilege but to write there.
func (a *app) endMaintenanceAlone(cfg *config.Config, dryRun bool) ([]control.Outcome, error) {
	s := &solo{cfg: cfg, order: control.Order{Maintenance: control.Off}, state: store.In(cfg.Settings.StateDir)}
	forgotten := ""
	kept, damage := s.state.Read()
	switch {
	case !dryRun:
		lock, err := inPlaceOfMonitor(cfg.Settings.Socket)
		if err != nil {
			return nil, err
		}
		defer lock.Release()
		if err := s.remember(nil); err != nil {
			forgotten = err.Error()
		}
	case damage != nil:
		return nil, damage
	}
	var all []control.Outcome
	for _, al := range cfg.Aliases {
		out := control.Outcome{Alias: al.Addr.String(), Done: true, Next: noMonitorNow, NotRemembered: forgotten}
		switch {
		case !kept.Maintenance:
			out.Text = "this host was not in maintenance"
		case slices.Contains(kept.Parked, al.Addr):
			out.Text = "it stays parked: an operator also parked it with RemoveAlias"
		default:
			out.Text = "the next Monitor serves it again if its rules say so"
		}
		all = append(all, out)
	}
	return all, nil
}

// solo is one order carried out without a Monitor.
type solo struct {
	cfg   *config.Config
	order control.Order
	daemon.System
	state *store.File
}

func (s *solo) run(ctx context.Context, chosen []config.Alias) ([]control.Outcome, error) {
	forgotten := ""
	remove := s.order.Remove || s.order.Maintenance == control.On
	var all []control.Outcome
	if kept, _ := s.state.Read(); kept.Maintenance && !remove {
		for _, al := range chosen {
			all = append(all, control.Outcome{Alias: al.Addr.String(), Text: "refused: this host is in maintenance; 'Maintenance off' ends it"})
		}
		return all, nil
	}
	if !s.order.DryRun {
		if err := s.remember(chosen); err != nil {
			forgotten = err.Error()
		}
	}
	var err error
	if remove {
		all, err = s.remove(chosen)
	} else {
		all, err = s.add(ctx, chosen)
	}
	for i := range all {
		all[i].NotRemembered = forgotten
	}
	return all, err
}

// remember parks or unparks aliases in the state file, or notes maintenance there. A
// damaged line does not cost the good ones.
func (s *solo) remember(chosen []config.Alias) error {
	kept, damage := s.state.Read()
	parked := kept.Parked
	if s.order.Maintenance != control.Leave {
		kept.Maintenance, chosen = s.order.Maintenance == control.On, nil
	}
	for _, al := range chosen {
		parked = slices.DeleteFunc(parked, func(p netip.Addr) bool { return p == al.Addr })
		if s.order.Remove {
			parked = append(parked, al.Addr)
		}
	}
	slices.SortFunc(parked, netip.Addr.Compare)
	if err := s.state.Write(store.Kept{Parked: parked, Maintenance: kept.Maintenance}); err != nil {
		return err
	}
	if damage != nil {
		return fmt.Errorf("damaged lines were removed from the file: %w", damage)
	}
	return nil
}

// remove takes the aliases off this host.
func (s *solo) remove(chosen []config.Alias) ([]control.Outcome, error) {
	now, err := s.Host.Read()
	if err != nil {
		return nil, err
	}
	parked := "parked"
	if s.order.Maintenance == control.On {
		parked = "kept off until 'Maintenance off'"
	}
	var all []control.Outcome
	var orders []host.Order
	var whose []int
	for i, al := range chosen {
		out := control.Outcome{Alias: al.Addr.String(), Done: true, Next: s.afterRemoval(al)}
		here := now.On(al.NIC, al.Addr)
		other := otherNIC(now, al)
		switch {
		case other != "" && !here:
			out.Text = fmt.Sprintf("it is on %s of this host, not on %s: take it off there by hand", other, al.NIC)
			if !s.order.DryRun {
				out.Text += "; it is " + parked
			}
		case s.order.DryRun && here:
			out.Text = "would be released and " + parked
		case s.order.DryRun:
			out.Text = "this host does not have it; it would be " + parked
		case here:
			out.Text = "released: it is off this host, and " + parked
			orders, whose = append(orders, hostOrder(al)), append(whose, i)
		default:
			out.Text = "it was not on this host, and is " + parked
		}
		if other != "" {
			out.Done = false
			if here {
				out.Text += fmt.Sprintf("; but it is on %s of this host too: take it off there by hand", other)
			}
		}
		all = append(all, out)
	}
	for n, err := range s.Host.Remove(orders) {
		if out := &all[whose[n]]; err != nil {
			out.Done, out.Text, out.Next = false, parked+", but not released: "+err.Error(), "this host still has it; the next Monitor removes it"
		}
	}
	return all, nil
}

// otherNIC is one that has the alias and that its row does not name.
func otherNIC(now host.State, al config.Alias) string {
	for _, n := range now.NICs {
		if n.Name != al.NIC && now.On(n.Name, al.Addr) {
			return n.Name
		}
	}
	return ""
}

// afterRemoval says what becomes of an alias that this host lets go.
func (s *solo) afterRemoval(al config.Alias) string {
	end, here := "AddAlias", "run AddAlias here or there"
	if s.order.Maintenance == control.On {
		end, here = "'Maintenance off'", "run AddAlias there, or 'Maintenance off' here"
	}
	partner := "the partner, if it is primary and well,"
	switch {
	case len(s.cfg.Settings.Peer.KeyFiles) > 0:
		partner = "the partner's Monitor, if it is well and has heard this host's Monitor since it started (W12),"
	case al.Primary:
		return "if nobody else serves it, nobody will: the partner is not primary and takes nothing while this host answers its pings (W12); " + here
	}
	return partner + " serves it or takes it within its detection time; this host stays out until " + end + ", even after a restart"
}

// add puts the aliases on this host that no other host answers for.
func (s *solo) add(ctx context.Context, chosen []config.Alias) ([]control.Outcome, error) {
	now, err := s.Host.Read()
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

func addresses(aliases []config.Alias) (all []string) {
	for _, al := range aliases {
		all = append(all, al.Addr.String())
	}
	return all
}

func containsAlias(aliases []config.Alias, addr netip.Addr) bool {
	for _, al := range aliases {
		if al.Addr == addr {
			return true
		}
	}
	return false
}
