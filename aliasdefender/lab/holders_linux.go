package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	vnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Holders returns the hosts whose kernels have the alias now, in the order in
// which the hosts were added; one with a zone counts on the NIC of that name only.
func (l *Lab) Holders(alias netip.Addr) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var holders []string
	for _, h := range l.hosts {
		if h.space == nil {
			continue
		}
		have, err := h.space.list(alias)
		if err != nil {
			return nil, fmt.Errorf("addresses of %s: %w", h.Name, err)
		}
		if len(have) > 0 {
			holders = append(holders, h.Name)
		}
	}
	return holders, nil
}

// place is where a host has the alias: the kernel allows several.
type place struct {
	index uint32
	bits  uint8
}

// list asks the kernel where the namespace has the alias.
func (s *space) list(alias netip.Addr) (map[place]bool, error) {
	all, err := whole(func() ([]vnetlink.Addr, error) { return s.nl.AddrList(nil, vnetlink.FAMILY_ALL) })
	if err != nil {
		return nil, err
	}
	have := map[place]bool{}
	for _, a := range all {
		if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.Unmap() == alias.WithZone("") && s.in(alias.Zone(), a.LinkIndex) {
			bits, _ := a.Mask.Size()
			have[place{uint32(a.LinkIndex), uint8(bits)}] = true
		}
	}
	return have, nil
}

// in tells whether an interface is the zone; "" is everywhere.
func (s *space) in(zone string, index int) bool {
	if zone == "" {
		return true
	}
	l, err := s.nl.LinkByIndex(index)
	return err == nil && l.Attrs().Name == zone
}

// Watch records who has the alias, from the notices of the kernels. What a host had when
// it crashed ends with the crash. Times are those at which a notice was read, some tens
// of microseconds late on an idle machine. Whoever asks a Watch is told of everything that
// a kernel had done before the call, however late the machine lets us read of it.
type Watch struct {
	lab   *Lab
	alias netip.Addr

	mu      sync.Mutex
	changes []change
	holding []string        // now, oldest first
	ahead   map[string]bool // of those the kernel was asked, and their notices are still to be read
	copies  int             // the most that one host has had at a time
	subs    map[string]*subscription
	news    chan struct{} // closed at the next change
}

// change is one moment at which the set of holders changed.
type change struct {
	at      time.Time
	host    string
	holds   bool
	holders int // after it
}

// Watch starts to watch the alias on every host, also on hosts added later. A second call
// for an alias returns the first call's Watch. It ends with the lab.
func (l *Lab) Watch(alias netip.Addr) (*Watch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.watches[alias]; w != nil {
		return w, nil
	}
	w := newWatch(l, alias)
	for _, h := range l.hosts {
		if h.space == nil {
			continue
		}
		if err := w.attach(h); err != nil {
			w.end()
			return nil, err
		}
	}
	l.watches[alias] = w
	return w, nil
}

func newWatch(l *Lab, alias netip.Addr) *Watch {
	return &Watch{lab: l, alias: alias, ahead: map[string]bool{}, subs: map[string]*subscription{}, news: make(chan struct{})}
}

// WaitHolder waits until host, and no other, has the alias; "" waits until
// nobody has it.
func (l *Lab) WaitHolder(ctx context.Context, alias netip.Addr, host string) error {
	w, err := l.Watch(alias)
	if err != nil {
		return err
	}
	if host == "" {
		return w.Wait(ctx)
	}
	return w.Wait(ctx, host)
}

// attach follows one host from now on.
func (w *Watch) attach(h *Host) error {
	conn, err := h.space.subscribe(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err != nil {
		return err
	}
	have, err := h.space.list(w.alias)
	if err != nil {
		conn.Close()
		return err
	}
	w.set(h.Name, len(have) > 0)
	w.count(len(have))
	sub := &subscription{conn: conn, space: h.space, ended: make(chan struct{}), open: map[uint32]chan struct{}{}}
	w.mu.Lock()
	w.subs[h.Name] = sub
	w.mu.Unlock()
	go func() {
		defer close(sub.ended)
		w.follow(sub, h.Name, have)
	}()
	return nil
}

// detach ends a host's part: the host is gone, and so is what it had.
func (w *Watch) detach(host string) {
	w.set(host, false)
	w.mu.Lock()
	sub := w.subs[host]
	delete(w.subs, host)
	delete(w.ahead, host)
	w.mu.Unlock()
	if sub != nil {
		sub.conn.Close()
		<-sub.ended
	}
	w.set(host, false) // a notice may have been on its way
}

func (w *Watch) end() {
	w.mu.Lock()
	hosts := make([]string, 0, len(w.subs))
	for h := range w.subs {
		hosts = append(hosts, h)
	}
	w.mu.Unlock()
	for _, h := range hosts {
		w.detach(h)
	}
}

func (w *Watch) follow(sub *subscription, host string, have map[place]bool) {
	s := sub.space
	for {
		msgs, err := sub.conn.Receive()
		var answered []uint32
		switch {
		case errors.Is(err, unix.ENOBUFS): // notices and answers were lost: read the addresses instead
			answered = sub.unanswered()
			if now, err := s.list(w.alias); err == nil {
				have = now
				w.mu.Lock()
				delete(w.ahead, host)
				w.mu.Unlock()
			}
		case err != nil:
			return
		}
		for _, m := range msgs {
			if m.Header.Type == unix.RTM_NEWLINK {
				answered = append(answered, m.Header.Sequence)
			}
			at, ip, ok := parseAddr(m)
			if !ok || ip != w.alias.WithZone("") {
				continue
			}
			if m.Header.Type == unix.RTM_DELADDR {
				delete(have, at) // the interface may be gone
			} else if s.in(w.alias.Zone(), int(at.index)) {
				have[at] = true
			}
			w.file(host, len(have) > 0)
			w.count(len(have))
		}
		w.file(host, len(have) > 0)
		for _, n := range answered {
			sub.answered(n)
		}
	}
}

// file is set, for a notice. If another host took the alias before this one let it go,
// that comes first: two goroutines read the notices of two kernels, on a busy machine in
// any order, and a hand-over would look as if no host had had the alias in between. What
// the other's notices say until they too tell that it took it is older than that.
func (w *Watch) file(host string, holds bool) {
	w.mu.Lock()
	if holds {
		delete(w.ahead, host)
	}
	older := w.ahead[host]
	w.mu.Unlock()
	if older {
		return
	}
	if !holds {
		w.mu.Lock()
		others := map[string]*space{}
		if slices.Equal(w.holding, []string{host}) {
			for name, sub := range w.subs {
				if name != host {
					others[name] = sub.space
				}
			}
		}
		w.mu.Unlock()
		for name, s := range others {
			if have, err := s.list(w.alias); err == nil && len(have) > 0 {
				w.foresee(name)
			}
		}
	}
	w.set(host, holds)
}

// foresee is set for a host whose kernel was asked: its notices may not have been read yet.
func (w *Watch) foresee(host string) {
	w.mu.Lock()
	if !slices.Contains(w.holding, host) {
		w.ahead[host] = true
	}
	w.mu.Unlock()
	w.set(host, true)
}

// parseAddr reads RTM_NEWADDR and RTM_DELADDR: struct ifaddrmsg and attributes
// (rtnetlink(7)).
func parseAddr(m netlink.Message) (at place, ip netip.Addr, ok bool) {
	t := m.Header.Type
	if t != unix.RTM_NEWADDR && t != unix.RTM_DELADDR || len(m.Data) < unix.SizeofIfAddrmsg {
		return at, ip, false
	}
	at = place{index: binary.NativeEndian.Uint32(m.Data[4:8]), bits: m.Data[1]}
	attrs, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfAddrmsg:])
	if err != nil {
		return at, ip, false
	}
	for attrs.Next() {
		// IFA_LOCAL is the address itself; without one (IPv6) IFA_ADDRESS is.
		if attrs.Type() == unix.IFA_LOCAL || attrs.Type() == unix.IFA_ADDRESS && !ip.IsValid() {
			ip, ok = netip.AddrFromSlice(attrs.Bytes())
		}
	}
	return at, ip, ok && attrs.Err() == nil
}

// set files what a host has now, if that is new.
func (w *Watch) set(host string, holds bool) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.holding, host)
	if holds == (i >= 0) {
		return
	}
	if holds {
		w.holding = append(w.holding, host)
	} else {
		w.holding = slices.Delete(w.holding, i, i+1)
	}
	w.changes = append(w.changes, change{now, host, holds, len(w.holding)})
	close(w.news)
	w.news = make(chan struct{})
}

// count files in how many places one host has the alias at the same time.
func (w *Watch) count(copies int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.copies = max(w.copies, copies)
}

// Copies is the largest number of places (NIC and prefix) in which any one host has had
// the alias at the same time.
func (w *Watch) Copies() int {
	w.catchUp()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.copies
}

// Holders returns who has the alias now, longest holder first.
func (w *Watch) Holders() []string {
	w.catchUp()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.holding)
}

// Wait waits until exactly these hosts have the alias, in any order; without hosts, until
// none has it.
func (w *Watch) Wait(ctx context.Context, hosts ...string) error {
	want := slices.Sorted(slices.Values(hosts))
	w.catchUp()
	for {
		w.mu.Lock()
		have, news := slices.Sorted(slices.Values(w.holding)), w.news
		w.mu.Unlock()
		if slices.Equal(have, want) {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%s is held by [%s], waiting for [%s]: %w", w.alias,
				strings.Join(have, " "), strings.Join(want, " "), ctx.Err())
		}
	}
}
