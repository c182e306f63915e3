// Package files opens, reads and replaces files that a user or a disk may have
// spoiled.
//
// In the place of a file of ours there may be a FIFO that nobody writes to, a device, a
// directory, a symbolic link or a hundred megabytes. Open takes a regular file only and
// never waits for a writer; Read takes in no more than the caller has room for; Replace
// lets a reader, and a crash, find the old file or the new one, never half of one. A disk
// that hangs holds all of them: a caller that must not wait calls them beside its own
// work.
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

// Want is what a file must be, besides a regular one.
type Want struct {
	Most    int64 // the most bytes that it may have; 0: any number
	NoLink  bool  // its name must not be a symbolic link, which may lead to somebody else's file
	Private bool  // it must belong to root or to the user that runs this, and nobody else may read it
}

// Problem is what is wrong with a file that exists.
type Problem uint8

// The problems.
const (
	NotRegular Problem = iota + 1
	TooLarge
	Shared  // not Private: its mode lets others read or write it
	Foreign // not Private: it belongs to another user
)

// Error is about a file that is not as wanted.
type Error struct {
	Path    string
	Problem Problem
	Mode    fs.FileMode // with its type
	Owner   int         // for Foreign: the number of its user
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

// Open opens a regular file. It never waits for the other end of a FIFO, and it does
// not open a device, because even opening one may do something. The error is an
// *Error or one of package fs.
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
	info, err := f.Stat() // another file may have taken its place since
	if err == nil {
		err = w.refuses(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// refuses is the error if the file is not as wanted, otherwise nil.
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

// ownerOf is the number of the user that the file belongs to; 0 if the system does
// not tell.
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
	defer f.Close() // nothing was written, so the error means nothing
	text, err := io.ReadAll(io.LimitReader(f, w.Most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > w.Most { // it grew while we read
		return nil, &Error{Path: path, Problem: TooLarge, Most: w.Most}
	}
	return text, nil
}

// Replace puts a new file in the place of the old one. When it returns nil the disk
// has the new file, whatever happens to the host next; on an error the old one is
// still there. The new file is first written as path + ".new"; one that a crash left
// there is overwritten.
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

// MakeDir makes a directory and those above it, where they are missing.
func MakeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(dir))
}

// SyncDir puts the names in a directory on disk. Some file systems cannot do that;
// their answer is not an error.
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

// Explain turns an error about a file into "path: what; what to do". setting is the
// setting that names another place for the file, such as "[state] dir".
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
		return err // the error already says what to do
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
