package stage

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Processes are those that have one of these words on their command line.
func Processes(t *testing.T, words ...string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	Must(t, err)
	for _, f := range files {
		text, _ := os.ReadFile(f) // it may have ended
		if args := strings.Split(string(text), "\x00"); slices.ContainsFunc(words, func(w string) bool { return slices.Contains(args, w) }) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			Must(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}
