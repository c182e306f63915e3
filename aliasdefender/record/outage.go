package record

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// errDrops is the error for say if the disk works, but is too slow.
var errDrops = errors.New("they came faster than the disk took them; the event log says how many, and where")

// outage reports when the disk stops taking events, and when it takes them again.
type outage struct {
	mu   sync.Mutex // held while something is said, so that only one thing is said at a time
	turn uint64     // the number of the writer's turn that is under way, or was last
	busy bool       // that turn is under way
	down bool       // the outage was said
	hang *time.Timer
}

// begin notes that the writer's turn at the disk begins.
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

// end notes how that turn went.
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

// untoldDrops is how many events did not fit that say has not been told of yet.
func (l *Log) untoldDrops() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.untold
	l.untold = 0
	return n
}
