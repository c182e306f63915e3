package agenda

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestAgendaGivesWhatIsDueInTheOrderOfItsTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	start := time.Now()
	var g Agenda
	tasks := make([]Entry, 200)
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Millisecond) }
	want := map[*Entry]bool{}
	for range 5000 {
		one := &tasks[rng.IntN(len(tasks))]
		if rng.IntN(4) == 0 {
			g.Set(one, time.Time{})
			delete(want, one)
			continue
		}
		g.Set(one, at(1+rng.IntN(1000)))
		want[one] = true
	}
	if len(g) != len(want) {
		t.Fatalf("%d tasks stand in it, want %d", len(g), len(want))
	}
	now, last := at(500), time.Time{}
	for one := g.Take(now); one != nil; one = g.Take(now) {
		if one.at.Before(last) || one.at.After(now) || !want[one] {
			t.Fatalf("given at %v: %v after %v", now, one.at, last)
		}
		last = one.at
		delete(want, one)
	}
	for one := range want {
		if !one.at.After(now) {
			t.Errorf("not given, though due: %v", one.at)
		}
	}
	if len(g) != len(want) || len(want) > 0 && g.Next().Before(now) {
		t.Errorf("%d left, want %d; the next at %v", len(g), len(want), g.Next())
	}
}
