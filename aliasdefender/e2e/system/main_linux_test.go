package system

import (
	"flag"
	"strings"
	"testing"

	"alias-defender/aliasdefender/lab"
)

// systemDir has the directories root, a Debian system, and program, what make install
// laid out. make test-system-deps and make test-system fill them.
var systemDir = flag.String("system", "", "boot the Debian system in this `directory`, which make test-system-deps makes; \"\": play nothing")

// reportFile is where the table of figures goes, besides the test's output.
var reportFile = flag.String("report", "", "write the table of what was measured to this `file`")

// TestMain leaves what is played on real systems to make test-system: without a system
// these are no tests of this run, and not skipped ones.
func TestMain(m *testing.M) {
	lab.Main(func() int {
		if flag.Parse(); *systemDir == "" {
			others := strings.Trim(flag.Lookup("test.skip").Value.String()+"|OfARealSystem$", "|")
			if err := flag.Set("test.skip", others); err != nil {
				panic(err)
			}
		}
		return m.Run()
	})
}
