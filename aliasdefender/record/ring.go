package record

import (
	"slices"
	"sync"
)

// The Ring remembers the last ringLength events of an alias. If there are a thousand
// aliases it remembers fewer, but at least ringLeast of each; ringRoom is for all
// together.
const (
	ringLength = 64
	ringLeast  = 8
	ringRoom   = 6400
)

// Ring remembers the last events of each alias that Why shows. It may be used from
// several goroutines.
type Ring struct {
	mu      sync.Mutex
	aliases map[Alias][]Event // oldest first; nil for one that had no event yet
}

// NewRing makes a Ring for the aliases of the file.
func NewRing(aliases ...Alias) *Ring {
	r := &Ring{aliases: map[Alias][]Event{}}
	r.Keep(aliases...)
	return r
}

// Keep makes these the aliases of the Ring, as after a reload. It forgets the events of
// others.
func (r *Ring) Keep(aliases ...Alias) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.aliases
	r.aliases = make(map[Alias][]Event, len(aliases))
	for _, a := range aliases {
		r.aliases[a] = was[a]
	}
	room := r.room()
	for a, events := range r.aliases {
		r.aliases[a] = last(events, room)
	}
}

// Move gives the events of one alias to another, which takes its place.
func (r *Ring) Move(from, to Alias) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if events := r.aliases[from]; from != to && len(events) > 0 {
		delete(r.aliases, from)
		r.aliases[to] = append(events, r.aliases[to]...)
	}
}

// Put remembers an event of an alias. An alias that the Ring did not know is remembered
// from then on.
func (r *Ring) Put(e Event) {
	if !e.Kind.Journal() || !e.Alias.Addr.IsValid() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	events, known := r.aliases[e.Alias]
	if !known {
		r.aliases[e.Alias] = nil // now it counts for the room
	}
	r.aliases[e.Alias] = append(last(events, r.room()-1), e)
}

// Of returns the remembered events of an alias, oldest first. The slice belongs to the
// caller; the events' Facts are shared.
func (r *Ring) Of(a Alias) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.aliases[a])
}

// Preload puts events of earlier runs, oldest first, before those that the Ring has, as
// far as there is room. It leaves out events that the Ring already has, and those of
// aliases that it does not know.
func (r *Ring) Preload(events []Event) {
	older := map[Alias][]Event{}
	for _, e := range events {
		if e.Kind.Journal() {
			older[e.Alias] = append(older[e.Alias], e)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.room()
	for a, events := range older {
		if have, known := r.aliases[a]; known {
			r.aliases[a] = before(have, events, room)
		}
	}
}

// before puts older events before those that are there; room is for all together.
func before(have, older []Event, room int) []Event {
	type id struct {
		run Run
		seq uint64
	}
	there := make(map[id]bool, len(have))
	for _, e := range have {
		there[id{e.Run, e.Seq}] = true
	}
	older = slices.DeleteFunc(older, func(e Event) bool { return there[id{e.Run, e.Seq}] })
	older = last(older, max(0, room-len(have)))
	return append(older, have...)
}

// room is how many events of each alias are remembered.
func (r *Ring) room() int {
	return max(ringLeast, min(ringLength, ringRoom/max(len(r.aliases), 1)))
}

// last keeps the newest n events, in the same slice.
func last(events []Event, n int) []Event {
	if over := len(events) - n; over > 0 {
		events = slices.Delete(events, 0, over)
	}
	return events
}
