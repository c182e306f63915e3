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
	factsEach  = 20 // of each of these events, on average; a route of many hops has more
)

// Ring remembers the last events of each alias and route that Why shows. It may be used from
// several goroutines.
type Ring struct {
	mu      sync.Mutex
	aliases map[subject][]Event // oldest first; nil for one that had no event yet
}

// subject is an alias or a route.
type subject struct {
	Alias
	route string // its name; empty: it is an alias
}

// about is what an event is about.
func (e Event) about() subject { return subject{e.Alias, e.Route} }

// NewRing makes a Ring for the aliases of the file.
func NewRing(aliases ...Alias) *Ring {
	r := &Ring{aliases: map[subject][]Event{}}
	r.Keep(aliases...)
	return r
}

// Keep makes these the aliases of the Ring, as after a reload. It forgets the events of
// others.
func (r *Ring) Keep(aliases ...Alias) {
	all := make([]subject, len(aliases))
	for i, a := range aliases {
		all[i].Alias = a
	}
	r.keep(all, false)
}

// KeepRoutes does the same with the names of routes.
func (r *Ring) KeepRoutes(names []string) {
	all := make([]subject, len(names))
	for i, name := range names {
		all[i].route = name
	}
	r.keep(all, true)
}

// keep makes these its aliases, or its routes.
func (r *Ring) keep(all []subject, routes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.aliases
	r.aliases = make(map[subject][]Event, len(was))
	for s, events := range was {
		if s.route != "" != routes {
			r.aliases[s] = events
		}
	}
	for _, s := range all {
		r.aliases[s] = was[s]
	}
	room := r.room()
	for a, events := range r.aliases {
		r.aliases[a] = r.thin(last(events, room))
	}
}

// Move gives the events of one alias to another, which takes its place.
func (r *Ring) Move(old, new Alias) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from, to := subject{Alias: old}, subject{Alias: new}
	if events := r.aliases[from]; from != to && len(events) > 0 {
		delete(r.aliases, from)
		r.aliases[to] = append(events, r.aliases[to]...)
	}
}

// Put remembers an event of an alias. An alias that the Ring did not know is remembered
// from then on.
func (r *Ring) Put(e Event) {
	if !e.Kind.Journal() || !e.Alias.Addr.IsValid() && e.Route == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	about := e.about()
	events, known := r.aliases[about]
	if !known {
		r.aliases[about] = nil // now it counts for the room
	}
	r.aliases[about] = r.thin(append(last(events, r.room()-1), e))
}

// Of returns the remembered events of an alias, oldest first. The slice belongs to the
// caller; the events' Facts are shared.
func (r *Ring) Of(a Alias) []Event { return r.of(subject{Alias: a}) }

// OfRoute is the same of a route, by its name.
func (r *Ring) OfRoute(name string) []Event { return r.of(subject{route: name}) }

func (r *Ring) of(s subject) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.aliases[s])
}

// Preload puts events of earlier runs, oldest first, before those that the Ring has, as
// far as there is room. It leaves out events that the Ring already has, and those of
// aliases that it does not know.
func (r *Ring) Preload(events []Event) {
	older := map[subject][]Event{}
	for _, e := range events {
		if e.Kind.Journal() {
			older[e.about()] = append(older[e.about()], e)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.room()
	for a, events := range older {
		if have, known := r.aliases[a]; known {
			r.aliases[a] = r.thin(before(have, events, room))
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

// thin forgets the facts of older events where there are too many: the newest are those
// that somebody asks about.
func (r *Ring) thin(events []Event) []Event {
	facts, most := 0, factsEach*max(ringLeast, ringRoom/max(len(r.aliases), 1))
	for i := len(events) - 1; i >= 0; i-- {
		if facts += len(events[i].Facts); facts > most {
			events[i].Facts = nil
		}
	}
	return events
}

// last keeps the newest n events, in the same slice.
func last(events []Event, n int) []Event {
	if over := len(events) - n; over > 0 {
		events = slices.Delete(events, 0, over)
	}
	return events
}
