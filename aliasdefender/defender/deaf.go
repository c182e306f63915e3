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

// unaskable tells whether a question for the target would be answered by our
// own kernel, or may be: then what others say is not known.
func (t *target) unaskable(l *loop) bool {
	if !l.deaf() || t.of == nil {
		return false
	}
	return t.of.phase == working || t.of.kernel.Value == rules.Yes || t.held() && t.of.kernel.Value != rules.No
}

// kernelTold files what the kernel tells of other hosts, as of a reading begun at asked.
func (l *loop) kernelTold(s host.State, asked time.Time) {
	for _, t := range l.asked {
		if hw, ok := s.Neighbours[t.addr]; ok && t.iface != nil && !t.unaskable(l) && t.hw != hw {
			t.hw = hw
			t.changed(l)
		}
	}
	for _, a := range l.order {
		switch {
		case !l.deaf() || !a.state.Holding || a.phase == working || asked.Before(a.phaseAt) || a.alias == nil:
		case l.duplicate(a):
			a.alias.answered(l, asked)
		case a.kernel.Value == rules.No && a.alias.fact.Value == rules.Unknown:
			a.alias.askNow(l) // until now our own kernel would have answered
		}
	}
}

// duplicate tells that the kernel has taken the alias down, for another host has
// it. Its remains are to be removed: the kernel would bring it up again some day.
func (l *loop) duplicate(a *alias) bool { return slices.Contains(l.state.Duplicates, a.cfg.Addr) }
