package defender

import (
	"time"

	"alias-defender/aliasdefender/host"
)

// worker has the kernel worked on beside the loop. It does jobs in the order of the
// decisions, those of one trade together, one batch at a time. It knows no aliases: a
// job's functions tell what it is for, and whether it is still wanted.
type worker struct {
	queue    []job
	busy     bool
	batch    int       // how many jobs the next batch may have
	gathered time.Time // until when the first job waits for others; zero: it does not
	results  []result  // of jobs that are done, not noted yet
}

// job is one piece of work on the kernel. Its functions are called by the loop.
type job struct {
	trade    *trade
	what     any         // in the form that the trade takes
	gathers  func() bool // whether it is worth waiting a moment for others like it; nil: no
	wanted   func() bool // asked just before it is done; nil: it is
	unwanted func()      // it was not
	done     func(began time.Time, err error)
	began    time.Time
}

// trade is one kind of work. The error of each job stands at its index.
type trade struct {
	do func(what []any) []error // may take as long as the kernel takes
}

// result is a job that is done.
type result struct {
	job
	err error
}

// trades are what is done with addresses.
type trades struct {
	add     *trade
	remove  *trade
	refresh *trade // its lease
	reorder *trade // it steps behind an own address
	last    *trade // what stays is told to stay without us, at the end
}

func tradesOn(n Network) trades {
	with := func(carryOut func([]host.Placement) []error) *trade {
		return &trade{do: func(what []any) []error {
			orders := make([]host.Placement, len(what))
			for i, w := range what {
				orders[i] = w.(host.Placement)
			}
			return carryOut(orders)
		}}
	}
	return trades{add: with(n.Add), remove: with(n.Remove), refresh: with(n.Refresh), reorder: with(n.Reorder), last: with(n.Refresh)}
}

const (
	// batchSize is how many addresses the kernel is given in one go at most.
	batchSize = 1024
	// swift is how fast a batch must end before the kernel is given so many.
	swift = 100 * time.Millisecond
	// gatherFor is how long takes wait at most for others to join them.
	gatherFor = 25 * time.Millisecond
	// resultsPerTurn bounds how many finished jobs are noted, logged and announced before
	// the loop looks for events.
	resultsPerTurn = 64
)

// idle tells whether nothing is under way, waits, or is still to be noted.
func (w *worker) idle() bool { return !w.busy && len(w.queue) == 0 && len(w.results) == 0 }

// flush hands the next jobs of one trade to the worker. There is one batch at a time:
// whatever waits behind a slow one is decided again before it is done. The first batch
// has one job; only if that goes swiftly does the next one have all. So a kernel that
// hangs does not get a thousand decisions that grow old.
func (l *loop) flush() {
	w := &l.worker
	switch {
	case w.busy:
		return
	case len(w.queue) == 0:
		w.batch, w.gathered = 1, time.Time{}
		return
	case w.batch == 1 && l.gathers():
		return
	}
	for !w.busy && len(w.queue) > 0 {
		var batch []job
		for len(w.queue) > 0 && len(batch) < w.batch && (len(batch) == 0 || w.queue[0].trade == batch[0].trade) {
			j := w.queue[0]
			w.queue = w.queue[1:]
			if j.wanted == nil || j.wanted() {
				j.began = time.Now()
				batch = append(batch, j)
				continue
			}
			j.unwanted()
		}
		if len(batch) > 0 {
			w.busy = true
			l.beside(func() { l.do(batch) })
		}
	}
}

// gathers tells whether the first job waits a moment for many others that are about to
// come. A thousand questions take some time to leave, and their silences arrive as far
// apart; while the kernel adds one batch, those that come a moment later would wait for
// all of it.
func (l *loop) gathers() bool {
	w := &l.worker
	if w.queue[0].gathers == nil {
		return false
	}
	if w.gathered.IsZero() {
		w.gathered = l.now.Add(min(gatherFor, l.asks.Brisk()))
	}
	return l.now.Before(w.gathered) && w.queue[0].gathers()
}

// do does a batch of jobs, outside the loop.
func (l *loop) do(batch []job) {
	what := make([]any, len(batch))
	for i, j := range batch {
		what[i] = j.what
	}
	begun := time.Now()
	errs := batch[0].trade.do(what)
	took := time.Since(begun)
	l.d.post(func(l *loop) {
		w := &l.worker
		w.busy, w.batch = false, 1
		if took <= swift {
			w.batch = batchSize
		}
		for i, j := range batch {
			w.results = append(w.results, result{j, errs[i]})
		}
	})
}

// collect notes the jobs that have ended.
func (l *loop) collect() {
	w := &l.worker
	n := min(len(w.results), resultsPerTurn)
	for _, r := range w.results[:n] {
		r.done(r.began, r.err)
	}
	if w.results = w.results[n:]; len(w.results) == 0 {
		w.results = nil
	}
}
