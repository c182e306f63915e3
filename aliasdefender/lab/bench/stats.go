package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// figure is a value over the runs that count.
type figure struct {
	Median, Min, Max float64
	N                int
	AtLeast          bool // the median, or a value above it, had not ended
	MaxAtLeast       bool
}

// of sums up a value of one program. Values that had not ended count as the largest,
// with the time that we watched.
func of(runs []Run, program, variant, value string) (f figure) {
	type one struct {
		v    float64
		open bool
	}
	var all []one
	for _, r := range runs {
		if r.Program != program || r.Variant != variant || r.Failed != "" {
			continue
		}
		if v, open, ok := r.value(value); ok {
			all = append(all, one{v, open})
		}
	}
	if f.N = len(all); f.N == 0 {
		return f
	}
	slices.SortFunc(all, func(a, b one) int {
		if a.open != b.open {
			if a.open {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.v, b.v)
	})
	low, high := all[(f.N-1)/2], all[f.N/2]
	f.Median, f.AtLeast = (low.v+high.v)/2, high.open
	f.Min, f.Max, f.MaxAtLeast = all[0].v, all[f.N-1].v, all[f.N-1].open
	return f
}

// number is a figure as a table has it: three digits, thousands apart.
func number(v float64) string {
	decimals := 0
	switch {
	case v == float64(int64(v)):
	case v < 1:
		decimals = 2
	case v < 100:
		decimals = 1
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	whole, rest, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return whole
}
