package stage

import (
	"path/filepath"
	"strings"
	"testing"
)

// Package is the file of the one package with this end of its name that the last make
// packages has put into a directory. There may be those of other versions beside it.
func Package(t *testing.T, dir, end string) string {
	t.Helper()
	var found []string
	for line := range strings.Lines(Read(t, filepath.Join(dir, "SHA256SUMS"))) {
		if _, name, _ := strings.Cut(strings.TrimSpace(line), "  "); strings.HasSuffix(name, end) {
			found = append(found, filepath.Join(dir, name))
		}
	}
	if len(found) != 1 {
		t.Fatalf("there is not one package *%s: %v", end, found)
	}
	return found[0]
}
