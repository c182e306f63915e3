package cli

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
)

// ear is AddAlias on one NIC when no Monitor is running: it asks which host has each
// alias, adds those that no host has, and announces them.
type ear struct {
	*solo
	now  host.State
	nic  string
	wire defender.Wire // nil: we hear no ARP, and our kernel announces

	mu   sync.Mutex
	seen map[netip.Addr]host.HW // who claimed an address since we listen
}

// serve fills in the outcomes of the aliases that are on the ear's NIC.
func (e *ear) serve(ctx context.Context, aliases []config.Alias, all []control.Outcome) {
	var mine []int
	for i, al := range aliases {
		if al.NIC != e.nic {
			continue
		}
		all[i] = control.Outcome{Alias: al.Addr.String()}
		if e.now.On(e.nic, al.Addr) {
			all[i].Done, all[i].Text, all[i].Next = true, "this host has it already", noMonitorNow
		} else {
			mine = append(mine, i)
		}
	}
	if len(mine) == 0 {
		return
	}
	refuse := func(why string) {
		for _, i := range mine {
			all[i].Text, all[i].Next = "refused: "+why, "it is not parked; fix that, then run AddAlias again or start a Monitor"
		}
	}
	own, problem := e.usable()
	if problem != "" {
		refuse(problem)
		return
	}
	var err error
	if e.Listen != nil {
		if e.wire, err = e.Listen(e.nic, e.see); err != nil {
			refuse("cannot ask whether another host has it: " + err.Error())
			return
		}
		defer e.wire.Close()
	}

	partners := resolvePartners(ctx, aliases)
	if err := e.look(ctx, own, aliases, mine, partners); err != nil {
		refuse("cannot ask whether another host has it: " + err.Error())
		return
	}
	added := e.take(aliases, mine, partners, all)
	e.announce(ctx, aliases, added, partners, all)
}

// usable returns the NIC's own address, or why it cannot carry an alias (W2).
func (e *ear) usable() (own netip.Addr, problem string) {
	n, ok := e.now.NIC(e.nic)
	switch {
	case !ok:
		return own, fmt.Sprintf("there is no NIC %s on this host", e.nic)
	case !n.Up:
		return own, fmt.Sprintf("%s is down; "+bringUp, e.nic, e.nic)
	case !n.Carrier:
		return own, fmt.Sprintf("%s has no carrier; look at its cable", e.nic)
	}
	for _, a := range n.Addrs {
		if !containsAlias(e.cfg.Aliases, a.Prefix.Addr()) {
			return a.Prefix.Addr(), ""
		}
	}
	return own, fmt.Sprintf("%s has no address of its own, and an alias must not become its first", e.nic)
}

// see notes who claims what. A probe claims nothing.
func (e *ear) see(all []host.Sighting) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range all {
		if !s.Sender.IsUnspecified() && !e.now.Owns(s.HW) {
			e.seen[s.Sender] = s.HW
		}
	}
}

func (e *ear) claimant(addr netip.Addr) (host.HW, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	hw, ok := e.seen[addr]
	return hw, ok
}

// look asks the segment for the aliases and for who the partners are.
func (e *ear) look(ctx context.Context, own netip.Addr, aliases []config.Alias, mine []int, partners []netip.Addr) error {
	if e.wire == nil {
		return e.pingAll(ctx, own, aliases, mine, partners)
	}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for n := range probes {
		if n > 0 {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for _, i := range mine {
			if err := e.wire.Probe(aliases[i].Addr); err != nil {
				return err
			}
			if partners[i].IsValid() {
				_ = e.wire.Ask(partners[i], own, host.HW{}) // only for the name of a rival
			}
		}
	}
	return wait(ctx, lookFor-(probes-1)*probeEvery)
}

// take adds the aliases that may be added, and says why it does not add the others.
func (e *ear) take(aliases []config.Alias, mine []int, partners []netip.Addr, all []control.Outcome) (added []int) {
	var orders []host.Order
	var whose []int
	for _, i := range mine {
		if e.may(aliases[i], partners[i], &all[i]) {
			orders, whose = append(orders, hostOrder(aliases[i])), append(whose, i)
		}
	}
	for n, err := range e.Host.Add(orders) {
		i := whose[n]
		out := &all[i]
		if err != nil {
			out.Text, out.Next = "not added: "+err.Error(), "it is not parked; the next Monitor goes on by its rules"
			continue
		}
		out.Done, out.Next = true, noMonitorNow
		added = append(added, i)
	}
	return added
}

// may says whether an alias may be added, and puts into out what to tell the user, or
// why not.
func (e *ear) may(al config.Alias, partner netip.Addr, out *control.Outcome) bool {
	hw, claimed := e.claimant(al.Addr)
	who := e.who(hw, partner)
	switch {
	case claimed && !e.order.Force && e.order.DryRun:
		out.Text, out.Next = fmt.Sprintf("would be refused: %s answers for it", who), "--force would take it nevertheless"
		return false
	case claimed && !e.order.Force:
		out.Text, out.Next = fmt.Sprintf("refused: %s answers for it; --force takes it nevertheless", who), "that host serves it; it is not parked here"
		return false
	case e.order.DryRun:
		out.Done, out.Text = true, "would be taken: nobody answers for it"
		if claimed {
			out.Text = fmt.Sprintf("would be taken from %s", who)
		}
		return false
	}
	out.Text = "taken: this host has it"
	if claimed {
		out.Text = fmt.Sprintf("taken from %s which answered for it", who)
	}
	return true
}

// announce tells the segment twice where the aliases are, and in between listens for
// hosts that disagree.
func (e *ear) announce(ctx context.Context, aliases []config.Alias, added []int, partners []netip.Addr, all []control.Outcome) {
	if e.wire == nil {
		return
	}
	e.mu.Lock()
	for _, i := range added {
		delete(e.seen, aliases[i].Addr) // what counts is who claims it from now on
	}
	e.mu.Unlock()
	for n := range 2 {
		for _, i := range added {
			err := e.wire.Announce(aliases[i].Addr, host.HW{})
			if err == nil && n == 0 {
				err = e.wire.Probe(aliases[i].Addr)
			}
			if err != nil {
				all[i].Text += ", but it could not be announced: " + err.Error()
			}
		}
		if n == 0 && len(added) > 0 {
			_ = wait(ctx, announceGap) // interrupted, it announces at once
		}
	}
	for _, i := range added {
		if hw, ok := e.claimant(aliases[i].Addr); ok {
			all[i].Next = fmt.Sprintf("%s claims it still: clients reach one host or the other until it is removed there; %s",
				e.who(hw, partners[i]), noMonitorNow)
		}
	}
}

// who names a host that claims an alias.
func (e *ear) who(hw host.HW, partner netip.Addr) string {
	known, ok := e.claimant(partner)
	switch {
	case hw.IsZero():
		return "another host"
	case !ok:
		return hw.String()
	case known == hw:
		return fmt.Sprintf("%s, the partner,", hw)
	}
	return fmt.Sprintf("%s, not the partner,", hw)
}

// resolvePartners returns each alias's partner; the zero Addr where its name
// does not resolve, which only leaves a rival without a name.
func resolvePartners(ctx context.Context, aliases []config.Alias) []netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, resolveFor)
	defer cancel()
	all := make([]netip.Addr, len(aliases))
	known := map[string]netip.Addr{}
	for i, al := range aliases {
		if all[i] = al.Partner.Addr; all[i].IsValid() {
			continue
		}
		addr, asked := known[al.Partner.Name]
		if !asked {
			addr, _ = daemon.Resolve(ctx, al.Partner.Name)
			known[al.Partner.Name] = addr
		}
		all[i] = addr
	}
	return all
}

// wait waits, or returns ctx's error.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
