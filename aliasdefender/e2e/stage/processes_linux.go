package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Mark is a number of seconds to sleep that no other process has on its command line, nor
// one of another run of this test.
func Mark(n int) string { return fmt.Sprintf("9%07d.%d", os.Getpid(), n) }

// Seen waits until there is a process that has one of these words on its command line: what
// looks for them later would find it.
func Seen(t *testing.T, words ...string) {
	t.Helper()
	for ctx := Patiently(t); len(Processes(t, words...)) == 0; <-time.After(5 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("no process has %q", words)
		}
	}
}

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
