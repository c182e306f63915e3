package host

import (
	"errors"
	"io/fs"
	"os"
)

// forwarding is a NIC's setting by which the kernel itself says in an advertisement
// whether this host is a router.
type forwarding struct{ file *os.File }

// open opens it in the namespace of the calling thread, and it stays that namespace's. A
// NIC on which the kernel does not speak IPv6 has none.
func (f *forwarding) open(nic string) (err error) {
	f.file, err = os.Open("/proc/sys/net/ipv6/conf/" + nic + "/forwarding")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isRouter reads it. What cannot be read counts as yes: a host that we wrongly call a
// router gets no packets for it, but hosts drop their default route to a router that is
// called none (RFC 4861, 7.2.5).
func (f *forwarding) isRouter() bool {
	var b [4]byte
	n, _ := f.file.ReadAt(b[:], 0) // of a nil file too: an error
	return n == 0 || b[0] != '0'
}

func (f *forwarding) close() { _ = f.file.Close() }
