// Package files opens, reads and replaces files that a user or a disk may have
// spoiled.
//
// Whoever reads a file of ours may find a FIFO that nobody writes to, a device, a
// directory, a symbolic link or a hundred megabytes in its place. Open takes a
// regular file only and never waits for a writer; Read takes in no more than the
// caller has room for; Replace lets a reader, and a crash, find the old file or the
// new one, never half of one. A disk that hangs holds all of them: a caller that
// must not wait calls them beside its own work.
//
// The package refuses to know what is in the files. Its errors say what is wrong and
// where; Explain adds what to do.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Want is what a file has to be, besides a regular one.
type Want struct {
	Most    int64 // bytes that it may have; 0: as many as it likes
	NoLink  bool  // its name is no symbolic link: behind one may be a file of somebody else
	Private bool  // root's, or of the user that runs this, and for nobody else to read
}

// Problem is what is wrong with a file that could be found.
type Problem uint8

// The problems.
const (
	NotRegular Problem = iota + 1
	TooLarge
	Shared  // Private was wanted: its mode lets others at it
	Foreign // Private was wanted: it belongs to some other user
)

// Error is a file that is not as it was wanted.
type Error struct {
	Path    string
	Problem Problem
	Mode    fs.FileMode // with its type
	Owner   int         // its user's number; of Foreign
	Most    int64       // bytes; of TooLarge
}

// Error says what is wrong with the file, and what to do about it.
func (e *Error) Error() string {
	switch e.Problem {
	case TooLarge:
		return fmt.Sprintf("%s: is larger than %d bytes, and so is no file of ours; move it away", e.Path, e.Most)
	case Shared:
		return fmt.Sprintf("%s: has mode %04o, but only its owner may read it; run 'chmod 600 %s'", e.Path, e.Mode.Perm(), e.Path)
	case Foreign:
		return fmt.Sprintf("%s: belongs to user %d, but must belong to root or to the user that runs this; run 'chown root %s'", e.Path, e.Owner, e.Path)
	}
	return fmt.Sprintf("%s: is no regular file; move it away", e.Path)
}

// Open opens a regular file. It never waits for whoever is at the other end of a
// FIFO, and does not open a device: that alone may have an effect. The error is an
// *Error or of package fs.
func Open(path string, flags int, perm fs.FileMode, w Want) (*os.File, error) {
	stat := os.Stat
	if w.NoLink {
		stat, flags = os.Lstat, flags|syscall.O_NOFOLLOW
	}
	if info, err := stat(path); err == nil {
		if err := w.refuses(path, info); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(path, flags|syscall.O_NONBLOCK, perm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat() // another may have come in its place since
	if err == nil {
		err = w.refuses(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// refuses is why the file is not as it is wanted; nil if it is.
func (w Want) refuses(path string, info fs.FileInfo) error {
	e := &Error{Path: path, Mode: info.Mode(), Owner: ownerOf(info), Most: w.Most}
	switch {
	case !info.Mode().IsRegular():
		e.Problem = NotRegular
	case w.Private && info.Mode().Perm()&0o077 != 0:
		e.Problem = Shared
	case w.Private && e.Owner != 0 && e.Owner != os.Geteuid():
		e.Problem = Foreign
	case w.Most > 0 && info.Size() > w.Most:
		e.Problem = TooLarge
	default:
		return nil
	}
	return e
}

// ownerOf is the number of the user that the file belongs to; 0 where the system
// does not tell.
func ownerOf(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return 0
}

// Read returns what is in a regular file of at most w.Most bytes, which must be set.
func Read(path string, w Want) ([]byte, error) {
	f, err := Open(path, os.O_RDONLY, 0, w)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written: its error has no meaning
	text, err := io.ReadAll(io.LimitReader(f, w.Most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > w.Most { // it grows as we read
		return nil, &Error{Path: path, Problem: TooLarge, Most: w.Most}
	}
	return text, nil
}

// Replace puts a new file in the place of the old one. When it returns nil the disk
// has it, whatever happens to the host next; on an error the old one is still there.
// The new file is written as path with ".new" behind it: what a crash leaves there is
// overwritten.
func Replace(path string, text []byte, perm fs.FileMode) (err error) {
	next := path + ".new"
	f, err := Open(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm, Want{NoLink: true})
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
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path)) // the new name too
}

// MakeDir makes a directory where it is missing, and those above it.
func MakeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(dir))
}

// SyncDir puts the names in a directory on disk. Not every file system can: what such
// a one answers is no error.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Explain turns an error about a file into "path: what; what to do". setting is what
// names another place for the file: "[state] dir".
func Explain(err error, setting string) error {
	p := (*fs.PathError)(nil)
	link := (*os.LinkError)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
	case errors.As(err, &link):
		p = &fs.PathError{Path: link.New, Err: link.Err}
	default:
		return err // it says so itself
	}
	other := "set another " + setting
	todo := "mend it, or " + other
	switch {
	case errors.Is(p.Err, fs.ErrPermission):
		todo = "run as root, or " + other
	case errors.Is(p.Err, syscall.EROFS):
		todo = "mount it writable, or " + other
	case errors.Is(p.Err, syscall.ENOSPC), errors.Is(p.Err, syscall.EDQUOT):
		todo = "make room there, or " + other
	case errors.Is(p.Err, syscall.EISDIR), errors.Is(p.Err, syscall.ELOOP), errors.Is(p.Err, fs.ErrExist):
		todo = "move it away"
	}
	return fmt.Errorf("%s: %w; %s", p.Path, p.Err, todo)
}
