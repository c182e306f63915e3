package main

import (
	"fmt"
	"sync"
	"time"

	"alias-defender/aliasdefender/defender"
)

// rememberWithin is how long an order waits for the disk.
const rememberWithin = 5 * time.Second

// keeper writes the state file of a running Monitor. It does not wait for ever
// for a disk that hangs: who gave the order is told, and what was parked last
// is written once the disk goes on.
type keeper struct {
	dir    string
	write  func(defender.Kept) error // the state file's; may hang
	broken func() error              // what is wrong with the file
	within time.Duration

	mu      sync.Mutex
	newest  defender.Kept
	waiting []chan error // for newest to be written
	writing bool
	late    bool // somebody has waited in vain for what is being written
}

func newKeeper(s *stateFile) *keeper {
	return &keeper{dir: s.dir, write: s.write, broken: s.trouble, within: rememberWithin}
}

// remember has the disk say just this. Of several calls at once the last one
// counts.
func (k *keeper) remember(kept defender.Kept) error {
	done := make(chan error, 1)
	k.mu.Lock()
	k.newest, k.waiting = kept, append(k.waiting, done)
	if !k.writing {
		k.writing = true
		go k.run()
	}
	k.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-time.After(k.within):
	}
	k.mu.Lock()
	k.late = k.writing
	k.mu.Unlock()
	select {
	case err := <-done: // just now
		return err
	default:
		return k.hangs()
	}
}

func (k *keeper) hangs() error {
	return fmt.Errorf("%s: its disk does not answer; it is written as soon as it does, or set another [state] dir", k.dir)
}

// run writes until all that was wanted is written.
func (k *keeper) run() {
	for {
		k.mu.Lock()
		if k.late = false; len(k.waiting) == 0 {
			k.writing = false
			k.mu.Unlock()
			return
		}
		kept, waiting := k.newest, k.waiting
		k.waiting = nil
		k.mu.Unlock()
		err := k.write(kept)
		for _, w := range waiting {
			w <- err
		}
	}
}

// trouble is why a restart may not know what is parked; nil if it will.
func (k *keeper) trouble() error {
	k.mu.Lock()
	late := k.late
	k.mu.Unlock()
	if late {
		return k.hangs()
	}
	return k.broken()
}
