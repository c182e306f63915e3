// Package store keeps on disk what has to outlive a restart and a reboot: what an
// operator has parked, and whether the host is in maintenance.
//
// It knows one small text file; a reader finds the old version or the new one,
// never half of one. File reads and writes it and waits for the disk; a Keeper writes
// a File for a daemon that must not wait. The package does not know what an alias is,
// or what becomes of one that is parked.
package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// FileName is the name of the file in the state directory.
const FileName = "parked"

// parkedHead explains the file to its reader.
const parkedHead = `# What an operator has taken off this host with "aliasdefender RemoveAlias":
# one address a line. It stays off until AddAlias. A line "maintenance" keeps all
# aliases off until "aliasdefender Maintenance off". Written by the program; a
# Monitor reads it when it starts.
`

// maintenanceWord is the line that stands for Maintenance.
const maintenanceWord = "maintenance"

// maxParked bounds what is read: more than 10,000 addresses are some other file.
const maxParked = 1 << 20 // bytes

// Kept is what an operator's orders leave behind.
type Kept struct {
	Parked      []netip.Addr // each alias that stays off this host
	Maintenance bool         // all of them do
}

// File is the state file. It may be used from several goroutines.
type File struct {
	dir string

	file sync.Mutex // one at a time; held for as long as a disk hangs

	mu     sync.Mutex
	broken error // why the file does not say what it should; nil if it does
}

// In returns the state file of a directory, which need not be there. It reads
// nothing.
func In(dir string) *File { return &File{dir: dir} }

func (s *File) path() string { return filepath.Join(s.dir, FileName) }

// Trouble is why a restart may not know what is parked; nil if it will.
func (s *File) Trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// found notes the trouble, and returns it.
func (s *File) found(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
	return err
}

// Read returns what is parked. A file that is not there parks nothing. Of a
// damaged one the good lines count, and the error names the others.
func (s *File) Read() (Kept, error) {
	s.file.Lock()
	defer s.file.Unlock()
	text, err := s.text()
	if err != nil {
		return Kept{}, s.found(explainState(err))
	}
	kept, err := parseKept(s.path(), text)
	return kept, s.found(err)
}

// text is the file as it is; none is an empty one.
func (s *File) text() ([]byte, error) {
	info, err := os.Stat(s.path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxParked:
		// A FIFO would hold us for ever.
		return nil, fmt.Errorf("%s: is not a file of ours; move it away", s.path())
	}
	return os.ReadFile(s.path())
}

// parseKept reads the state file's text.
func parseKept(name string, text []byte) (kept Kept, err error) {
	var errs []error
	n := 0
	for line := range bytes.Lines(text) {
		n++
		word, _, _ := strings.Cut(string(line), "#")
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		if word == maintenanceWord {
			kept.Maintenance = true
			continue
		}
		addr, err := netip.ParseAddr(word)
		if err != nil || !addr.Is4() {
			errs = append(errs, fmt.Errorf("%s:%d: %.60q is no IPv4 address; if an alias was parked there, run RemoveAlias again", name, n, word))
			continue
		}
		if !slices.Contains(kept.Parked, addr) {
			kept.Parked = append(kept.Parked, addr)
		}
	}
	return kept, errors.Join(errs...)
}

// Write makes the file say just this. When it returns nil the disk has it,
// whatever happens to the host next. A file that cannot be read stays as it is.
func (s *File) Write(kept Kept) error {
	s.file.Lock()
	defer s.file.Unlock()
	text := []byte(parkedHead)
	if kept.Maintenance {
		text = append(text, maintenanceWord+"\n"...)
	}
	for _, addr := range kept.Parked {
		text = append(text, addr.String()+"\n"...)
	}
	was, err := s.text()
	if err != nil {
		return s.found(explainState(err)) // what it says is not known, and not lost
	}
	if bytes.Equal(was, text) || was == nil && len(text) == len(parkedHead) {
		return s.found(nil) // nothing to remember, and no need for a disk that can be written
	}
	return s.found(explainState(s.replace(text)))
}

// replace puts a new file in the place of the old one: who reads it, or a
// crash, finds the one or the other whole.
func (s *File) replace(text []byte) (err error) {
	if err := s.make(); err != nil {
		return err
	}
	next := s.path() + ".new" // one name: what a crash leaves is overwritten
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(next)
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, s.path()); err != nil {
		return err
	}
	return syncDir(s.dir) // the new name too
}

// make makes the directory where it is missing.
func (s *File) make() error {
	if info, err := os.Stat(s.dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.dir))
}

// Ready makes the directory and tries whether it can be written, so that an
// administrator learns of it before it matters.
func (s *File) Ready() error {
	if err := s.make(); err != nil {
		return explainState(err)
	}
	f, err := os.CreateTemp(s.dir, FileName+".try")
	if err != nil {
		return explainState(err)
	}
	return explainState(errors.Join(f.Close(), os.Remove(f.Name())))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// explainState turns an error about the state directory into "path: what; what
// to do".
func explainState(err error) error {
	p := (*fs.PathError)(nil)
	l := (*os.LinkError)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
	case errors.As(err, &l):
		p = &fs.PathError{Path: l.New, Err: l.Err}
	default:
		return err
	}
	todo := "mend it, or set another [state] dir"
	switch {
	case errors.Is(p.Err, fs.ErrPermission):
		todo = "run as root, or set another [state] dir"
	case errors.Is(p.Err, syscall.EROFS):
		todo = "mount it writable, or set another [state] dir"
	case errors.Is(p.Err, syscall.ENOSPC), errors.Is(p.Err, syscall.EDQUOT):
		todo = "make room there, or set another [state] dir"
	}
	return fmt.Errorf("%s: %w; %s", p.Path, p.Err, todo)
}
