package record

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// seqs are the numbers of what is remembered of an alias.
func seqs(events []Event) (all []uint64) {
	for _, e := range events {
		all = append(all, e.Seq)
	}
	return all
}

// upTo is from ... to.
func upTo(from, to uint64) (all []uint64) {
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

func TestEachSinkHasAllEventsInOneOrder(t *testing.T) {
	var first, second []Event
	r := New(SinkFunc(func(e Event) { first = append(first, e) }), SinkFunc(func(e Event) { second = append(second, e) }))
	done := make(chan struct{})
	for range 4 {
		go func() {
			for range 100 {
				r.Record(take(one(1)))
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	if d := cmp.Diff(upTo(1, 400), seqs(first)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff(first, second, sameAddr); d != "" {
		t.Errorf("-first +second:\n%s", d)
	}
	if e := first[0]; e.Run == 0 || e.Time != e.Time.Round(0) || New().run == r.run {
		t.Errorf("run %x, time %s", e.Run, e.Time)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	r := New(NewRing(one(1)), NewLog(t.TempDir(), MinLogSize, nil))
	e := take(one(1))
	for range 2 * logRoom { // the room is there
		r.Record(e)
	}
	if n := testing.AllocsPerRun(1000, func() { r.Record(e) }); n > 0 && !racing {
		t.Errorf("%v allocations an event", n)
	}
}

func TestOfAnAliasSoMuchIsRemembered(t *testing.T) {
	for _, c := range []struct{ aliases, want int }{{1, 64}, {100, 64}, {101, 63}, {200, 32}, {800, 8}, {2000, 8}} {
		var file []Alias
		for n := range c.aliases {
			file = append(file, one(n))
		}
		ring := NewRing(file...)
		r := New(ring)
		for range 70 {
			r.Record(take(one(0)))
		}
		if d := cmp.Diff(upTo(uint64(71-c.want), 70), seqs(ring.Of(one(0)))); d != "" {
			t.Errorf("%d aliases: -want +got:\n%s", c.aliases, d)
		}
		if ring.Of(one(c.aliases)) != nil {
			t.Error("of an alias that is not there")
		}
	}
}

func TestTheRingKeepsWhatWhyShows(t *testing.T) {
	ring := NewRing()
	r := New(ring)
	for _, k := range []Kind{Decided, Lasts, Moved, HandoverBegun, HandoverEnded, PairMisfit, PairFits, Failed, Started, Lost, "fenced"} {
		r.Record(Event{Kind: k, Alias: one(1)})
		r.Record(Event{Kind: k}) // of the Monitor
	}
	other := Alias{one(1).Addr, "eth1"}
	r.Record(Event{Kind: Moved, Alias: other})
	if d := cmp.Diff([]uint64{1, 5, 7, 9, 11}, seqs(ring.Of(one(1)))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff([]uint64{23}, seqs(ring.Of(other))); d != "" {
		t.Errorf("the same address on another NIC: -want +got:\n%s", d)
	}
	ring.Keep(other)
	if len(ring.Of(one(1))) != 0 || len(ring.Of(other)) != 1 {
		t.Error("Keep forgot the wrong alias")
	}
}

func TestOlderEventsGoBeforeAndAreNotCountedTwice(t *testing.T) {
	ring := NewRing(one(1))
	event := func(run Run, seq uint64, a Alias) Event {
		return Event{Run: run, Seq: seq, Kind: Moved, Alias: a, Time: start.Add(-time.Hour)}
	}
	for n := uint64(3); n <= 6; n++ {
		ring.Put(event(2, n, one(1)))
	}
	read := []Event{
		event(1, 1, one(1)), event(1, 2, one(9)), event(1, 3, one(1)), {Run: 1, Seq: 4, Kind: Failed, Alias: one(1)},
		event(2, 1, one(1)), event(2, 3, one(1)), event(2, 4, one(1)),
	}
	want := []uint64{1, 3, 1, 3, 4, 5, 6}
	for range 2 {
		ring.Preload(read)
		if d := cmp.Diff(want, seqs(ring.Of(one(1)))); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
	if ring.Of(one(9)) != nil {
		t.Error("an alias that is not in the file")
	}
	var many []Event
	for n := uint64(1); n <= 100; n++ {
		many = append(many, event(0, n, one(1)))
	}
	ring.Preload(many)
	if d := cmp.Diff(append(upTo(44, 100), want...), seqs(ring.Of(one(1)))); d != "" {
		t.Errorf("no more than there is room for, the newest: -want +got:\n%s", d)
	}
}

func TestPreloadWhereThereIsLessRoomThanBefore(t *testing.T) {
	ring := NewRing(one(1))
	for n := uint64(1); n <= 64; n++ {
		ring.Put(Event{Run: 2, Seq: n, Kind: Moved, Alias: one(1)})
	}
	for n := 2; n < 1000; n++ { // aliases that it was not told of
		ring.Put(Event{Run: 2, Seq: 1, Kind: Moved, Alias: one(n)})
	}
	ring.Preload([]Event{{Run: 1, Seq: 1, Kind: Moved, Alias: one(1)}})
	if d := cmp.Diff(upTo(1, 64), seqs(ring.Of(one(1)))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A route may have thirty next hops: an event of it then has sixty facts, and two thousand
// routes have as many times as many.
func TestOfManyFactsOnlyTheNewestAreRemembered(t *testing.T) {
	long := func(seq uint64, name string) Event {
		return Event{Kind: RouteMoved, Seq: seq, Route: name, Facts: make([]Fact, 60)}
	}
	for routes, most := range map[int]int{1: ringLength * 60, 2000: ringLeast * factsEach} {
		r := NewRing()
		names := make([]string, routes)
		for i := range names {
			names[i] = fmt.Sprint("route ", i)
		}
		r.KeepRoutes(names)
		r.Preload([]Event{long(1, names[0]), long(2, names[0]), long(3, names[0]), long(4, names[0])})
		for n := range uint64(ringLength) {
			r.Put(long(5+n, names[0]))
		}
		events, facts := r.OfRoute(names[0]), 0
		for i, e := range events {
			if facts += len(e.Facts); i > 0 && len(e.Facts) < len(events[i-1].Facts) {
				t.Errorf("%d routes: the facts of a newer event went first", routes)
			}
		}
		if facts > most || len(events[len(events)-1].Facts) == 0 || len(events) < ringLeast {
			t.Errorf("%d routes: %d facts in %d events", routes, facts, len(events))
		}
	}
}
