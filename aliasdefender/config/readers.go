package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxGroup is the longest name of a group that Linux takes, groupadd(8).
const maxGroup = 32

// maxGroupID is the largest number of a group that chown(1) takes on every system: the
// largest number that has a sign.
const maxGroupID = 1<<31 - 1

// ReadersSuffix is appended to the control socket's path to make the path of the readers'
// socket.
const ReadersSuffix = ".read"

// readers reads the name or the number of a group; a number needs no quotes. Whether
// there is such a group only this host tells: Check and the Monitor ask it.
func readers(v value) (Readers, Mistakes) {
	if v.kind == unstable.Integer {
		n, mistakes := whole(0, maxGroupID)(v)
		if mistakes != nil {
			return Readers{}, mistakes
		}
		return Readers{Group: strconv.Itoa(n), Line: v.line}, nil
	}
	s, mistakes := text(v, "monitoring")
	switch {
	case mistakes != nil || s == "":
		return Readers{}, mistakes
	case len(s) > maxGroup || strings.ContainsFunc(s, func(r rune) bool { return r == ':' || r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return Readers{}, wrong(v, "%s is not the name of a group; write one of /etc/group, such as \"monitoring\", or its number, or \"\"", show(s))
	}
	if strings.Trim(s, "0123456789") == "" {
		if n, err := strconv.ParseUint(s, 10, 64); err != nil || n > maxGroupID {
			return Readers{}, wrong(v, "%s is out of range: from 0 to %d", show(s), maxGroupID)
		}
	}
	return Readers{Group: s, Line: v.line}, nil
}

// finishReaders refuses a socket path that makes the path of the readers' socket too
// long.
func (f *SettingsFile) finishReaders() {
	if r := f.Readers; r.Group != "" && len(f.Socket)+len(ReadersSuffix) > MaxSocket {
		f.mistake(r.Line, "control.readers", fmt.Sprintf("the readers' socket has the path of control.socket and %q, and that has more than %d bytes: write a shorter control.socket", ReadersSuffix, MaxSocket))
	}
}
