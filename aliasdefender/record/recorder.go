package record

import (
	"math/rand/v2"
	"sync"
)

// Sink takes events in. Put must not wait for anything but a mutex that is held
// for a moment, and must not call the Recorder. It is called by one goroutine at a
// time, and must not change the event's Facts.
type Sink interface {
	Put(Event)
}

// SinkFunc is a function as a Sink.
type SinkFunc func(Event)

// Put calls the function.
func (f SinkFunc) Put(e Event) { f(e) }

// Recorder numbers events and passes them to its sinks. It may be used from
// several goroutines.
type Recorder struct {
	run   Run
	sinks []Sink

	mu  sync.Mutex // held while the sinks take an event: all see the same order
	seq uint64
}

// New makes a Recorder for one run of a Monitor.
func New(sinks ...Sink) *Recorder {
	return &Recorder{run: Run(rand.Uint64()), sinks: sinks}
}

// Record gives the event its Run and Seq and passes it to each sink, in the order
// in which New was given them. It never waits. Of the times in it the wall clock
// stays: a monotonic reading means nothing to a later run. The event's Facts are the
// Recorder's from then on.
func (r *Recorder) Record(e Event) {
	e.Time = e.Time.Round(0)
	for i := range e.Facts {
		f := &e.Facts[i]
		f.Since, f.Asked = f.Since.Round(0), f.Asked.Round(0)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	e.Run, e.Seq = r.run, r.seq
	for _, s := range r.sinks {
		s.Put(e)
	}
}
