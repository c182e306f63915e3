// Package agenda keeps deadlines in order, soonest first. A thousand waiting
// addresses cost nothing until one of them is due.
//
// It has no clock: its user passes the time in, and sleeps until Next. It
// refuses to know what a deadline is for.
package agenda

import (
	"container/heap"
	"time"
)

// Agenda is a heap of Entries. The zero Agenda is empty. One goroutine uses it.
type Agenda []*Entry

// Entry is one thing in an Agenda: its user calls Do once its time has come.
type Entry struct {
	Do func()

	at  time.Time
	pos int // its place in the agenda, counted from 1; 0: not in it
}

// Set moves the entry to that time; the zero time takes it out.
func (g *Agenda) Set(t *Entry, at time.Time) {
	h := (*queue)(g)
	switch {
	case at.IsZero() && t.pos > 0:
		heap.Remove(h, t.pos-1)
	case at.IsZero() || t.pos > 0 && t.at.Equal(at):
	case t.pos > 0:
		t.at = at
		heap.Fix(h, t.pos-1)
	default:
		t.at = at
		heap.Push(h, t)
	}
}

// Take takes the soonest entry out if it is due; nil if none is.
func (g *Agenda) Take(now time.Time) *Entry {
	if len(*g) == 0 || now.Before((*g)[0].at) {
		return nil
	}
	return heap.Pop((*queue)(g)).(*Entry)
}

// Next is when the soonest entry is due; zero if there is none.
func (g Agenda) Next() time.Time {
	if len(g) == 0 {
		return time.Time{}
	}
	return g[0].at
}

// Grid is the first time after now that is a whole number of intervals after epoch.
// So entries with one rhythm are due in the same wake, and nothing that was missed is
// made up for.
func Grid(epoch, now time.Time, interval time.Duration) time.Time {
	return epoch.Add((now.Sub(epoch)/interval + 1) * interval)
}

// queue is the Agenda in the form that package heap needs.
type queue Agenda

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].pos, q[j].pos = i+1, j+1
}

func (q *queue) Push(x any) {
	t := x.(*Entry)
	*q = append(*q, t)
	t.pos = len(*q)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	t.pos = 0
	return t
}
