package config

import (
	"fmt"
	"strings"
	"unicode"
)

// maxGroup is the longest name of a group that Linux takes, groupadd(8).
const maxGroup = 32

// ReadersSuffix is appended to the control socket's path to make that of the readers'
// socket.
const ReadersSuffix = ".read"

// readers reads the name or the number of a group. Only this host can tell whether there
// is such a group: Check and the Monitor ask it.
func readers(v value) (Readers, Mistakes) {
	s, mistakes := text(v, "monitoring")
	switch {
	case mistakes != nil || s == "":
		return Readers{}, mistakes
	case len(s) > maxGroup || strings.ContainsFunc(s, func(r rune) bool { return r == ':' || r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return Readers{}, wrong(v, "%s is not the name of a group; write one of /etc/group, such as \"monitoring\", or \"\"", show(s))
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
