package main

import (
	"os"
	"testing"

	"aliasdefender/lab"
)

// runMain set to 1 makes the test binary be the program, for tests that start
// Monitors in the lab as /proc/self/exe.
const runMain = "ALIASDEFENDER_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) == "1" {
		main()
	}
	lab.Main(m.Run)
}
