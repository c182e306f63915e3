package lab

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Disk is a small disk at a directory of one host: it can be full or read-only while all
// others' are not. It lasts until the host crashes.
type Disk struct {
	Dir  string
	host *Host
}

// Disk mounts an empty disk of size bytes at the directory. Programs that are started
// from then on see it, and those on other hosts do not.
func (h *Host) Disk(dir string, size int64) (*Disk, error) {
	d := &Disk{dir, h}
	err := d.Do(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("make / private: %w", err)
		}
		return unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	})
	if err != nil {
		return nil, fmt.Errorf("disk of %s at %s: %w", h.Name, dir, err)
	}
	return d, nil
}

// SetReadOnly makes the disk read-only, or ends that. It is refused while a file on
// it is open for writing.
func (d *Disk) SetReadOnly(on bool) error {
	flags := uintptr(unix.MS_REMOUNT)
	if on {
		flags |= unix.MS_RDONLY
	}
	return d.Do(func() error { return unix.Mount("", d.Dir, "", flags, "") })
}

// Do runs f on a thread that sees the disk. This thread also starts the host's programs,
// so f must be brief, and must not call the lab.
func (d *Disk) Do(f func() error) error {
	s, err := d.host.live()
	if err != nil {
		return err
	}
	return s.do(f)
}
