package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openFile opens the file that is written to, or makes it.
func openFile(path string) (file, error) {
	return openRegular(path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
}

// openRegular opens a regular file and nothing else: a FIFO would hold us for ever,
// and behind a symbolic link may be a file of somebody else.
func openRegular(path string, flags int) (*os.File, error) {
	foreign := fmt.Errorf("%s: is no regular file; move it away", path)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, foreign
	}
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() { // it came between the two
		f.Close()
		return nil, errors.Join(foreign, err)
	}
	return f, nil
}

// makeDir makes the state directory where it is missing.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	syncDir(filepath.Dir(dir))
	return nil
}

// syncDir puts the names in a directory on disk. Not every file system can, and
// what it is for is one file's name after a crash of the host: no error is worth
// more.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}

// shift moves each file one number up to make room for a new one. A gap, which a
// crash within an earlier shift has left, is filled: nothing is lost to it.
func (l *Log) shift() error {
	free := 1
	for free < logOld {
		if _, err := os.Lstat(l.path(free)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		free++
	}
	for n := free; n > 0; n-- {
		if err := os.Rename(l.path(n-1), l.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	syncDir(l.dir)
	return nil
}

// trim removes the oldest files as long as all together, with the newest one full,
// are larger than the log may be: its size may have been larger.
func (l *Log) trim() {
	total := l.segment()
	if info, err := os.Lstat(l.path(0)); err == nil {
		total = max(total, info.Size())
	}
	for n := 1; n <= logOld; n++ {
		info, err := os.Lstat(l.path(n))
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if total += info.Size(); total > l.size {
			_ = os.Remove(l.path(n)) // tried again with the next rotation
		}
	}
}

// explain turns an error into "path: what; what to do".
func explain(err error) error {
	p := (*fs.PathError)(nil)
	link := (*os.LinkError)(nil)
	switch {
	case errors.As(err, &p):
	case errors.As(err, &link):
		p = &fs.PathError{Path: link.New, Err: link.Err}
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
	case errors.Is(p.Err, syscall.EISDIR), errors.Is(p.Err, syscall.ELOOP), errors.Is(p.Err, fs.ErrExist):
		todo = "move it away"
	}
	return fmt.Errorf("%s: %w; %s", p.Path, p.Err, todo)
}
