package check

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"alias-defender/aliasdefender/host/nstest"
)

// What a command has started goes with it, and does not hold the answer back. One that
// has left the group goes on, but not with our pipe.
func TestACommandLeavesNothingOfItsGroupBehind(t *testing.T) {
	for _, what := range []string{"forks", "leaves"} {
		got := run(t, time.Minute, what)
		if got.State != Good {
			t.Fatalf("%s: %+v", what, got)
		}
		pid, err := strconv.Atoi(strings.Fields(strings.TrimPrefix(got.Output, "waiting\n"))[1])
		if err != nil {
			t.Fatalf("%s: %q", what, got.Output)
		}
		if what == "leaves" {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Errorf("what left the group: %v", err)
			}
			continue
		}
		nstest.Ended(t, pid)
	}
}
