package store

import (
	"fmt"
	"sync"
	"time"
)

// Within is how long an order of an operator waits for the disk.
const Within = 5 * time.Second

// Disk is what a Keeper writes to: a File, or a fake in a test.
type Disk interface {
	Write(Kept) error // may hang
	Trouble() error   // what is wrong with the file; nil: nothing
}

// Keeper writes the state file of a running Monitor. It does not wait for ever
// for a disk that hangs: who gave the order is told, and what was parked last
// is written once the disk goes on.
type Keeper struct {
	dir    string
	disk   Disk
	within time.Duration

	mu      sync.Mutex
	newest  Kept
	waiting []chan error // for newest to be written
	writing bool
	late    bool // somebody has waited in vain for what is being written
}

// NewKeeper returns a Keeper of the state file in a directory. within is how long
// an order waits for the disk.
func NewKeeper(dir string, disk Disk, within time.Duration) *Keeper {
	return &Keeper{dir: dir, disk: disk, within: within}
}

// Remember has the disk say just this. Of several calls at once the last one
// counts. The error says that the disk does not hold it, or not yet.
func (k *Keeper) Remember(kept Kept) error {
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

func (k *Keeper) hangs() error {
	return fmt.Errorf("%s: its disk does not answer; the file is written as soon as it does; or set another [state] dir", k.dir)
}

// run writes until all that was wanted is written.
func (k *Keeper) run() {
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
		err := k.disk.Write(kept)
		for _, w := range waiting {
			w <- err
		}
	}
}

// Trouble is why a restart may not know what is parked; nil if it will.
func (k *Keeper) Trouble() error {
	k.mu.Lock()
	late := k.late
	k.mu.Unlock()
	if late {
		return k.hangs()
	}
	return k.disk.Trouble()
}
