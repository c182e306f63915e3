package nstest

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// Gone checks that no goroutine is in any of these functions. One that has done
// its work may need a moment to leave.
func Gone(t testing.TB, functions ...string) {
	t.Helper()
	buf := make([]byte, 1<<20)
	deadline := time.Now().Add(Patience)
	for _, f := range functions {
		for strings.Contains(string(buf[:runtime.Stack(buf, true)]), f) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is still running:\n%s", f, buf)
			}
			runtime.Gosched()
		}
	}
}
