package defender

import (
	"container/heap"
	"time"
)

// agenda is what time alone gives the loop to do, soonest first. A thousand
// addresses that wait cost nothing until one of them is due.
type agenda []*task

// task is one thing in the agenda: do is called once when its time has come.
type task struct {
	at  time.Time
	pos int // in the agenda, counted from 1; 0: not in it
	do  func()
}

// set moves the task to that time; the zero time takes it out.
func (g *agenda) set(t *task, at time.Time) {
	switch {
	case at.IsZero() && t.pos > 0:
		heap.Remove(g, t.pos-1)
	case at.IsZero() || t.pos > 0 && t.at.Equal(at):
	case t.pos > 0:
		t.at = at
		heap.Fix(g, t.pos-1)
	default:
		t.at = at
		heap.Push(g, t)
	}
}

// take takes the soonest task out if it is due.
func (g *agenda) take(now time.Time) *task {
	if len(*g) == 0 || now.Before((*g)[0].at) {
		return nil
	}
	return heap.Pop(g).(*task)
}

// next is when the soonest task is due; zero without one.
func (g agenda) next() time.Time {
	if len(g) == 0 {
		return time.Time{}
	}
	return g[0].at
}

// Len, Less, Swap, Push and Pop are heap.Interface.
func (g agenda) Len() int           { return len(g) }
func (g agenda) Less(i, j int) bool { return g[i].at.Before(g[j].at) }
func (g agenda) Swap(i, j int) {
	g[i], g[j] = g[j], g[i]
	g[i].pos, g[j].pos = i+1, j+1
}

// Push is called by package heap only.
func (g *agenda) Push(x any) {
	t := x.(*task)
	*g = append(*g, t)
	t.pos = len(*g)
}

// Pop is called by package heap only.
func (g *agenda) Pop() any {
	last := len(*g) - 1
	t := (*g)[last]
	(*g)[last] = nil
	*g = (*g)[:last]
	t.pos = 0
	return t
}
