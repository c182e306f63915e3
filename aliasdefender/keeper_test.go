package main

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/defender"
)

func TestWhatWasParkedLastIsWrittenOnceTheDiskGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := make(chan struct{})
		var written []int // how many were parked
		k := newKeeper(&stateFile{dir: "/srv/state"})
		k.write = func(kept defender.Kept) error {
			<-disk
			written = append(written, len(kept.Parked))
			return nil
		}
		const says = "/srv/state: its disk does not answer; it is written as soon as it does, or set another [state] dir"
		for n := range 3 {
			begin := time.Now()
			err := k.remember(defender.Kept{Parked: make([]netip.Addr, n+1)})
			if err == nil || err.Error() != says || time.Since(begin) != rememberWithin {
				t.Errorf("after %v: %v", time.Since(begin), err)
			}
		}
		if err := k.trouble(); err == nil || err.Error() != says {
			t.Errorf("the trouble is %v", err)
		}
		close(disk)
		synctest.Wait()
		if diff := cmp.Diff([]int{1, 3}, written); diff != "" {
			t.Errorf("written (-want +got):\n%s", diff)
		}
		if err := k.trouble(); err != nil {
			t.Errorf("the trouble is %v though all is written", err)
		}
		if err := k.remember(defender.Kept{}); err != nil || len(written) != 3 {
			t.Errorf("afterwards: %v, %v", err, written)
		}
	})
}
