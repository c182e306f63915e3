// Package page is the page for browsers: who has each alias, since when, why, and what the
// partner says of it; a timeline of both hosts; and the event log.
//
// It is a sink of the events and a reader of the one snapshot that Status shows. It
// computes no state of its own and gives no orders: it cannot change anything. A snapshot
// is made only while somebody looks, one for all readers, and the loop waits for none of
// them.
//
// Package control, which knows the token, has admitted every reader before. The files of
// the page come with the program; a policy forbids the browser anything else.
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
	// snapshots take a twentieth of a processor at most, however many aliases there are. Each
	// message says how long that is, so that a reader knows when there is no news any more.
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

	events  events
	story   *timeline.Story // nil: the event log is not read yet
	repeats []repeat        // what only the story is to know, until there is one
}

// repeat is an event that was not recorded, because it has happened too often.
type repeat struct {
	next uint64 // the number of the recorded event that came after it
	e    record.Event
}

// state is a message with a snapshot; without a text there is none. Nobody changes its text.
type state struct {
	number uint64
	text   []byte
}

// New makes a page that nobody has opened. It starts nothing.
func New(o Options) *Page {
	return &Page{o: o, joined: make(chan struct{}, 1), happens: make(chan struct{}, 1), changed: make(chan struct{})}
}

// Every has Put called for each event: a lane must not end where the same happens too often to
// be recorded one by one.
func (p *Page) Every() {}

// Put takes in an event. The loop calls it, so nothing that takes time is done under the lock.
func (p *Page) Put(e record.Event) {
	if e.Kind == record.Lasts {
		return // said again
	}
	e.Facts = timelineFacts(e)
	recorded := e.Seq != 0
	p.mu.Lock()
	switch {
	case p.story != nil:
		p.story.Put(e)
	case !recorded:
		if len(p.repeats) >= 2*eventsMost {
			p.repeats = append(p.repeats[:0:0], p.repeats[len(p.repeats)-eventsMost:]...)
		}
		p.repeats = append(p.repeats, repeat{p.events.next, e})
	}
	if recorded {
		p.events.add(e)
		if p.readers > 0 {
			p.tell()
		}
	}
	p.mu.Unlock()
	poke(p.happens)
}

// timelineFacts are those of an event's facts that a timeline needs.
func timelineFacts(e record.Event) []record.Fact {
	return slices.DeleteFunc(slices.Clone(e.Facts), func(f record.Fact) bool { return f.Name != rules.FactAlias.String() })
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

// Run makes snapshots while there are readers, until ctx ends. When the first reader ever has
// come, the event log is read beside. Run does not wait for that at its end, because the disk may
// hang; but then nothing more is done with what is read.
func (p *Page) Run(ctx context.Context) error {
	loads := false
	for {
		if !p.watched() {
			select {
			case <-ctx.Done():
				return nil
			case <-p.joined:
				continue
			}
		}
		if !loads {
			loads = true
			go p.load(ctx)
		}
		least := p.look(ctx)
		if !pause(ctx, least, nil) {
			return nil
		}
		if !pause(ctx, max(every-least, 0), p.happens) {
			return nil
		}
	}
}

// watched tells whether there are readers. If there are none, what they saw is forgotten: the
// next one must not be shown something old.
func (p *Page) watched() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readers == 0 {
		p.state.text, p.last = nil, nil
	}
	return p.readers > 0
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

// look makes a snapshot for all readers, and tells how long at least to wait before the next.
func (p *Page) look(ctx context.Context) (least time.Duration) {
	within, cancel := context.WithTimeout(ctx, snapshotWithin)
	defer cancel()
	began := time.Now()
	s, err := p.o.Snapshot(within)
	var status bytes.Buffer
	if err == nil {
		err = s.Write(&status)
	}
	least = min(max(soon, share*time.Since(began)), waitMost)
	var text bytes.Buffer
	fmt.Fprintf(&text, `{"host":%s,"next":%d,`, quoted(p.o.Host), max(every, least).Milliseconds())
	if err != nil {
		fmt.Fprintf(&text, `"error":%s}`, quoted(err.Error()))
	} else {
		fmt.Fprintf(&text, `"status":%s}`, status.Bytes())
	}
	shown, keep := message("state", text.Bytes()), known(s) // before the lock, on which the loop may wait
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.number++
	p.state.text = shown
	if err == nil {
		p.last = &s
		if p.story != nil {
			p.story.Keep(keep)
		}
	}
	p.tell()
	return least
}

// known tells which aliases the snapshot has.
func known(s control.Snapshot) func(record.Alias) bool {
	all := make(map[record.Alias]bool, len(s.Aliases))
	for i := range s.Aliases {
		all[recorded(&s.Aliases[i])] = true
	}
	return func(a record.Alias) bool { return all[a] }
}

// join counts a reader until the function that it returns is called.
func (p *Page) join() (leave func()) {
	p.mu.Lock()
	p.readers++
	p.mu.Unlock()
	poke(p.joined)
	return func() {
		p.mu.Lock()
		p.readers--
		p.mu.Unlock()
	}
}

// load reads the event log, and puts what it has before what has happened since the start.
func (p *Page) load(ctx context.Context) {
	var older events
	story := &timeline.Story{}
	if p.o.Load != nil {
		p.mu.Lock()
		first := p.events.first()
		p.mu.Unlock()
		// What cannot be read is not shown; the log of the Monitor says so.
		_ = p.o.Load(func(e record.Event) {
			if ctx.Err() != nil || first != nil && e.Run == first.Run && e.Seq >= first.Seq {
				return // it is among those of this run
			}
			e.Facts = timelineFacts(e)
			older.add(e)
			story.Put(e)
		})
	}
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	number := p.events.next - uint64(len(p.events.all))
	repeats := p.repeats
	for _, e := range p.events.all {
		for ; len(repeats) > 0 && repeats[0].next <= number; repeats = repeats[1:] {
			story.Put(repeats[0].e)
		}
		older.add(e)
		story.Put(e)
		number++
	}
	for _, r := range repeats {
		story.Put(r.e)
	}
	older.generation = p.events.generation + 1
	p.events, p.story, p.repeats = older, story, nil
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

// place is how far a reader of the events has come.
type place struct {
	generation int
	next       uint64
}

// after are events that a reader at that place lacks, oldest first, and where it is then. anew: it
// begins with the newest ones, because it has none, or lacks some that are not kept any more.
func (l *events) after(at place) (news []record.Event, anew bool, then place) {
	oldest := l.next - uint64(len(l.all))
	most := batch
	if anew = at.generation != l.generation || at.next < oldest; anew {
		at.next, most = l.next-uint64(min(len(l.all), eventsMost)), eventsMost
	}
	news = l.all[at.next-oldest:]
	news = slices.Clone(news[:min(len(news), most)])
	return news, anew, place{l.generation, at.next + uint64(len(news))}
}
