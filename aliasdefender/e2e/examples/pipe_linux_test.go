package examples

import (
	"bufio"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
)

// listens makes a named pipe, into which programs in the place of the system's write what
// they are asked to do, and returns the lines. It hears until the test ends.
func listens(t *testing.T, path string) <-chan string {
	t.Helper()
	stage.Must(t, unix.Mkfifo(path, 0o600))
	pipe, err := os.OpenFile(path, os.O_RDWR, 0) // so that it does not end with a program
	stage.Must(t, err)
	lines := make(chan string, 1000) // no test has as many
	var hearing sync.WaitGroup
	hearing.Go(func() {
		defer close(lines)
		for s := bufio.NewScanner(pipe); s.Scan(); {
			lines <- s.Text()
		}
	})
	t.Cleanup(func() { pipe.Close(); hearing.Wait() })
	return lines
}

// line is the next line that is heard.
func line(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case l := <-lines:
		return l
	case <-stage.Patiently(t).Done():
		t.Fatal("nothing is written into the pipe")
		return ""
	}
}
