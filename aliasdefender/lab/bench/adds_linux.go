package main

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/lab"
)

// adds records when each address first came to a host, from the kernel's notices.
// lab.Watch does this for one alias on all hosts; adds does it for all aliases on one
// host.
type adds struct {
	done chan struct{}

	mu   sync.Mutex
	at   map[netip.Addr]time.Time
	err  error         // notices were lost: the record is incomplete
	more chan struct{} // closed at the next address
}

// noticeRoom is room for the notices of a thousand addresses at once.
const noticeRoom = 8 << 20

// watchAdds begins to record. Addresses that are already there do not count.
func watchAdds(h *lab.Host) (*adds, error) {
	a := &adds{done: make(chan struct{}), at: map[netip.Addr]time.Time{}, more: make(chan struct{})}
	updates := make(chan netlink.AddrUpdate, 4096)
	// The socket belongs to the namespace of the thread that opens it.
	err := h.Do(func() error {
		return netlink.AddrSubscribeWithOptions(updates, a.done, netlink.AddrSubscribeOptions{
			ErrorCallback:          a.lost,
			ReceiveBufferSize:      noticeRoom,
			ReceiveBufferForceSize: true,
		})
	})
	if err != nil {
		return nil, fmt.Errorf("the kernel's notices on %s: %w", h.Name, err)
	}
	go func() {
		for u := range updates {
			if ip, ok := netip.AddrFromSlice(u.LinkAddress.IP); ok && u.NewAddr {
				a.add(ip.Unmap())
			}
		}
	}()
	return a, nil
}

func (a *adds) add(ip netip.Addr) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.at[ip]; ok {
		return
	}
	a.at[ip] = now
	a.news()
}

func (a *adds) lost(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	a.news()
}

func (a *adds) news() {
	close(a.more)
	a.more = make(chan struct{})
}

// wait waits until n addresses have come.
func (a *adds) wait(ctx context.Context, n int) error {
	for {
		a.mu.Lock()
		have, more, err := len(a.at), a.more, a.err
		a.mu.Unlock()
		switch {
		case have >= n:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d aliases came: %w", have, n, ctx.Err())
		}
	}
}

// span returns when the first and the last came.
func (a *adds) span() (first, last time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.at {
		if first.IsZero() || t.Before(first) {
			first = t
		}
		if t.After(last) {
			last = t
		}
	}
	return first, last
}

// close ends the recording; the socket would keep the namespace.
func (a *adds) close() { close(a.done) }
