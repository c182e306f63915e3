//go:build race

package defender

import "testing"

// raceEnabled leaves the thousands of stories to the run without the race detector,
// which would take ten times as long for them. Those of one story each it watches.
const raceEnabled = true

// leftToTheOther tells that a test is left to the run without the race detector, under
// which it takes as long as a hundred others. What it does they do as well, with fewer
// aliases.
func leftToTheOther(t *testing.T) bool {
	t.Log("left to the run without the race detector, where make test plays it")
	return true
}

// aThousand aliases are fewer here: they would take as long as all other tests together.
const aThousand = 200
