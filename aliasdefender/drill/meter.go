package drill

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/probe"
)

// Bound is the longest gap with which a drill is good. A question that is not answered
// within that time counts as lost.
const Bound = 100 * time.Millisecond

// every is how often each alias is asked.
const every = 10 * time.Millisecond

// late is how long the answer to a question may take before there may have been a gap.
const late = 2 * every

// Ask puts a question and does not wait: see probe.Pinger.Ask.
type Ask func(q probe.Question, heard func(at time.Time, err error)) error

// question is one that was put to an alias.
type question struct {
	at       time.Time
	arrived  time.Time // its answer
	answered bool
	deaf     bool // nobody can tell whether it was answered
}

// meter asks one alias again and again.
type meter struct {
	target netip.Addr
	ask    Ask
	first  chan struct{} // closed at the first answer

	mu  sync.Mutex
	all []question
}

func newMeter(target netip.Addr, ask Ask) *meter {
	return &meter{target: target, ask: ask, first: make(chan struct{})}
}

// run asks until ctx ends, and returns what came of it once no more answers count.
func (m *meter) run(ctx context.Context) figures {
	from := time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		m.put()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	to := time.Now()
	// The last answers may come for as long, and be told to us as much later.
	<-time.After(2 * Bound)
	m.mu.Lock()
	defer m.mu.Unlock()
	return tally(m.all, from, to)
}

// put puts one question. One that could not be put leaves no trace but the pause that it
// makes.
func (m *meter) put() {
	m.mu.Lock()
	n := len(m.all)
	m.all = append(m.all, question{at: time.Now()})
	m.mu.Unlock()
	err := m.ask(probe.Question{Target: m.target, Timeout: Bound}, func(_ time.Time, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		q := &m.all[n]
		q.arrived, q.answered, q.deaf = time.Now(), err == nil, err != nil
		select {
		case <-m.first:
		default:
			if q.answered {
				close(m.first)
			}
		}
	})
	if err != nil {
		m.mu.Lock()
		m.all[n].deaf = true
		m.mu.Unlock()
	}
}

// figures are what one host has measured of one alias.
type figures struct {
	asked, lost uint32

	// gap is the longest time in which nothing need have been answered, with a question in
	// it that was lost or answered late. When a question was answered is not known, only
	// that it was after it was put and before the answer arrived: the kernel may have kept
	// it until the alias was there again. So such a time lasts from the putting of one
	// question to the first arrival of any later one's answer, and the true gap is never
	// longer.
	gap time.Duration
	// pause is the longest time without a question. A gap of that length may hide there.
	pause time.Duration
}

// tally sums up the questions that were put from one moment to another.
func tally(all []question, from, to time.Time) (f figures) {
	all = slices.DeleteFunc(slices.Clone(all), func(q question) bool { return q.deaf })
	f.gap = gapAfter(from, all, to)
	asked := from
	for i, q := range all {
		f.asked++
		f.pause, asked = max(f.pause, q.at.Sub(asked)), q.at
		if q.answered {
			f.gap = max(f.gap, gapAfter(q.at, all[i+1:], to))
		} else {
			f.lost++
		}
	}
	f.pause = max(f.pause, to.Sub(asked))
	return f
}

// gapAfter is how long nothing need have been answered since a question that was, or since
// the beginning; 0: no later question was lost or answered late meanwhile.
func gapAfter(since time.Time, later []question, to time.Time) time.Duration {
	first, doubtful := to, false
	for _, q := range later {
		if q.at.After(first) {
			break
		}
		if doubtful = doubtful || !q.answered || q.arrived.Sub(q.at) > late; q.answered && q.arrived.Before(first) {
			first = q.arrived
		}
	}
	if !doubtful {
		return 0
	}
	return first.Sub(since)
}

// said are figures that the partner has told.
func said(d peer.Drill) figures { return figures{d.Asked, d.Lost, d.Gap, d.Pause} }

// say is the word that tells figures.
func (f figures) say(number uint32) peer.Drill {
	return peer.Drill{Number: number, Stage: peer.DrillMeasured, Asked: f.asked, Lost: f.lost, Gap: f.gap, Pause: f.pause}
}

// shown is the figures as the control socket has them.
func (f figures) shown() *control.Measure {
	ms := func(d time.Duration) float64 {
		return float64(d.Round(time.Millisecond/10)) / float64(time.Millisecond)
	}
	return &control.Measure{Asked: f.asked, Lost: f.lost, GapMS: ms(f.gap), PauseMS: ms(f.pause)}
}
