package store

import (
	"fmt"
	"net/netip"
)

// ToldName is the name of the file in the state directory that lists the aliases whose
// take hook has run since the host booted, and which have not been released since.
const ToldName = "told"

const toldLine = "# Alias Defender: aliases whose take hook has run, with a checksum"

const toldHead = toldLine + `
# One address a line, since this boot: a Monitor that adopts such an alias does not run the
# hook again. Written by the program. Without the file the hook runs once more.
`

// ReadTold returns the aliases of the file in the state directory dir that are listed for
// that boot. A file that cannot be read or is damaged has none; the error says why. It
// waits for the disk.
func ReadTold(dir, boot string) ([]netip.Addr, error) {
	var all []netip.Addr
	err := readOfBoot(dir, ToldName, toldLine, boot, func(line string) error {
		addr, err := netip.ParseAddr(line)
		if err != nil {
			return fmt.Errorf("%.60q is no address", line)
		}
		all = append(all, addr)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// WriteTold makes the file say just this of that boot. When it returns nil the disk has
// it. It waits for the disk.
func WriteTold(dir, boot string, aliases []netip.Addr) error {
	lines := make([]string, len(aliases))
	for i, a := range aliases {
		lines[i] = a.String()
	}
	return writeOfBoot(dir, ToldName, toldHead, boot, lines)
}
