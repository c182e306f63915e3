package defender

import (
	"fmt"
	"net/netip"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// An alias on a loopback interface is on many hosts by design. Nobody is asked about it: it
// has no wish, and so its targets are nil, and its NIC has no listener. What is done with
// it, and how, is the same as with any other alias. This file has what is said and shown
// differently.

// placeLoopback finds rows whose subnet has an address that another NIC of this host has,
// or this host's default router. The kernel would take the whole subnet for this host's
// own, and that network would be lost.
func (l *loop) placeLoopback() {
	for _, a := range l.list {
		if !a.cfg.Loopback() || a.cfg.Prefix.IsSingleIP() || a.other != "" {
			continue
		}
		a.other, a.place.covers = covered(l.net.state, a.cfg.Prefix)
	}
}

// covered is an address in the subnet that would be lost with it, and the NIC it is on.
func covered(s host.State, subnet netip.Prefix) (nic string, addr netip.Addr) {
	for _, n := range s.NICs {
		for _, at := range n.Addrs {
			if !config.IsLoopback(n.Name) && host.Has(subnet, at.Prefix.Addr()) {
				return n.Name, at.Prefix.Addr()
			}
		}
	}
	for _, r := range s.Routes {
		if host.Has(subnet, r.Gateway) {
			return r.NIC, r.Gateway
		}
	}
	return "", netip.Addr{}
}

// coversOwn says what the row's subnet would take from this host.
func (a *alias) coversOwn() string {
	return fmt.Sprintf("the subnet of the row, %s, has %s, which is on %s: this host would take all of the subnet for its own; write a longer mask",
		a.cfg.Prefix.Masked(), a.place.covers, a.other)
}

// showLoopback is what Status shows where another alias shows its pair.
func showLoopback(a *alias, c *control.Alias) {
	c.Role, c.Holder, c.Standby, c.Pair = "shared", "-", nil, nil
	if a.state.Holding {
		c.Holder = "us"
	}
	c.Router = control.Peer{Answer: "-"}
	c.Partner = control.Peer{Name: c.Partner.Name, Answer: "-"}
}

const notHandedOver = "many hosts have it at once, so there is nothing to hand over; RemoveAlias takes it off this host"

// refusesLoopback answers an order that makes no sense on a loopback interface.
func (l *loop) refusesLoopback(a *alias, o control.Order, answer func(control.Outcome)) bool {
	if !a.cfg.Loopback() || !o.Give {
		return false
	}
	done, text := a.keepsLoopback(o)
	answer(control.Outcome{Alias: a.id().String(), Done: done, Text: text, Next: l.nextOnLoopback(a)})
	return true
}

// keepsLoopback is what becomes of the alias by Handover. Only an order for this one alias
// is refused: one for all means those that can be handed over.
func (a *alias) keepsLoopback(o control.Order) (done bool, text string) {
	if o.Alias.IsValid() {
		return false, "refused: " + notHandedOver
	}
	return true, "left as it is: " + notHandedOver
}

// reportLoopback answers an order to have the alias here, as long as its service fails
// here: it would be released at once. The alias is no longer parked, and comes by itself.
func (l *loop) reportLoopback(a *alias) bool {
	if !a.cfg.Loopback() || a.state.Holding || !a.order.takes() || a.decision.Reason != rules.ServiceFailing {
		return false
	}
	a.state.Obey(rules.WithdrawCommand, rules.Facts{})
	text := "not now: " + a.why()
	if why := a.sourcedWhy[rules.FactService]; why != "" {
		text += ": " + why
	}
	l.answer(a, false, text)
	return true
}

// nextOnLoopback says what will become of the alias if nothing else happens.
func (l *loop) nextOnLoopback(a *alias) string {
	end, _ := l.until(a, l.maintenance)
	alone := l.o.Deeds == OrderedDeeds
	switch {
	case a.state.Parked && a.state.Holding && alone:
		return "this host still has it; the next Monitor removes it"
	case a.state.Parked || l.maintenance:
		return "this host stays out until " + end + ", even after a restart; other hosts that have it go on"
	case alone && a.errand.failure.is():
		return goOnLater
	case alone:
		return noMonitorNow
	case a.state.Holding && len(a.cfg.Checks) == 0:
		return "this host keeps it until an operator or the file says otherwise"
	case a.state.Holding && a.policy.ReleaseFailing:
		return "this host keeps it until one of its checks fails"
	case a.state.Holding:
		return "this host keeps it, also if one of its checks fails"
	}
	return "it comes here as soon as nothing speaks against it, by its rules"
}

// foretellLoopback says what an order would do. Whether the alias would come the rows say.
func (l *loop) foretellLoopback(a *alias, o control.Order) (done bool, text string) {
	switch {
	case o.Give:
		return a.keepsLoopback(o)
	case (o.Remove || o.Maintenance == control.On) && a.onHost():
		return true, "would be released and kept off"
	case o.Remove || o.Maintenance == control.On:
		return true, "this host does not have it; it would be kept off"
	case l.maintenance:
		return false, "would be refused: this host is in maintenance"
	case a.onHost():
		return true, hasAlready
	}
	s, f := a.state, l.facts(a)
	s.Obey(commandOf(o), f)
	switch d := rules.Decide(a.policy, s, f); {
	case d.Action == rules.Take:
		return true, "would be added: other hosts may have it too"
	case d.Reason == rules.OnOtherNIC && a.elsewhere != "":
		return false, "would be refused: " + a.elsewhere
	case d.Reason == rules.OnOtherNIC:
		return false, "would be refused: " + d.Reason.Text()
	default:
		return false, "would not come now: " + d.Reason.Text()
	}
}
