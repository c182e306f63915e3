package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"

	"alias-defender/aliasdefender/files"
)

// PlacedName is the name of the file in the state directory that lists what Monitors
// have put on this host, where the kernel keeps no mark of theirs on an address.
const PlacedName = "placed"

// placedLine is the first line of the file; the checksum is in the last.
const placedLine = "# Alias Defender: placed aliases, with a checksum"

const placedHead = placedLine + `
# What a Monitor has put on this host since it booted, one address and its NIC a line:
# this kernel (Linux before 5.18) keeps no mark on an address. Written by the program.
# Without the file such an alias is not known to be a Monitor's.
`

// bootWord begins the line that says which boot of the host the file is about.
const bootWord = "boot "

// maxPlaced bounds what is read.
const maxPlaced = 1 << 20 // bytes

// Mark is one alias that a Monitor has put on this host.
type Mark struct {
	Prefix netip.Prefix // host bits included, without a zone
	NIC    string
}

// ReadPlaced returns what Monitors have put on this host since that boot, out of the file
// in the state directory dir. A file that is not there, or is about another boot, has
// nothing. Nor has one that cannot be read or is damaged; the error says why. It waits
// for the disk.
func ReadPlaced(dir, boot string) ([]Mark, error) {
	name := filepath.Join(dir, PlacedName)
	text, err := files.Read(name, files.Want{Most: maxPlaced})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, files.Explain(err, setting)
	case !bytes.HasPrefix(text, []byte(placedLine+"\n")) || !sumFits(placedLine, text):
		return nil, fmt.Errorf("%s: does not fit its checksum", name)
	}
	var marks []Mark
	same := false
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if bytes.HasPrefix(line, []byte("#")) {
			continue
		}
		if of, ok := bytes.CutPrefix(line, []byte(bootWord)); ok {
			same = string(of) == boot
			continue
		}
		addr, nic, _ := bytes.Cut(line, []byte(" "))
		prefix, err := netip.ParsePrefix(string(addr))
		if err != nil || len(nic) == 0 {
			return nil, fmt.Errorf("%s: %.60q is no address with its NIC", name, line)
		}
		marks = append(marks, Mark{prefix, string(nic)})
	}
	if !same {
		return nil, nil
	}
	return marks, nil
}

// WritePlaced makes the file say just this of that boot. When it returns nil the disk has
// it. It waits for the disk.
func WritePlaced(dir, boot string, marks []Mark) error {
	text := fmt.Appendf([]byte(placedHead), "%s%s\n", bootWord, boot)
	for _, m := range marks {
		text = fmt.Appendf(text, "%s %s\n", m.Prefix, m.NIC)
	}
	err := files.MakeDir(dir)
	if err == nil {
		err = files.Replace(filepath.Join(dir, PlacedName), summed(text), 0o644)
	}
	return files.Explain(err, setting)
}
