package system

import (
	"context"
	"os/exec"
	"testing"
	"time"
)

// patiently is a context that ends with patience, or with the test.
func patiently(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// until waits for something that can only be found out by asking.
func until(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waiting until %s: %v", what, ctx.Err())
		}
	}
}

// command runs a program of this machine.
func command(t *testing.T, argv ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(patiently(t), argv[0], argv[1:]...).CombinedOutput()
	return string(out), err
}
