package store

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"alias-defender/aliasdefender/files"
)

// HostIDName is the name of the file in the state directory that has the host's
// number.
const HostIDName = "host-id"

// ID is the number of a host: random, and the same for as long as its state
// directory is there, whatever becomes of its name, addresses and NICs.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// hostIDHead explains the file to its reader.
const hostIDHead = `# The number by which the partner's daemon knows this host, whichever of its
# addresses it is heard from. It was made up by the program when it first started
# here. Two hosts must not have the same: on a copy of this machine remove the
# file, and restart the Monitor; it makes another.
`

// maxHostID bounds what is read: a number and its explanation are far shorter.
const maxHostID = 4096 // bytes

// HostID returns the number of this host, out of its file in the state
// directory dir. Where there is no file yet it makes up a number and the file,
// with the directory where that is missing.
//
// An error says what is wrong with the file or the disk, and what to do. There
// is a number all the same, made up for this run: the next run will have another.
// HostID waits for the disk.
func HostID(dir string) (ID, error) {
	name := filepath.Join(dir, HostIDName)
	id, err := readHostID(name)
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return newID(), thisRunOnly(err)
		}
		return id, nil
	}
	id = newID()
	there, err := writeHostID(dir, name, id)
	if there {
		// Another process was faster: its number counts.
		if id, err = readHostID(name); err != nil {
			id = newID()
		}
	}
	return id, thisRunOnly(err)
}

// ThisRun makes up a number for a host whose own cannot be read.
func ThisRun() ID { return newID() }

func newID() (id ID) {
	rand.Read(id[:]) // never fails, crypto/rand says
	return id
}

// thisRunOnly says what an error means for the number.
func thisRunOnly(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; until then this host has a new number at each start", err)
}

// readHostID reads the file. Its error is fs.ErrNotExist where there is none.
func readHostID(name string) (ID, error) {
	text, err := files.Read(name, files.Want{Most: maxHostID})
	strange := (*files.Error)(nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ID{}, err
	case errors.As(err, &strange) && strange.Problem != files.TooLarge:
		return ID{}, fmt.Errorf("%s: is not a file of ours; move it away", name)
	case errors.As(err, &strange): // nor is it a number
	case err != nil:
		return ID{}, fmt.Errorf("cannot read the host's number: %w; mend it, or set another [state] dir", err)
	}
	id, ok := parseHostID(text)
	if !ok {
		return ID{}, fmt.Errorf("%s: must have one line of 32 hexadecimal digits, not all of them 0; remove the file, and the next start makes a new number", name)
	}
	return id, nil
}

// parseHostID finds the one line that is neither empty nor a comment.
func parseHostID(text []byte) (id ID, ok bool) {
	for line := range bytes.Lines(text) {
		line, _, _ = bytes.Cut(line, []byte("#"))
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if ok || len(line) != hex.EncodedLen(len(id)) {
			return ID{}, false
		}
		if _, err := hex.Decode(id[:], line); err != nil || id == (ID{}) {
			return ID{}, false
		}
		ok = true
	}
	return id, ok
}

// writeHostID makes the file, whole and on the disk, or none. One that is there
// already stays.
func writeHostID(dir, name string, id ID) (there bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot keep the host's number: %w; mend it, or set another [state] dir", err)
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	f, err := os.CreateTemp(dir, HostIDName+".new")
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(hostIDHead + id.String() + "\n")
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return false, err
	}
	// Two processes may get here at once: a link, unlike a renaming, replaces
	// nothing.
	if err := os.Link(f.Name(), name); errors.Is(err, fs.ErrExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	return false, files.SyncDir(dir) // the new name too has to be on the disk
}
