package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"alias-defender/aliasdefender/host"
)

// runSolaris set to 1, beside runMain, makes the program drive ifconfig, as on
// Solaris: the one in the directory bin beside its --aliases.
const runSolaris = "ALIASDEFENDER_RUN_SOLARIS"

func solarisHost() (system, error) {
	i := slices.Index(os.Args, "--aliases")
	if i < 0 || i+1 == len(os.Args) {
		return system{}, errors.New("no --aliases, and so no ifconfig")
	}
	h, err := host.NewIfconfig(host.Programs(filepath.Join(filepath.Dir(os.Args[i+1]), "bin")))
	if err != nil {
		return system{}, err
	}
	begun := time.Now()
	return system{host: h, watch: h.Watch, boottime: func() time.Duration { return time.Since(begun) }}, nil
}
