package control

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The kernel says who listens, whatever the Monitor says of itself.
func TestTheKernelSaysWhoListens(t *testing.T) {
	socket, _ := serve(t, Handlers{})
	if got, err := Dial(socket).Process(t.Context()); err != nil || got != (Process{PID: os.Getpid(), UID: os.Getuid()}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Dial(filepath.Join(t.TempDir(), "none")).Process(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("nobody listens: %v", err)
	}
}
