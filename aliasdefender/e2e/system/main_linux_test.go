package system

import (
	"flag"
	"testing"

	"alias-defender/aliasdefender/lab"
)

// systemDir has the directories root, a Debian system, and program, what make install has
// laid out: make test-system-deps and make test-system fill them.
var systemDir = flag.String("system", "", "boot the Debian system in this `directory`, which make test-system-deps makes; \"\": play nothing")

// reportFile is where the table of figures goes, besides the test's output.
var reportFile = flag.String("report", "", "write the table of what was measured to this `file`")

func TestMain(m *testing.M) { lab.Main(m.Run) }

// wanted skips a test of real systems where nobody has asked for them: this is for make
// test-system, and nothing that a run of all tests has missed.
func wanted(t *testing.T) {
	t.Helper()
	if *systemDir == "" {
		t.Skip("real systems are for make test-system")
	}
}
