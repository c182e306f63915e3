package rules

import (
	"fmt"
	"time"
)

// property is a promise about any decision; it returns how the promise is broken. It
// takes the rows, so that a test can try it on wrong ones.
type property struct {
	name  string
	holds func(rows []Row, c instance) error
}

// brokenIf makes a property out of what must not be.
func brokenIf(name string, broken func(c instance, d Decision) bool) property {
	return property{name, func(rows []Row, c instance) error {
		if d := c.decide(rows); broken(c, d) {
			return fmt.Errorf("%s: %s %s, %s", name, d.Row, d.Action, d.Reason)
		}
		return nil
	}}
}

// waitingProperties are about an alias that is not held.
func waitingProperties() []property { return append(takesNot(), takes()...) }

// takesNot: what keeps an alias from being taken.
func takesNot() []property {
	never := func(name string, when func(c instance) bool) property {
		return brokenIf(name, func(c instance, d Decision) bool { return d.Action == Take && when(c) })
	}
	return []property{
		never("parked, or about to leave, takes nothing", func(c instance) bool { return c.s.Parked || c.s.Leaving }),
		never("what may be parked is taken by order or from a silent partner only", instance.perhapsParked),
		never("a bad link takes nothing", func(c instance) bool { return c.link() == No }),
		never("an unknown link takes nothing", func(c instance) bool { return c.link() == Unknown }),
		brokenIf("an alias that another NIC of this host has, or may have, is neither taken nor asked for", func(c instance, d Decision) bool {
			return (d.Action == Take || d.Action == AskHandover) && c.read(c.f.Elsewhere) != No
		}),
		never("a failing service takes nothing unless the partner's fails too", func(c instance) bool {
			return c.failing() && !c.partnerFails()
		}),
		never("an alias that answers is taken by force, by offer or by failback only", func(c instance) bool {
			return c.alias() == Answered && c.s.Order != OrderForce && !c.offered() && !c.failbackDue()
		}),
		never("with a channel that was heard failback asks, and takes nothing", func(c instance) bool {
			return c.alias() == Answered && c.s.Order != OrderForce && !c.offered() && !c.unheard()
		}),
		never("an offer that has expired is not taken", func(c instance) bool {
			return c.alias() == Answered && c.s.Order != OrderForce && c.does(Offers) && c.began() >= c.p.GiveWithin() && !c.failbackDue()
		}),
		never("an unknown alias is taken by force or by offer only", func(c instance) bool {
			return c.alias() == Unknown && c.s.Order != OrderForce && !c.offered()
		}),
		never("a silence from before the router was heard again takes nothing", func(c instance) bool {
			return c.router() == Answered && c.f.Alias.Value == Silent && c.f.Alias.Asked.Before(c.f.Router.Since) &&
				c.s.Order != OrderForce && !c.offered()
		}),
		never("a partner's silence from before the router was heard again takes nothing for a non-primary", func(c instance) bool {
			return !c.actsAsPrimary() && c.router() == Answered && c.f.Partner.Value == Silent &&
				c.f.Partner.Asked.Before(c.f.Router.Since) && !c.ordered() && !c.offered() && !c.partnerCannot() && !c.s.OursLast && !c.fencedAway()
		}),
		never("a silent router lets nothing be taken but by order", func(c instance) bool {
			return c.router() == Silent && !c.ordered()
		}),
		never("an unknown router lets nothing be taken but by order", func(c instance) bool {
			return c.router() == Unknown && !c.ordered()
		}),
		never("what flaps is taken by order, offer, failback or from a silent partner only", func(c instance) bool {
			return c.flapping() && c.partner() != Silent && !c.ordered() && !c.offered() && !c.failbackDue()
		}),
		never("a primary asks twice as long where the partner is not silent", func(c instance) bool {
			return c.actsAsPrimary() && c.partner() != Silent && !c.doubtedTwice() &&
				!c.ordered() && !c.offered() && !c.failbackDue()
		}),
		never("who is not primary leaves it to a partner who answers, can and has not let it go", func(c instance) bool {
			return !c.actsAsPrimary() && c.partner() == Answered && !c.ordered() && !c.offered() &&
				!c.partnerCannot() && !c.s.OursLast && !c.daemonDead() && !c.fencedAway()
		}),
		never("a fence takes nothing that still answers, or that nobody has asked since", func(c instance) bool {
			return c.fenced() && !c.actsAsPrimary() && c.partner() == Answered && !c.f.Alias.Asked.After(c.f.Fenced.Asked) &&
				!c.ordered() && !c.offered() && !c.partnerCannot() && !c.s.OursLast && !c.daemonDead() && !c.failbackDue()
		}),
		never("who is not primary leaves it to an unknown partner", func(c instance) bool {
			return !c.actsAsPrimary() && c.partner() == Unknown && !c.ordered() && !c.offered() &&
				!c.partnerCannot() && !c.s.OursLast && !c.fencedAway()
		}),
	}
}

// takes: what must be taken, and what must be said if it is not.
func takes() []property {
	always := func(name string, when func(c instance) bool) property {
		return brokenIf(name, func(c instance, d Decision) bool { return d.Action != Take && when(c) })
	}
	return []property{
		brokenIf("an operator's order is carried out, and counts as his", func(c instance, d Decision) bool {
			return c.mayTake() && c.ordered() && (d.Action != Take || d.Reason != OperatorTakes)
		}),
		always("an offer is taken", func(c instance) bool { return c.mayTake() && c.offered() }),
		always("without a channel failback takes", func(c instance) bool {
			return c.mayTake() && !c.heldBack() && c.failbackDue() && c.unheard() && !c.asks(FailbackAsks) && !c.operatorAsks()
		}),
		brokenIf("what the partner says it has is asked for, by order and by failback", func(c instance, d Decision) bool {
			return c.mayTake() && (c.failbackDue() && c.asks(FailbackAsks) || c.operatorAsks()) &&
				!c.ordered() && !c.offered() && !c.heldBack() && d.Action != AskHandover
		}),
		brokenIf("an operator's asking counts as his", func(c instance, d Decision) bool {
			return d.Action == AskHandover && c.operatorAsks() && d.Reason != OperatorAsks
		}),
		always("a primary takes at once from a silent partner", func(c instance) bool {
			return c.vacant() && c.actsAsPrimary() && c.partner() == Silent
		}),
		always("a primary takes at the latest after the doubt again", func(c instance) bool {
			return c.vacant() && c.actsAsPrimary() && c.doubtedTwice()
		}),
		always("who is not primary takes from a silent partner", func(c instance) bool {
			return c.vacant() && !c.actsAsPrimary() && c.partner() == Silent
		}),
		always("who is not primary takes what the partner cannot serve or let go", func(c instance) bool {
			return c.vacant() && !c.actsAsPrimary() && c.partnerCannot()
		}),
		always("who is not primary takes back what it let go for its own sake", func(c instance) bool {
			return c.vacant() && !c.actsAsPrimary() && c.s.OursLast
		}),
		always("who is not primary takes from a partner that was fenced", func(c instance) bool {
			return c.vacant() && !c.actsAsPrimary() && c.fencedAway()
		}),
		brokenIf("a fence that did nothing is an alarm", func(c instance, d Decision) bool {
			return c.mayTake() && c.fenced() && c.alias() == Answered && c.f.Alias.Asked.After(c.f.Fenced.Asked.Add(c.p.Stale())) &&
				d.Action == Wait && d.Reason.Level() != Alarm
		}),
		always("who is not primary takes from a dead daemon", func(c instance) bool {
			return c.vacant() && !c.actsAsPrimary() && c.daemonDead()
		}),
		brokenIf("who parked it is told so, whatever the link and the service", func(c instance, d Decision) bool {
			return !c.s.Holding && (c.s.Parked || c.s.Leaving) && d.Reason != Parked
		}),
		brokenIf("that it may be parked is told, as an alarm, whatever the link and the service", func(c instance, d Decision) bool {
			return !c.s.Holding && !c.s.Parked && !c.s.Leaving && c.perhapsParked() && (d.Reason != ParkedUnknown || d.Reason.Level() != Alarm)
		}),
		brokenIf("a minute without anybody is an alarm", func(c instance, d Decision) bool {
			return c.vacant() && !c.actsAsPrimary() && c.partner() == Answered && d.Action == Wait &&
				c.age(c.f.Alias.Since) >= time.Minute && d.Reason.Level() != Alarm
		}),
		brokenIf("flapping is an alarm", func(c instance, d Decision) bool {
			return c.mayTake() && !c.heldBack() && c.flapping() && c.alias() == Silent && c.router() == Answered &&
				d.Action == Wait && d.Reason.Level() != Alarm
		}),
		brokenIf("a missing router is an error", func(c instance, d Decision) bool {
			return c.mayTake() && !c.heldBack() && !c.f.RouterKnown && c.alias() == Silent && d.Action == Wait && d.Reason.Level() != Error
		}),
	}
}
