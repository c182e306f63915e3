package stage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/host"
)

// RunSolaris set to 1, beside RunMain, makes the program drive ifconfig, as on
// Solaris: the one in the directory bin beside its --aliases.
const RunSolaris = "ALIASDEFENDER_RUN_SOLARIS"

func solarisHost() (daemon.System, error) {
	i := slices.Index(os.Args, "--aliases")
	if i < 0 || i+1 == len(os.Args) {
		return daemon.System{}, errors.New("no --aliases, and so no ifconfig")
	}
	h, err := host.NewIfconfig(host.Programs(filepath.Join(filepath.Dir(os.Args[i+1]), "bin")))
	if err != nil {
		return daemon.System{}, err
	}
	begun := time.Now()
	return daemon.System{Host: h, Watch: h.Watch, Boottime: func() time.Duration { return time.Since(begun) }}, nil
}
