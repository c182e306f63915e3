//go:build !race

package defender

const raceEnabled = false

const aThousand = 1000
