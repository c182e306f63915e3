package host

import (
	"errors"
	"net/netip"
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

// TestAMappedAddressIsNone: the kernel takes it on a NIC, but neither family speaks with
// it, and it must not pass for the NIC's own IPv4 address.
func TestAMappedAddressIsNone(t *testing.T) {
	h, space := inSpace(t)
	space.Do(func() {
		s, err := h.Read()
		if err != nil {
			t.Fatal(err)
		}
		eth0, _ := s.NIC("eth0")
		errs, err := withKernel(h, func(k *talk) ([]error, error) {
			return k.do([]*nl.NetlinkRequest{newAddr(eth0.Index, Placement{Prefix: netip.MustParsePrefix("::ffff:10.0.0.9/120")}, subnets{})}), nil
		})
		if err != nil || errs[0] != nil {
			t.Fatal(err, errs)
		}
		if s, err = h.Read(); err != nil {
			t.Fatal(err)
		}
		if now, _ := s.NIC("eth0"); len(now.Addrs) != len(eth0.Addrs) {
			t.Errorf("%+v", now.Addrs)
		}
	})
}
