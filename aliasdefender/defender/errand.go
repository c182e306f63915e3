package defender

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/rules"
)

// errand is what is under way for an alias outside the loop, and the result of the last
// one. While one is under way nothing else is begun for the alias; its end decides again.
type errand struct {
	stage stage
	ended ordinal // when the last one ended: a reading that began before may not show what it did
	gates gates

	failure failure // of what failed last and is still wanted; zero: nothing
}

// stage is where an errand stands.
type stage uint8

const (
	idle    stage = iota
	gated         // a take or a release waits for a gate
	working       // an address is being added or removed
)

// gates is how far a deed has come through the gates.
type gates struct {
	deed   rules.Action       // Take or Release
	opened int                // so many stand open, or have opened for it
	asked  ordinal            // the turn in which the present one was asked
	cancel context.CancelFunc // tells the gate that is asked that nobody waits any more; nil: none is asked
}

// failure is what could not be done.
type failure struct {
	action rules.Action
	text   string    // said once for each cause
	at     time.Time // the last time
	retry  time.Time // it is not tried again before; zero: it may be at once

	refused bool // a gate did not allow it
}

func (f *failure) is() bool { return f.text != "" }

// Deed is what the loop asks a Gate about.
type Deed struct {
	Action rules.Action // Take or Release
	Alias  netip.Addr
	NIC    string
	Row    string
	Why    rules.Reason
}

// Gate may hold a take, or a release that can wait, until it opens. After each gate the
// loop decides again. For a take the last look at wire and kernel comes after all gates.
type Gate interface {
	// Ask asks the gate to open. It must not wait. If it returns false, the gate has
	// nothing to say about this deed, and stands open. Otherwise it calls open once, but
	// not from within Ask: with nil, or with the reason why the deed must not go on. When
	// ctx has ended, nobody waits for the answer any longer. A gate keeps its own time
	// limit: the deed waits as long as the gate does.
	Ask(ctx context.Context, d Deed, open func(error)) (asked bool)
	String() string // its name, for the log
}

// gate sends a take or a release through the next gate that has something to say about
// it; true if it has passed all of them. opened is how many it has passed before.
func (l *loop) gate(a *alias, d rules.Decision, opened int) bool {
	e := &a.errand
	if opened > len(l.o.Gates) {
		return true
	}
	deed := Deed{Action: d.Action, Alias: a.id(), NIC: a.cfg.NIC, Row: d.Row, Why: d.Reason}
	for ; opened < len(l.o.Gates); opened++ {
		g := l.o.Gates[opened]
		ctx, cancel := context.WithCancel(l.ctx)
		asked := g.Ask(ctx, deed, func(err error) {
			l.d.post(func(l *loop) {
				if e.stage != gated || ctx.Err() != nil {
					return // called twice, or nobody waits any more
				}
				if err == nil {
					l.gateOpened(a)
					return
				}
				l.leaveGate(a)
				l.failed(a, deed.Action, fmt.Sprintf("%s does not allow the %s", g, deed.Action), err)
				e.failure.refused = true
				l.mark(a)
			})
		})
		if asked {
			e.stage, e.gates = gated, gates{deed.Action, opened, l.turned, cancel}
			return false
		}
		cancel()
	}
	if d.Action != rules.Take {
		return true
	}
	e.stage, e.gates = gated, gates{deed: deed.Action, opened: opened, asked: l.turned}
	l.read() // the last look: readAlias opens it
	return false
}

// gateOpened notes that the gate has opened for which a deed waits. A gate changes
// nothing in the kernel: a reading since it was asked counts as the last look.
func (l *loop) gateOpened(a *alias) {
	g := a.errand.gates
	l.leaveGate(a)
	a.errand.gates = gates{deed: g.deed, opened: g.opened + 1}
	l.mark(a)
}

// leaveGate ends the waiting for a gate. What it answers counts no more.
func (l *loop) leaveGate(a *alias) {
	if a.errand.gates.cancel != nil {
		a.errand.gates.cancel()
	}
	a.errand.stage, a.errand.gates = idle, gates{}
}

// urgent is the decision d or, if an order releases the alias and may have to wait for a
// gate, a release that waits for none (Reason.AtOnce), if the rows would decide on one
// otherwise. A failing service needs no second look: its row stands below all of these.
func (l *loop) urgent(a *alias, d rules.Decision, f rules.Facts) rules.Decision {
	if d.Action != rules.Release || d.Reason != rules.OperatorReleases || len(l.o.Gates) == 0 {
		return d
	}
	by := l.judge.Decide(a.policy, a.state.Unordered(), f)
	if by.Action == rules.Release && by.Reason.AtOnce() {
		return by
	}
	if d.Again.IsZero() || !by.Again.IsZero() && by.Again.Before(d.Again) {
		d.Again = by.Again
	}
	return d
}

// hurries ends the waiting of a release for its gate if the alias must go at once, for a
// reason that came up meanwhile.
func (l *loop) hurries(a *alias, d rules.Decision) {
	if e := &a.errand; e.stage == gated && e.gates.deed == rules.Release && d.Action == rules.Release && d.Reason.AtOnce() {
		l.leaveGate(a)
	}
}

// looks tells whether the take waits for the last look at the kernel, and whether a
// reading is such a look: one that began in the same turn, or later. So a thousand takes
// that are decided in one turn share it.
func (l *loop) looks(a *alias, r reading) bool {
	e := &a.errand
	return e.stage == gated && e.gates.opened == len(l.o.Gates) && r.began > max(e.gates.asked, e.ended)
}

// shownBy tells whether a reading shows all that we have done about the alias: it began
// when the last errand had ended, and none is changing the kernel now.
func (e *errand) shownBy(r reading) bool { return e.stage != working && r.began > e.ended }

// failed says once for each cause what could not be done, and has it tried again.
func (l *loop) failed(a *alias, doing rules.Action, what string, err error) {
	f := &a.errand.failure
	text := what + ": " + err.Error()
	said := f.text == text
	*f = failure{action: doing, text: text, at: l.now, retry: l.now.Add(a.pause())}
	if !said {
		l.record(a, failedEvent(what, err))
	}
}

// moot tells whether what failed is no longer wanted, or has come about by other means. A
// take waits for facts before each try: for some time after the last try it counts as the
// same failure.
func (a *alias) moot(now time.Time, d rules.Decision) bool {
	off := a.state.Parked || a.state.Leaving
	switch f := a.errand.failure; f.action {
	case rules.Take:
		return a.state.Holding || off || d.Action != rules.Take && now.Sub(f.at) > time.Minute+2*a.cfg.Interval
	case rules.Restore:
		return !a.state.Holding || a.kernel.Value == rules.Yes
	case rules.Reorder:
		return !a.state.Holding || a.behind.Value != rules.Yes
	case rules.Release:
		return !a.state.Holding || !off && d.Action != rules.Release
	}
	return !a.state.Holding
}

// pause is when what failed is tried again.
func (a *alias) pause() time.Duration { return min(a.cfg.Interval, time.Second) }

// mended forgets the failure.
func (a *alias) mended() { a.errand.failure = failure{} }
