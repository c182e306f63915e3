//go:build !race

package record

const (
	racing = false
	storm  = 100_000 // events
)
