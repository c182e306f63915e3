package hook

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// lane is the hooks of one alias, or of one route.
type lane struct {
	id    netip.Addr
	cfg   config.Alias
	route string // the name of the route; empty: it is an alias
	hooks config.Hooks
	gone  bool // its row has gone
	standing

	queue   []*job // in the order of events
	running bool
	moves   uint64 // takes and releases so far
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
	acts    bool   // the Monitor ends after it, because of this take, or of one that a full queue has dropped before it
	gate    *question
}

// subject is which alias or route a job is about, as events name it.
type subject struct {
	alias record.Alias
	label string
	route string // if it is not about an alias
}

func idOf(a record.Alias) netip.Addr { return host.Zoned(a.Addr, a.NIC) }

// job is the job of a hook for an event; nil: there is nothing to do. mu is held.
func (l *lane) job(name config.HookName, e record.Event) *job {
	h := l.hooks
	j := &job{hook: name, program: h.Programs[name], timeout: h.Timeout, at: subject{e.Alias, e.Label, e.Route}}
	j.acts = name == config.HookTake && h.ExitAfter == config.AfterTake && e.Decision.Action == rules.Take.String()
	if name == config.HookTake || name == config.HookRelease {
		l.moves++
		j.move = l.moves
	}
	if j.program == nil && !j.acts {
		return nil
	}
	if l.route != "" {
		j.env = routeEnvironment(name, e)
		return j
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
			old, next := l.queue[i], j
			if l.queue = slices.Delete(l.queue, i, i+1); i < len(l.queue) {
				next = l.queue[i]
			}
			next.acts = next.acts || old.acts
			r.wg.Go(func() { r.skip(old, fmt.Sprintf("%d newer ones were waiting", mostWaiting)) }) // whoever records calls us
		}
	}
	l.queue = append(l.queue, j)
	if !l.running && len(l.queue) == 1 {
		r.ready = append(r.ready, l)
	}
}

// unqueue takes a job that has not begun out of its queue, and says why.
func (r *Runner) unqueue(l *lane, j *job, why string) {
	r.mu.Lock()
	i := slices.Index(l.queue, j)
	if i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
	}
	if len(l.queue) == 0 {
		r.ready = slices.DeleteFunc(r.ready, func(one *lane) bool { return one == l })
		r.tidy(l)
		r.rests()
	}
	r.mu.Unlock()
	if i >= 0 {
		r.skip(j, why)
	}
}

// schedule begins as many jobs as may run; gates, which a take or a release waits for, go
// first. mu is held.
func (r *Runner) schedule() {
	for !r.stopped && r.running < mostRunning && len(r.ready) > 0 {
		i := max(slices.IndexFunc(r.ready, func(l *lane) bool { return l.queue[0].gate != nil }), 0)
		l := r.ready[i]
		r.ready = slices.Delete(r.ready, i, i+1)
		j := l.queue[0]
		l.queue = l.queue[1:]
		l.running = true
		r.running++
		r.wg.Go(func() {
			r.do(l, j)
			r.done(l)
		})
	}
}

// done notes the end of a job.
func (r *Runner) done(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.running = false
	r.running--
	if len(l.queue) > 0 {
		r.ready = append(r.ready, l)
	}
	r.schedule()
	r.tidy(l)
	r.rests()
}

// rests tells whoever waits for it that nothing runs or waits any more. mu is held.
func (r *Runner) rests() {
	if r.idle != nil && r.running == 0 && len(r.ready) == 0 {
		close(r.idle)
		r.idle = nil
	}
}

// do runs a job.
func (r *Runner) do(l *lane, j *job) {
	var err error = notRun("there is no such hook")
	switch {
	case j.gate != nil:
		err = r.pass(l, j)
	case j.program != nil:
		ctx, cancel := context.WithTimeoutCause(r.ctx, j.timeout, fmt.Errorf("ended: took longer than %s", config.Tidy(j.timeout)))
		defer cancel()
		err = r.run(ctx, l, j)
	}
	if r.ctx.Err() != nil {
		return // it was ended with the Monitor: the next one tells again
	}
	if j.hook == config.HookTake && r.o.Told != nil && resultOf(err) != Skipped {
		r.mu.Lock()
		if j.move == l.moves { // otherwise the alias has gone since
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
	err := refused(j.program)
	if err == nil {
		err = r.o.run(ctx, j.program, j.env, func(line string) {
			if r.o.Output != nil {
				r.o.Output(Subject{Alias: l.id, Label: j.at.label, Route: l.route}, j.hook, line)
			}
		})
	}
	r.tell(j, time.Since(began), err)
	return err
}

// notRun is why a program was not run.
type notRun string

func (e notRun) Error() string { return string(e) }

// refused looks at a program once more: somebody else could have changed it since the
// files were read.
func refused(p config.Program) error {
	if problem := config.LookAtProgram(p[0]); problem != "" {
		return notRun(p[0] + " " + problem)
	}
	return nil
}

// resultOf is what the error of a run means.
func resultOf(err error) Result {
	_, refused := errors.AsType[notRun](err)
	switch {
	case err == nil:
		return Ran
	case refused, err == program.ErrHung, errors.Is(err, fs.ErrPermission):
		return Skipped
	}
	return Failed
}

// skip records that a job was not run.
func (r *Runner) skip(j *job, why string) {
	if j.program != nil {
		r.tell(j, 0, notRun(why))
	}
}

// tell records what became of a job.
func (r *Runner) tell(j *job, took time.Duration, err error) {
	run := Run{Hook: j.hook, At: time.Now(), Took: took, Result: resultOf(err)}
	e := record.Event{Time: run.At, Alias: j.at.alias, Label: j.at.label, Route: j.at.route, Hook: string(j.hook), Level: rules.Warning}
	if err != nil {
		run.Error, e.Error = err.Error(), err.Error()
	}
	switch run.Result {
	case Ran:
		e.Kind, e.Level, e.Text = record.HookRan, record.Info, fmt.Sprintf("hook %s: done after %s", j.hook, took.Round(time.Millisecond))
	case Failed:
		e.Kind, e.Text = record.HookFailed, fmt.Sprintf("hook %s: failed after %s", j.hook, took.Round(time.Millisecond))
	case Skipped:
		run.Took = 0
		e.Kind, e.Text = record.HookSkipped, fmt.Sprintf("hook %s: not run", j.hook)
	}
	id := idOf(j.at.alias)
	r.mu.Lock()
	if l := r.laneOf(j.at); l != nil {
		l.last[j.hook] = run
	}
	may := r.may(record.Sort{Alias: id, Kind: e.Kind, Reason: strings.TrimSpace(string(j.hook) + " " + j.at.route)})
	r.mu.Unlock()
	switch {
	case may:
		r.o.Record(e)
	case r.o.Repeat != nil:
		r.o.Repeat(e)
	}
}
