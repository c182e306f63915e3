package record

import (
	"math/rand/v2"
	"sync"
)

// Sink takes events. Put may wait only for a mutex that is held for a moment, and must
// not call the Recorder. One goroutine at a time calls it, and it must not change the
// event's Facts.
type Sink interface {
	Put(Event)
}

// Every is a Sink that wants each event, also one that has happened too often to be
// recorded one by one: see Flood. Such an event has no Seq and no Facts.
type Every interface {
	Sink
	Every()
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

	mu  sync.Mutex // held while the sinks take an event, so that all see the same order
	seq uint64
}

// New makes a Recorder for one run of a Monitor.
func New(sinks ...Sink) *Recorder {
	return &Recorder{run: Run(rand.Uint64()), sinks: sinks}
}

// Record gives the event its Run and Seq and passes it to each sink, in the order in
// which New was given them. It never waits. It drops the monotonic reading from the
// times, which would mean nothing to a later run, and keeps the wall clock. From then on
// the event's Facts are the Recorder's.
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

// Repeat passes an event that is not recorded, because it has happened too often, to the
// sinks that want every one.
func (r *Recorder) Repeat(e Event) {
	e.Time, e.Run = e.Time.Round(0), r.run
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sinks {
		if every, ok := s.(Every); ok {
			every.Put(e)
		}
	}
}
