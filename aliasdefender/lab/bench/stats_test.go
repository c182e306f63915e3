package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFigureIsTheMedianOfTheRunsThatCount(t *testing.T) {
	run := func(v float64) Run { return Run{Program: ours, Values: map[string]float64{"gap_ms": v}} }
	open := func(v float64) Run {
		r := run(v)
		r.Open = []string{"gap_ms"}
		return r
	}
	failed := run(9999)
	failed.Failed = "it was not let run"
	variant := run(9999)
	variant.Variant = "another"
	for _, tt := range []struct {
		name string
		runs []Run
		want figure
	}{
		{"none", nil, figure{}},
		{"an odd number", []Run{run(3), run(1), run(2)}, figure{Median: 2, Min: 1, Max: 3, N: 3}},
		{"an even number", []Run{run(4), run(1), run(2), run(3)}, figure{Median: 2.5, Min: 1, Max: 4, N: 4}},
		{"others are left out", []Run{failed, variant, {Program: keepalived, Values: map[string]float64{"gap_ms": 7}}, run(5), {Program: ours}},
			figure{Median: 5, Min: 5, Max: 5, N: 1}},
		{"what had not ended is the longest", []Run{open(6), run(7), run(1)}, figure{Median: 7, Min: 1, Max: 6, N: 3, MaxAtLeast: true}},
		{"in whatever order", []Run{run(7), run(1), open(6)}, figure{Median: 7, Min: 1, Max: 6, N: 3, MaxAtLeast: true}},
		{"most had not ended", []Run{open(6), open(6), run(1)}, figure{Median: 6, Min: 1, Max: 6, N: 3, AtLeast: true, MaxAtLeast: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, of(tt.runs, ours, "", "gap_ms")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNumbersAreAsLongAsTheyMean(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 7: "7", 0.123: "0.12", 3.16: "3.2", 35.46: "35.5", 352.4: "352", 3173.2: "3,173", 1234567: "1,234,567", 10500.4: "10,500",
	} {
		if got := number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}
