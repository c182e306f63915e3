//go:build race

package record

const (
	racing = true   // the detector allocates, and takes twenty times as long
	storm  = 10_000 // events
)
