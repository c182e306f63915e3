package store

import (
	"fmt"
	"sync"
	"time"
)

// Within is how long an operator's order waits for the disk.
const Within = 5 * time.Second

// Disk is what a Keeper writes to: a File, or a fake in a test.
type Disk interface {
	// Write may hang. anew tells that the old file could not be read.
	Write(Kept) (anew bool, err error)
	Trouble() error // what is wrong with the file; nil: nothing
}

// Keeper writes the state file of a running Monitor. It does not wait for ever for a
// disk that hangs: it tells the caller, and writes the newest state once the disk
// answers.
type Keeper struct {
	dir    string
	disk   Disk
	within time.Duration

	mu      sync.Mutex
	newest  Kept
	waiting []chan written // callers that wait until newest is written
	writing bool
	late    bool // a caller has given up waiting for the write that is under way
}

// written is the result of a write.
type written struct {
	anew bool
	err  error
}

// NewKeeper returns a Keeper of the state file in a directory. within is how long
// an order waits for the disk.
func NewKeeper(dir string, disk Disk, within time.Duration) *Keeper {
	return &Keeper{dir: dir, disk: disk, within: within}
}

// Remember writes kept to the disk, in place of everything before. Of several calls
// at once the last one counts. anew tells that the old file could not be read and was
// written anew. An error means that the disk does not have it, or not yet.
func (k *Keeper) Remember(kept Kept) (anew bool, err error) {
	done := make(chan written, 1)
	k.mu.Lock()
	k.newest, k.waiting = kept, append(k.waiting, done)
	if !k.writing {
		k.writing = true
		go k.run()
	}
	k.mu.Unlock()
	select {
	case w := <-done:
		return w.anew, w.err
	case <-time.After(k.within):
	}
	k.mu.Lock()
	k.late = k.writing
	k.mu.Unlock()
	select {
	case w := <-done: // it came just now
		return w.anew, w.err
	default:
		return false, k.hangs()
	}
}

func (k *Keeper) hangs() error {
	return fmt.Errorf("%s: its disk does not answer; the file is written as soon as it does; or set another [state] dir", k.dir)
}

// run writes until nobody waits.
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
		anew, err := k.disk.Write(kept)
		for _, w := range waiting {
			w <- written{anew, err}
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
