package hook

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// lane is the hooks of one alias.
type lane struct {
	id   netip.Addr
	cfg  config.Alias
	gone bool // its row has gone
	standing

	queue   []*job // in the order of events
	running bool
	listed  bool   // it is in asked or ready
	moves   uint64 // takes and releases so far
	lost    losses
	last    map[config.HookName]Run
}

// job is one run of a hook, in its queue or running.
type job struct {
	hook    config.HookName
	program config.Program // none: only exit_after
	timeout time.Duration
	env     []string
	at      subject
	move    uint64 // of a take or a release: which of its lane's moves it is about
	acts    bool   // the Monitor ends after it
	gate    *question
}

// losses are what a full queue has dropped.
type losses struct {
	n    uint64    // jobs, not said yet
	said time.Time // when it was last
	acts bool      // one of them would have ended the Monitor: the next job does
}

// subject is which alias a job is about, as events name it.
type subject struct {
	alias record.Alias
	label string
}

func idOf(a record.Alias) netip.Addr { return host.Zoned(a.Addr, a.NIC) }

// job is the job of a hook for an event; nil: there is nothing to do. mu is held.
func (l *lane) job(name config.HookName, e record.Event) *job {
	h := l.cfg.Hooks
	j := &job{hook: name, program: h.Programs[name], timeout: h.Timeout, at: subject{e.Alias, e.Label}}
	j.acts = name == config.HookTake && h.ExitAfter == config.AfterTake && e.Decision.Action == rules.Take.String()
	if name == config.HookTake || name == config.HookRelease {
		l.moves++
		j.move = l.moves
	}
	if j.program == nil && !j.acts {
		return nil
	}
	j.env = environment(l.cfg, said{
		event: name, alias: e.Alias, label: e.Label, seq: e.Seq, at: e.Time,
		row: e.Decision.Row, reason: e.Decision.Reason, why: e.Decision.Why,
	})
	return j
}

// queue puts a job into its lane. mu is held.
func (r *Runner) queue(l *lane, j *job) {
	if len(l.queue) >= mostWaiting {
		// The newest tells how things are. A gate is waited for, and goes by itself.
		if i := slices.IndexFunc(l.queue, func(j *job) bool { return j.gate == nil }); i >= 0 {
			l.lost.n++
			l.lost.acts = l.lost.acts || l.queue[i].acts
			l.queue = slices.Delete(l.queue, i, i+1)
		}
	}
	l.queue = append(l.queue, j)
	r.list(l)
}

// list notes that a lane may run its next job, unless it runs one. mu is held.
func (r *Runner) list(l *lane) {
	if l.running || l.listed || len(l.queue) == 0 {
		return
	}
	l.listed = true
	if l.queue[0].gate != nil {
		r.asked = append(r.asked, l)
	} else {
		r.ready = append(r.ready, l)
	}
}

// schedule begins as many jobs as may run; those that a take waits for go first. mu is
// held.
func (r *Runner) schedule() {
	for !r.stopped && r.running < mostRunning && len(r.asked)+len(r.ready) > 0 {
		from := &r.asked
		if len(r.asked) == 0 {
			from = &r.ready
		}
		l := (*from)[0]
		*from = (*from)[1:]
		l.listed = false
		if len(l.queue) == 0 { // what it had was withdrawn
			r.tidy(l)
			continue
		}
		j := l.queue[0]
		l.queue = l.queue[1:]
		l.running = true
		if j.gate == nil && l.lost.acts {
			j.acts, l.lost.acts = true, false
		}
		dropped := l.lost.due(time.Now())
		r.running++
		r.wg.Go(func() {
			if dropped > 0 {
				r.sayDropped(j.at, dropped)
			}
			r.do(l, j)
			r.done(l)
		})
	}
}

// due is how many dropped jobs are to be said now: at once, and then once a minute.
func (lost *losses) due(now time.Time) (n uint64) {
	if lost.n > 0 && now.Sub(lost.said) >= time.Minute {
		n, lost.n, lost.said = lost.n, 0, now
	}
	return n
}

// done notes the end of a job.
func (r *Runner) done(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.running = false
	r.running--
	r.list(l)
	r.schedule()
	r.tidy(l)
	if r.idle != nil && r.running == 0 && !r.waiting() {
		close(r.idle)
		r.idle = nil
	}
}

// waiting tells whether a job waits. mu is held.
func (r *Runner) waiting() bool {
	for _, l := range r.lanes {
		if len(l.queue) > 0 {
			return true
		}
	}
	return false
}

// do runs a job.
func (r *Runner) do(l *lane, j *job) {
	ran := Skipped
	switch {
	case j.gate != nil:
		r.pass(l, j)
		return
	case j.program != nil:
		ctx, cancel := context.WithTimeoutCause(r.ctx, j.timeout, fmt.Errorf("ended: took longer than %s", config.Tidy(j.timeout)))
		defer cancel()
		ran = resultOf(r.run(ctx, l, j)) // it is recorded
	}
	if r.ctx.Err() != nil {
		return // it was ended with the Monitor: the next one tells again
	}
	if j.hook == config.HookTake && ran != Skipped {
		r.mu.Lock()
		if r.o.Told != nil && j.move == l.moves { // otherwise the alias has gone since
			r.o.Told.Set(l.id, true)
		}
		r.mu.Unlock()
	}
	if j.acts && r.o.Acted != nil {
		r.o.Acted(l.id)
	}
}

// run runs a job's program, and records how that went.
func (r *Runner) run(ctx context.Context, l *lane, j *job) error {
	began := time.Now()
	err := r.refuses(j)
	if err == nil {
		err = r.o.run(ctx, j.program, j.env, func(line string) {
			if r.o.Output != nil {
				r.o.Output(l.id, j.at.label, j.hook, line)
			}
		})
	}
	r.note(j, time.Since(began), err)
	return err
}

// unsafeError is about a program that somebody else could have changed since the files
// were read.
type unsafeError struct{ text string }

func (e *unsafeError) Error() string { return e.text }

func (r *Runner) refuses(j *job) error {
	if problem := config.LookAtProgram(j.program[0]); problem != "" {
		return &unsafeError{j.program[0] + " " + problem}
	}
	return nil
}

// note records how a run ended.
func (r *Runner) note(j *job, took time.Duration, err error) {
	run := Run{Took: took, Result: resultOf(err)}
	if err != nil {
		run.Error = err.Error()
	}
	if run.Result == Skipped {
		run.Took = 0
	}
	r.tell(j, run)
}

// resultOf is what the error of a run means.
func resultOf(err error) Result {
	var refused *unsafeError
	switch {
	case err == nil:
		return Ran
	case errors.As(err, &refused), errors.Is(err, fs.ErrPermission):
		return Skipped
	}
	return Failed
}

// skip records that a job was not run.
func (r *Runner) skip(j *job, why string) {
	if j.program != nil {
		r.tell(j, Run{Result: Skipped, Error: why})
	}
}

// tell records what became of a job.
func (r *Runner) tell(j *job, run Run) {
	run.Hook, run.At = j.hook, time.Now()
	id := idOf(j.at.alias)
	r.mu.Lock()
	if l := r.lanes[id]; l != nil {
		l.last[j.hook] = run
	}
	r.mu.Unlock()
	e := record.Event{Time: run.At, Alias: j.at.alias, Label: j.at.label, Hook: string(j.hook), Error: run.Error, Level: rules.Warning}
	switch run.Result {
	case Ran:
		e.Kind, e.Level, e.Text = record.HookRan, record.Info, fmt.Sprintf("hook %s: done after %s", j.hook, run.Took.Round(time.Millisecond))
	case Failed:
		e.Kind, e.Text = record.HookFailed, fmt.Sprintf("hook %s: failed after %s", j.hook, run.Took.Round(time.Millisecond))
	case Skipped:
		e.Kind, e.Text = record.HookSkipped, fmt.Sprintf("hook %s: not run", j.hook)
	}
	if r.may(id, j, e.Kind) {
		r.o.Record(e)
	}
}

// sayDropped records how many jobs a full queue has lost.
func (r *Runner) sayDropped(at subject, n uint64) {
	r.o.Record(record.Event{
		Time: time.Now(), Alias: at.alias, Label: at.label, Kind: record.HookSkipped, Level: rules.Warning, Drops: n,
		Text: fmt.Sprintf("hooks: the oldest %d were not run, because %d were waiting", n, mostWaiting),
	})
}
