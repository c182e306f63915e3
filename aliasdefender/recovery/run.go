package recovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/store"
)

// notKept is why a program was not run: what it is about is not on the disk.
type notKept struct{ error }

// Run recovers until ctx ends. A program that runs then is ended; the next Monitor runs it
// again.
func (w *Worker) Run(ctx context.Context, post func(...defender.Observation)) error {
	go w.load() // nothing waits for it: the disk may hang
	var running sync.WaitGroup
	defer running.Wait()
	for {
		w.mu.Lock()
		r, at := w.advance(time.Now())
		var job Job
		if r != nil {
			job = w.job(r)
		}
		kept, changed := w.toKeep()
		w.mu.Unlock()
		var err error
		if changed {
			err = w.keep(kept)
		}
		if all := w.due(); len(all) > 0 {
			post(all...)
		}
		switch {
		case r != nil && err != nil:
			w.finished(r, job.Step, &notKept{err}, time.Now())
		case r != nil && w.still(r, job.Step):
			running.Go(func() {
				if err := w.run(ctx, job); ctx.Err() == nil {
					w.finished(r, job.Step, err, time.Now())
				}
			})
		}
		if !w.wait(ctx, at) {
			return nil
		}
	}
}

// wait waits until there may be something to do. It returns false once ctx has ended.
func (w *Worker) wait(ctx context.Context, at time.Time) bool {
	var due <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-w.wake:
	case <-due:
	}
	return ctx.Err() == nil
}

// toKeep is what the disk does not have yet, and whether there is something. The lock is
// held.
func (w *Worker) toKeep() (all []store.Recovery, changed bool) {
	if !w.changed || w.loaded.IsZero() {
		return nil, false
	}
	for _, id := range w.order {
		r := w.each[id]
		k := r.Recovery
		if r.used {
			k.Fenced = time.Time{}
		}
		if k.Step != Idle || len(k.Begun) > 0 || !k.Fenced.IsZero() {
			k.Begun = slices.Clone(k.Begun)
			all = append(all, k)
		}
	}
	w.changed = false
	return all, true
}

// keep writes it. What could not be written is tried again at the next turn.
func (w *Worker) keep(all []store.Recovery) error {
	err := w.o.Keep(all)
	w.mu.Lock()
	said := w.unkept
	w.unkept = err != nil
	w.changed = w.changed || err != nil
	w.mu.Unlock()
	if err != nil && !said {
		w.o.Record(record.Event{Time: time.Now(), Kind: record.Failed, Level: rules.Error, Error: err.Error(),
			Text: "how far a recovery has come could not be written to the disk"})
	}
	return err
}

// due is what the loop has to be told.
func (w *Worker) due() (all []defender.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.dropped {
		all = append(all, defender.Observation{Alias: id, Fact: rules.FactFenced, Asked: time.Now()})
	}
	w.dropped = nil
	for _, id := range w.order {
		r := w.each[id]
		if r.told && r.posted.Equal(r.Fenced) {
			continue
		}
		o := defender.Observation{Alias: id, Fact: rules.FactFenced, Value: rules.No, Asked: time.Now()}
		if !r.Fenced.IsZero() {
			o.Value, o.Asked, o.Lives, o.Why = rules.Yes, r.Fenced, fenceLives, r.last.text
		}
		r.told, r.posted = true, r.Fenced
		all = append(all, o)
	}
	return all
}

// job is the program of the alias's step. The lock is held.
func (w *Worker) job(r *one) Job {
	j := Job{Alias: r.id, Label: r.Label, Step: r.Step}
	switch r.Step {
	case Process:
		j.Argv = r.Recover.Process
	case Restart:
		j.Argv = r.Recover.Restart
	case Fence:
		j.Argv = r.Recover.Fence
	}
	j.Env = []string{"PATH=" + program.SearchPath}
	for _, v := range []struct{ name, value string }{
		{"STEP", r.Step}, {"ALIAS", r.id.String()}, {"NIC", r.NIC}, {"LABEL", r.Label}, {"PARTNER", r.Partner.Name},
		{"CHECK", r.Recover.Check}, {"WHY", r.report.Cause}, {"PROCESS", r.process},
	} {
		j.Env = append(j.Env, "AD_"+v.name+"="+strings.Map(func(c rune) rune {
			if !unicode.IsPrint(c) {
				return ' '
			}
			return c
		}, v.value))
	}
	return j
}

// run runs a program within its time.
func (w *Worker) run(ctx context.Context, j Job) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stepWithin, fmt.Errorf("ended after %s", config.Tidy(stepWithin)))
	defer cancel()
	return w.o.Run(ctx, j, func(line string) { w.o.Output(j, line) })
}

// programs runs those of recoveries.
type programs struct{ program.Runner }

// run runs a program of the administrator's. Others than root may have come to change it
// since the files were read: then it is not run.
func (r *programs) run(ctx context.Context, j Job, out func(line string)) error {
	if len(j.Argv) > 0 { // otherwise the Command says so
		if problem := config.LookAtProgram(j.Argv[0]); problem != "" {
			return errors.New("not run: " + j.Argv[0] + " " + problem)
		}
	}
	lines := program.Lines{Out: out}
	defer lines.Close()
	return r.Run(ctx, program.Command{Argv: j.Argv, Env: j.Env, Output: &lines, Grace: grace})
}

// how says how a program ended.
func how(err error) string {
	switch err {
	case nil:
		return "exit code 0"
	case program.ErrHung:
		return "not run: " + err.Error()
	}
	return err.Error()
}

// What the program of the step process says.
const (
	processThere   = "there"
	processGone    = "gone"
	processUnknown = "unknown"
)

func processSays(err error) string {
	exit, ok := errors.AsType[*program.ExitError](err)
	switch {
	case err == nil:
		return processThere
	case ok && exit.Code == 1:
		return processGone
	}
	return processUnknown
}

// say records an event of an alias. The lock is held; Record does not wait.
func (w *Worker) say(r *one, kind record.Kind, level rules.Level, text string) {
	step := r.Step
	if kind == record.RecoveryEnded {
		step = "ended"
	}
	w.o.Record(record.Event{
		Time: time.Now(), Alias: record.Alias{Addr: r.Addr, NIC: r.NIC}, Label: r.Label, Kind: kind, Level: level,
		Decision: record.Decision{Action: "recovery", Reason: step, Why: text},
		Text:     text, Check: r.Recover.Check, Partner: r.Partner.Name,
	})
}

// Shown is what Status shows of the recovery of one alias.
type Shown struct {
	Check  string
	Step   Step
	Since  time.Time // of the step, if it is not Idle
	Held   string    // why nothing is done although the service is failing; empty: nothing keeps it
	Begun  int       // recoveries within the last hour
	Budget int
	Fenced time.Time // zero: the partner is not
	Last   string    // how the last recovery of this Monitor has ended; an alarm until something has helped
	LastAt time.Time
	Level  rules.Level
}

// Shows is what Status shows, by alias.
func (w *Worker) Shows() map[netip.Addr]Shown {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[netip.Addr]Shown{}
	now := time.Now()
	for id, r := range maps.All(w.each) {
		s := Shown{Check: r.Recover.Check, Step: r.Step, Held: r.held, Budget: r.Recover.Budget, Fenced: r.Fenced, Last: r.last.text, LastAt: r.last.at, Level: r.last.level}
		if r.report.State != check.Failing || !r.sight.Restart {
			s.Held = ""
		}
		for _, t := range r.Begun {
			if !spent(t, now) {
				s.Begun++
			}
		}
		switch {
		case s.Held != "":
			s.Level = rules.Alarm
		case r.alarming():
		case r.Step != Idle || !r.Fenced.IsZero():
			s.Level = rules.Warning
		default:
			s.Level = rules.Info
		}
		if r.Step != Idle || !r.Fenced.IsZero() {
			s.Since = r.Since
		}
		all[id] = s
	}
	return all
}
