package rules

import (
	"slices"
	"testing"
	"time"
)

func TestMisfitsAreFoundBetweenTwoHalves(t *testing.T) {
	slow := Policy{Interval: time.Second, Timeout: 250 * time.Millisecond, Misses: 3}
	fast := Policy{Interval: 50 * time.Millisecond, Timeout: 10 * time.Millisecond, Misses: 3}
	half := func(p Policy, primary bool, bits int) Half {
		p.Primary = primary
		return Half{Policy: p, Bits: bits}
	}
	for _, c := range []struct {
		name         string
		ours, theirs Half
		want         []Misfit
	}{
		{"a pair", half(slow, true, 24), half(slow, false, 24), nil},
		{"a pair in two rhythms that go together", half(slow, false, 24), half(Policy{Interval: 700 * time.Millisecond, Timeout: 250 * time.Millisecond, Misses: 3}, true, 24), nil},
		{"two primaries", half(slow, true, 24), half(slow, true, 24), []Misfit{BothPrimary}},
		{"no primary, and another mask", half(slow, false, 24), half(slow, false, 25), []Misfit{NonePrimary, OtherMask}},
		{"they are too fast", half(slow, true, 24), half(fast, false, 24), []Misfit{TheyHearLate}},
		{"they bear one lost heartbeat no more", half(slow, true, 24), half(Policy{Interval: time.Second, Timeout: 250 * time.Millisecond, Misses: 1}, false, 24), []Misfit{TheyHearLate}},
		{"we are too fast", half(fast, true, 24), half(slow, false, 24), []Misfit{WeHearLate}},
		{"a rhythm that is not told", half(fast, true, 24), half(Policy{}, false, 24), nil},
		{"a rhythm that we are not told to have", half(Policy{}, true, 24), half(fast, false, 24), nil},
	} {
		if got := Misfits(c.ours, c.theirs); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
