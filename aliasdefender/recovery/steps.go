package recovery

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

func same(a, b config.Recover) bool { return reflect.DeepEqual(a, b) }

// advance does what is due, and returns the program to run now, if there is one, and when
// time alone calls for more. The lock is held, here and in all that follows.
func (w *Worker) advance(now time.Time) (*one, time.Time) {
	for _, id := range w.order {
		if r := w.each[id]; r.sight.Over && !r.Fenced.IsZero() && r.told {
			r.Fenced, r.told, w.changed = time.Time{}, false, true
			w.say(r, record.RecoveryStep, rules.Info, "the fence no longer counts: the partner is back or has fallen silent, or an operator has ordered the alias here")
			r.anew(now)
		}
	}
	w.sayUnknown(now)
	w.settled(now)
	if w.running != nil {
		return nil, time.Time{} // of a recovery that has ended meanwhile, perhaps
	}
	for w.busy == nil {
		r := w.next(now)
		if r == nil {
			return nil, time.Time{} // each answer of a check calls for more
		}
		w.begin(r, now)
	}
	return w.goOn(w.busy, now)
}

// settled takes an alarm back once the service is good again without a recovery, or the
// alias is here; and what kept a recovery from beginning once that is over.
func (w *Worker) settled(now time.Time) {
	for _, id := range w.order {
		r := w.each[id]
		if r.held != "" && (w.holds[id] || w.mayNot(r, now) == "") {
			r.held = ""
		}
		switch {
		case r.Step != Idle || !r.alarming():
		case w.holds[id]: // what the check says now is about this host
			w.over(r, "the alias is on this host now")
		case r.report.State == check.Good && now.Before(r.report.Asked.Add(r.report.Lives)):
			w.over(r, "the service is good again")
		}
	}
}

// over takes the alias's alarm back.
func (w *Worker) over(r *one, text string) {
	r.last, r.waits = outcome{text, rules.Info, time.Now()}, false
	w.say(r, record.RecoveryEnded, rules.Info, text)
}

// next is the first alias whose recovery is to begin.
func (w *Worker) next(now time.Time) *one {
	for _, id := range w.order {
		r := w.each[id]
		if !w.ill(r, now) {
			continue
		}
		why := w.mayNot(r, now)
		if why == "" {
			return r
		}
		if why != r.held {
			r.held = why
			r.last = outcome{"the check " + r.Recover.Check + " of the partner's service is failing (" + r.report.Cause + "), and nothing is done about it: " + why, rules.Alarm, now}
			w.say(r, record.RecoveryEnded, rules.Alarm, r.last.text)
		}
	}
	return nil
}

// ill tells whether the partner's service is failing and the rules allow a recovery. After
// a recovery it must have failed anew; and if its fence had to wait, another restart would
// only spend the budget that the fence needs then.
func (w *Worker) ill(r *one, now time.Time) bool {
	return r.sight.Restart && !(r.waits && r.sight.Wait) && r.Fenced.IsZero() && !w.holds[r.id] && (len(r.Recover.Restart) > 0 || r.sight.Fence) &&
		r.report.State == check.Failing && now.Before(r.report.Asked.Add(r.report.Lives)) &&
		(r.from.IsZero() || r.failing >= r.report.Check.Fall)
}

// mayNot is why no recovery may begin although it is called for.
func (w *Worker) mayNot(r *one, now time.Time) string {
	r.Begun = slices.DeleteFunc(r.Begun, func(t time.Time) bool { return spent(t, now) })
	switch {
	case w.loaded.IsZero():
		return "it is not known how many recoveries began within the last hour, because the disk of the state directory does not answer"
	case now.Before(w.blocked):
		return "it is not known how many recoveries began within the last hour, because the file cannot be read: " + w.unknown.Error()
	case len(r.Begun) >= r.Recover.Budget:
		return fmt.Sprintf("the budget of %d/h is used up", r.Recover.Budget)
	}
	return ""
}

// spent tells whether a recovery that began then counts no more.
func spent(t, now time.Time) bool { return now.Sub(t) >= window }

func (w *Worker) begin(r *one, now time.Time) {
	w.busy, r.held, r.process, r.waits = r, "", processUnknown, false
	r.Begun = append(r.Begun, now)
	w.say(r, record.RecoveryStep, rules.Warning, fmt.Sprintf("the partner answers for the alias, and its service does not: the check %s: %s; a recovery begins, number %d of %d within an hour",
		r.Recover.Check, r.report.Cause, len(r.Begun), r.Recover.Budget))
	w.enter(r, Process, now)
}

// enter is the beginning of a step, of the next one that there is a program for.
func (w *Worker) enter(r *one, s Step, now time.Time) {
	if s == Process && len(r.Recover.Process) == 0 {
		s = Restart
	}
	if s == Restart && len(r.Recover.Restart) == 0 {
		s = Check
	}
	r.Step, r.Since, w.changed = s, now, true
	r.anew(now)
}

// goOn goes on with the recovery that is under way.
func (w *Worker) goOn(r *one, now time.Time) (*one, time.Time) {
	if r.resumed {
		if end := w.loaded.Add(resumeWithin); !r.sight.Restart && now.Before(end) {
			return nil, end
		}
		w.resume(r, now)
	}
	if why := w.noMore(r); why != "" {
		w.end(r, rules.Warning, "the recovery has ended at the step "+r.Step+": "+why)
		return w.advance(now)
	}
	switch r.Step {
	case Process, Restart, Fence:
		w.running = r
		return r, time.Time{}
	case Settle:
		if end := r.Since.Add(r.Recover.Settle); now.Before(end) {
			return nil, end
		}
		w.enter(r, Check, now)
	}
	return w.judge(r, now)
}

// judge is the step of the check: the service is well, or is not, or nobody can tell.
func (w *Worker) judge(r *one, now time.Time) (*one, time.Time) {
	c := r.report.Check
	// Each answer that is needed, once in vain, and one more.
	end := r.Since.Add(time.Duration(2*(c.Rise+c.Fall)+1)*c.Interval + c.Timeout)
	if c.Name == "" { // after a start nothing was asked yet
		end = r.Since.Add(resumeWithin)
	}
	switch {
	case c.Name != "" && r.good >= c.Rise:
		w.end(r, rules.Info, "recovered: the check "+c.Name+" is good again: "+r.report.Reason)
		return w.advance(now)
	case c.Name != "" && r.failing >= c.Fall:
		return w.stillIll(r, now)
	case !now.Before(end):
		w.end(r, rules.Alarm, "not recovered: since "+r.sinceWhat()+" it is not known whether the partner's service is well: "+r.report.Reason)
		return w.advance(now)
	}
	return nil, end
}

func (r *one) sinceWhat() string {
	if len(r.Recover.Restart) > 0 {
		return "the restart"
	}
	return "the recovery began"
}

// noFence is why the partner may not be fenced, where the recovery may go on; empty: it may.
func (w *Worker) noFence(r *one) string {
	switch {
	case len(r.Recover.Fence) == 0:
		return "no fence is set"
	case !r.sight.Fence:
		return r.sight.Why
	case w.serves() && !r.sight.Low:
		return "this host serves an alias too, and its hardware address is not known to be lower than the partner's: two such hosts could fence each other"
	}
	return ""
}

// still tells whether the program that was to run may still run, now that the disk has it:
// that may have taken seconds. If it may not the recovery has ended.
func (w *Worker) still(r *one, s Step) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	why, level := w.noMore(r), rules.Warning
	if why == "" && s == Fence {
		why, level = w.noFence(r), rules.Alarm
	}
	if why == "" && w.busy == r {
		return true
	}
	w.running = nil
	w.end(r, level, "the recovery has ended before the step "+s+" was run: "+why)
	w.poke()
	return false
}

// noMore is why a recovery may not go on; empty: it may.
func (w *Worker) noMore(r *one) string {
	switch {
	case w.holds[r.id]:
		return "the alias is on this host"
	case r.sight.Restart:
		return ""
	case r.sight.Why != "":
		return r.sight.Why
	}
	return "too little is known"
}

// stillIll: the service is failing after all that was done. The partner is fenced, if that
// may be.
func (w *Worker) stillIll(r *one, now time.Time) (*one, time.Time) {
	if why := w.noFence(r); why != "" {
		r.waits = len(r.Recover.Fence) > 0
		w.end(r, rules.Alarm, "not recovered: the check "+r.Recover.Check+" is still failing: "+r.report.Reason+"; the partner is not fenced, and the alias stays with it: "+why)
		return w.advance(now)
	}
	w.say(r, record.RecoveryStep, rules.Warning, "the check "+r.Recover.Check+" is still failing: "+r.report.Reason+"; the partner is fenced now")
	w.enter(r, Fence, now)
	w.running = r
	return r, time.Time{}
}

// finished takes in how a program has ended.
func (w *Worker) finished(r *one, s Step, err error, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.poke()
	w.running = nil
	if w.busy != r { // its settings have changed meanwhile
		if s == Fence && err == nil {
			w.fencedLate(w.each[r.id], r, at)
		}
		return
	}
	_, unkept := err.(*notKept)
	switch {
	case unkept:
		w.end(r, rules.Alarm, fmt.Sprintf("the step %s is not run, because it could not be written to the disk first: %v", s, err))
	case s == Process:
		r.process = processSays(err)
		w.say(r, record.RecoveryStep, rules.Info, "process: "+r.process+": "+how(err))
		w.enter(r, Restart, at)
	case s == Restart && err != nil:
		w.say(r, record.RecoveryStep, rules.Warning, "restart: failed: "+how(err))
		w.enter(r, Settle, at)
	case s == Restart:
		w.say(r, record.RecoveryStep, rules.Info, "restart: done; the service has "+config.Tidy(r.Recover.Settle)+" to start")
		w.enter(r, Settle, at)
	case err != nil:
		w.end(r, rules.Alarm, "the partner could not be fenced: "+how(err)+"; the alias stays with it")
	default:
		w.fenced(r, at)
		w.end(r, rules.Info, r.last.text)
	}
}

// fencedLate notes that the partner was fenced for a recovery that had ended before its
// program did. is has the alias's present settings, under which nothing has begun yet; nil:
// the alias has no recovery any more.
func (w *Worker) fencedLate(is, was *one, at time.Time) {
	if is == nil {
		w.say(was, record.RecoveryEnded, rules.Alarm, "the partner is fenced, but that no longer matters: the settings no longer have a recovery for the alias")
		return
	}
	w.fenced(is, at)
	w.say(is, record.RecoveryEnded, rules.Info, is.last.text)
}

// fenced notes that the partner is, since then. That is so whatever has become of the
// recovery meanwhile.
func (w *Worker) fenced(r *one, at time.Time) {
	r.Fenced, r.used, r.told, w.changed = at, false, false, true
	w.use(r) // the partner was silent before its program had ended, perhaps
	r.last = outcome{"the partner is fenced: the alias is taken once it is silent", rules.Info, at}
}

// end ends the recovery, if one is under way. Info: it has helped. An alarm: it has not,
// which is a problem until one has, or the service is good again. A warning: it was broken
// off, which takes no alarm back.
func (w *Worker) end(r *one, level rules.Level, text string) {
	if w.busy != r {
		return
	}
	now := time.Now()
	if r.fence && r.Fenced.IsZero() {
		text += "; an earlier Monitor may have ended while the fence ran, and it is not known whether the partner was fenced"
	}
	w.busy, r.resumed, r.fence = nil, false, false
	r.Step, r.Since, w.changed = Idle, now, true
	r.anew(now)
	if level != rules.Warning || !r.alarming() {
		r.last = outcome{text, level, now}
	}
	w.say(r, record.RecoveryEnded, level, text)
}
