package lab

import "time"

// Spans returns who had the alias when, in order of the beginnings. The last
// spans may be open: their To is the time of the call.
func (w *Watch) Spans() []Span {
	w.catchUp()
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	var spans []Span
	for i, c := range w.changes {
		if !c.holds {
			continue
		}
		s := Span{By: c.host, From: c.at, To: now, Open: true}
		for _, d := range w.changes[i+1:] {
			if d.host == c.host {
				s.To, s.Open = d.at, false
				break
			}
		}
		spans = append(spans, s)
	}
	return spans
}

// Tenure sums up who had the alias in a stretch of time.
type Tenure struct {
	Nobody, LongestNobody time.Duration // in total, and at a stretch
	Both, LongestBoth     time.Duration // two holders or more
	Takes                 int           // how often a host came to have it
}

// Tenure sums up from one moment to another; a zero to means now.
func (w *Watch) Tenure(from, to time.Time) Tenure {
	w.catchUp()
	if to.IsZero() {
		to = time.Now()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var t Tenure
	var nobody, both time.Duration // of the piece that lasts
	at, holders := from, 0
	until := func(moment time.Time) {
		d := moment.Sub(at)
		at = moment
		if holders == 0 {
			nobody += d
			t.Nobody += d
		} else {
			nobody = 0
		}
		if holders >= 2 {
			both += d
			t.Both += d
		} else {
			both = 0
		}
		t.LongestNobody = max(t.LongestNobody, nobody)
		t.LongestBoth = max(t.LongestBoth, both)
	}
	for _, c := range w.changes {
		if c.at.After(to) {
			break
		}
		if c.at.After(from) {
			until(c.at)
			if c.holds {
				t.Takes++
			}
		}
		holders = c.holders
	}
	until(to)
	return t
}
