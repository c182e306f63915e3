package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"alias-defender/aliasdefender/files"
)

// Some files of the state directory have lines between a first one, which says what they
// are, and a last one with a checksum. Most of them are about one boot of the host, and one
// line names it.

// bootWord begins the line that says which boot of the host the file is about.
const bootWord = "boot "

// maxOfBoot bounds what is read.
const maxOfBoot = 1 << 20 // bytes

// readOfBoot passes on the lines of a file that begins with the line head. One that is not
// there has none, and neither has one that is about another boot than that; "" is for a file
// that is about no boot. parse is given each line, and says what is wrong with it.
func readOfBoot(dir, name, head, boot string, parse func(line string) error) error {
	path := filepath.Join(dir, name)
	text, err := files.Read(path, files.Want{Most: maxOfBoot})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return files.Explain(err, setting)
	case !bytes.HasPrefix(text, []byte(head+"\n")) || !sumFits(head, text):
		return fmt.Errorf("%s: does not fit its checksum", path)
	}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if bytes.HasPrefix(line, []byte("#")) {
			continue
		}
		if of, ok := bytes.CutPrefix(line, []byte(bootWord)); ok {
			if string(of) != boot {
				return nil
			}
			continue
		}
		if err := parse(string(line)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// writeOfBoot makes a file say just these lines, of that boot; "": of none. Its head begins with the
// line that readOfBoot wants, and may have comments after it. When it returns nil the disk
// has it.
func writeOfBoot(dir, name, head, boot string, lines []string) error {
	text := []byte(head)
	if boot != "" {
		text = fmt.Appendf(text, "%s%s\n", bootWord, boot)
	}
	for _, line := range lines {
		text = append(append(text, line...), '\n')
	}
	err := files.MakeDir(dir)
	if err == nil {
		err = files.Replace(filepath.Join(dir, name), summed(text), 0o644)
	}
	return files.Explain(err, setting)
}
