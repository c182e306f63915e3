package program

import "golang.org/x/sys/unix"

// awaitEnd waits until a child has ended, and does not reap it; false: that cannot be
// seen.
func awaitEnd(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}
