package system

import (
	"flag"
	"testing"

	"alias-defender/aliasdefender/lab"
)

// systemDir has the directories root, a Debian system, and program, what make install
// laid out. make test-system-deps and make test-system fill them.
var systemDir = flag.String("system", "", "boot the Debian system in this `directory`, which make test-system-deps makes; \"\": play nothing")

// reportFile is where the table of figures goes, besides the test's output.
var reportFile = flag.String("report", "", "write the table of what was measured to this `file`")

func TestMain(m *testing.M) { lab.Main(m.Run) }

// wanted skips the tests of real systems unless somebody asks for them. They are for
// make test-system, and a run of all tests does not miss them.
func wanted(t *testing.T) {
	t.Helper()
	if *systemDir == "" {
		t.Skip("real systems are for make test-system")
	}
}
