package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"alias-defender/aliasdefender/files"
)

// Key is the secret that both hosts of a channel know. It never prints itself.
type Key [32]byte

// maxKeyFile is more than a key and any comment need.
const maxKeyFile = 4096 // bytes

// NewKey makes a key that nobody else has.
func NewKey() (k Key) {
	rand.Read(k[:]) // never fails, crypto/rand says
	return k
}

// File returns the key in the form of a key file: a comment, and a line of base64.
func (k Key) File() []byte {
	return fmt.Appendf(nil, "# Alias Defender: a key of the peer channel. The same file, mode 0600, on both hosts.\n%s\n",
		base64.StdEncoding.EncodeToString(k[:]))
}

// Format keeps the key out of logs, whatever the verb.
func (k Key) Format(s fmt.State, _ rune) { io.WriteString(s, "(a key)") }

// ParseKey reads a key file: one line of base64 (RFC 4648, section 4), blank lines, and
// lines that begin with #. The problem is empty if the text is a key.
func ParseKey(text []byte) (k Key, problem string) {
	found, problem := onlyLine(text, "key")
	if problem != "" {
		return Key{}, problem
	}
	// The line is a secret, or meant as one: no message shows it.
	bytes, err := base64.StdEncoding.DecodeString(found)
	switch {
	case err != nil:
		return Key{}, "has no key in base64"
	case len(bytes) != len(k):
		return Key{}, fmt.Sprintf("has a key of %d bytes, but needs %d", len(bytes), len(k))
	case Key(bytes) == Key{}:
		return Key{}, "has a key of zeros, which anybody can guess"
	}
	return Key(bytes), ""
}

// onlyLine is the one line of a file with a secret, besides blank lines and lines that
// begin with #. what is its noun.
func onlyLine(text []byte, what string) (found, problem string) {
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\xef\xbb\xbf")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if found != "" {
			return "", fmt.Sprintf("has more than one line besides comments; each %s needs its own file", what)
		}
		found = line
	}
	if found == "" {
		return "", fmt.Sprintf("has no %s in it", what)
	}
	return found, ""
}

// LoadWithKeys is Load for a daemon that talks to partners and runs programs. It also
// reads the key files and the token, and looks at the programs of hooks, checks and
// recoveries and at the certificates of checks. It lists their mistakes with the others,
// each under its line in the settings.
func LoadWithKeys(aliasesPath, settingsPath string, settingsRequired bool) (*Config, error) {
	t, f := loadBoth(aliasesPath, settingsPath, settingsRequired)
	if !f.keyFiles.bad {
		for _, path := range f.Peer.KeyFiles {
			k, problem := readKey(path)
			if problem != "" {
				f.mistake(f.keyFiles.line, f.keyFiles.field, showPath(path)+" "+problem)
			}
			f.Peer.Keys = append(f.Peer.Keys, k)
		}
	}
	f.readToken()
	f.checkPrograms()
	f.lookAtChecks()
	return join(t, f)
}

// showPath shows the whole path: the user makes a command of it.
func showPath(path string) string {
	if plain := show(path); strings.HasPrefix(plain, `"`) {
		return strconv.Quote(path)
	}
	return path
}

// readKey reads one key file. If it is not good, it says what to do.
func readKey(path string) (Key, string) {
	shown := showPath(path)
	anew := fmt.Sprintf("move it away, make a new one with 'aliasdefender GenKey %s', and copy that to the partner", shown)
	text, err := files.Read(path, files.Want{Most: maxKeyFile, Private: true})
	strange := (*files.Error)(nil)
	switch {
	case errors.As(err, &strange):
		return Key{}, strangeSecret(strange, shown, "the key", anew)
	case errors.Is(err, fs.ErrNotExist):
		return Key{}, fmt.Sprintf("does not exist; make it with 'aliasdefender GenKey %s' and copy it to the partner, or copy the partner's", shown)
	case errors.Is(err, fs.ErrPermission):
		return Key{}, "may not be read: permission denied; " + toRead(os.Geteuid(), path)
	case err != nil:
		return Key{}, "cannot be opened: " + cause(err)
	}
	k, problem := ParseKey(text)
	if problem != "" {
		return Key{}, problem + "; " + anew
	}
	return k, ""
}

// strangeSecret says what to do about the file of a secret that is not as it should be;
// shown is its path, what is in it, anew how to get another.
func strangeSecret(e *files.Error, shown, what, anew string) string {
	switch {
	case e.Mode.IsDir():
		return "is a directory; name the file in it"
	case e.Problem == files.Shared:
		return fmt.Sprintf("has mode %04o, but only its owner may read it: 'chmod 600 %s' or, if others have seen %s, %s", e.Mode.Perm(), shown, what, anew)
	case e.Problem == files.Foreign:
		return fmt.Sprintf("belongs to user %d, who can read and change it, but must belong to root or to the user that runs this: 'chown root %s' or, if that user must not know %s, %s", e.Owner, shown, what, anew)
	case e.Problem == files.TooLarge:
		return fmt.Sprintf("is larger than %d bytes; is it the right file?", maxKeyFile)
	}
	return "is not a regular file; " + anew
}

// LookAtKey says why a file cannot be the key of the channel; empty if it can.
func LookAtKey(path string) string {
	_, problem := readKey(path)
	return problem
}
