package record

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"alias-defender/aliasdefender/rules"
)

// LogName is the name of the event log in the state directory. The rotated files are
// beside it: events.log.1 is newer than events.log.2.
const LogName = "events.log"

// The log is one file that is written to and logOld older ones, each at most a segment of
// 1/(logOld+1) of the size: so a quarter is forgotten at a time.
const logOld = 3

const (
	logRoom     = 4096                   // events in memory that the disk has not taken
	batchRoom   = 64 << 10               // bytes in one write
	maxLine     = 8 << 10                // bytes of an event on disk, with its newline
	syncEvery   = time.Second            // the most that a crash of the host may cost, while the disk keeps up
	retryAfter  = 10 * time.Second       // when a disk that failed is tried again
	hangsAfter  = 5 * time.Second        // when a write counts as hanging
	flushWithin = 500 * time.Millisecond // how long the rest may take to write when we end
)

// MinLogSize is the least size of a Log in bytes: below it a segment would hold only a
// few events.
const MinLogSize = 64 << 10

// Log is the event log on disk: a Sink that writes JSON lines to files in the state
// directory. Put adds an event to a bounded queue; the goroutine of Run writes.
//
// If the disk is full, read-only or hangs, the Log reports the begin and the end of each
// such outage once. In between, the queue holds what it can. What does not fit is
// counted, and the count stands in the file where the events are missing.
//
// After a crash of the host the log lacks at most the last second. A line is written when
// the event happens, and fsync follows at once, unless there was one less than a second
// before: a transition in a quiet night is on disk within milliseconds, and a storm of
// thousands costs one fsync a second.
type Log struct {
	dir  string
	size int64
	say  func(text string, err error)
	open func(path string) (file, error) // tests make disks fail

	ready  chan struct{} // closed: Run has begun
	ending chan struct{} // closed: what is queued is the last
	filled chan struct{} // a token: there may be something to write

	mu     sync.Mutex // held for moments only
	queue  []Event
	lost   uint64 // events that did not fit, and are not counted in a queued line yet
	after  Event  // the last of them
	all    uint64 // events that did not fit, since the start
	untold uint64 // events that did not fit, and that say has not been told of yet
	over   bool   // nothing is taken any more
}

// NewLog makes the event log of size bytes in all, at least MinLogSize, in the directory
// dir. It touches no file. say is told of the begin of each outage, with its error, and
// of its end, with nil. It must not wait, and is called by one goroutine at a time.
func NewLog(dir string, size int64, say func(text string, err error)) *Log {
	return &Log{
		dir: dir, size: max(size, MinLogSize), say: say, open: openFile,
		ready: make(chan struct{}), ending: make(chan struct{}), filled: make(chan struct{}, 1),
	}
}

// String names the log for messages.
func (l *Log) String() string { return "event log " + l.path(0) }

// Ready is closed when Run has begun. It does not tell whether the disk works: nothing
// depends on that.
func (l *Log) Ready() <-chan struct{} { return l.ready }

// segment is the most that one file may have, in bytes.
func (l *Log) segment() int64 { return l.size / (logOld + 1) }

// path is the file that is written to (0), or the nth older one.
func (l *Log) path(n int) string { return logPath(l.dir, n) }

func logPath(dir string, n int) string {
	path := filepath.Join(dir, LogName)
	if n > 0 {
		path += fmt.Sprintf(".%d", n)
	}
	return path
}

// Put queues an event to be written. Run writes the events that came before it; those
// after its end are ignored. So are events of Kind Lasts: hour by hour, an alarm that
// lasts would push out the event of its begin.
func (l *Log) Put(e Event) {
	if e.Kind == Lasts {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over:
		return
	case len(l.queue) >= logRoom, l.lost > 0 && len(l.queue) > logRoom/2:
		// Once the queue has been full, it must be half empty before it takes events
		// again. Otherwise, in a steady flood, every second line would be a count.
		l.lose(e)
		return
	}
	l.count()
	l.queue = append(l.queue, e)
	l.wake()
}

// lose counts an event that will not be written.
func (l *Log) lose(e Event) {
	l.lost++
	l.all++
	l.untold++
	l.after = e
}

// count queues the line that says how many events are missing, if any are. The line has
// the time and the number of the last of them.
func (l *Log) count() {
	if l.lost == 0 {
		return
	}
	l.queue = append(l.queue, Event{
		Run: l.after.Run, Seq: l.after.Seq, Time: l.after.Time, Kind: Lost, Level: rules.Warning, Drops: l.lost,
		Text: fmt.Sprintf("%d events were lost here: the disk did not take them in time", l.lost),
	})
	l.lost = 0
}

// Dropped is how many events did not fit, since the start.
func (l *Log) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func (l *Log) wake() {
	select {
	case l.filled <- struct{}{}:
	default:
	}
}

// Run writes what is Put until ctx ends, and then for at most half a second what is still
// queued. The error tells how many events were not written. Call it once.
//
// A disk that hangs keeps the goroutine that writes for as long as it hangs; Run leaves
// that goroutine behind.
func (l *Log) Run(ctx context.Context) error {
	close(l.ready)
	w := &writer{log: l}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.run()
	}()
	<-ctx.Done()
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	close(l.ending)
	late := time.NewTimer(flushWithin)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := uint64(len(l.queue)) + l.lost
	l.queue, l.lost = nil, 0 // a writer that comes back later finds nothing left to do
	if n > 0 {
		return fmt.Errorf("%s: %d events were not written: the disk did not take them", l.path(0), n)
	}
	return nil
}
