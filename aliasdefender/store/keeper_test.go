package store

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatWasParkedLastIsWrittenOnceTheDiskGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := make(chan struct{})
		var written []int // how many were parked
		k := NewKeeper("/srv/state", slowDisk(func(kept Kept) error {
			<-disk
			written = append(written, len(kept.Parked))
			return nil
		}), Within)
		const says = "/srv/state: its disk does not answer; the file is written as soon as it does; or set another [state] dir"
		for n := range 3 {
			begin := time.Now()
			_, err := k.Remember(Kept{Parked: make([]netip.Addr, n+1)})
			if err == nil || err.Error() != says || time.Since(begin) != Within {
				t.Errorf("after %v: %v", time.Since(begin), err)
			}
		}
		if err := k.Trouble(); err == nil || err.Error() != says {
			t.Errorf("the trouble is %v", err)
		}
		close(disk)
		synctest.Wait()
		if diff := cmp.Diff([]int{1, 3}, written); diff != "" {
			t.Errorf("written (-want +got):\n%s", diff)
		}
		if err := k.Trouble(); err != nil {
			t.Errorf("the trouble is %v though all is written", err)
		}
		if _, err := k.Remember(Kept{}); err != nil || len(written) != 3 {
			t.Errorf("afterwards: %v, %v", err, written)
		}
	})
}

// slowDisk is a disk with nothing wrong but the time that it takes.
type slowDisk func(Kept) error

func (d slowDisk) Write(k Kept) (bool, error) { return false, d(k) }
func (slowDisk) Trouble() error               { return nil }
