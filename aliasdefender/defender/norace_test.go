//go:build !race

package defender

import "testing"

const raceEnabled = false

const aThousand = 1000

// leftToTheOther is for the run with the race detector.
func leftToTheOther(*testing.T) bool { return false }
