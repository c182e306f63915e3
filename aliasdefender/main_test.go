package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"alias-defender/aliasdefender/host/solaristest"
	"alias-defender/aliasdefender/lab"
)

// runMain set to 1 makes the test binary be the program, for tests that start
// Monitors in the lab as /proc/self/exe.
const runMain = "ALIASDEFENDER_RUN_MAIN"

// program is the name by which the scripts call it.
const program = "aliasdefender"

func TestMain(m *testing.M) {
	// A script's program too must not enter the lab, which would make an
	// ordinary user root.
	solaristest.Main()
	if os.Getenv(runSolaris) == "1" {
		openHost = solarisHost
	}
	if os.Getenv(runMain) == "1" || filepath.Base(os.Args[0]) == program {
		version = "test"
		main()
	}
	lab.Main(func() int {
		testscript.Main(m, map[string]func(){program: main}) // exits by itself
		return 0
	})
}
