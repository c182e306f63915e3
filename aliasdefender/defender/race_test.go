//go:build race

package defender

// raceEnabled leaves the thousands of stories to the run without the race
// detector: it does not outlive that many bubbles (a fault in the runtime of Go
// 1.26, not in a goroutine of ours). Those of one story each it watches.
const raceEnabled = true

// aThousand aliases are fewer here: they would take as long as all other tests together.
const aThousand = 200
