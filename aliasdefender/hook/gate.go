package hook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// question is what a gate's job has to answer.
type question struct {
	deadline time.Time
	veto     bool
	answer   func(error) // once; later ones count for nothing
}

// late is what is said of a gate's program that was not begun in time.
func (j *job) late() string {
	return fmt.Sprintf("not begun within %s of the decision", config.Tidy(j.timeout))
}

// asks are the hooks that are asked before deeds.
var asks = map[rules.Action]config.HookName{rules.Take: config.BeforeTake, rules.Release: config.BeforeRelease}

// String is the gate's name: which of the hooks it is, the deed tells.
func (r *Runner) String() string { return "the hook" }

// Ask asks the hook of the alias that is to be asked before the deed, if it has one: the
// Runner is a defender.Gate.
func (r *Runner) Ask(ctx context.Context, d defender.Deed, open func(error)) (asked bool) {
	hook, now := asks[d.Action], time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes[d.Alias]
	if l == nil || r.stopped || l.cfg.Hooks.Programs[hook] == nil {
		return false
	}
	h := l.cfg.Hooks
	within := l.within(hook)
	var once sync.Once
	q := &question{deadline: now.Add(within), veto: h.Veto, answer: func(err error) { once.Do(func() { open(err) }) }}
	at := subject{alias: record.Alias{Addr: l.cfg.Addr, NIC: l.cfg.NIC}, label: l.cfg.Label}
	j := &job{hook: hook, program: h.Programs[hook], timeout: within, at: at, gate: q}
	j.env = environment(l.cfg, said{event: hook, alias: at.alias, label: at.label, at: now, row: d.Row, reason: d.Why.String(), why: d.Why.Text()})
	r.queue(l, j)
	late := time.AfterFunc(within, func() {
		r.unqueue(l, j, j.late())
		q.answer(nil)
	})
	context.AfterFunc(ctx, func() {
		late.Stop()
		r.unqueue(l, j, "what it was asked about is over")
	})
	r.schedule()
	return true
}

// within is how long the gate may take. Nothing renews a lease meanwhile: what the kernel
// has been told to keep must outlast the gate, and a renewal after it.
func (l *lane) within(gate config.HookName) time.Duration {
	within := l.cfg.Hooks.Before(gate)
	if lease := defender.PolicyOf(l.cfg, true).Lifetime(); gate == config.BeforeRelease && lease > 0 {
		return min(within, lease/3)
	}
	return within
}

// pass runs a gate's job, which is the next one of its lane. At the deadline the answer
// does not wait for the program to be ended.
func (r *Runner) pass(l *lane, j *job) error {
	q := j.gate
	if !time.Now().Before(q.deadline) {
		r.skip(j, j.late())
		q.answer(nil)
		return nil
	}
	ctx, cancel := context.WithDeadlineCause(r.ctx, q.deadline, fmt.Errorf("ended: not done within %s of the decision", config.Tidy(j.timeout)))
	defer cancel()
	err := r.run(ctx, l, j)
	if _, said := errors.AsType[*program.ExitError](err); q.veto && said {
		q.answer(err)
	} else {
		q.answer(nil)
	}
	return err
}
