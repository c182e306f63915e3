//go:build !linux

package main

import (
	"context"
	"errors"
)

// rehearsal is what cannot be had here.
type rehearsal struct {
	plan      *plan
	daemons   daemons
	scenarios []scenario
	program   []string
	env       []string
	progress  *progress
}

func (*rehearsal) run(context.Context) (*rehearsalReport, error) {
	return nil, errors.New("Rehearse needs Linux")
}
