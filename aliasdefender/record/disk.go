package record

import (
	"errors"
	"io/fs"
	"os"

	"alias-defender/aliasdefender/files"
)

// openFile opens the file that is written to, or makes it.
func openFile(path string) (file, error) {
	return openRegular(path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
}

// openRegular opens a regular file and nothing else, and follows no symbolic link.
func openRegular(path string, flags int) (*os.File, error) {
	return files.Open(path, flags, 0o640, files.Want{NoLink: true})
}

// shift moves each file one number up to make room for a new one. It fills a gap, which a
// crash in an earlier shift may have left: no file is lost by it.
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
	// This only protects one file's name from a crash of the host: an error is not worth
	// reporting.
	_ = files.SyncDir(l.dir)
	return nil
}

// trim removes the oldest files while all together, with a full newest one, are larger
// than the log may be: its size may have been larger before.
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
			_ = os.Remove(l.path(n)) // the next rotation tries again
		}
	}
}

// explain turns an error into "path: what; what to do".
func explain(err error) error { return files.Explain(err, "[state] dir") }
