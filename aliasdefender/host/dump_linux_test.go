package host

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink/nl"
)

func TestAnInterruptedReadingIsReadAgain(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		name  string
		errs  []error // of each attempt; then there is none
		reads int
		want  error
	}{
		{"at once", nil, 1, nil},
		{"after two", []error{nl.ErrDumpInterrupted, nl.ErrDumpInterrupted}, 3, nil},
		{"never", []error{nl.ErrDumpInterrupted, nl.ErrDumpInterrupted, nl.ErrDumpInterrupted, nl.ErrDumpInterrupted, nl.ErrDumpInterrupted}, readAttempts, nl.ErrDumpInterrupted},
		{"another error", []error{refused}, 1, refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			reads := 0
			list, err := retried("things", func() ([]int, error) {
				reads++
				if reads <= len(c.errs) {
					return []int{0}, c.errs[reads-1] // what there is may be half of it
				}
				return []int{1, 2}, nil
			})
			if reads != c.reads || !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
				t.Errorf("%d reads, %v", reads, err)
			}
			if (err == nil) != (len(list) == 2) {
				t.Errorf("read %v", list)
			}
		})
	}
}
