package lab

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Flood sends frames from the NIC until ctx is done: each millisecond so many, or as
// many as this process comes to. It returns how many were sent. What the kernel has no
// room for is lost, as in a storm. frame is called with the number of the frame.
func (n *NIC) Flood(ctx context.Context, each int, frame func(i int) Frame) (sent int, err error) {
	fd, to := -1, &unix.SockaddrLinklayer{}
	err = n.use(func() error {
		to.Ifindex = n.index
		return n.Host.space.do(func() (err error) {
			fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("flood from %s of %s: %w", n.Name, n.Host.Name, err)
	}
	defer unix.Close(fd)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		for range each {
			if unix.Sendto(fd, frame(sent).marshal(), 0, to) == nil {
				sent++
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return sent, nil
		}
	}
}
