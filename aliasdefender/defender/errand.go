package defender

import (
	"context"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/rules"
)

// errand is what is under way for an alias outside the loop, and the result of the last
// one. While one is under way nothing else is begun for the alias; its end decides again.
type errand struct {
	stage  stage
	at     time.Time // when the last stage but idle began, or an errand ended: an older reading may not show what it did
	opened int       // gates that have opened for the take that is decided

	failure failure // of what failed last and is still wanted; zero: nothing
}

// stage is where an errand stands.
type stage uint8

const (
	idle    stage = iota
	gated         // a take waits for a gate
	working       // an address is being added or removed
)

// failure is what could not be done.
type failure struct {
	action rules.Action
	text   string    // said once for each cause
	at     time.Time // the last time
	retry  time.Time // it is not tried again before; zero: it may be at once
}

func (f *failure) is() bool { return f.text != "" }

// Take is what a Gate is asked about.
type Take struct {
	Alias netip.Addr
	NIC   string
	Row   string
	Why   rules.Reason
}

// Gate may hold a take until it opens. After each gate the decision is made again, and
// the last look at wire and kernel comes after all gates.
type Gate interface {
	// Ask asks the gate to open. It must not wait. It calls open once, from anywhere:
	// with nil, or with why the take must not go on. After ctx has ended it need not
	// call. A gate keeps its own time: the take waits as long as the gate does.
	Ask(ctx context.Context, t Take, open func(error))
	String() string // its name, for the log
}

// gate sends a take through the next gate; true if it has passed all of them.
func (l *loop) gate(a *alias, d rules.Decision, opened int) bool {
	e := &a.errand
	if opened > len(l.o.Gates) {
		return true
	}
	e.stage, e.at, e.opened = gated, l.now, opened
	if opened == len(l.o.Gates) {
		l.read() // the last look: readAlias opens it
		return false
	}
	g := l.o.Gates[opened]
	take := Take{Alias: a.id(), NIC: a.cfg.NIC, Row: d.Row, Why: d.Reason}
	began := e.at
	g.Ask(l.ctx, take, func(err error) {
		l.d.post(func(l *loop) {
			if a.gone || e.stage != gated || !e.at.Equal(began) || e.opened != opened {
				return // called twice
			}
			if err == nil {
				l.gateOpened(a)
				return
			}
			e.stage, e.at, e.opened = idle, l.now, 0
			l.failed(a, rules.Take, g.String()+" does not allow the take", err)
			l.mark(a)
		})
	})
	return false
}

// gateOpened notes that the gate has opened for which a take waits. A gate changes
// nothing in the kernel: a reading since it was asked counts as the last look.
func (l *loop) gateOpened(a *alias) {
	a.errand.stage = idle
	a.errand.opened++
	l.mark(a)
}

// looks tells whether the take waits for the last look at the kernel, and whether a
// reading that began at asked is such a look.
func (l *loop) looks(a *alias, asked time.Time) bool {
	e := &a.errand
	return e.stage == gated && e.opened == len(l.o.Gates) && !asked.Before(e.at)
}

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
