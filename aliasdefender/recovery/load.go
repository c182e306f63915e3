package recovery

import (
	"time"

	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/store"
)

// load takes in what an earlier Monitor has left, whenever the disk tells it. Until then
// nothing begins, and nothing is written.
func (w *Worker) load() {
	left, err := w.o.Load()
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.poke()
	w.loaded = time.Now()
	if err != nil {
		w.unknown, w.blocked = err, w.loaded.Add(window)
		return
	}
	for _, k := range left {
		if r := w.each[k.Alias]; r != nil {
			w.inherit(r, k)
		}
	}
}

// inherit takes in what an earlier Monitor has left of one alias.
func (w *Worker) inherit(r *one, k store.Recovery) {
	k.Since, k.Fenced = w.past(k.Since), w.past(k.Fenced)
	for i, t := range k.Begun {
		k.Begun[i] = w.past(t)
	}
	r.Recovery, r.told = k, k.Fenced.IsZero()
	w.use(r)
	if r.Step == Idle {
		return
	}
	if w.busy != nil { // there is one at a time; this file was written by somebody else
		r.Step, w.changed = Idle, true
		return
	}
	w.busy, r.resumed, r.process = r, true, processUnknown
	if r.Step == Fence { // whether it was done is not known; it begins only after another look
		r.Step, r.fence, r.Since = Check, true, w.loaded
	}
}

// past is a time of the file, whatever becomes of the clock from now on. What is in the
// future was written by a clock that was ahead.
func (w *Worker) past(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	ago := w.loaded.Sub(t)
	w.changed = w.changed || ago < 0
	return w.loaded.Add(-max(0, ago))
}

// sayUnknown says once why it is not known what an earlier Monitor has left. Where nothing
// is to be recovered nobody needs to know.
func (w *Worker) sayUnknown(now time.Time) {
	if w.said || len(w.order) == 0 || !now.Before(w.blocked) {
		return
	}
	w.said = true
	w.o.Record(record.Event{Time: now, Kind: record.Failed, Level: rules.Error, Error: w.unknown.Error(),
		Text: "it is not known what recoveries an earlier Monitor began: none begins within an hour"})
}

// resume goes on with what an earlier Monitor began. Its settings may have been others: a
// step whose program is gone is left out, and so is one that this version does not know.
func (w *Worker) resume(r *one, now time.Time) {
	r.resumed = false
	switch r.Step {
	case Settle:
	case Process, Restart:
		w.enter(r, r.Step, now)
	default:
		w.enter(r, Check, now)
	}
	w.say(r, record.RecoveryStep, rules.Warning, "a recovery that an earlier Monitor began goes on with the step "+r.Step)
}
