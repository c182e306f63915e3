package daemon

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/store"
)

// marks is this host's network with a mark on what Monitors put there, where the kernel
// keeps none (Linux before 5.18). Where it does, nothing is marked and no file written.
//
// An alias is marked once it was added and has been read without a mark of the kernel's.
// It loses the mark when it is read no more. The file is written beside the loop.
type marks struct {
	defender.Network
	dir  string
	boot string // of this host; empty: it is not known, and nothing is marked

	mu      sync.Mutex
	adds    int
	added   map[store.Mark]int // by which add, since they were read last
	marked  map[store.Mark]bool
	changed chan struct{} // one place: what is marked is not on the disk yet
}

// bootFile names the present boot of a Linux host.
const bootFile = "/proc/sys/kernel/random/boot_id"

func newMarks(n defender.Network, dir string) *marks {
	text, _ := os.ReadFile(bootFile) // without it nothing is marked, as before there were marks
	return &marks{
		Network: n, dir: dir, boot: strings.TrimSpace(string(text)),
		added: map[store.Mark]int{}, marked: map[store.Mark]bool{}, changed: make(chan struct{}, 1),
	}
}

// open reads what earlier Monitors put here. It waits for the disk no longer than within;
// what comes later does not count.
func (k *marks) open(within time.Duration) error {
	if k.boot == "" {
		return nil
	}
	type answer struct {
		all []store.Mark
		err error
	}
	read := make(chan answer, 1)
	go func() {
		all, err := store.ReadPlaced(k.dir, k.boot)
		read <- answer{all, err}
	}()
	select {
	case a := <-read:
		for _, m := range a.all {
			k.marked[m] = true
		}
		return a.err
	case <-time.After(within):
		return fmt.Errorf("%s: %w", k.dir, errNoAnswer)
	}
}

// Read reads the network, and marks what a Monitor put there.
func (k *marks) Read() (host.State, error) {
	k.mu.Lock()
	before := maps.Clone(k.added)
	k.mu.Unlock()
	s, err := k.Network.Read()
	if err != nil || k.boot == "" {
		return s, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.added)+len(k.marked) == 0 {
		return s, nil
	}
	here := make(map[store.Mark]bool, len(k.marked))
	s.NICs = slices.Clone(s.NICs)
	for i, nic := range s.NICs {
		cloned := false
		for j, a := range nic.Addrs {
			m := store.Mark{Prefix: a.Prefix, NIC: nic.Name}
			known := k.added[m] > 0 || k.marked[m]
			if !known || a.Ours {
				continue
			}
			if here[m] = true; !cloned {
				nic.Addrs, cloned = slices.Clone(nic.Addrs), true
			}
			nic.Addrs[j].Ours = true
		}
		s.NICs[i] = nic
	}
	maps.DeleteFunc(k.added, func(m store.Mark, add int) bool { return before[m] == add })
	if !maps.Equal(here, k.marked) {
		k.marked = here
		k.wake()
	}
	return s, nil
}

// Marked reads this host's network, and marks what Monitors whose state directory is dir
// put there. Where that file cannot be read, only the kernel's marks are there.
func (s System) Marked(dir string) (host.State, error) {
	k := newMarks(s.Host, dir)
	_ = k.open(startWithin)
	return k.Read()
}

// Add adds addresses; those that are there now wait to be read.
func (k *marks) Add(orders []host.Placement) []error {
	return k.put(orders, k.Network.Add(orders))
}

// Reorder does the same for those that it removes and adds again.
func (k *marks) Reorder(orders []host.Placement) []error {
	return k.put(orders, k.Network.Reorder(orders))
}

func (k *marks) put(orders []host.Placement, errs []error) []error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.adds++
	for i, o := range orders {
		if errs[i] == nil && k.boot != "" {
			k.added[markOf(o)] = k.adds
		}
	}
	return errs
}

// Remove removes addresses, with their marks.
func (k *marks) Remove(orders []host.Placement) []error {
	errs := k.Network.Remove(orders)
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, o := range orders {
		if errs[i] != nil {
			continue
		}
		m := markOf(o)
		delete(k.added, m)
		if k.marked[m] {
			delete(k.marked, m)
			k.wake()
		}
	}
	return errs
}

func markOf(o host.Placement) store.Mark { return store.Mark{Prefix: o.Prefix, NIC: o.NIC} }

// wake has the file written. mu is held.
func (k *marks) wake() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// write writes the file.
func (k *marks) write() error {
	k.mu.Lock()
	all := make([]store.Mark, 0, len(k.marked))
	for m := range k.marked {
		all = append(all, m)
	}
	k.mu.Unlock()
	slices.SortFunc(all, func(a, b store.Mark) int {
		if c := strings.Compare(a.NIC, b.NIC); c != 0 {
			return c
		}
		return a.Prefix.Addr().Compare(b.Prefix.Addr())
	})
	return store.WritePlaced(k.dir, k.boot, all)
}

// settle reads once more, and writes the file if that or a removal has changed it. A mark
// that is lost is no reason to call an order failed.
func (k *marks) settle() {
	_, _ = k.Read()
	select {
	case <-k.changed:
		waited(store.Within, func() { _ = k.write() })
	default:
	}
}

// keepMarks writes the file whenever its content has changed, until ctx ends; then once
// more. A disk that hangs holds only the writing, and at the end nothing.
func (m *monitor) keepMarks(ctx context.Context) error {
	written := make(chan error, 1)
	writing := false
	changed := m.marks.changed
	for {
		select {
		case <-ctx.Done():
			if writing {
				return nil // it may hang
			}
			select {
			case <-m.marks.changed:
				waited(store.Within, func() { m.sayMarks(m.marks.write()) })
			default:
			}
			return nil
		case <-changed:
			writing, changed = true, nil
			go func() { written <- m.marks.write() }()
		case err := <-written:
			writing, changed = false, m.marks.changed
			m.sayMarks(err)
		}
	}
}

// sayMarks logs what is wrong with the file of placed aliases.
func (m *monitor) sayMarks(err error) {
	if err != nil {
		m.event("placed").WithError(err).Warn("what Monitors have put on this host is not known after a restart")
	}
}
