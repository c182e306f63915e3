package defender

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/rules"
)

// Source observes facts that are not answers on the wire, such as whether the service
// behind an alias works. It runs beside the loop, which never waits for it.
type Source interface {
	// Want tells which aliases there are, at the start and after each reload. It must
	// not wait.
	Want(aliases []netip.Addr)

	// Holds tells that this host has an alias from now on, or no longer. Before the first
	// call it has none. It must not wait.
	Holds(alias netip.Addr, yes bool)

	// Run posts what it observes until ctx ends. If it returns earlier, the facts that it
	// posted grow too old by themselves, and so become unknown. One call of post may be
	// about many aliases; it waits while the loop has no room.
	Run(ctx context.Context, post func(...Observation)) error

	String() string // its name, for the log
}

// Observation is a fact that a Source has observed.
type Observation struct {
	Alias netip.Addr // as Want has it
	Fact  rules.FactID
	Value rules.Value
	Asked time.Time // from when on it is proven: when its question was put
	Why   string    // what people are told beside the value, in one line; empty: nothing

	// Lives is how long after Asked the observation counts, because the source has a
	// rhythm of its own. 0: as long as an answer on the wire.
	Lives time.Duration
}

// Seer is a Source that acts on the partner's service, as far as the rules allow.
type Seer interface {
	Source

	// Sees says what the rules allow about an alias with a recovery. The loop calls it after
	// each reload, and when the answer changes. It must not wait.
	Sees(alias netip.Addr, is rules.Sight)
}

// Observable tells whether a Source may observe a fact. It may not observe what the loop
// itself reads from this host or hears on the wire, nor our own conclusions or those
// about a group.
func Observable(id rules.FactID) bool {
	if id >= rules.FactCount {
		return false
	}
	r := rules.FactRows()[id]
	return !r.Host && !r.Address && !r.Ours && !r.Group
}

// runSources runs the sources beside the loop.
func (l *loop) runSources() {
	for _, s := range l.o.Sources {
		l.beside(func() {
			err := s.Run(l.ctx, func(all ...Observation) {
				l.d.post(func(l *loop) {
					for _, o := range all {
						l.observed(o)
					}
				})
			})
			if l.ctx.Err() == nil {
				l.d.post(func(l *loop) {
					l.event("source_ended").WithField("source", s.String()).Error(fmt.Sprintf("the source ended; what it observed is unknown from now on: %v", err))
				})
			}
		})
	}
}

// wantSources tells the sources which aliases there are.
func (l *loop) wantSources() {
	all := make([]netip.Addr, len(l.list))
	for i, a := range l.list {
		all[i] = a.id()
	}
	for _, s := range l.o.Sources {
		s.Want(all)
	}
}

// tellHolds tells the sources if the alias has come to this host, or has left it.
func (l *loop) tellHolds(a *alias) {
	if a.toldHolds == a.state.Holding {
		return
	}
	a.toldHolds = a.state.Holding
	for _, s := range l.o.Sources {
		s.Holds(a.id(), a.state.Holding)
	}
}

// tellSight tells the sources what may be done about the partner's service now, if that
// has changed. Nothing is decided by it.
func (l *loop) tellSight(a *alias) {
	if !a.cfg.Recover.Any() || a.gone {
		return
	}
	is, at := rules.Recover(a.policy, a.state, l.facts(a))
	l.agenda.Set(&a.sightDue, at.Again)
	if a.sightTold && is == a.sight {
		return
	}
	a.sight, a.sightTold = is, true
	for _, s := range l.o.Sources {
		if s, ok := s.(Seer); ok {
			s.Sees(a.id(), is)
		}
	}
}

// observed files what a source has observed. It changes nothing if something newer is
// known, or if the alias has gone.
func (l *loop) observed(o Observation) {
	a := l.aliases[o.Alias]
	if a == nil || !Observable(o.Fact) {
		return
	}
	f, asked := &a.sourced[o.Fact], o.Asked
	if asked.After(l.now) {
		asked = l.now // it was put during this wake, or the source's clock is ahead: it proves no more than now
	}
	if asked.Before(f.Asked) {
		return
	}
	if f.Value != o.Value || !a.fresh(*f, l.now) {
		l.mark(a)
	}
	f.Set(o.Value, asked, l.now)
	f.Lives, a.sourcedWhy[o.Fact] = o.Lives, o.Why
}
