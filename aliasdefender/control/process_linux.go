package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// listener is who listens at the other end (SO_PEERCRED, unix(7)).
func listener(c *net.UnixConn) (Process, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Process{}, err
	}
	var p Process
	var asked error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if asked = err; err == nil {
			p = Process{PID: int(cred.Pid), UID: int(cred.Uid)}
		}
	})
	if err == nil {
		err = asked
	}
	return p, err
}
