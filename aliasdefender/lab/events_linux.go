package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// subscribe opens a socket for the kernel's notices in the namespace. Unlike the sockets
// of vishvananda/netlink, it ends Receive when it is closed, and waits without a thread
// of its own.
func (s *space) subscribe(groups uint32) (*netlink.Conn, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: s.fd, Groups: groups})
	if err != nil {
		return nil, fmt.Errorf("subscribe to the kernel's notices: %w", err)
	}
	return c, nil
}

// awaitLinks calls done now and after each change of a link, until it is true.
func (s *space) awaitLinks(ctx context.Context, done func() (bool, error)) error {
	c, err := s.subscribe(unix.RTMGRP_LINK)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		// ENOBUFS: notices were lost, so something has changed.
		if _, err := c.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) {
			if ctx.Err() != nil {
				return fmt.Errorf("waiting for a link: %w", ctx.Err())
			}
			return err
		}
	}
}
