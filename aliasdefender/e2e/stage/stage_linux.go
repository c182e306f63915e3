package stage

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"alias-defender/aliasdefender/cli"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// RunMain set to 1 makes the test binary be the program, for tests that start
// Monitors in the lab as /proc/self/exe.
const RunMain = "ALIASDEFENDER_RUN_MAIN"

// DefaultAliases names the table of aliases that the program reads where its command
// line names none, so that no test reads one of this machine.
const DefaultAliases = "ALIASDEFENDER_TEST_ALIASES"

// program is the name by which the init script knows it.
const program = "aliasdefender"

// Usual is the rhythm for stories that need no other: fast, and in make soak one
// second.
func Usual() string {
	if Soak() {
		return `interval = "1s"`
	}
	return `interval = "500ms"`
}

// Main is the whole of a TestMain. open makes the program work on another network
// than its host's; nil: its host's.
func Main(m *testing.M, open func() (daemon.System, error)) {
	if os.Getenv(RunSolaris) == "1" {
		open = solarisHost
	}
	if os.Getenv(RunMain) == "1" || filepath.Base(os.Args[0]) == program {
		os.Exit(cli.Run(context.Background(), os.Args[1:], cli.Options{
			Version: "test", Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Aliases: os.Getenv(DefaultAliases), Open: open,
		}))
	}
	lab.Main(func() int {
		go watchKernel()
		defer func() { os.RemoveAll(solaris.dir) }()
		return m.Run()
	})
}

// Stage is the setup of a pair. The zero Stage has the usual rhythm, no keys, and IPv4
// addresses.
type Stage struct {
	Settings string
	Keys     []string
	IPv6     bool
}

// Pair builds a pair on the zero Stage. No Monitor runs yet.
func Pair(t *testing.T, spec pair.Spec) *pair.Pair {
	t.Helper()
	return Stage{}.Pair(t, spec)
}

// Begun is a pair on the zero Stage with the primary serving.
func Begun(t *testing.T) *pair.Pair {
	t.Helper()
	return Stage{}.Begun(t)
}

// BegunWith is a pair on the zero Stage in which the primary serves n aliases.
func BegunWith(t *testing.T, n int, settings string) *pair.Pair {
	t.Helper()
	return Stage{}.BegunWith(t, n, settings)
}

// Pair builds the pair, which runs this test binary as the program.
func (s Stage) Pair(t *testing.T, spec pair.Spec) *pair.Pair {
	t.Helper()
	l := lab.ForTest(t)
	dir, err := os.MkdirTemp("", "ad") // t.TempDir is too long for a socket
	Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	spec.Dir = dir
	spec.Program = []string{lab.Self()}
	spec.Env = append(spec.Env, RunMain+"=1")
	if spec.Every == 0 && !Soak() {
		spec.Every = 5 * time.Millisecond // a gap that counts has 20
	}
	if spec.Settings == "" {
		spec.Settings = s.Settings
	}
	if spec.Settings == "" {
		spec.Settings = Usual()
	}
	if spec.Keys == nil {
		spec.Keys = s.Keys
	}
	spec.IPv6 = spec.IPv6 || s.IPv6
	p, err := pair.New(l, spec)
	Must(t, err)
	return p
}

// Begun is a pair with the primary serving.
func (s Stage) Begun(t *testing.T) *pair.Pair {
	t.Helper()
	p := s.Pair(t, pair.Spec{PrimaryA: true})
	Must(t, p.Begin(Patience))
	Held(t, p, "a")
	return p
}

// BegunWith is a pair in which the primary serves n aliases.
func (s Stage) BegunWith(t *testing.T, n int, settings string) *pair.Pair {
	t.Helper()
	p := s.Pair(t, pair.Spec{PrimaryA: true, Settings: settings})
	Put(t, p, p.A, settings, RowsOf(p.Addresses, n, true))
	Put(t, p, p.B, settings, RowsOf(p.Addresses, n, false))
	last, err := p.Lab.Watch(RowsOf(p.Addresses, n, true)[n-1].Alias.Addr())
	Must(t, err)
	Must(t, p.Begin(Patience))
	Held(t, p, "a")
	Must(t, last.Wait(Patiently(t), "a"))
	WaitAddrs(t, p.A, RowsOf(p.Addresses, n, true))
	return p
}
