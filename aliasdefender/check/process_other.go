//go:build !linux

package check

import "context"

// process is for Linux: package config refuses such a check elsewhere.
func process(context.Context, string) Answer {
	return unknown("processes can be looked for on Linux only")
}
