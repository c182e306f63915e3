package defender

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/host"
)

// resolveEvery is for how long the answer for a partner's name is used.
const resolveEvery = 5 * time.Minute

// resolveAgain is when a name that does not resolve is asked for again.
const resolveAgain = 30 * time.Second

// nameKey is a partner's name in one family. Each is looked up by itself: a server that
// does not answer for the one must neither delay nor empty what is known of the other.
type nameKey struct {
	name   string
	family host.Family
}

// partnersName is the name that the alias's partner is looked up by, if it has one.
func (a *alias) partnersName() nameKey { return nameKey{a.cfg.Partner.Name, a.family()} }

// name is a partner's name that has to be resolved.
type name struct {
	addrs []netip.Addr // the last good answer
	next  time.Time
	busy  bool
	err   string // why the last lookup gave none; empty: it gave one
}

// resolve looks up, beside the loop, the partners' names that are due.
func (l *loop) resolve() {
	for k, n := range l.names {
		if n.busy || l.now.Before(n.next) {
			continue
		}
		n.busy, n.next = true, l.now.Add(resolveEvery)
		l.beside(func() {
			ctx, cancel := context.WithTimeout(l.ctx, resolveEvery/2)
			defer cancel()
			addrs, err := l.o.Resolve(ctx, k.name, k.family)
			l.d.post(func(l *loop) { l.resolved(k, addrs, err) })
		})
	}
}

// notAHost refuses an address that cannot be the partner's: its answers would
// be our own, or the alias's.
func (l *loop) notAHost(addr netip.Addr) error {
	if l.aliases[addr] != nil {
		return fmt.Errorf("%s is an alias", addr)
	}
	if _, a, mine := l.net.state.Find(addr); mine && !a.Ours {
		return fmt.Errorf("%s is an address of this host", addr)
	}
	return nil
}

// resolved takes in the addresses of a partner's name. After a failed lookup the last
// good ones are kept. [loop.partnerOf] finds out which of them is the partner's.
func (l *loop) resolved(k nameKey, addrs []netip.Addr, err error) {
	n := l.names[k]
	if n == nil {
		return
	}
	n.busy = false
	if err != nil {
		n.next = l.now.Add(resolveAgain)
		if n.err != err.Error() {
			n.err = err.Error()
			l.event("name_unresolved").WithField("partner", k.name).WithError(err).Errorf("the partner's name does not resolve to an %s address", k.family)
			l.relink()
		}
		return
	}
	if n.err = ""; !slices.Equal(n.addrs, addrs) {
		n.addrs = addrs
		l.relink()
	}
	for _, a := range l.list {
		if a.partnersName() != k || a.cfg.Partner.Addr.IsValid() {
			continue
		}
		if addr, _ := l.partnerOf(a); !addr.IsValid() {
			n.next = l.now.Add(resolveAgain)
		}
	}
}
