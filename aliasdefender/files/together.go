package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// New is a file that takes the place of another, or of none.
type New struct {
	Path string
	Text []byte
	Perm fs.FileMode // at most; what the old file's mode keeps from others stays kept
}

// ReplaceTogether puts new files in the place of the old ones: all of them or, where it
// returns an error, none. All are written before the first takes its place, so that a full
// disk or a directory that cannot be written changes nothing. A host that crashes between
// the first and the last may have some of them, and where the directory cannot be written to
// disk after them the new ones stay, with an error. The error is one of package fs, about one
// of the paths.
func ReplaceTogether(all []New) (err error) {
	var staged []string
	defer func() {
		for _, next := range staged {
			os.Remove(next) // a no-op where it has taken its place
		}
	}()
	for _, n := range all {
		perm := n.Perm
		if info, err := os.Lstat(n.Path); err == nil {
			if !info.Mode().IsRegular() {
				return &Error{Path: n.Path, Problem: NotRegular, Mode: info.Mode()}
			}
			perm &= info.Mode().Perm()
		}
		next := fmt.Sprintf("%s.%d.new", n.Path, os.Getpid()) // path.new may be a file of the user's
		if err := writeNew(next, n.Text, perm); err != nil {
			return err
		}
		staged = append(staged, next)
	}
	var back []func() error
	for i, n := range all {
		undo, err := undoing(n.Path)
		if err == nil {
			err = os.Rename(staged[i], n.Path)
		}
		if err != nil {
			for _, undo := range back {
				err = errors.Join(err, undo())
			}
			return err
		}
		back = append(back, undo)
	}
	for _, n := range all {
		if err := SyncDir(filepath.Dir(n.Path)); err != nil {
			return err
		}
	}
	return nil
}

// mostKept is how much of an old file is kept to put it back, in bytes: more than any file of
// ours has.
const mostKept = 16 << 20

// undoing returns what puts back the file that is there now.
func undoing(path string) (func() error, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return os.Remove(path) }, nil
	}
	if err != nil {
		return nil, err
	}
	old, err := Read(path, Want{Most: mostKept, NoLink: true})
	if err != nil {
		return nil, err
	}
	return func() error { return Replace(path, old, info.Mode().Perm()) }, nil
}

// writeNew writes a file that must not exist yet; on an error there is none.
func writeNew(path string, text []byte, perm fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}
