package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
)

// progressAfter is how long an order may take without a word to who waits.
const progressAfter = 2 * time.Second

// oneAlias accepts at most one argument, an alias; the zero Addr means all of
// the file. Whether the file has it is not the command line's to say.
func oneAlias(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%s takes one alias, or none for all of the file, and there are %d; try '%s --help'", c.Name(), len(args), c.CommandPath())
	}
	_, err := argAlias(c, args)
	return err
}

func argAlias(c *cobra.Command, args []string) (netip.Addr, error) {
	if len(args) == 0 {
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(args[0])
	if err != nil || !addr.Is4() {
		return netip.Addr{}, usagef("%q is no IPv4 address; try '%s %s', or '%s --help'", args[0], c.CommandPath(), exampleAlias, c.CommandPath())
	}
	return addr, nil
}

// exampleAlias is the alias of the samples.
const exampleAlias = "172.16.1.2"

// order has an order carried out by the running Monitor or, where none runs,
// by ourselves, and prints what became of it.
func (a *app) order(ctx context.Context, o control.Order) error {
	socket, err := a.socket()
	if err != nil {
		return err
	}
	if isTerminal(a.stderr) {
		most := control.OrderWithin
		if o.Within > 0 {
			most = o.Within
		}
		late := time.AfterFunc(progressAfter, func() {
			fmt.Fprintf(a.stderr, "still waiting for what the network answers; at most %s, Ctrl-C withdraws the order\n", config.Tidy(most))
		})
		defer late.Stop()
	}
	outcomes, err := control.Dial(socket).Order(ctx, o)
	if errors.Is(err, control.ErrNotRunning) && !o.Give { // a hand-over is two Monitors' talk
		outcomes, err = a.orderAlone(ctx, o)
	}
	if err != nil {
		return err
	}
	return a.showOutcomes(outcomes)
}

// showOutcomes prints what became of an order: what was done on standard
// output, what was not on standard error. The error is only the exit code.
func (a *app) showOutcomes(outcomes []control.Outcome) error {
	var code error
	forgotten := ""
	for _, out := range outcomes {
		to, lead := a.stdout, ""
		if !out.Done {
			to, lead, code = a.stderr, "aliasdefender: ", &exit{code: exitFailed}
		}
		fmt.Fprintf(to, "%s%s: %s\n", lead, out.Alias, out.Text)
		if out.Next != "" {
			fmt.Fprintf(to, "%s  next: %s\n", strings.Repeat(" ", len(lead)), out.Next)
		}
		if out.NotRemembered != "" {
			forgotten = out.NotRemembered
		}
	}
	if forgotten != "" {
		fmt.Fprintf(a.stderr, "aliasdefender: not remembered over a restart: %s\n", forgotten)
	}
	return code
}

// noSuchAlias says that an address is no alias, and which are.
func noSuchAlias(addr netip.Addr, file string, aliases []string) error {
	const most = 8
	list := strings.Join(aliases, ", ")
	if len(aliases) > most {
		list = fmt.Sprintf("%s and %d more", strings.Join(aliases[:most], ", "), len(aliases)-most)
	}
	return fmt.Errorf("%s is no alias of %s, which has %s", addr, file, list)
}

func addresses(aliases []config.Alias) (all []string) {
	for _, al := range aliases {
		all = append(all, al.Addr.String())
	}
	return all
}

// longestOrder leaves the server time for its answer.
const longestOrder = control.OrderWithin - 2*time.Second

// order carries out an order that came over the socket.
func (m *monitor) order(ctx context.Context, o control.Order) ([]control.Outcome, error) {
	within := m.patience()
	if o.Within > 0 {
		within = min(o.Within, longestOrder)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	out, err := m.defender.Order(ctx, o, m.remember)
	switch {
	case errors.Is(err, defender.ErrNoAlias):
		s, err := m.defender.Snapshot(ctx, false)
		if err != nil {
			return nil, err
		}
		var known []string
		for _, al := range s.Aliases {
			known = append(known, al.Alias)
		}
		text := noSuchAlias(o.Alias, "the running Monitor's "+m.app.aliases, known).Error()
		return nil, &control.Refusal{Kind: control.KindAlias, Text: text + "; a row that is new there needs a Reload"}
	case errors.Is(err, context.DeadlineExceeded), err == nil:
		return out, err
	}
	return nil, &control.Refusal{Kind: control.KindBusy, Text: err.Error()}
}

// remember writes what is parked; who gave the order is told if it fails.
func (m *monitor) remember(kept defender.Kept) error {
	err := m.keeper.remember(kept)
	if err != nil {
		m.log.WithError(err).Error("what is parked is not remembered over a restart")
	}
	return err
}

// patience is how long an order may wait for the network: as long as an alias
// may take to be found silent, doubted twice.
func (m *monitor) patience() time.Duration {
	return min(time.Duration(m.slowest.Load())+2*time.Second, longestOrder)
}

// slowest is the longest that any of the aliases may take to be found silent.
func slowest(aliases []config.Alias) (d time.Duration) {
	for _, al := range aliases {
		d = max(d, al.Detect()+time.Duration(al.Misses)*al.Timeout)
	}
	return d
}

// sayKept tells the log what was read of the state file.
func (m *monitor) sayKept(cfg *config.Config, kept defender.Kept, damage error) {
	if damage != nil {
		for line := range strings.Lines(damage.Error()) {
			m.log.Error("what is parked: " + strings.TrimSpace(line))
		}
	}
	if err := m.state.ready(); err != nil {
		m.log.WithError(err).Warn("what RemoveAlias parks will not be remembered over a restart")
	}
	if kept.Maintenance {
		m.log.Warn("this host is in maintenance: it stays out of all aliases until 'aliasdefender Maintenance off'")
	}
	for _, addr := range kept.Parked {
		text := "parked by an operator: it stays off this host until AddAlias"
		if !containsAlias(cfg.Aliases, addr) {
			text = "parked by an operator, and not in the file now"
		}
		m.log.WithField("alias", addr.String()).Warn(text)
	}
}

func containsAlias(aliases []config.Alias, addr netip.Addr) bool {
	for _, al := range aliases {
		if al.Addr == addr {
			return true
		}
	}
	return false
}
