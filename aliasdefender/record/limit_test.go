package record

import (
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// limitFiles has the kernel cut each write of this process that would make a file
// longer, until unlimitFiles.
func limitFiles(t *testing.T, most uint64) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: most, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unlimitFiles(t) })
}

func unlimitFiles(t *testing.T) {
	t.Helper()
	var is unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &is); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: is.Max, Max: is.Max}); err != nil {
		t.Fatal(err)
	}
	signal.Reset(syscall.SIGXFSZ)
}
