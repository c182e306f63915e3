package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"alias-defender/aliasdefender/files"
)

// MaxFile is far more than any file of ours has, in bytes: 10,000 aliases need less. A
// larger file is some other file.
const MaxFile = 1 << 20

// maxLine is the same for a line.
const maxLine = 4096 // bytes

// Load reads both files, joins them and checks them against each other. The settings may
// be missing only if settingsRequired is false: everything in them has a default. The
// error is of type Mistakes and has the mistakes of both files at once; the Config is
// then nil.
func Load(aliasesPath, settingsPath string, settingsRequired bool) (*Config, error) {
	return join(loadBoth(aliasesPath, settingsPath, settingsRequired))
}

func loadBoth(aliasesPath, settingsPath string, settingsRequired bool) (table, *SettingsFile) {
	t := readTable(readFile(aliasesPath,
		"create it, with a row for each alias: "+fieldNames))
	if needsUnits {
		t.checkUnits()
	}
	if !knowsIPv6 {
		t.checkFamilies()
	}

	in := input{file: settingsPath}
	if settingsRequired || exists(settingsPath) {
		in = readFile(settingsPath, "every setting has a default, so an empty file will do")
	}
	return t, readSettings(in)
}

// exists is false only if the system says that there is no such file. Any other obstacle
// is reported when the file is read.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// input is the text of one file. It has no text if it has mistakes.
type input struct {
	file     string
	text     []byte
	mistakes Mistakes
}

// lines splits the text at line ends of either kind, and drops those.
func (in input) lines() []string {
	lines := strings.Split(string(in.text), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return lines
}

// readFile reads a file; ifMissing says what to do if there is none.
func readFile(path, ifMissing string) input {
	f, err := files.Open(path, os.O_RDONLY, 0, files.Want{})
	if err != nil {
		return unopened(path, ifMissing, err)
	}
	defer f.Close() // nothing was written, so its error means nothing
	return read(f, path)
}

// unopened says why a file could not be opened and what to do.
func unopened(path, ifMissing string, err error) input {
	strange := (*files.Error)(nil)
	switch {
	case errors.As(err, &strange) && strange.Mode.IsDir():
		return refused(path, 0, "cannot be read: is a directory")
	case errors.As(err, &strange):
		return refused(path, 0, "is no regular file; move it away, or name another")
	case errors.Is(err, fs.ErrNotExist):
		return refused(path, 0, "does not exist; "+ifMissing)
	case errors.Is(err, fs.ErrPermission):
		return refused(path, 0, "permission denied; "+toRead(os.Geteuid(), path))
	default:
		return refused(path, 0, "cannot be opened: "+cause(err))
	}
}

// toRead is what to do if a user may not read a file. Root may not if a unit has taken
// that power away: then "run as root" would be wrong advice.
func toRead(uid int, path string) string {
	if uid == 0 {
		return fmt.Sprintf("it is another user's, and this process is root without CAP_DAC_OVERRIDE, as systemd starts it: 'chown root %s', and chmod the directories above it so that root may pass", showPath(path))
	}
	return "run as root, or as a user that may read it"
}

// read takes in a file and refuses whatever is not a text of sane size, so that the
// parsers need not think of that.
func read(r io.Reader, file string) input {
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	switch {
	case err != nil:
		return refused(file, 0, "cannot be read: "+cause(err))
	case len(text) > MaxFile:
		return refused(file, 0, fmt.Sprintf("is larger than %d bytes; is it the right file?", MaxFile))
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return refused(file, 1, "is UTF-16; save it as UTF-8 or plain ASCII")
	}
	in := input{file: file, text: bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))}
	for i, line := range in.lines() {
		if strings.ContainsRune(line, 0) {
			return refused(file, i+1, "has a NUL byte; is it the right file?")
		}
		if len(line) > maxLine {
			return refused(file, i+1, fmt.Sprintf("has %d bytes, more than %d; is it the right file?", len(line), maxLine))
		}
	}
	return in
}

func refused(file string, line int, text string) input {
	return input{file: file, mistakes: Mistakes{{File: file, Line: line, Text: text}}}
}

// cause is the system's error without the path, which the mistake already has.
func cause(err error) string {
	if p := new(fs.PathError); errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
