package hearing

import (
	"errors"
	"testing"
	"time"
)

func TestABacklogLastsUntilAllIsTakenIn(t *testing.T) {
	var b Backlog
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, step := range []struct {
		all, over bool
		behind    time.Duration // a second later
	}{
		{true, false, 0}, {false, false, time.Second}, {false, false, 2 * time.Second}, {true, true, 0}, {true, false, 0}, {false, false, time.Second},
	} {
		if over := b.TookIn(step.all, at); over != step.over {
			t.Errorf("step %d: over is %t", i, over)
		}
		at = at.Add(time.Second)
		if behind := b.Behind(at); behind != step.behind {
			t.Errorf("step %d: %s behind, want %s", i, behind, step.behind)
		}
	}
}

func TestAListenerThatKeepsStoppingIsSaidOnceAMinute(t *testing.T) {
	var s Stops
	down, gone := errors.New("network is down"), errors.New("no such device")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, step := range []struct {
		after time.Duration
		why   error
		say   bool
	}{
		{0, down, true}, {time.Second, down, false}, {time.Second, gone, true}, {time.Second, down, true}, {59 * time.Second, down, false}, {time.Second, down, true},
	} {
		at = at.Add(step.after)
		if say := s.Say(step.why, at); say != step.say {
			t.Errorf("step %d: %t", i, say)
		}
	}
}
