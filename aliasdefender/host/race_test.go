//go:build race

package host_test

// allocationsOfZones is what four frames may allocate, two of them about link-local
// addresses: with the race detector a zone costs one.
const allocationsOfZones = 1
