package lab

import (
	"errors"
	"os"
	"strings"
)

// Skip skips the test, saying why; with CI=true in the environment it fails.
func Skip(t TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("skipped: "+format, args...)
	}
	t.Skipf("SKIPPED, NOTHING TESTED: "+format, args...)
}

// ForTest returns a lab that is closed at the test's end, and whose programs'
// output is logged when the test failed. Where namespaces are refused the test
// is skipped, saying why; with CI=true in the environment it fails: a test
// that nobody runs proves nothing.
func ForTest(t TB) *Lab {
	t.Helper()
	l, err := New()
	if errors.Is(err, ErrRefused) {
		Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatalf("lab: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Logf("closing the lab: %v", err)
		}
		if t.Failed() {
			var b strings.Builder
			l.Dump(&b)
			t.Log(b.String())
		}
	})
	return l
}
