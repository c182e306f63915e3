package main

import (
	"strings"
	"testing"
	"time"
)

func TestChoosesByStoryAndRhythm(t *testing.T) {
	for _, tt := range []struct {
		only, rates string
		want        []string // story rhythm aliases, or the error
	}{
		{"crash,loss", "", []string{"crash 1s 1", "crash 100ms 1", "crash 10ms 1", "loss 100ms 1", "loss 10ms 1"}},
		{"take, crash", "1s", []string{"crash 1s 1", "take 1s 1000"}},
		{"cpu", "1s,default", []string{"cpu 1s 1", "cpu 1s 100", "cpu 1s 1000", "cpu default 1", "cpu default 100", "cpu default 1000"}},
		{"crush", "", []string{`-only: "crush" is none of crash, cable, cut, stop, partition, kill, loss, cpu, take`}},
		{"", "2s", []string{`-rates: "2s" is none of 1s, 100ms, 10ms, default`}},
		{"loss", "1s", []string{"-only loss has nothing at -rates 1s: leave one of them out"}},
	} {
		parts, err := choose(tt.only, tt.rates)
		var got []string
		for _, p := range parts {
			got = append(got, p.story.Key+" "+p.rate.Name+" "+number(float64(p.aliases)))
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if a, b := strings.ReplaceAll(strings.Join(got, "\n"), ",000", "000"), strings.Join(tt.want, "\n"); a != b {
			t.Errorf("-only %q -rates %q: got\n%s\nwant\n%s", tt.only, tt.rates, a, b)
		}
	}
}

func TestEachComparisonHasBothProgramsButForTheDefaultRhythm(t *testing.T) {
	for _, s := range stories {
		programs := map[string]bool{}
		for _, e := range s.Entries {
			programs[e.Program] = true
		}
		if want := 2 - len(programs); want != 0 && s.Rates[0] != defaultRate {
			t.Errorf("%s compares %v", s.Key, programs)
		}
	}
}

func TestEstimateGrowsWithTheRunsAndTheRhythm(t *testing.T) {
	slow, err := choose("crash", "1s")
	if err != nil {
		t.Fatal(err)
	}
	fast, err := choose("crash", "10ms")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := estimate(slow, 5), estimate(slow, 1); a != 5*b || b < 30*time.Second || b > 4*time.Minute {
		t.Errorf("5 runs %v, 1 run %v", a, b)
	}
	if a, b := estimate(slow, 1), estimate(fast, 1); a <= b {
		t.Errorf("%v at 1 s, %v at 10 ms", a, b)
	}
}
