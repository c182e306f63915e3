package host

import (
	"context"
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// watchPause is how long Watch waits before it subscribes again, so that a
// kernel that refuses, or a storm of events, does not become a busy loop.
const watchPause = 100 * time.Millisecond

// Watch calls wake when an interface, an IPv4 address or a default route may
// have changed, and once as soon as it listens: whoever reads the state after
// that misses nothing. Events that the kernel had to drop, and every error,
// lead to a new subscription and a wake. wake must not block. Watch opens its
// socket on the caller's thread and returns when ctx is done, with nil and
// nothing of it left running; an error is that of the first subscription.
func (h *Host) Watch(ctx context.Context, wake func()) error {
	for first := true; ; first = false {
		s, err := nl.Subscribe(unix.NETLINK_ROUTE,
			unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE)
		switch {
		case err == nil:
			wake()
			follow(ctx, s, wake)
		case first:
			return fmt.Errorf("host: subscribe to changes: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchPause):
		}
	}
}

// follow wakes for each message until one cannot be read, and closes s.
func follow(ctx context.Context, s *nl.NetlinkSocket, wake func()) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.Close()
		close(closed)
	})
	defer func() {
		if stop() {
			s.Close()
		} else {
			<-closed
		}
	}()
	for {
		msgs, _, err := s.Receive()
		if err != nil {
			return
		}
		for _, m := range msgs {
			route := m.Header.Type == unix.RTM_NEWROUTE || m.Header.Type == unix.RTM_DELROUTE
			if route && len(m.Data) >= unix.SizeofRtMsg && nl.DeserializeRtMsg(m.Data).Dst_len != 0 {
				continue // a router's table may turn over all day
			}
			wake()
			break // one for all that came together
		}
	}
}
