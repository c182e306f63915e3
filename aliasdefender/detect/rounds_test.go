package detect_test

import (
	"fmt"
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
)

// TestARoundCostsTwoWakes: one puts the questions; at the other, the window's end,
// the answers are taken in, with the times that they carry, and the windows close.
func TestARoundCostsTwoWakes(t *testing.T) {
	for _, r := range []detect.Rhythm{usual, {Interval: 10 * ms, Timeout: 5 * ms, Misses: 3}, {Interval: 20 * time.Second, Timeout: time.Second, Misses: 2}} {
		for _, many := range []int{1, 200} {
			t.Run(fmt.Sprintf("%d each %v", many, r.Interval), func(t *testing.T) {
				b := newBench(t, true)
				b.lazy, b.quiet = true, true
				all := crowd(many)
				b.begin(b.wishes(all, r)...)
				b.run(2*r.Interval - 1)
				b.clear()
				b.check = func() {
					for _, x := range b.set.Targets() {
						f := x.Fact()
						if f.Value.Answer() != "answered" || !f.Miss.IsZero() {
							t.Fatalf("%s: %s", call(x.Key), b.fact(x.Key))
						}
					}
				}
				b.run(102*r.Interval - 1)
				if b.wakes != 200 {
					t.Errorf("%d wakes in 100 rounds, want 200", b.wakes)
				}
				for k, n := range b.asked {
					if n != 100 {
						t.Errorf("%s was asked %d times in 100 rounds", call(k), n)
					}
				}
			})
		}
	}
}

// TestADoubtEndsInTheWakesOfItsQuestions: an answer that comes between two of them
// counts at the next.
func TestADoubtEndsInTheWakesOfItsQuestions(t *testing.T) {
	b := newBench(t, true)
	b.lazy = true
	b.begin(b.wish(alias, usual))
	dies(alias, 1500*ms, 2300*ms)(b)
	b.run(1900 * ms)
	b.clear()
	b.run(2900 * ms)
	b.want(alias, `
		2s alias? arp it
		2.25s alias? arp all
		2.25s alias? ping
		2.25s alias missed: answered since 250ms asked 1.001s miss 2.25s
		2.3125s alias? arp all
		2.3125s alias? ping
		2.375s alias other: answered since 250ms asked 2.3135s
		2.375s alias newer: answered since 250ms asked 2.3135s`)
}

func BenchmarkRound(b *testing.B) {
	for _, many := range []int{1, 1000} {
		for _, held := range []bool{false, true} {
			name := fmt.Sprintf("%d watched", many)
			if held {
				name = fmt.Sprintf("%d held", many)
			}
			b.Run(name, func(b *testing.B) { benchmarkRound(b, many, held) })
		}
	}
}

// benchmarkRound plays rounds in which all that is not held here answers.
func benchmarkRound(b *testing.B, many int, held bool) {
	x := newBench(b, true)
	all := crowd(many)
	x.begin(x.wishes(all, usual)...)
	for _, k := range all {
		if held {
			x.holds(k, true)
		}
	}
	end := x.now
	round := func() {
		end = end.Add(usual.Interval)
		for now := x.set.Next(); now.Before(end); now = x.set.Next() {
			x.set.Turn(now, 1<<20)
			for _, q := range x.set.Questions() {
				if !held || q.Key == router || q.Key == partner || q.Key == witness {
					x.set.Answered(now, q)
				}
			}
			x.set.Changes()
		}
	}
	for range 20 {
		round()
	}
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
}
