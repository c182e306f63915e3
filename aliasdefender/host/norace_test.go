//go:build !race

package host_test

// allocationsOfZones is what four frames may allocate, two of them about link-local
// addresses.
const allocationsOfZones = 0
