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

func TestWhatIsDueNowIsGivenNow(t *testing.T) {
	var g Agenda
	one, at := &Entry{}, time.Now()
	g.Set(one, at)
	if g.Take(at.Add(-1)) != nil || g.Take(at) != one || !g.Next().IsZero() {
		t.Error("it is given once its time has come, and neither before nor after")
	}
}

func TestGridIsAfterNow(t *testing.T) {
	epoch := time.Now()
	for since, want := range map[time.Duration]time.Duration{0: 10, 9: 10, 10: 20, 11: 20, 39: 40} {
		if got := Grid(epoch, epoch.Add(since), 10).Sub(epoch); got != want {
			t.Errorf("at %d the next whole multiple of 10 is %d, want %d", since, got, want)
		}
	}
}
