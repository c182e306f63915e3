package defender

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// resolveEvery is for how long the answer for a partner's name is used.
const resolveEvery = 5 * time.Minute

// resolveAgain is when a name that does not resolve is asked for again.
const resolveAgain = 30 * time.Second

// name is a partner's name that has to be resolved.
type name struct {
	addrs []netip.Addr // the last good answer
	next  time.Time
	busy  bool
	err   string // why the last lookup gave none; empty: it gave one
}

// resolve looks up, beside the loop, the partners' names that are due.
func (l *loop) resolve() {
	for s, n := range l.names {
		if n.busy || l.now.Before(n.next) {
			continue
		}
		n.busy, n.next = true, l.now.Add(resolveEvery)
		l.beside(func() {
			ctx, cancel := context.WithTimeout(l.ctx, resolveEvery/2)
			defer cancel()
			addrs, err := l.o.Resolve(ctx, s)
			l.d.post(func(l *loop) { l.resolved(s, addrs, err) })
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
func (l *loop) resolved(s string, addrs []netip.Addr, err error) {
	n := l.names[s]
	if n == nil {
		return
	}
	n.busy = false
	if err != nil {
		n.next = l.now.Add(resolveAgain)
		if n.err != err.Error() {
			n.err = err.Error()
			l.event("name_unresolved").WithField("partner", s).WithError(err).Error("the partner's name does not resolve")
			l.relink()
		}
		return
	}
	if n.err = ""; !slices.Equal(n.addrs, addrs) {
		n.addrs = addrs
		l.relink()
	}
	for _, a := range l.list {
		if a.cfg.Partner.Name != s || a.cfg.Partner.Addr.IsValid() {
			continue
		}
		if addr, _ := l.partnerOf(a); !addr.IsValid() {
			n.next = l.now.Add(resolveAgain)
		}
	}
}
