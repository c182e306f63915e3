package defender

import (
	"slices"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// A system without ARP for us (Options.Listen is nil: Solaris, illumos) asks by
// ICMP alone. Its kernel announces what it has by itself, looks for others with
// the same address, and tells what it has found with the reading.

// deaf tells whether ARP can be neither heard nor sent.
func (l *loop) deaf() bool { return l.o.Listen == nil }

// kernelTold files what the kernel tells of other hosts, as of a reading begun at asked.
func (l *loop) kernelTold(s host.State, asked time.Time) {
	for _, t := range l.asks.Targets() {
		if hw, ok := s.Neighbours[t.Addr]; ok {
			l.asks.Neighbour(l.now, t, hw)
		}
	}
	for _, a := range l.order {
		switch {
		case !l.deaf() || !a.state.Holding || a.phase == working || asked.Before(a.phaseAt) || a.alias == nil:
		case l.duplicate(a):
			l.asks.Alive(l.now, a.alias, asked)
		case a.kernel.Value == rules.No && a.alias.Fact().Value == rules.Unknown:
			l.asks.Ask(l.now, a.alias) // until now our own kernel would have answered
		}
	}
}

// duplicate tells that the kernel has taken the alias down, for another host has
// it. Its remains are to be removed: the kernel would bring it up again some day.
func (l *loop) duplicate(a *alias) bool { return slices.Contains(l.state.Duplicates, a.cfg.Addr) }
