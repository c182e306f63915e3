// Package store keeps on disk what has to outlive a restart or a reboot: what an
// operator has parked, whether the host is in maintenance, the host's number, and what
// Monitors have put on it.
//
// Each has a small text file of its own; of the first and the last a reader finds the
// old version or the new one, never half of one, and a checksum tells what a disk or
// somebody's hand has made of it. File reads and writes it and waits for the disk; a
// Keeper writes a File for a daemon that must not wait. The package does not know what
// an alias is, or what becomes of one that is parked.
package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"alias-defender/aliasdefender/files"
)

// FileName is the name of the file in the state directory. A file that cannot be read
// is kept beside it, as DamagedName, when a new one is written.
const (
	FileName    = "parked"
	DamagedName = FileName + ".damaged"
)

// parkedHead explains the file to its reader. Its first line says that the last line
// is a checksum, so that a file that was cut short is not taken for one of a version
// that wrote no checksum.
const parkedHead = summedLine + `
# What an operator has taken off this host with "aliasdefender RemoveAlias":
# one address a line. It stays off until AddAlias. A line "maintenance" keeps all
# aliases off until "aliasdefender Maintenance off". Written by the program; a
# Monitor reads it when it starts. To change it use these verbs: the checksum in the
# last line must fit, and a file that was damaged is one that nobody can trust.
`

// summedLine tells of the checksum. Earlier versions read both lines as comments, and so
// find the parked aliases in the file. Files of earlier versions have neither line, and
// can be read all the same.
const summedLine = "# Alias Defender: parked aliases, with a checksum"

// maintenanceWord is the line that stands for Maintenance.
const maintenanceWord = "maintenance"

// maxParked bounds how much is read: a file of more than 10,000 addresses is not
// ours.
const maxParked = 1 << 20 // bytes

// mostNamed is how many unreadable lines an error names.
const mostNamed = 5

// Kept is what an operator's orders leave behind.
type Kept struct {
	Parked      []netip.Addr // each alias that stays off this host
	Maintenance bool         // all of them stay off
}

// File is the state file. It may be used from several goroutines.
type File struct {
	dir string

	file sync.Mutex // guards the file; held as long as a disk hangs

	mu     sync.Mutex
	broken error // why the file does not say what it should; nil if it does
}

// In returns the state file of a directory, which need not exist. It reads nothing.
func In(dir string) *File { return &File{dir: dir} }

// Path is where the file is.
func (s *File) Path() string { return s.path() }

func (s *File) path() string { return filepath.Join(s.dir, FileName) }

// Trouble is why a restart may not know what is parked; nil if it will.
func (s *File) Trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// found remembers the trouble, and returns it.
func (s *File) found(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
	return err
}

// Read returns what is parked. If there is no file, nothing is parked. An error means
// that it is not known what is parked: the file cannot be read, or is damaged. The
// good lines of a damaged file are returned all the same.
func (s *File) Read() (Kept, error) {
	s.file.Lock()
	defer s.file.Unlock()
	text, err := s.text()
	strange := (*files.Error)(nil)
	switch {
	case errors.As(err, &strange):
		return Kept{}, s.found(unknown(s.path(), "is not a file of ours"))
	case err != nil:
		return Kept{}, s.found(files.Explain(err, setting))
	}
	if text == nil {
		return Kept{}, s.found(nil)
	}
	kept, err := parseKept(s.path(), text)
	return kept, s.found(err)
}

// setting is the setting that names another state directory.
const setting = "[state] dir"

// text is the whole file; nil if there is none.
func (s *File) text() ([]byte, error) {
	text, err := files.Read(s.path(), files.Want{Most: maxParked})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// parseKept reads the state file's text. Its error names the first bad lines and
// counts the others, because a file of rubbish has very many.
func parseKept(name string, text []byte) (kept Kept, err error) {
	known := map[netip.Addr]bool{}
	var wrong []string
	n := 0
	for line := range bytes.Lines(text) {
		n++
		word, _, _ := bytes.Cut(line, []byte("#"))
		if word = bytes.TrimSpace(word); len(word) == 0 {
			continue
		}
		if string(word) == maintenanceWord {
			kept.Maintenance = true
			continue
		}
		addr, ok := parseAddr(word)
		switch {
		case !ok:
			if wrong = append(wrong, ""); len(wrong) <= mostNamed {
				wrong[len(wrong)-1] = fmt.Sprintf("line %d, %.60q", n, word)
			}
		case !known[addr]:
			known[addr] = true
			kept.Parked = append(kept.Parked, addr)
		}
	}
	problem := ""
	switch {
	case len(text) == 0:
		problem = "is empty"
	case len(wrong) > 0:
		problem = "has what is no address: " + strings.Join(wrong[:min(len(wrong), mostNamed)], "; ")
		if more := len(wrong) - mostNamed; more > 0 {
			problem += fmt.Sprintf("; and %d more lines", more)
		}
	case !sumFits(summedLine, text):
		problem = "does not fit its checksum"
	default:
		return kept, nil
	}
	return kept, unknown(name, problem)
}

// unknown is the error of a file that does not tell what is parked.
func unknown(name, problem string) error {
	return fmt.Errorf("%s: %s: what operators parked is not known; look at the file, then run RemoveAlias, AddAlias or Maintenance, which write it anew", name, problem)
}

// parseAddr reads an address of either family. A link-local address has its NIC as
// zone.
func parseAddr(word []byte) (netip.Addr, bool) {
	const longest = 64 // bytes of an address with its zone
	if len(word) > longest {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(string(word))
	return addr, err == nil
}

// Write makes the file say exactly this. When it returns nil the disk has it,
// whatever happens to the host next. If the old file cannot be read it is not lost:
// it stays beside the new one, as DamagedName, and anew is true.
func (s *File) Write(kept Kept) (anew bool, err error) {
	s.file.Lock()
	defer s.file.Unlock()
	text := []byte(parkedHead)
	if kept.Maintenance {
		text = append(text, maintenanceWord+"\n"...)
	}
	for _, addr := range kept.Parked {
		text = append(text, addr.String()+"\n"...)
	}
	text = summed(text)
	was, err := s.text()
	switch {
	case err != nil: // it is not a file of ours
		anew = true
	case was == nil && !kept.Maintenance && len(kept.Parked) == 0, bytes.Equal(was, text):
		return false, s.found(nil) // nothing to remember, so the disk need not be writable
	case was != nil:
		_, damage := parseKept(s.path(), was)
		anew = damage != nil
	}
	return anew, s.found(files.Explain(s.replace(text, anew), setting))
}

// replace puts a new file in the place of the old one. If the old one is damaged, it
// keeps that beside the new one. There is a file at every moment: a missing file
// would mean that nothing is parked.
func (s *File) replace(text []byte, damaged bool) error {
	if err := files.MakeDir(s.dir); err != nil {
		return err
	}
	if !damaged {
		return files.Replace(s.path(), text, 0o644)
	}
	beside := filepath.Join(s.dir, DamagedName)
	// An administrator has had the time to look at an older damaged file. A directory
	// there is removed too, because a file cannot take its name, but one with
	// something in it stays.
	_ = os.Remove(beside)
	if info, err := os.Lstat(s.path()); err == nil && info.IsDir() { // a directory cannot have a second name
		if err := os.Rename(s.path(), beside); err != nil {
			return err
		}
		err := files.Replace(s.path(), text, 0o644)
		if err != nil {
			err = errors.Join(err, os.Rename(beside, s.path()))
		}
		return err
	}
	_ = os.Link(s.path(), beside) // not keeping it is no reason not to write
	return files.Replace(s.path(), text, 0o644)
}

// Ready makes the directory and tests whether it can be written, so that an
// administrator learns of a problem before it matters.
func (s *File) Ready() error {
	if err := files.MakeDir(s.dir); err != nil {
		return files.Explain(err, setting)
	}
	f, err := os.CreateTemp(s.dir, FileName+".try")
	if err != nil {
		return files.Explain(err, setting)
	}
	return files.Explain(errors.Join(f.Close(), os.Remove(f.Name())), setting)
}
