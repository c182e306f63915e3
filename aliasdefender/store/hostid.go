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

// HostIDName is the name of the file with the host's number, in the state directory.
const HostIDName = "host-id"

// ID is the number of a host. It is random, and stays the same as long as the state
// directory is there, even if the host's name, addresses and NICs change.
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

// HostID reads this host's number from its file in the state directory dir. If there
// is no file yet it makes up a number and writes the file, and makes the directory if
// that is missing.
//
// An error says what is wrong with the file or the disk, and what to do. Even then
// HostID returns a number, made up for this run; the next run will have another one.
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
		// another process was faster: its number counts
		if id, err = readHostID(name); err != nil {
			id = newID()
		}
	}
	return id, thisRunOnly(err)
}

// ThisRun makes up a number for a host whose own number cannot be read.
func ThisRun() ID { return newID() }

func newID() (id ID) {
	rand.Read(id[:]) // crypto/rand says that it never fails
	return id
}

// thisRunOnly says what an error means for the host's number.
func thisRunOnly(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; until then this host has a new number at each start", err)
}

// readHostID reads the file. Its error is fs.ErrNotExist if there is none.
func readHostID(name string) (ID, error) {
	text, err := files.Read(name, files.Want{Most: maxHostID})
	strange := (*files.Error)(nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ID{}, err
	case errors.As(err, &strange) && strange.Problem != files.TooLarge:
		return ID{}, fmt.Errorf("%s: is not a file of ours; move it away", name)
	case errors.As(err, &strange): // so it is no number either
	case err != nil:
		return ID{}, fmt.Errorf("cannot read the host's number: %w; mend it, or set another [state] dir", err)
	}
	id, ok := parseHostID(text)
	if !ok {
		return ID{}, fmt.Errorf("%s: must have one line of 32 hexadecimal digits, not all of them 0; remove the file, and the next start makes a new number", name)
	}
	return id, nil
}

// parseHostID finds the only line that is neither empty nor a comment.
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

// writeHostID writes the whole file to the disk, or nothing. It does not replace an
// existing file.
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
	// Two processes may get here at once. A link, unlike a rename, replaces nothing.
	if err := os.Link(f.Name(), name); errors.Is(err, fs.ErrExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	return false, files.SyncDir(dir) // the new name has to be on the disk too
}
