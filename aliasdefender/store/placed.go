package store

import (
	"fmt"
	"net/netip"
	"strings"
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
	var marks []Mark
	err := readOfBoot(dir, PlacedName, placedLine, boot, func(line string) error {
		addr, nic, _ := strings.Cut(line, " ")
		prefix, err := netip.ParsePrefix(addr)
		if err != nil || nic == "" {
			return fmt.Errorf("%.60q is no address with its NIC", line)
		}
		marks = append(marks, Mark{prefix, nic})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return marks, nil
}

// WritePlaced makes the file say just this of that boot. When it returns nil the disk has
// it. It waits for the disk.
func WritePlaced(dir, boot string, marks []Mark) error {
	lines := make([]string, len(marks))
	for i, m := range marks {
		lines[i] = fmt.Sprintf("%s %s", m.Prefix, m.NIC)
	}
	return writeOfBoot(dir, PlacedName, placedHead, boot, lines)
}
