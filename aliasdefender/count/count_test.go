package count

import (
	"testing"
	"time"
)

func TestADurationIsInTheBucketOfItsSize(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{-time.Hour, 0, 100 * time.Microsecond, 101 * time.Microsecond, 3 * time.Second, 3*time.Second + 1, time.Hour} {
		h.Add(d)
	}
	want := [len(Bounds) + 1]uint64{0: 3, 1: 1, len(Bounds) - 1: 1, len(Bounds): 2}
	if h.Buckets != want {
		t.Errorf("%v; want %v", h.Buckets, want)
	}
	if sum := time.Hour + 6*time.Second + 201*time.Microsecond + 1; h.Sum != sum {
		t.Errorf("the sum is %v; want %v", h.Sum, sum)
	}
}

func TestACopyIsIndependent(t *testing.T) {
	var h Histogram
	was := h
	h.Add(0)
	if was != (Histogram{}) {
		t.Error("it counts on")
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Add(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
