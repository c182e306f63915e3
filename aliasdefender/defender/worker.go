package defender

import (
	"time"

	"alias-defender/aliasdefender/host"
)

// worker has the kernel worked on beside the loop. It does jobs in the order of the
// decisions, those of one trade together, one batch at a time; what the kernel is slow
// with waits for all that it is quick with. It knows no aliases: a job's functions tell
// what it is for, and whether it is still wanted.
type worker struct {
	quick    []job
	slow     []job
	busy     bool
	batch    int       // how many jobs the next batch may have
	gathered time.Time // until when the first job waits for others; zero: it does not
	results  []result  // of jobs that are done, not noted yet
}

// job is one piece of work on the kernel. Its functions are called by the loop.
type job struct {
	trade    *trade
	what     any         // in the form that the trade takes
	slow     bool        // the kernel takes long for it: an address of IPv6
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
	// slowBatch is the same for addresses of IPv6, for each of which the kernel takes ten
	// times as long: 0.3 s for a thousand (measured on Linux 6.18). What is decided
	// meanwhile, and what is to be said of the first of them, does not wait for the last.
	slowBatch = 64
	// swift is how fast a batch must end before the kernel is given so many.
	swift = 100 * time.Millisecond
	// gatherFor is how long takes wait at most for others to join them.
	gatherFor = 25 * time.Millisecond
	// resultsPerTurn bounds how many finished jobs are noted, logged and announced before
	// the loop looks for events.
	resultsPerTurn = 32
)

// idle tells whether nothing is under way, waits, or is still to be noted.
func (w *worker) idle() bool { return !w.busy && !w.waiting() && len(w.results) == 0 }

// waiting tells whether a job waits.
func (w *worker) waiting() bool { return len(w.quick)+len(w.slow) > 0 }

// put adds a job. An alias has one at a time, so those of different ones may change places.
func (w *worker) put(j job) {
	if j.slow {
		w.slow = append(w.slow, j)
		return
	}
	w.quick = append(w.quick, j)
}

// next are the jobs of which the next is the first, and how many of them a batch may have.
func (w *worker) next() (queue *[]job, most int) {
	if len(w.quick) > 0 {
		return &w.quick, w.batch
	}
	return &w.slow, min(w.batch, slowBatch)
}

// flush hands the next jobs of one trade to the worker. There is one batch at a time:
// whatever waits behind a slow one is decided again before it is done. The first batch
// has one job; only if that goes swiftly does the next one have all. So a kernel that
// hangs does not get a thousand decisions that grow old.
func (l *loop) flush() {
	w := &l.worker
	switch {
	case w.busy:
		return
	case !w.waiting():
		w.batch, w.gathered = 1, time.Time{}
		return
	case w.batch == 1 && l.gathers():
		return
	}
	for !w.busy && w.waiting() {
		var batch []job
		queue, most := w.next()
		for len(*queue) > 0 && len(batch) < most && (len(batch) == 0 || (*queue)[0].trade == batch[0].trade) {
			j := (*queue)[0]
			*queue = (*queue)[1:]
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
	queue, _ := w.next()
	first := (*queue)[0]
	if first.gathers == nil {
		return false
	}
	if w.gathered.IsZero() {
		w.gathered = l.now.Add(min(gatherFor, l.asks.Brisk()))
	}
	return l.now.Before(w.gathered) && first.gathers()
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
