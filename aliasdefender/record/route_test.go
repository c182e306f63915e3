package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ofRoute is an event about a route.
func ofRoute(name string, kind Kind) Event { return Event{Time: start, Route: name, Kind: kind} }

func TestTheRingRemembersRoutesBesideAliases(t *testing.T) {
	ring := NewRing()
	r := New(ring)
	ring.Keep(one(1))
	ring.KeepRoutes([]string{"192.0.2.32/27", "192.0.2.64/27"})
	r.Record(take(one(1)))                            // 1
	r.Record(ofRoute("192.0.2.32/27", RouteMoved))    // 2
	r.Record(ofRoute("192.0.2.64/27", RouteDecided))  // 3
	r.Record(ofRoute("192.0.2.32/27", HookRan))       // 4: Why shows it elsewhere
	r.Record(ofRoute("192.0.2.32/27", RouteVanished)) // 5
	if d := cmp.Diff([]uint64{2, 5}, seqs(ring.OfRoute("192.0.2.32/27"))); d != "" {
		t.Error(d)
	}
	ring.KeepRoutes([]string{"192.0.2.32/27"}) // and the aliases stay
	ring.Keep(one(1))                          // and the routes
	if n := len(ring.OfRoute("192.0.2.64/27")); n != 0 {
		t.Errorf("%d events of a route that is gone", n)
	}
	if len(ring.OfRoute("192.0.2.32/27")) != 2 || len(ring.Of(one(1))) != 1 {
		t.Errorf("forgotten: %v, %v", ring.OfRoute("192.0.2.32/27"), ring.Of(one(1)))
	}
}

func TestWhatAnEarlierRunWroteOfARouteIsRead(t *testing.T) {
	dir := t.TempDir()
	earlier := begin(t, dir, 1<<20, nil)
	e := ofRoute("192.0.2.32/27", RouteMoved)
	e.Via, e.ViaOld = "10.1.0.3", "10.1.0.2"
	earlier.Record(e)
	earlier.Record(ofRoute("203.0.113.0/24", RouteMoved))
	if _, err := earlier.wait(t); err != nil {
		t.Fatal(err)
	}
	ring := NewRing()
	ring.KeepRoutes([]string{"192.0.2.32/27"})
	if _, err := Load(dir, ring); err != nil {
		t.Fatal(err)
	}
	got := ring.OfRoute("192.0.2.32/27")
	if len(got) != 1 || got[0].Via != "10.1.0.3" || got[0].ViaOld != "10.1.0.2" || len(ring.OfRoute("203.0.113.0/24")) != 0 {
		t.Errorf("%+v", got)
	}
}
