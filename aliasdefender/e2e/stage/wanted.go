package stage

import (
	"os"
	"os/exec"
	"testing"
)

// Must ends the test where there is an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Read is a file's text.
func Read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	Must(t, err)
	return string(b)
}

// WantedFile is Wanted of a file that make test-deps installs.
func WantedFile(t *testing.T, path, what string) {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: no %s; 'make test-deps' installs it", what, path)
	}
	t.Skipf("SKIPPED, NOTHING TESTED: %s is missing: no %s; 'make test-deps' installs it", what, path)
}

// Wanted skips the test if a program that it needs is missing, and fails it in CI: a
// test that nobody runs proves nothing.
func Wanted(t *testing.T, program, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing; 'make test-deps' installs it (Debian: %s)", program, debianPackage)
	}
	t.Skipf("SKIPPED, NOTHING TESTED: %s is missing; 'make test-deps' installs it (Debian: %s)", program, debianPackage)
}
