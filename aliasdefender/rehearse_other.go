//go:build !linux

package main

import (
	"context"
	"errors"

	"aliasdefender/config"
)

// rehearsal is what cannot be had here.
type rehearsal struct {
	plan      *plan
	onExit    config.OnExit
	scenarios []scenario
	program   []string
	env       []string
	progress  *progress
}

func (*rehearsal) run(context.Context) (*rehearsalReport, error) {
	return nil, errors.New("Rehearse needs Linux")
}
