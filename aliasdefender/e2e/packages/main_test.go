package packages

import (
	"flag"
	"os"
	"strings"
	"testing"
)

// packagesDir is what make packages has filled.
var packagesDir = flag.String("packages", "", "compare the packages in this `directory`, which make packages makes; \"\": compare nothing")

// TestMain leaves the comparison to make packages-check: without packages these are no tests
// of this run, and not skipped ones.
func TestMain(m *testing.M) {
	if flag.Parse(); *packagesDir == "" {
		others := strings.Trim(flag.Lookup("test.skip").Value.String()+"|OfMadePackages$", "|")
		if err := flag.Set("test.skip", others); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
