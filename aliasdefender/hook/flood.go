package hook

import (
	"fmt"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// flood counts what became of runs: a gate that goes on saying no is asked each second,
// and must not push everything else out of the event log.
type flood struct {
	record.Flood
	subjects map[record.Sort]subject // of what is counted
	due      *time.Timer             // the next count; nil: none
}

// may tells whether one more result of that kind is recorded; if not, it is counted.
func (r *Runner) may(id netip.Addr, j *job, kind record.Kind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, s := &r.flood, record.Sort{Alias: id, Kind: kind, Reason: string(j.hook)}
	told := f.May(s, time.Now())
	if !told {
		if f.subjects == nil {
			f.subjects = map[record.Sort]subject{}
		}
		f.subjects[s] = j.at
	}
	if f.due == nil && !r.stopped {
		f.due = time.AfterFunc(time.Until(f.Next()), r.sayRepeated)
	}
	return told
}

// sayRepeated records how often something became of runs that was not recorded each time.
func (r *Runner) sayRepeated() { r.sayCounted(time.Now()) }

// sayTheRest does so at the end, without waiting for the minutes to end.
func (r *Runner) sayTheRest() { r.sayCounted(time.Now().Add(time.Minute)) }

func (r *Runner) sayCounted(now time.Time) {
	r.mu.Lock()
	f := &r.flood
	all := f.Due(now)
	var events []record.Event
	for _, more := range all {
		at := f.subjects[more.Sort]
		delete(f.subjects, more.Sort)
		events = append(events, record.Event{
			Time: time.Now(), Alias: at.alias, Label: at.label, Kind: record.Repeated, Level: rules.Warning, Hook: more.Reason, Drops: more.N,
			Text: fmt.Sprintf("%d more in the last minute: %s, %s", more.N, more.Kind, config.HookName(more.Reason)),
		})
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
