package record

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// errDrops is what say is told with where the disk works, but is slow.
var errDrops = errors.New("they came faster than the disk took them; the event log says how many, and where")

// outage says when the disk stops taking events, and when it takes them again.
type outage struct {
	mu   sync.Mutex // held while something is said: one thing after the other
	turn uint64     // of the writer, under way or the last
	busy bool       // it is under way
	down bool       // the outage was said
	hang *time.Timer
}

// begin notes that the writer turns to the disk.
func (o *outage) begin(l *Log) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn++
	o.busy = true
	turn := o.turn
	o.hang = time.AfterFunc(hangsAfter, func() { o.hangs(l, turn) })
}

// hangs is called when a turn takes too long.
func (o *outage) hangs(l *Log, turn uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.busy || o.turn != turn || o.down {
		return
	}
	o.down = true
	l.say(outageText, fmt.Errorf("%s: the disk has not taken a write for %s; mend it, or set another [state] dir", l.path(0), hangsAfter))
}

const outageText = "the event log is not written: after a restart, Why may lack what happens now"

// end notes how the turn went.
func (o *outage) end(l *Log, idle bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hang.Stop()
	o.busy = false
	switch {
	case err != nil && !o.down:
		o.down = true
		l.say(outageText, explain(err))
	case err != nil:
	case o.down:
		o.down = false
		text := "the event log is written again"
		if n := l.untoldDrops(); n > 0 {
			text += fmt.Sprintf("; %d events were lost", n)
		}
		l.say(text, nil)
	case idle:
		if n := l.untoldDrops(); n > 0 {
			l.say(fmt.Sprintf("%d events were lost from the event log", n), errDrops)
		}
	}
}

// untoldDrops is how many events did not fit that say was not told of yet.
func (l *Log) untoldDrops() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.untold
	l.untold = 0
	return n
}
