package lab

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// mostReadings is how often a list is read in all. A thousand addresses are added one after
// the other, and each interrupts a reading.
const mostReadings = 10000

// whole reads a list of the kernel's again while the kernel marks it NLM_F_DUMP_INTR: it
// changed while it was read, and may lack an entry that was there all the time.
func whole[T any](read func() ([]T, error)) (list []T, err error) {
	for range mostReadings {
		if list, err = read(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return list, err
}
