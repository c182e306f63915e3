package defender

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// Where no Monitor runs, a verb runs a Defender for as long as its order takes. It
// gathers facts, asks the rules and begins deeds as a Monitor's does, but only deeds that
// an operator has ordered: nobody asked it to watch. Nobody watches what it leaves behind
// either, and its answers say so.

// Deeds tells which of the deeds that the rules decide on a Defender carries out.
type Deeds uint8

// The deeds.
const (
	AllDeeds     Deeds = iota // a Monitor's
	OrderedDeeds              // only what the order under way for the alias wants
	NoDeeds                   // of a Monitor that observes: it says what it would do, and takes no orders
)

// announcements is how often a taken alias is announced before its order is answered,
// where nobody would go on announcing it.
const announcements = 2

// mayDo tells whether this Defender carries out the deed of d.
func (l *loop) mayDo(a *alias, d rules.Decision) bool {
	o := a.order
	switch {
	case l.o.Deeds == AllDeeds:
		return true
	case l.o.Deeds == NoDeeds, o == nil:
		return false
	case o.takes():
		return d.Reason == rules.OperatorTakes || d.Reason == rules.AnnouncementDue && !o.had
	}
	return o.command == rules.RemoveAlias && d.Reason == rules.OperatorReleases
}

// decisive are the facts that the alias is decided by. A Defender that only carries out
// an order neither yields to a rival nor defends: it only says who claims the alias.
func (l *loop) decisive(a *alias) rules.Facts {
	f := l.facts(a)
	if l.o.Deeds == OrderedDeeds && a.state.Holding {
		f.Alias = rules.Fact{}
	}
	if l.o.Deeds == NoDeeds && f.Behind.Value == rules.Yes && !f.Behind.Since.After(a.state.Reordered) {
		f.Behind.Value = rules.No // counts as mended: see elsewhereDone
	}
	return f
}

// outlives tells whether an alias that the kernel has on a lease is to stay after us.
func (l *loop) outlives(a *alias) bool { return l.o.Deeds == AllDeeds || a.wanted }

// looker waits for the first look.
type looker struct {
	wire bool // wait for a look at the wire too, and not only at this host
	told chan error
}

// Looked waits until this host has been read. If wire is set, it also waits until it is
// known who has each alias, as far as that can be found out. The error says that this
// host cannot be read, or is ctx's.
func (d *Defender) Looked(ctx context.Context, wire bool) error {
	w := looker{wire, make(chan error, 1)}
	d.post(func(l *loop) { l.lookers = append(l.lookers, w) })
	select {
	case err := <-w.told:
		return err
	case <-d.over:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tellLookers ends the waiting of those for whom enough is known.
func (l *loop) tellLookers() {
	l.lookers = slices.DeleteFunc(l.lookers, func(w looker) bool {
		switch {
		case l.net.readErr != "":
			w.told <- errors.New("cannot read this host's addresses from the kernel: " + l.net.readErr)
		case l.net.readAt.IsZero() || w.wire && slices.ContainsFunc(l.list, l.unsure):
			return false
		default:
			w.told <- nil
		}
		return true
	})
}

// unsure tells whether it is not known yet, but may be soon, who has the alias.
func (l *loop) unsure(a *alias) bool {
	n := a.iface
	if a.cfg.Loopback() {
		return false
	}
	switch a.alias.Fact().Value {
	case rules.Silent:
		return false
	case rules.Unknown:
		return !a.onHost() && n.ready() == nil && (n.wire != nil || n.opening || l.deaf())
	}
	// It answers; is it the partner?
	switch by, _ := a.whose(); {
	case by != rules.Unknown:
		return false
	case a.partner == nil:
		return !a.cfg.Partner.Addr.IsValid() && l.names[a.partnersName()].busy
	}
	return a.partner.NIC != "" && a.partner.Fact().Value != rules.Silent
}

// reportUnwatched answers the order under way for an alias where a Monitor would go on
// trying. It tells whether the order is dealt with here: answered, or left to wait.
func (l *loop) reportUnwatched(a *alias) bool {
	o, f := a.order, a.errand.failure
	switch {
	case o.takes() && a.state.Holding:
		return !o.had && !l.deaf() && !a.cfg.Loopback() && o.announced < announcements && l.unannounced(a) == ""
	case f.is() && o.takes():
		a.state.Obey(rules.WithdrawCommand, rules.Facts{})
		l.answer(a, false, f.text)
	case f.is():
		l.answer(a, false, "it "+o.stay+", but "+f.text)
	case o.takes() && a.decision.Reason == rules.AliasUnknown:
		a.state.Obey(rules.WithdrawCommand, rules.Facts{})
		why := "refused: whether another host has it cannot be asked"
		if a.iface.err != nil {
			why += ": " + a.iface.err.Error()
		}
		l.answer(a, false, why)
	default:
		return false
	}
	return true
}

// unannounced is what an answer adds if the taken alias could not be announced.
func (l *loop) unannounced(a *alias) string {
	f := a.errand.failure
	switch {
	case l.o.Deeds == AllDeeds || l.deaf() || a.cfg.Loopback():
		return ""
	case f.is() && f.action == rules.Announce:
		return ", but " + f.text
	case a.iface.wire == nil:
		return ", but the alias could not be announced: " + errNoListener[a.family()].Error()
	}
	return ""
}

// What is said where nobody watches.
const (
	noMonitorNow = "no Monitor runs here: nothing watches the alias until you start one"
	goOnLater    = "it is not parked; the next Monitor goes on by its rules"
	mendFirst    = "it is not parked; fix that, then run AddAlias again or start a Monitor"
)

// server is who serves an alias by its rules.
func (l *loop) server() string {
	if l.o.Deeds == OrderedDeeds {
		return "the next Monitor"
	}
	return "this host"
}

// nextUnwatched says what becomes of an alias after an order.
func (l *loop) nextUnwatched(a *alias, c rules.Command) string {
	served := a.alias.Fact().Value == rules.Answered
	switch {
	case a.cfg.Loopback():
		return l.nextOnLoopback(a)
	case c == rules.UnparkAlias:
		return noMonitorNow
	case a.state.Parked && a.state.Holding:
		return "this host still has it; the next Monitor removes it"
	case a.state.Parked:
		return l.afterRemoval(a, l.maintenance)
	case a.state.Holding && served:
		return fmt.Sprintf("%s claims it still: clients reach one host or the other until it is removed there; %s", l.rival(a), noMonitorNow)
	case a.state.Holding:
		return noMonitorNow
	case a.errand.failure.is():
		return goOnLater
	case a.iface.ready() != nil, a.decision.Reason == rules.AliasUnknown:
		return mendFirst
	case served:
		return "that host serves it; it is not parked here"
	}
	return goOnLater
}

// nextForetold says the same of an order that is only foretold.
func (l *loop) nextForetold(a *alias, o control.Order, done bool) string {
	switch {
	case o.Maintenance == control.Off:
		return noMonitorNow
	case a.cfg.Loopback():
		return ""
	case o.Remove || o.Maintenance == control.On:
		return l.afterRemoval(a, l.maintenance || o.Maintenance == control.On)
	case l.maintenance:
		return ""
	case done && a.onHost():
		return noMonitorNow
	case done:
		return ""
	case a.iface.ready() != nil, a.alias.Fact().Value != rules.Answered:
		return mendFirst
	}
	return "--force would take it nevertheless"
}

// afterRemoval says what becomes of an alias that this host lets go. It was not asked who
// serves it now.
func (l *loop) afterRemoval(a *alias, maintenance bool) string {
	end, here := l.until(a, maintenance)
	partner := "the partner, if it is primary and well,"
	switch {
	case len(l.cfg.Settings.Peer.KeyFiles) > 0:
		partner = "the partner's Monitor, if it is well and has heard this host's Monitor since it started (W12),"
	case a.cfg.Primary:
		return "if nobody else serves it, nobody will: " + notPrimary + here
	}
	return partner + " serves it or takes it within its detection time; this host stays out until " + end + ", even after a restart"
}
