package lab

import (
	"errors"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestAListThatChangedWhileItWasReadIsReadAgain(t *testing.T) {
	other := errors.New("something else")
	for name, tt := range map[string]struct {
		fails []error // of the first readings
		tried int
		want  error
	}{
		"at once":   {nil, 1, nil},
		"after two": {[]error{netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted}, 3, nil},
		"never":     {slices.Repeat([]error{netlink.ErrDumpInterrupted}, mostReadings), mostReadings, netlink.ErrDumpInterrupted},
		"an error":  {[]error{netlink.ErrDumpInterrupted, other}, 2, other},
	} {
		tried := 0
		list, err := whole(func() ([]int, error) {
			if tried++; tried <= len(tt.fails) {
				return []int{1}, tt.fails[tried-1]
			}
			return []int{1, 2}, nil
		})
		if tried != tt.tried || !errors.Is(err, tt.want) || err == nil && len(list) != 2 {
			t.Errorf("%s: %v, %v after %d readings", name, list, err, tried)
		}
	}
}
