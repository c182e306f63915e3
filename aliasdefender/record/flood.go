package record

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// What happens again and again is told at once so many times within a minute, and after
// that once a minute, with a count. Others can cause what is recorded, such as a program
// that removes an alias or a host that claims it; they must not be able to fill a log or
// a disk.
const (
	floodAtOnce = 10
	floodLater  = 1
	floodEvery  = time.Minute
)

// Sort is what is counted together: lines about one alias, of one kind, for one reason.
type Sort struct {
	Alias  netip.Addr // the alias's id; zero: the Monitor as a whole
	Kind   Kind       // or another name of a line in the log
	Reason string
}

// Flood counts what happens again and again. One goroutine uses it, and tells it the
// time.
type Flood struct {
	AtOnce int // how many of a sort are told within its first minute; zero: 10
	Later  int // and within each one after that; zero: 1

	sorts map[Sort]*flow
	next  time.Time // when the first of the present minutes ends; zero: there is none
}

// flow is the present minute of one sort.
type flow struct {
	ends time.Time
	room int // how many may still be told at once
	more uint64
}

// More is a count that is due: of things that were not told one by one.
type More struct {
	Sort
	N uint64
}

// Text says so, as the Text of an event of Kind Repeated.
func (m More) Text() string {
	text := fmt.Sprintf("%d%s%s", m.N, moreWords, m.Kind)
	if m.Reason != "" {
		text += ", " + m.Reason
	}
	return text
}

const moreWords = " more in the last minute: "

// Counts is of which kind an event of Kind Repeated counts more; empty: it does not say.
func (e Event) Counts() Kind {
	if e.Kind != Repeated {
		return ""
	}
	_, what, _ := strings.Cut(e.Text, moreWords)
	kind, _, _ := strings.Cut(what, ", ")
	return Kind(kind)
}

// May tells whether one more of that sort is told now. If not, it is counted.
func (f *Flood) May(s Sort, now time.Time) bool {
	if f.sorts == nil {
		f.sorts = map[Sort]*flow{}
	}
	w := f.sorts[s]
	if w == nil {
		w = &flow{ends: now.Add(floodEvery), room: cmp.Or(f.AtOnce, floodAtOnce)}
		f.sorts[s] = w
		if f.next.IsZero() {
			f.next = w.ends
		}
	}
	if w.room > 0 {
		w.room--
		return true
	}
	w.more++
	return false
}

// Next is when Due should be called; zero: not before May is.
func (f *Flood) Next() time.Time { return f.next }

// Due returns the counts of the minutes that have ended. A sort that had a quiet minute
// starts afresh.
func (f *Flood) Due(now time.Time) (all []More) {
	f.next = time.Time{}
	for s, w := range f.sorts {
		if !now.Before(w.ends) {
			if w.more == 0 && w.room > 0 {
				delete(f.sorts, s)
				continue
			}
			if w.more > 0 {
				all = append(all, More{s, w.more})
			}
			*w = flow{ends: now.Add(floodEvery), room: cmp.Or(f.Later, floodLater)}
		}
		if f.next.IsZero() || w.ends.Before(f.next) {
			f.next = w.ends
		}
	}
	return all
}
