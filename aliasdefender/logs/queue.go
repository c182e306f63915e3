package logs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	queueRoom   = 4096        // lines
	maxLine     = 4096        // bytes, without what syslog puts in front
	flushWithin = time.Second // how long closing waits for what is left
)

// line is one line of the log.
type line struct {
	at    time.Time
	level logrus.Level
	text  string
}

// queue stands between the daemon and the log. A caller puts a line into a bounded
// queue and goes on; one goroutine writes. If the loop wrote the log itself, a
// stalled disk would cause a failover.
//
// When the queue is full, lines are dropped, and their number is logged in their
// place.
type queue struct {
	write func(context.Context, line) error // may take as long as it wants; returns when the context ends

	mu      sync.Mutex
	lines   []line
	room    int
	dropped int // dropped, and not reported yet
	ending  bool

	filled chan struct{} // a token: there may be work
	ended  chan struct{} // the goroutine has returned
	giveUp context.CancelFunc
}

// startQueue starts the goroutine. close ends it.
func startQueue(room int, write func(context.Context, line) error) *queue {
	ctx, giveUp := context.WithCancel(context.Background())
	q := &queue{
		write: write, room: room, giveUp: giveUp,
		filled: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	go q.drain(ctx)
	return q
}

// Levels says that the hook is for every level that the logger lets through.
func (q *queue) Levels() []logrus.Level { return logrus.AllLevels }

// Fire queues an entry. The name is logrus's; it never fails.
func (q *queue) Fire(e *logrus.Entry) error {
	q.put(line{e.Time, e.Level, formatEntry(e)})
	return nil
}

func (q *queue) put(l line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.ending:
		return
	case len(q.lines) >= q.room, q.dropped > 0 && len(q.lines) > q.room/2:
		// Once the queue has been full, it must be half empty before it takes lines
		// again. Otherwise, in a steady flood, every second line would be a count.
		q.dropped++
		return
	case q.dropped > 0:
		q.lines = append(q.lines, q.count())
	}
	q.lines = append(q.lines, l)
	q.wake()
}

// count is the line that says how many were dropped.
func (q *queue) count() line {
	l := line{time.Now(), logrus.WarnLevel, fmt.Sprintf("%d lines were dropped here: the log did not take them", q.dropped)}
	q.dropped = 0
	return l
}

func (q *queue) wake() {
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// next takes out the oldest line. If there is none, it tells whether more can come.
func (q *queue) next() (l line, ok, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.lines) > 0:
		l, q.lines = q.lines[0], q.lines[1:]
		return l, true, true
	case q.dropped > 0:
		return q.count(), true, true
	}
	return line{}, false, !q.ending
}

// drain writes until the queue is empty and no more can come.
func (q *queue) drain(ctx context.Context) {
	defer close(q.ended)
	for {
		l, ok, more := q.next()
		switch {
		case ok:
			// An error means that the log is gone for good, and there is no better
			// place to report that.
			_ = q.write(ctx, l)
		case more:
			<-q.filled
		default:
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// close waits at most that long until everything is written, and returns how many
// lines were not.
func (q *queue) close(within time.Duration) (lost int) {
	q.mu.Lock()
	q.ending = true
	q.wake()
	q.mu.Unlock()
	defer q.giveUp()
	select {
	case <-q.ended:
		return 0
	case <-time.After(within):
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lines) + q.dropped + 1 // including the one on which the writer hangs
}
