//go:build race

package rules

// raceEnabled leaves the long search to the run without the race detector: one
// goroutine does it, and it would take ten times as long.
const raceEnabled = true
