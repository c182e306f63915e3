package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/store"
)

// The rhythm of an order where no Monitor runs, whatever the settings say: an operator is
// waiting. An alias that nobody has is silent after aloneMisses timeouts.
const (
	aloneInterval = time.Second
	aloneTimeout  = 300 * time.Millisecond
	aloneMisses   = 3

	// readWithin is how long the first reading of this host may take. On Solaris it starts
	// programs, which need their time on a busy machine.
	readWithin = 20 * time.Second

	// lookWithin is how long it may take after that to find out who has the aliases. Then
	// the order is given all the same, and its answer says what is not known.
	lookWithin = 3 * time.Second
)

// Alone carries out an operator's order where no Monitor runs. It runs a Defender on the
// rows that the order is for, which does what is ordered and nothing else, and ends. What
// it took stays on this host. Of the Options it needs Load, Aliases, Version and Open.
//
// The error means that nothing was begun, and no alias touched: it is Load's, or that the
// process may not change this host, or that another one is at work.
func Alone(ctx context.Context, o Options, order control.Order) ([]control.Outcome, error) {
	cfg, err := o.Load()
	if err != nil {
		return nil, err
	}
	rows, err := o.rowsFor(cfg, order.Alias)
	if err != nil {
		return nil, err
	}
	if order.Alias.IsValid() {
		if order.Alias, err = o.named(cfg, order.Alias); err != nil { // it may have been named without its NIC
			return nil, err
		}
	}
	network, err := o.openFor(order)
	if err != nil {
		return nil, err
	}
	if !order.DryRun {
		lock, err := inPlaceOfMonitor(cfg.Settings.Socket)
		if err != nil {
			return nil, err
		}
		defer lock.Release()
	}
	state := store.In(cfg.Settings.StateDir)
	var kept store.Kept
	var damage error
	if !waited(store.Within, func() { kept, damage = state.Read() }) {
		return nil, fmt.Errorf("%s: %w", cfg.Settings.StateDir, errNoAnswer)
	}
	if damage != nil && order.DryRun && order.Maintenance == control.Off {
		return nil, damage // it is not known whether this would end anything
	}
	marked := newMarks(network.Host, cfg.Settings.StateDir)
	_ = marked.open(store.Within) // without it the kernel's marks count
	network.Host = marked
	options := network.aloneOptions(cfg, rows, o.Version, order)
	options.Kept = defender.Kept(kept)
	if damage != nil {
		options.Memory = defender.Damaged
	}
	keeper := store.NewKeeper(cfg.Settings.StateDir, state, store.Within)
	remember := func(k defender.Kept) error {
		anew, err := keeper.Remember(store.Kept(k))
		if err == nil && anew {
			return &defender.Anew{Text: writtenAnew(state)}
		}
		return err
	}
	out, err := giveAlone(ctx, defender.New(options), order, remember)
	if !order.DryRun {
		marked.settle()
	}
	return out, err
}

// giveAlone runs the loop for as long as the order takes.
func giveAlone(ctx context.Context, d *defender.Defender, order control.Order, remember func(defender.Kept) error) ([]control.Outcome, error) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		// It would return an error only if something beside it hung; the order is
		// answered by then.
		_ = d.Run(context.WithoutCancel(ctx))
	}()
	defer func() {
		d.Stop(defender.ExitKeep)
		<-over
	}()
	if err := look(ctx, d, asks(order)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, control.OrderWithin)
	defer cancel()
	return d.Order(ctx, order, remember)
}

// look waits until this host has been read and, if wire is set, until it is known who has
// the aliases; or until it has taken too long. Nobody is asked before the host was read,
// so a slow reading takes nothing from the time for the answers.
func look(ctx context.Context, d *defender.Defender, wire bool) error {
	for _, stage := range []struct {
		within time.Duration
		wire   bool
	}{{readWithin, false}, {lookWithin, wire}} {
		looking, enough := context.WithTimeout(ctx, stage.within)
		err := d.Looked(looking, stage.wire)
		late := looking.Err() != nil
		enough()
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted")
		case late:
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// asks tells whether the order depends on who else has the aliases.
func asks(o control.Order) bool { return !o.Remove && o.Maintenance == control.Leave }

// named is the alias of the file that an order names.
func (o Options) named(cfg *config.Config, alias netip.Addr) (netip.Addr, error) {
	known := make([]string, len(cfg.Aliases))
	for i, al := range cfg.Aliases {
		known[i] = al.Addr.String()
	}
	return Which(alias, o.Aliases, known)
}

// rowsFor are the rows that an order is for: all, or that of one alias with its group.
func (o Options) rowsFor(cfg *config.Config, alias netip.Addr) ([]config.Alias, error) {
	if !alias.IsValid() {
		return cfg.Aliases, nil
	}
	which, err := o.named(cfg, alias)
	if err != nil {
		return nil, err
	}
	var rows []config.Alias
	for _, al := range cfg.Aliases {
		if g := cfg.GroupOf(which); al.Addr == which || g != nil && slices.Contains(g.Aliases, al.Addr) {
			rows = append(rows, al)
		}
	}
	return rows, nil
}

// openFor opens the network for an order. An order that only reads it needs no privilege.
func (o Options) openFor(order control.Order) (System, error) {
	changes := order.Maintenance != control.Off && !order.DryRun
	if changes || asks(order) {
		return o.open()
	}
	if o.Open != nil {
		return o.Open()
	}
	return OpenHost()
}

// inPlaceOfMonitor takes the lock: a Monitor that started now would look and take, as we
// do. It waits until we are done, or is told of us.
func inPlaceOfMonitor(socket string) (*control.Lock, error) {
	lock, err := control.Acquire(socket)
	if held := (*control.HeldError)(nil); errors.As(err, &held) {
		return nil, fmt.Errorf("%s: process %d holds the lock: a Monitor that is starting, or another command like this one; try again", held.Socket, held.PID)
	}
	return lock, err
}

// aloneOptions are the options of a Defender for one order.
func (s System) aloneOptions(cfg *config.Config, rows []config.Alias, version string, order control.Order) defender.Options {
	log := logrus.New()
	log.SetOutput(io.Discard) // the answer says everything
	chosen := *cfg
	chosen.Aliases = make([]config.Alias, len(rows))
	for i, al := range rows {
		chosen.Aliases[i] = alone(al)
	}
	o := s.options(&chosen, version, log)
	o.Deeds, o.Channel = defender.OrderedDeeds, nil
	o.Network = narrow{s.Host, cfg.Aliases}
	if !asks(order) {
		mute(&o)
	}
	return o
}

// mute keeps a Defender from asking any host: it opens no socket on the wire.
func mute(o *defender.Options) {
	if o.Listen != nil {
		o.Listen = func(string, host.Family, func([]host.Sighting)) (defender.Wire, error) { return nil, errNotAsked }
	}
	o.Ask = nil
	o.Ping = func(context.Context, probe.Question) (bool, error) { return false, errNotAsked }
}

var errNotAsked = errors.New("this order asks nobody")

// alone is the row in the form in which an order takes it: at once, for good, and
// whatever a Monitor would do with it.
func alone(al config.Alias) config.Alias {
	al.Interval, al.Timeout, al.Misses = aloneInterval, aloneTimeout, aloneMisses
	al.Router, al.Witnesses = netip.Addr{}, nil
	al.Lease, al.Failback, al.OnIsolation = 0, false, config.IsolationKeep
	return al
}

// narrow is this host's network as an order needs it. It has no router, which decides
// only about deeds that nobody has ordered, but for one that a row of a loopback interface
// would take for this host's own. And no alias of the file counts as an own
// address of the NIC, whichever alias the order is for.
type narrow struct {
	defender.Network
	aliases []config.Alias
}

// Read reads the network.
func (n narrow) Read() (host.State, error) {
	s, err := n.Network.Read()
	s.Routes = slices.DeleteFunc(slices.Clone(s.Routes), func(r host.Route) bool { return !n.covers(r.Gateway) })
	s.NICs = slices.Clone(s.NICs)
	for i, nic := range s.NICs {
		nic.Addrs = slices.Clone(nic.Addrs)
		for k, a := range nic.Addrs {
			if slices.ContainsFunc(n.aliases, func(al config.Alias) bool { return al.Addr == host.Zoned(a.Prefix.Addr(), nic.Name) }) {
				nic.Addrs[k].Ours = true
			}
		}
		s.NICs[i] = nic
	}
	return s, err
}

// covers tells whether the subnet of a row of a loopback interface has the address.
func (n narrow) covers(addr netip.Addr) bool {
	return slices.ContainsFunc(n.aliases, func(al config.Alias) bool { return al.Loopback() && host.Has(al.Prefix, addr) })
}
