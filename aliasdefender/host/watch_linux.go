package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watchPause is how long Watch waits before it subscribes again, so that a kernel that
// refuses does not keep it busy.
const watchPause = 100 * time.Millisecond

// wakeEvery is how often Watch wakes at most. The first change wakes at once; those that
// follow closely wait, and wake together.
const wakeEvery = 5 * time.Millisecond

// Watch calls wake when an interface, an address or a default route may have changed. It
// also calls wake once as soon as it listens: a caller that reads the state after that
// misses nothing. Changes within 5 ms wake once. Events that the kernel had to drop wake
// too. After an error Watch subscribes again and wakes. wake must not block. Watch opens
// its socket on the caller's thread and returns when ctx is done, with nil and nothing of
// it left running; it returns an error if the first subscription fails.
func (h *Host) Watch(ctx context.Context, wake func()) error {
	return h.watch(ctx, concerns, wake)
}

// watch is Watch for the messages that concern somebody. It shows concerns each message.
func (h *Host) watch(ctx context.Context, concerns func([]byte) bool, wake func()) error {
	for first := true; ; first = false {
		f, err := subscribe()
		switch {
		case err == nil:
			wake()
			follow(ctx, f, concerns, wake)
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

// subscribe opens a socket that the kernel tells its changes to.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	const groups = 1<<(unix.RTNLGRP_LINK-1) |
		1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV4_ROUTE-1) |
		1<<(unix.RTNLGRP_IPV6_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1) |
		1<<(unix.RTNLGRP_IPV6_IFINFO-1) // IPv6 is enabled again on a NIC that has no address of it
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// follow wakes for changes until they can no longer be read, and closes f.
func follow(ctx context.Context, f *os.File, concerns func([]byte) bool, wake func()) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = f.Close()
		close(closed)
	})
	defer func() {
		if stop() {
			_ = f.Close()
		} else {
			<-closed
		}
	}()
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, answerSize)
	// Once the socket has been full the kernel says so, and then drops events without a
	// word until the socket has been emptied.
	lost := false
	for {
		changed := false
		var failed error
		err := raw.Read(func(fd uintptr) (done bool) {
			for range 64 { // then it wakes, though more may be waiting
				n, err := unix.Read(int(fd), buf)
				switch err {
				case nil:
					changed = concerns(buf[:n]) || changed // concerns sees each, whatever came with it
				case unix.EINTR:
				case unix.ENOBUFS:
					changed, lost = true, true
				case unix.EAGAIN:
					changed, lost = changed || lost, false
					return changed
				default:
					failed = err
					return true
				}
			}
			return true
		})
		switch {
		case err != nil || failed != nil:
			return
		case changed:
			wake()
			select {
			case <-ctx.Done():
			case <-time.After(wakeEvery):
			}
		}
	}
}

// concerns tells whether one of the messages is about a change that Read may show. A
// router's table may change all day: of routes only default ones count.
func concerns(b []byte) (yes bool) {
	err := messages(b, func(m unix.NlMsghdr, data []byte) error {
		route := m.Type == unix.RTM_NEWROUTE || m.Type == unix.RTM_DELROUTE
		yes = yes || !route || len(data) < unix.SizeofRtMsg || data[1] == 0
		return nil
	})
	return yes || err != nil
}
