//go:build race

package rules

// raceEnabled leaves the long search to the run without the race detector: it uses
// one goroutine, and would take ten times as long.
const raceEnabled = true
