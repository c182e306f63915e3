package hook

import (
	"time"

	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// flood counts what became of runs: a gate that goes on saying no is asked each second,
// and must not push everything else out of the event log.
type flood struct {
	record.Flood
	due *time.Timer // the next count; nil: none
}

// may tells whether one more result of that sort is recorded; if not, it is counted. mu is
// held.
func (r *Runner) may(s record.Sort) bool {
	f := &r.flood
	told := f.May(s, time.Now())
	if f.due == nil && !r.stopped {
		f.due = time.AfterFunc(time.Until(f.Next()), func() { r.sayCounted(time.Now()) })
	}
	return told
}

// sayCounted records how often something became of runs that was not recorded each time,
// in the minutes that have ended by now. At the end of the Monitor that is all of them.
func (r *Runner) sayCounted(now time.Time) {
	r.mu.Lock()
	f := &r.flood
	var events []record.Event
	for _, more := range f.Due(now) {
		e := record.Event{
			Time: time.Now(), Kind: record.Repeated, Level: rules.Warning, Hook: more.Reason, Drops: more.N,
			Text: more.Text(),
		}
		if l := r.lanes[more.Alias]; l != nil {
			e.Alias, e.Label = record.Alias{Addr: l.cfg.Addr, NIC: l.cfg.NIC}, l.cfg.Label
		}
		events = append(events, e)
	}
	switch {
	case f.due == nil:
	case r.stopped || f.Next().IsZero():
		f.due.Stop()
		f.due = nil
	default:
		f.due.Reset(time.Until(f.Next()))
	}
	r.mu.Unlock()
	for _, e := range events {
		r.o.Record(e)
	}
}
