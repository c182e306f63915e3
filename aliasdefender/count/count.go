// Package count counts durations by their size, for packages that show them as a
// histogram.
//
// It has no lock: the owner of a Histogram does the counting and hands out copies.
package count

import "time"

// Bounds are the upper bounds of the buckets. What is longer than the last is in one more.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 300 * time.Microsecond, time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond,
	30 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second,
}

// Histogram is how many durations there were of each size. A copy of it is independent.
type Histogram struct {
	Buckets [len(Bounds) + 1]uint64 // each without the smaller ones
	Sum     time.Duration
}

// Add counts one more. A negative one, from a clock that stepped, counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.Sum += d
	for i, most := range Bounds {
		if d <= most {
			h.Buckets[i]++
			return
		}
	}
	h.Buckets[len(Bounds)]++
}
