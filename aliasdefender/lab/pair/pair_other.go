//go:build !linux

// Package pair puts two hosts that run Alias Defender on one switch of a lab.
// Its all needs Linux.
package pair
