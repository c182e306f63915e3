package defender

import (
	"net/netip"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/rules"
)

// verifications is how many may be under way. Of a thousand aliases taken at once these
// few suffice to tell whether the router listens to us, and a router with little room for
// neighbours does not have to learn them all in a moment.
const verifications = 32

// pingsToKnow is how many pings without an answer tell that the router does not know the
// alias. The kernel makes the route to a new address of IPv6 beside the call that adds it,
// and what is answered before that reaches nobody: one of eight first pings, where the
// router answers at once (measured on Linux 6.18).
var pingsToKnow = map[host.Family]int{host.IPv4: 1, host.IPv6: 2}

// verifier is the router, or a witness where that answers and the router does not.
func (a *alias) verifier() (addr netip.Addr) {
	for _, t := range a.third {
		if t.Fact().Value == rules.Answered {
			return t.Addr
		}
		if !addr.IsValid() {
			addr = t.Addr
		}
	}
	return addr
}

// verify pings the router from the alias. An answer proves that the router knows us. No
// answer is no reason to release, except for an alias that was handed over to us: the
// giver still has it.
func (l *loop) verify(a *alias, how rules.Verify) {
	a.verified = rules.Unknown
	getting := how == rules.VerifyForGiver
	router := a.verifier()
	if !router.IsValid() || l.verifying >= verifications && !getting {
		return
	}
	l.verifying++
	q := probe.Question{Target: router, Source: a.id(), Timeout: a.cfg.Timeout}
	id, tries := a.id(), pingsToKnow[a.family()]
	own := l.asks.Source(a.cfg.NIC, router)
	if getting {
		tries = a.cfg.Misses                                                     // at least two
		q.Timeout = min(q.Timeout, a.policy.GiveWithin()/time.Duration(2*tries)) // the giver has to hear the result in time
		a.known = false
		if a.iface.wire != nil {
			_ = a.iface.wire.Ask(router, a.id(), host.HW{})
		}
	}
	l.beside(func() {
		var yes, pings bool
		var err error
		for range tries {
			if yes, err = l.o.Ping(l.ctx, q); yes || l.ctx.Err() != nil {
				break
			}
		}
		if getting && !yes {
			q.Source = own
			pings, _ = l.o.Ping(l.ctx, q)
		}
		l.d.post(func(l *loop) {
			l.verifying--
			if a := l.aliases[id]; a != nil && a.state.Holding {
				// A router that answers no pings has answered a frame that asked for it from
				// the alias.
				l.verified(a, router, yes || getting && !pings && a.known, err)
			}
		})
	})
}

// verified takes in whether the router answers the alias here.
func (l *loop) verified(a *alias, router netip.Addr, yes bool, err error) {
	l.mark(a)
	e := a.log(l, "not_verified").WithField("router", router.String())
	a.verified = rules.Of(yes)
	switch {
	case yes:
		a.state.Pinged(rules.Answered, l.now)
	case err != nil:
		a.verified = rules.Unknown
		a.state.Pinged(rules.Unknown, l.now)
		e.WithError(err).Warn("cannot ask whether the router knows the alias here")
	default:
		a.state.Pinged(rules.Silent, l.now)
		e.Warn("the router does not answer the alias yet; announcing again")
	}
}
