// Package page is the page for browsers: who has each alias, since when, why, and what the
// partner says of it; a timeline of both hosts; and the event log.
//
// It is a sink of the events and a reader of the one snapshot that Status shows. It computes
// no state of its own, and has nothing to order: it cannot change anything. A snapshot is made
// only while somebody looks, once for all who do, and the loop waits for none of them.
//
// Whoever asks has been admitted by package control, which knows the token. The files of the
// page come with the program; a policy forbids the browser anything else.
package page

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/timeline"
)

// The rhythm of what readers are sent.
const (
	every = time.Second            // a snapshot, so that ages go on
	soon  = 100 * time.Millisecond // the least time between two, when something happens

	// share is how many times as long as the last snapshot took to make, the next one waits:
	// the page takes a twentieth of a processor at most, however many aliases there are.
	share    = 20
	waitMost = 10 * time.Second

	snapshotWithin = 5 * time.Second
)

// eventsMost is how many events are kept for the list, the newest.
const eventsMost = 1000

// Options are what a page is made of.
type Options struct {
	Host     string // this host's name, as a reader is to know it
	Snapshot func(context.Context) (control.Snapshot, error)

	// Load calls each with the events of the event log on disk, oldest first. It may wait for
	// the disk. Nil: there is no event log.
	Load func(each func(record.Event)) error
}

// Page is the page of one Monitor. It may be used from several goroutines.
type Page struct {
	o Options

	mu      sync.Mutex
	readers int
	joined  chan struct{} // has a value when the first reader has come
	happens chan struct{} // has a value when something has happened

	// What readers see. changed is closed when there is something new.
	changed chan struct{}
	state   state
	last    *control.Snapshot

	events events
	story  *timeline.Story // nil: the event log is not read yet
	loads  bool
}

// state is a message with a snapshot. Nobody changes its text.
type state struct {
	number uint64
	text   []byte
}

// New makes a page that nobody has opened. It starts nothing.
func New(o Options) *Page {
	return &Page{o: o, joined: make(chan struct{}, 1), happens: make(chan struct{}, 1), changed: make(chan struct{})}
}

// Put takes in an event.
func (p *Page) Put(e record.Event) {
	if e.Kind == record.Lasts {
		return // said again
	}
	e.Facts = slices.DeleteFunc(slices.Clone(e.Facts), func(f record.Fact) bool { return f.Name != rules.FactAlias.String() })
	p.mu.Lock()
	p.events.add(e)
	if p.story != nil {
		p.story.Put(e)
	}
	if p.readers > 0 {
		p.tell()
	}
	p.mu.Unlock()
	poke(p.happens)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// tell wakes the readers. mu is held.
func (p *Page) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Run makes snapshots while there are readers, until ctx ends.
func (p *Page) Run(ctx context.Context) error {
	for {
		p.mu.Lock()
		watched := p.readers > 0
		p.mu.Unlock()
		if !watched {
			select {
			case <-ctx.Done():
				return nil
			case <-p.joined:
				continue
			}
		}
		began := time.Now()
		p.look(ctx)
		least := min(max(soon, share*time.Since(began)), waitMost)
		if !pause(ctx, least, nil) {
			return nil
		}
		if !pause(ctx, max(every-least, 0), p.happens) {
			return nil
		}
	}
}

// pause waits for a time, or until something happens. It is false when ctx has ended.
func pause(ctx context.Context, d time.Duration, happens <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-happens:
	case <-t.C:
	}
	return true
}

// look makes a snapshot for all readers.
func (p *Page) look(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, snapshotWithin)
	defer cancel()
	s, err := p.o.Snapshot(within)
	var text bytes.Buffer
	if err == nil {
		fmt.Fprintf(&text, `{"host":%s,"status":`, quoted(p.o.Host))
		err = s.Write(&text)
		text.WriteString("}")
	}
	if err != nil {
		text.Reset()
		fmt.Fprintf(&text, `{"host":%s,"error":%s}`, quoted(p.o.Host), quoted(err.Error()))
	}
	keep := known(s) // before the lock, on which the loop may wait
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.number++
	p.state.text = message("state", text.Bytes())
	if err == nil {
		p.last = &s
		if p.story != nil {
			p.story.Keep(keep)
		}
	}
	p.tell()
}

// known tells which aliases the snapshot has.
func known(s control.Snapshot) func(record.Alias) bool {
	all := make(map[record.Alias]bool, len(s.Aliases))
	for i := range s.Aliases {
		all[recorded(&s.Aliases[i])] = true
	}
	return func(a record.Alias) bool { return all[a] }
}

// join counts a reader until the function that it returns is called. With the first reader
// ever the event log is read, beside.
func (p *Page) join() (leave func()) {
	p.mu.Lock()
	p.readers++
	if !p.loads {
		p.loads = true
		go p.load()
	}
	p.mu.Unlock()
	poke(p.joined)
	return func() {
		p.mu.Lock()
		p.readers--
		p.mu.Unlock()
	}
}

// load reads the event log, and puts what it has before what has happened since the start.
func (p *Page) load() {
	var older events
	story := &timeline.Story{}
	if p.o.Load != nil {
		p.mu.Lock()
		first := p.events.first()
		p.mu.Unlock()
		// What cannot be read is not shown; the log of the Monitor says so.
		_ = p.o.Load(func(e record.Event) {
			if first != nil && e.Run == first.Run && e.Seq >= first.Seq {
				return // it is among those of this run
			}
			e.Facts = slices.DeleteFunc(e.Facts, func(f record.Fact) bool { return f.Name != rules.FactAlias.String() })
			older.add(e)
			story.Put(e)
		})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events.all {
		older.add(e)
		story.Put(e)
	}
	older.generation = p.events.generation + 1
	p.events, p.story = older, story
	p.tell()
}

// events are the newest events, each with a number that only this page knows.
type events struct {
	all        []record.Event
	next       uint64 // the number of the next one
	generation int    // another one: the readers begin anew
}

func (l *events) add(e record.Event) {
	if len(l.all) >= 2*eventsMost {
		l.all = append(l.all[:0:0], l.all[len(l.all)-eventsMost:]...)
	}
	l.all = append(l.all, e)
	l.next++
}

// first is the oldest one.
func (l *events) first() *record.Event {
	if len(l.all) == 0 {
		return nil
	}
	return &l.all[0]
}

// since are those from a number on, at most so many, the newest.
func (l *events) since(number uint64, most int) []record.Event {
	n := min(int(l.next-min(number, l.next)), most, len(l.all))
	return slices.Clone(l.all[len(l.all)-n:])
}
