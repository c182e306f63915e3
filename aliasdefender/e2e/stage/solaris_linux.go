package stage

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/solaristest"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// RunSolaris set to 1, beside RunMain, makes the program drive ifconfig as on
// Solaris: the ifconfig in the directory bin beside its --aliases.
const RunSolaris = "ALIASDEFENDER_RUN_SOLARIS"

// solaris is the fake ifconfig, built once for all the tests of a package.
var solaris struct {
	once    sync.Once
	dir     string // removed when all tests have ended
	program string
	err     error
}

// Ifconfig puts the programs of a Solaris machine where the Monitor of a host looks
// for them.
func Ifconfig(t *testing.T, p *pair.Pair, h *lab.Host, m solaristest.Machine) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		lab.Skip(t, "the fake ifconfig has to be built: %v", err)
	}
	s := &solaris
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "solaris"); s.err == nil {
			s.program, s.err = solaristest.Build(s.dir)
		}
	})
	Must(t, s.err)
	Must(t, solaristest.Install(p.File(h, "bin"), s.program, &m, true))
}

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
