package nstest

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Ended waits until a process has ended, a child of somebody else's too, whether or not
// its parent has asked yet how.
func Ended(t testing.TB, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return
	}
	if err != nil {
		t.Fatalf("watch process %d: %v", pid, err)
	}
	defer unix.Close(fd)
	for over := time.Now().Add(Patience); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, max(0, int(time.Until(over)/time.Millisecond)))
		switch {
		case err == unix.EINTR:
		case err != nil:
			t.Fatalf("watch process %d: %v", pid, err)
		case n == 0:
			t.Fatalf("process %d is still there", pid)
		default:
			return
		}
	}
}
